"""What two stages bought: the same questions through full vectors only and through two stages."""

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from qdrant_client import models

from mrl_adapters.evaluation import overlap_at_k
from mrl_adapters.langchain import MatryoshkaVectorStore
from mrl_adapters.qdrant import CollectionLayout, SearchPlan
from mrl_adapters.qdrant.query import Search
from mrl_adapters.vectors import FloatArray

_BYTES_OF_FLOAT32 = 4
_BYTES_OF_CODE = {"int8": 1, None: _BYTES_OF_FLOAT32}


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
    plans: dict[int | None, SearchPlan] = {None: SearchPlan(exact=True)}
    plans |= {stage: SearchPlan(stages=(stage,)) for stage in reversed(layout.stages)}
    found: dict[int | None, list[list[models.ScoredPoint]]] = {stage: [] for stage in plans}
    times: dict[int | None, list[float]] = {stage: [] for stage in plans}
    for plan in plans.values():  # the first search of each reads files and fills caches
        _search(store, vectors[0], plan, k)
    for vector in vectors:
        # In turns, so that a busy moment of the machine meets all of them.
        for stage, plan in plans.items():
            started = time.perf_counter()
            found[stage].append(_search(store, vector, plan, k))
            times[stage].append(time.perf_counter() - started)
    return [
        Row(
            stage=stage,
            overlap=_overlap(found[stage], found[None], k),
            latency_s=statistics.median(times[stage]),
            ram_bytes=texts * _bytes_a_text(layout, stage),
        )
        for stage in plans
    ]


def _search(
    store: MatryoshkaVectorStore, vector: FloatArray, plan: SearchPlan, k: int
) -> list[models.ScoredPoint]:
    # Ids alone: reading payloads costs every way the same and is no part of the search.
    search = Search(vector, k, with_payload=False)
    return store.driver.run(store.collection.search([search], plan))[0]


def _bytes_a_text(layout: CollectionLayout, stage: int | None) -> int:
    """Count what must stay in memory: the codes of the first stage, or the full vector.

    The full vectors of two-stage search stay on disk, where a query reads those of its shortlist.
    """
    if stage is None:
        return layout.dimensions * _BYTES_OF_FLOAT32
    return stage * _BYTES_OF_CODE[layout.quantization]


def _overlap(
    found: Sequence[Sequence[models.ScoredPoint]],
    exact: Sequence[Sequence[models.ScoredPoint]],
    k: int,
) -> float:
    def ids(answers: Sequence[Sequence[models.ScoredPoint]]) -> list[list[str]]:
        return [[str(point.id) for point in points] for points in answers]

    def scores(answers: Sequence[Sequence[models.ScoredPoint]]) -> list[list[float]]:
        return [[point.score for point in points] for points in answers]

    # With their scores, so that equal texts (inherited docstrings) may stand in for each other.
    return float(
        np.mean(
            overlap_at_k(
                ids(found),
                ids(exact),
                k,
                found_scores=scores(found),
                exact_scores=scores(exact),
                tolerance=1e-5,
            )
        )
    )
