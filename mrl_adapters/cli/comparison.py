"""What two stages bought: the same questions through full vectors only and through two stages."""

import math
from dataclasses import dataclass

import numpy as np

from mrl_adapters.evaluation.searcher import Queries, Searcher
from mrl_adapters.langchain import MatryoshkaVectorStore
from mrl_adapters.qdrant import CollectionLayout, SearchPlan
from mrl_adapters.qdrant.quantization import CODE_BITS
from mrl_adapters.vectors import FloatArray

_BYTES_OF_FLOAT32 = 4


@dataclass(frozen=True)
class Row:
    """One way of searching.

    Args:
        stage: Size of the short vectors that choose; None if full vectors are all it uses.
        overlap: Share of the exact top k that it finds, mean over the questions.
        latency_s: Median time of one search.
        ram_bytes: Vectors that it needs in memory.
    """

    stage: int | None
    overlap: float
    latency_s: float
    ram_bytes: int


def compare(
    store: MatryoshkaVectorStore,
    layout: CollectionLayout,
    vectors: FloatArray,
    *,
    texts: int,
    k: int = 10,
) -> list[Row]:
    """Search by full vectors only, then in two stages from each short size.

    Args:
        store: What to search.
        layout: How it is laid out.
        vectors: Full vectors of the questions, shape (n, d).
        texts: How many texts the store holds.
        k: How many results count.

    Returns:
        One row a way: full vectors first, then the short sizes, longest first.
    """
    searcher = Searcher(store, k)
    queries = Queries(vectors, [None] * len(vectors))
    truth = searcher.truth(queries, lambda _: None)
    plans: dict[int | None, SearchPlan] = {None: searcher.exact}
    plans |= {stage: SearchPlan(stages=(stage,)) for stage in reversed(layout.stages)}
    times = searcher.latencies(queries, list(plans.values()), len(vectors))
    return [
        Row(
            stage=stage,
            overlap=float(searcher.overlaps(queries, truth, plan).mean()),
            latency_s=float(np.median(seconds)),
            ram_bytes=texts * _bytes_a_text(layout, stage),
        )
        for (stage, plan), seconds in zip(plans.items(), times, strict=True)
    ]


def _bytes_a_text(layout: CollectionLayout, stage: int | None) -> int:
    """Count what must stay in memory: the codes of the first stage, or the full vector.

    The full vectors of two-stage search stay on disk, where a query reads those of its shortlist.
    """
    if stage is None:
        return layout.dimensions * _BYTES_OF_FLOAT32
    return math.ceil(stage * CODE_BITS[layout.quantization] / 8)
