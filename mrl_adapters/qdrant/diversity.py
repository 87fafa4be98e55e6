"""Choose diverse results here, where no engine does: by maximal marginal relevance.

Engines diversify what their full vectors have ranked, each shard by itself. The candidates of a
fused ranking, or of several shards, are asked for with their vectors, and chosen from here.

Source: Carbonell and Goldstein, "The use of MMR, diversity-based reranking", SIGIR 1998
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from qdrant_client import models

from mrl_adapters.qdrant.engine import Engine
from mrl_adapters.qdrant.layout import CollectionLayout
from mrl_adapters.qdrant.plan import SearchPlan
from mrl_adapters.qdrant.query import Search
from mrl_adapters.qdrant.reading import vector_of
from mrl_adapters.vectors import FloatArray, normalize

_BY_FULL_VECTORS = (None, "rescore")


def is_chosen_here(
    search: Search, layout: CollectionLayout, plan: SearchPlan, engine: Engine
) -> bool:
    """Return whether the engine would diversify something else than the best candidates."""
    if search.mmr_lambda is None:
        return False
    shards = engine.is_server and ((layout.shard_number or 1) > 1 or plan.shard_key is not None)
    return plan.late_interaction or plan.searches not in _BY_FULL_VECTORS or shards


def candidates_of(search: Search, layout: CollectionLayout) -> Search:
    """Return the search for the candidates that diverse results are chosen from."""
    wanted = search.with_vectors
    vectors: models.WithVector = True
    if not isinstance(wanted, bool) and layout.full_name:
        vectors = [*dict.fromkeys([*wanted, layout.full_name])]
    elif not wanted and layout.full_name:
        vectors = [layout.full_name]
    return replace(search, k=search.reach, mmr_lambda=None, with_vectors=vectors)


def diversified(
    candidates: Sequence[models.ScoredPoint], search: Search, layout: CollectionLayout
) -> list[models.ScoredPoint]:
    """Choose diverse results; their scores are those of their full vectors.

    Args:
        candidates: Points with their full vectors; one without is left out.
        search: How many are wanted, how diverse, and with which vectors.
        layout: How vectors are compared.
    """
    held = [(point, vector_of(point, layout.full_name)) for point in candidates]
    held = [(point, vector) for point, vector in held if vector is not None]
    share = search.mmr_lambda
    if not held or share is None:
        return []
    vectors = np.asarray([vector for _, vector in held], dtype=np.float32)
    nearness = _nearness(vectors, search.full[None], layout.distance)[:, 0]
    order = _order(nearness, _nearness(vectors, vectors, layout.distance), share, search.k)
    scores = _as_scores(nearness, layout.distance)
    return [_answer(held[at][0], float(scores[at]), search) for at in order]


def _order(nearness: FloatArray, among: FloatArray, share: float, k: int) -> list[int]:
    """Return the places of k candidates, each near to the query and unlike those before it."""
    order = [int(nearness.argmax())]
    closest = among[order[0]].copy()
    open_ = np.ones(len(nearness), dtype=bool)
    open_[order[0]] = False
    while len(order) < min(k, len(nearness)):
        margins = np.where(open_, share * nearness - (1.0 - share) * closest, -np.inf)
        order.append(int(margins.argmax()))
        open_[order[-1]] = False
        closest = np.maximum(closest, among[order[-1]])
    return order


def _nearness(rows: FloatArray, others: FloatArray, distance: str) -> FloatArray:
    """Compare all with all as the engine does inside: more is nearer; Euclid's is squared."""
    if distance == "Cosine":
        rows, others = normalize(rows), normalize(others)
    if distance in {"Cosine", "Dot"}:
        products: FloatArray = rows @ others.T
        return products
    gaps = rows[:, None, :] - others[None, :, :]
    result: FloatArray = -(np.abs(gaps) if distance == "Manhattan" else gaps**2).sum(axis=2)
    return result


def _as_scores(nearness: FloatArray, distance: str) -> FloatArray:
    if distance == "Euclid":
        scores: FloatArray = np.sqrt(-nearness)
        return scores
    return -nearness if distance == "Manhattan" else nearness


def _answer(point: models.ScoredPoint, score: float, search: Search) -> models.ScoredPoint:
    vector: Any = point.vector
    if not search.with_vectors:
        vector = None
    elif isinstance(search.with_vectors, list) and isinstance(vector, dict):
        vector = {name: vector[name] for name in search.with_vectors if name in vector}
    return point.model_copy(update={"score": score, "vector": vector})
