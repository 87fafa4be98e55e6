"""Choose a layout by measurement: cut, codes, rotation, graph and plan, for the memory there is."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from mrl_adapters.evaluation.layout_bench import LayoutBench
from mrl_adapters.evaluation.layout_choice import prove
from mrl_adapters.evaluation.layout_sample import draw_sample
from mrl_adapters.evaluation.query_share import QueryShare, asking_again
from mrl_adapters.evaluation.recommendation import Recommendation
from mrl_adapters.evaluation.searcher import Searchable
from mrl_adapters.evaluation.word_tuning import JudgedQuestions
from mrl_adapters.progress import ProgressCallback
from mrl_adapters.qdrant import CollectionLayout, connect
from mrl_adapters.qdrant.layout import Distance

_SAMPLE = 20_000  # points that are built


def recommend(  # noqa: PLR0913 - what is known of the collection that is wanted, by keyword
    source: ArrayLike | Searchable,
    *,
    target_overlap: float = 0.99,
    memory_bytes: int | None = None,
    points: int | None = None,
    k: int = 10,
    confidence: float = 0.95,
    queries: ArrayLike | None = None,
    model: str | None = None,
    distance: Distance = "Cosine",
    judged: JudgedQuestions | None = None,
    layouts: Sequence[CollectionLayout] | None = None,
    every_graph: bool = False,
    sample: int = _SAMPLE,
    seed: int = 0,
    progress: ProgressCallback | None = None,
) -> Recommendation:
    """Measure which layout searches fastest in the memory that there is, and prove its plan.

    A sample of the vectors is built by the embedded engine in a temporary folder, once a layout: no
    cut and the cuts whose shortlists stay short, plain or rotated, each by codes of 8 to 1 bit; the
    best also with another graph. For each, plans are tried as ``tune`` tries them. Memory and disk
    are the sizes of the built files, scaled to ``points``; latency is measured, with as many more
    candidates as brute force in the sample and in a quarter of it says that the cut will need.
    What a sample cannot show is what a graph loses in a collection many times its size: run
    ``tune`` once it is built.

    The fastest option that fits is proved on queries that had no part in choosing it, by the bound
    of ``tune``. If its plans fail, or only a longer shortlist holds and others may be faster, the
    next one is: at most three are put to the proof, which share its error.

    Args:
        source: Full vectors, shape (n, d); or a store of either adapter or an OpenCollection,
            whoever made it: it is measured as it is, too.
        target_overlap: Mean overlap@k with the exact search to reach, below 1.
        memory_bytes: RAM that searches may take; None for any.
        points: Points that the collection will have; None takes those that ``source`` has.
        k: Results a query.
        confidence: Probability with which the chosen plan truly reaches the target.
        queries: Full query vectors, shape (m, d), best real ones; None holds some vectors back.
        model: Name of the embedding model: its recipe for short vectors is used.
        distance: How vectors are compared, where ``source`` is an array.
        judged: Questions whose answers are known, documents by the ids that they were added under,
            those of an array by their row: each option then has its nDCG@k and recall@k, too. They
            choose nothing. In a sample fewer documents compete than in all, so that both are
            higher; the exact search's stand beside.
        layouts: The layouts to try; None chooses.
        every_graph: Try each of them with another graph, too, not the best alone: it takes twice
            as long.
        sample: Most points that are built.
        seed: Draws the sample and halves the queries.
        progress: Called with a Progress after each step.

    Returns:
        Every option that reaches the target, with the chosen one.

    Raises:
        ConfigurationError: There are too few vectors to prove the target with, or fewer than 20
            judged questions with a relevant document among them.
    """
    rng = np.random.default_rng(seed)
    least = QueryShare.least(target_overlap, confidence)
    drawn = draw_sample(source, queries, least, sample, model, distance, rng, judged)
    asked = len(drawn.queries.vectors)
    again = None
    if drawn.store is not None:
        given = {"--memory": memory_bytes, "--points": points, "-k": k, "--confidence": confidence}
        again = asking_again("recommend", drawn.store, given)
    share = QueryShare.of_layouts(asked, target_overlap, confidence, again)
    points = points or drawn.points
    bench = LayoutBench(drawn, share, target_overlap, k, points, progress)
    with (
        tempfile.TemporaryDirectory(prefix="mrl-adapters-") as folder,
        connect(path=folder) as client,
    ):
        present = [] if drawn.store is None else bench.present(drawn.store)
        tried = bench.measure(client, Path(folder), layouts, every_graph=every_graph)
        options, chosen = prove(bench, [*present, *tried], memory_bytes, confidence)
    return Recommendation(
        points=points,
        sample=len(drawn.documents),
        dimensions=drawn.base.dimensions,
        k=k,
        target_overlap=target_overlap,
        confidence=confidence,
        memory_limit_bytes=memory_bytes,
        queries_from="given" if queries is not None else "held-out vectors",
        options=tuple(options),
        chosen=chosen,
    )
