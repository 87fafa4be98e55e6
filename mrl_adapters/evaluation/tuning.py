"""Find the fastest plan that provably finds what the exact search finds."""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike
from qdrant_client import models

from mrl_adapters.errors import ConfigurationError
from mrl_adapters.evaluation.bound import lower_bound, queries_needed
from mrl_adapters.evaluation.metrics import PerQuery
from mrl_adapters.evaluation.plan_grid import Chain, plan_chains
from mrl_adapters.evaluation.probe import Probe, Queries, Searchable, Truth, draw
from mrl_adapters.evaluation.report import Trial, TuningResult
from mrl_adapters.evaluation.unbuilt import estimate_stages
from mrl_adapters.qdrant import SearchPlan
from mrl_adapters.qdrant.flow import ask
from mrl_adapters.qdrant.layout import METADATA_KEY
from mrl_adapters.qdrant.points import checked_vectors

Progress: TypeAlias = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""

_SAMPLE = 2000  # stored points that serve as queries
_PILOT = 150  # queries on which every plan is tried
_PILOT_SHARE = 8  # of few queries, one in so many
_FINALISTS = 3  # chains that are tested
_TRIED_AHEAD = 3  # steps of a chain beyond the pilot's answer that are tried
_TESTED_AHEAD = (6, 4, 3, 2, 1, 0)  # and those that are tested, after the longest shortlist
_PILOT_ROUNDS = 30  # timed searches of every plan
_FINAL_ROUNDS = 200  # timed searches of each proved plan
_FASTER_BY_FAR = 1.5
_AS_FAST = 1.1  # a clock cannot tell plans apart that are so near


