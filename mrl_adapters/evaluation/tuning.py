"""Find the fastest plan that provably finds what the exact search finds."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from qdrant_client import models

from mrl_adapters.evaluation.plan_grid import plan_chains
from mrl_adapters.evaluation.query_share import QueryShare, asking_again
from mrl_adapters.evaluation.results import Trial, TuningResult
from mrl_adapters.evaluation.searcher import Queries, Searchable, Searcher, draw
from mrl_adapters.evaluation.stage_estimates import estimate_stages
from mrl_adapters.evaluation.trials import AS_FAST, Trials
from mrl_adapters.evaluation.word_tuning import JudgedQuestions, check_words, tune_words
from mrl_adapters.progress import ProgressCallback
from mrl_adapters.qdrant import SearchPlan
from mrl_adapters.qdrant.points import checked_queries

_SAMPLED_QUERIES = 2000  # stored points that serve as queries
_AMPLE = 1.4  # times the least number: plans that miss a little can be proved too
_FASTER_BY_FAR = 1.5


def tune(  # noqa: PLR0913 - what is asked of the plan, by keyword
    store: Searchable,
    *,
    target_overlap: float = 0.99,
    k: int = 10,
    confidence: float = 0.95,
    queries: ArrayLike | None = None,
    query_filter: models.Filter | None = None,
    judged: JudgedQuestions | None = None,
    seed: int = 0,
    progress: ProgressCallback | None = None,
) -> TuningResult:
    """Find the fastest plan whose mean overlap with the exact search reaches a target.

    The queries are shuffled and halved. On a few of the tuning half every plan is tried; the
    fastest promising ways to search are then tested on the rest of it, each from its longest
    shortlist downwards until the lower bound of its mean overlap misses the target. Tested in
    this order, and with the error shared among the ways, the plans are right together with the
    confidence asked for. Among them measured latency decides. The exact search is chosen only
    where nothing else was proved or where it is faster by half: it slows down as the collection
    grows.
    Of quantized codes the shortlist is what oversampling is: the full vectors re-rank all of it.
    Ranking it by unquantized short vectors before (``rescore``) changes nothing that is found, and
    is left out.
    The overlap reported of the chosen plan comes from the other half, which had no part in proving
    it. All latencies are measured there in one session.

    Args:
        store: A store of either adapter, or an ``OpenCollection``.
        target_overlap: Mean overlap@k to reach, below 1.
        k: Results a query.
        confidence: Probability with which the chosen plan truly reaches the target.
        queries: Full query vectors, shape (n, d), like those that users will ask: best real
            ones. None draws stored points, 2,000 or more as the target asks, which then do not
            find themselves.
        query_filter: Filter that every search carries.
        judged: Questions whose answers are known: how much words count beside vectors is then
            chosen by nDCG@k, and words join only where they are proved to help.
        seed: Draws and halves the queries: the same seed, the same queries, overlaps and bounds.
            Latencies are measured anew each time, so that of plans equally fast another may win.
        progress: Called with a Progress after each step.

    Returns:
        The chosen plan with what is known of it.

    Raises:
        ConfigurationError: There are too few queries to prove the target.
        CollectionMismatchError: The collection does not exist.

    Source:
        Learn then Test, Angelopoulos et al. 2021, arXiv:2110.01052 (fixed-sequence testing).
    """
    rng = np.random.default_rng(seed)
    searcher = Searcher(store, k, query_filter)
    if judged is not None:
        check_words(store, judged, k=k, dimensions=searcher.layout.dimensions)
    asked = _queries(searcher, queries, QueryShare.least(target_overlap, confidence), rng)
    again = asking_again("tune", store, {"-k": k, "--confidence": confidence})
    share = QueryShare.of(len(asked.vectors), target_overlap, confidence, again)
    run = Trials(searcher, asked, share, progress)
    chains = plan_chains(searcher.layout, searcher.base, k, searcher.points)
    explored = run.explore(chains, target_overlap)
    proved = run.prove(chains, explored, target_overlap, confidence)
    shown = run.timed([*proved, *(trial for chain in explored for trial in chain)])
    proved, tried = shown[: len(proved)], shown[len(proved) :]
    chosen = run.final(_fastest(proved), confidence)
    return TuningResult(
        collection=store.collection.name,
        points=searcher.points,
        k=k,
        target_overlap=target_overlap,
        confidence=confidence,
        queries_from="stored points" if queries is None else "given",
        chosen=chosen,
        proved=proved,
        explored=tried,
        estimates=estimate_stages(searcher, asked, run.truth, target_overlap, rng),
        words=None
        if judged is None
        else tune_words(
            store,
            judged,
            chosen.plan,
            k=k,
            confidence=confidence,
            dimensions=searcher.layout.dimensions,
            rng=rng,
            progress=progress,
        ),
    )


def save_plan(store: Searchable, plan: SearchPlan) -> None:
    """Store a plan in the collection's metadata.

    The store and every store opened from now on, of either adapter, search by it unless they or
    a single call are given another plan. Stores that other processes have open learn of it when
    they are opened again.

    Args:
        store: A store of either adapter, or an ``OpenCollection``.
        plan: The plan that the collection is to be searched by.
    """
    store.driver.run(store.collection.save_plan(plan))


def _fastest(trials: Sequence[Trial]) -> Trial:
    """Choose the fastest; among those that a clock can hardly tell apart, the best.

    The exact search must be faster by far: it slows down as the collection grows.
    """
    exact = next(trial for trial in trials if trial.plan.exact)
    others = [trial for trial in trials if not trial.plan.exact]
    fastest = min((trial.p50_s for trial in others), default=math.inf)
    if exact.p50_s * _FASTER_BY_FAR < fastest:
        return exact
    limit = fastest * AS_FAST
    return max(
        (trial for trial in others if trial.p50_s <= limit), key=lambda contender: contender.overlap
    )


def _queries(
    searcher: Searcher, given: ArrayLike | None, least: int, rng: np.random.Generator
) -> Queries:
    """Take the given queries in random order, or a sample of the stored points."""
    if given is None:
        return draw(searcher, max(_SAMPLED_QUERIES, math.ceil(_AMPLE * least)), rng)
    array = np.asarray(given, dtype=np.float32)
    names = [f"query {row}" for row in range(len(array))]
    vectors = checked_queries(array, names, searcher.layout.dimensions)
    return Queries(vectors[rng.permutation(len(vectors))], [None] * len(vectors))