def tune(
    store: Searchable,
    *,
    target_overlap: float = 0.99,
    k: int = 10,
    confidence: float = 0.95,
    queries: ArrayLike | None = None,
    query_filter: models.Filter | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> TuningResult:
    """Find the fastest plan whose mean overlap with the exact search reaches a target.

    The queries are shuffled and halved. On a few of the tuning half every plan is tried; the
    fastest promising ways to search are then tested on the rest of it, each from its longest
    shortlist downwards until the lower bound of its mean overlap misses the target. Tested in
    this order, and with the error shared among the ways, the plans are right together with the
    confidence asked for. Among them measured latency decides. The exact search is chosen only
    where nothing else was proved or where it is faster by half: it slows down as the collection
    grows.
    What is reported of the chosen plan comes from the other half, which had no part in all that.

    Args:
        store: A store of either adapter, or an ``OpenCollection``.
        target_overlap: Mean overlap@k to reach, below 1.
        k: Results a query.
        confidence: Probability with which the chosen plan truly reaches the target.
        queries: Full query vectors, shape (n, d), like those that users will ask: best real
            ones. None draws 2,000 stored points, which then do not find themselves.
        query_filter: Filter that every search carries.
        seed: Draws and halves the queries.
        progress: Called with what is done, how much, and of how much.

    Returns:
        The chosen plan with what is known of it.

    Raises:
        ConfigurationError: There are too few queries to prove the target.
        CollectionMismatchError: The collection does not exist, or has no short vector.

    Source:
        Learn then Test, Angelopoulos et al. 2021, arXiv:2110.01052 (fixed-sequence testing).
    """
    rng = np.random.default_rng(seed)
    report = progress or (lambda *_: None)
    probe = Probe(store, k, query_filter)
    asked = _queries(probe, queries, rng)
    share = _Share.of(len(asked.vectors), target_overlap, confidence)
    truth = probe.truth(asked, lambda done: report("searching exactly", done, len(asked.vectors)))
    run = _Run(probe, asked, truth, share, report)
    chains = plan_chains(probe.layout, probe.base, k, probe.points)
    explored = run.explore(chains, target_overlap)
    proved = run.prove(chains, explored, target_overlap, confidence)
    plan = _fastest(proved).plan
    return TuningResult(
        collection=store.collection.name,
        points=probe.points,
        k=k,
        target_overlap=target_overlap,
        confidence=confidence,
        queries_from="stored points" if queries is None else "given",
        chosen=run.final(plan, confidence),
        proved=proved,
        explored=tuple(trial for chain in explored for trial in chain),
        estimates=estimate_stages(probe, asked, truth, target_overlap, rng),
    )


def save_plan(store: Searchable, plan: SearchPlan) -> None:
    """Store a plan in the collection's metadata.

    Args:
        store: A store of either adapter, or an ``OpenCollection``.
        plan: The plan that the collection is to be searched by from now on.
    """
    name = store.collection.name
    info = store.driver.run(ask(lambda c: c.get_collection(name)))
    metadata = dict((info.config.metadata or {}).get(METADATA_KEY) or {})
    metadata["plan"] = asdict(plan)
    store.driver.run(ask(lambda c: c.update_collection(name, metadata={METADATA_KEY: metadata})))


@dataclass(frozen=True)
class _Share:
    """Which queries serve which purpose: [0, pilot), [pilot, half), [half, total)."""

    pilot: int
    half: int
    total: int

    @classmethod
    def of(cls, total: int, target: float, confidence: float) -> "_Share":
        """Share the queries out; refuse a number that could prove nothing."""
        tested = queries_needed(target, _shared(confidence))
        share = cls._split(total)
        if share.half - share.pilot < tested:
            needed = total
            while (wider := cls._split(needed)).half - wider.pilot < tested:
                needed += 1
            msg = (
                f"Proving a mean overlap of {target:g} with {confidence:.0%} confidence takes at "
                f"least {needed:,} queries, found {total:,}. Pass more queries, or a lower "
                "target_overlap or confidence; for a small collection use exact=True."
            )
            raise ConfigurationError(msg)
        return share

    @classmethod
    def _split(cls, total: int) -> "_Share":
        return cls(min(_PILOT, total // _PILOT_SHARE), (total + 1) // 2, total)


class _Run:
    """One tuning's queries, their truth, and the measurements made with them."""

    def __init__(
        self, probe: Probe, queries: Queries, truth: Truth, share: _Share, report: Progress
    ) -> None:
        self._probe = probe
        self._queries = queries
        self._truth = truth
        self._share = share
        self._report = report

    def explore(self, chains: Sequence[Chain], target: float) -> list[list[Trial]]:
        """Try each chain's plans on the pilot queries, until some steps beyond the target."""
        total = sum(len(chain.plans) for chain in chains)
        done = 0
        tried: list[list[tuple[SearchPlan, PerQuery]]] = []
        for chain in chains:
            beyond = 0
            tried.append([])
            for step, plan in enumerate(chain.plans):
                self._report("trying plans", done + step, total)
                overlaps = self._overlaps(plan, 0, self._share.pilot)
                tried[-1].append((plan, overlaps))
                beyond += bool(beyond or overlaps.mean() >= target)
                if beyond > _TRIED_AHEAD:
                    break
            done += len(chain.plans)
        times = iter(self._times([plan for each in tried for plan, _ in each], _PILOT_ROUNDS))
        self._report("trying plans", total, total)
        return [[self._trial(*pair, None, next(times)) for pair in each] for each in tried]

    def prove(
        self,
        chains: Sequence[Chain],
        explored: Sequence[Sequence[Trial]],
        target: float,
        confidence: float,
    ) -> tuple[Trial, ...]:
        """Test the fastest promising chains; time what stands the test, and the exact search."""
        promising = []
        for chain, trials in zip(chains, explored, strict=True):
            first = next((i for i, trial in enumerate(trials) if trial.overlap >= target), None)
            if first is not None:
                promising.append((trials[first].p50_s, _downwards(chain, first)))
        finalists = sorted(promising, key=lambda each: each[0])[:_FINALISTS]
        held = []
        for done, (_, plans) in enumerate(finalists):
            self._report("proving plans", done, len(finalists))
            best = None
            for plan in plans:
                overlaps = self._overlaps(plan, self._share.pilot, self._share.half)
                bound = lower_bound(overlaps, _shared(confidence))
                if bound < target:
                    break
                best = (plan, overlaps, bound)
            if best is not None:
                held.append(best)
        self._report("proving plans", len(finalists), len(finalists))
        held.append((self._probe.exact, np.ones(self._share.half - self._share.pilot), 1.0))
        times = self._times([plan for plan, _, _ in held], _FINAL_ROUNDS)
        return tuple(
            self._trial(*parts, seconds) for parts, seconds in zip(held, times, strict=True)
        )

    def final(self, plan: SearchPlan, confidence: float) -> Trial:
        """Measure the chosen plan on the reporting half."""
        self._report("reporting", 0, 1)
        overlaps = self._overlaps(plan, self._share.half, self._share.total)
        part = self._queries.part(self._share.half, self._share.total)
        seconds = self._probe.latencies(part, [plan], _FINAL_ROUNDS)[0]
        self._report("reporting", 1, 1)
        return self._trial(plan, overlaps, lower_bound(overlaps, confidence), seconds)

    def _overlaps(self, plan: SearchPlan, start: int, stop: int) -> PerQuery:
        truth = Truth(self._truth.ids[start:stop], self._truth.scores[start:stop])
        return self._probe.overlaps(self._queries.part(start, stop), truth, plan)

    def _times(self, plans: Sequence[SearchPlan], rounds: int) -> list[PerQuery]:
        return self._probe.latencies(self._queries.part(0, self._share.half), plans, rounds)

    def _trial(
        self, plan: SearchPlan, overlaps: PerQuery, bound: float | None, seconds: PerQuery
    ) -> Trial:
        return Trial(
            plan=plan,
            candidates=None if plan.exact else plan.candidates(self._probe.k),
            overlap=float(overlaps.mean()),
            lower=bound,
            queries=len(overlaps),
            p50_s=float(np.quantile(seconds, 0.5)),
            p95_s=float(np.quantile(seconds, 0.95)),
        )


def _downwards(chain: Chain, first: int) -> list[SearchPlan]:
    """List the plans to test from the longest shortlist down, closely around the pilot's answer.

    The pilot's queries take no part in the test, so they may decide what is tested.
    """
    last = len(chain.plans) - 1
    steps = {min(first + ahead, last) for ahead in _TESTED_AHEAD} | {last, *range(first)}
    return [chain.plans[step] for step in sorted(steps, reverse=True)]


def _shared(confidence: float) -> float:
    """Share the error among the finalists, so that all of them are right together."""
    return 1 - (1 - confidence) / _FINALISTS


def _fastest(trials: Sequence[Trial]) -> Trial:
    """Choose the fastest; among those that a clock can hardly tell apart, the best.

    The exact search must be faster by far: it slows down as the collection grows.
    """
    exact = next(trial for trial in trials if trial.plan.exact)
    others = [trial for trial in trials if not trial.plan.exact]
    fastest = min((trial.p50_s for trial in others), default=math.inf)
    if exact.p50_s * _FASTER_BY_FAR < fastest:
        return exact
    limit = fastest * _AS_FAST
    return max((each for each in others if each.p50_s <= limit), key=lambda each: each.overlap)


def _queries(probe: Probe, given: ArrayLike | None, rng: np.random.Generator) -> Queries:
    """Take the given queries in random order, or a sample of the stored points."""
    if given is None:
        return draw(probe, _SAMPLE, rng)
    array = np.asarray(given, dtype=np.float32)
    names = [f"query {row}" for row in range(len(array))]
    vectors = checked_vectors(array, names, probe.layout.dimensions)
    return Queries(vectors[rng.permutation(len(vectors))], [None] * len(vectors))
