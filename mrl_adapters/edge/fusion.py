"""Fuse rankings as a server does, but always into the same one.

The engine sorts the sums of a table whose order is chance, and ranks documents that are twins now
this way round and now that: their sums then differ, so that no order of the results mends it. Here
ids decide, within a leg, at its end, and among equal sums.

Source: https://qdrant.tech/documentation/concepts/hybrid-queries/; the formulas are those of
qdrant 1.19, lib/segment/src/common: reciprocal_rank_fusion.rs, score_fusion.rs.
"""

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeAlias

import qdrant_edge as edge
from qdrant_client import models

from mrl_adapters.edge.client_models import construct, parsed
from mrl_adapters.edge.collection import Collection
from mrl_adapters.edge.found import retrieve
from mrl_adapters.edge.names import PointId, plain_id
from mrl_adapters.edge.queries import USUAL_RRF_K
from mrl_adapters.edge.requests import DEFAULT_LIMIT, Leg, legs_of
from mrl_adapters.edge.ties import by_id, nearly_equal, runs
from mrl_adapters.errors import ConfigurationError

Fusion: TypeAlias = models.FusionQuery | models.RrfQuery
_Ranking: TypeAlias = tuple[list[edge.ScoredPoint], Sequence[float]]  # with a number for each
_Sum: TypeAlias = tuple[PointId, float]  # what a point has from all legs

_MORE = 8  # tells whether a leg ends among equals, and mostly settles it
_MOST_TIED = 256  # to read thousands of documents that are alike would take a second
_DIFFERENT_LEGS = 64  # most searches have legs of one length
_DEVIATIONS = 3  # of the scores from their mean, at the ends of the range


def fusion_of(request: models.QueryRequest) -> Fusion | None:
    """Return how a request fuses the rankings of its prefetches; None where it does not."""
    query: Any = request.query
    if isinstance(query, dict):
        query = parsed(models.QueryInterface, query)
    is_fusion = isinstance(query, (models.FusionQuery, models.RrfQuery))
    return query if is_fusion and request.prefetch else None


def fused(
    collection: Collection, request: models.QueryRequest, fusion: Fusion
) -> list[models.ScoredPoint]:
    """Answer a request that fuses rankings.

    Raises:
        ConfigurationError: There are not as many weights as rankings, k is below 1, or the request
            names a vector.
    """
    if request.using:
        message = (
            f"The query fuses its prefetches, and names vector {request.using!r} itself. "
            "Leave out using=, or put it into a prefetch."
        )
        raise ConfigurationError(message, found=request.using)
    legs = legs_of(request, collection.vector)
    points: dict[PointId, edge.ScoredPoint] = {}
    sums: dict[PointId, float] = {}
    for ranking, worths in _worths(fusion, _rankings(collection, legs)):
        for point, worth in zip(ranking, worths, strict=True):
            point_id = point.id
            points[point_id] = point
            sums[point_id] = sums.get(point_id, 0.0) + worth
    first = request.offset or 0
    last = first + (DEFAULT_LIMIT if request.limit is None else request.limit)
    page = _in_order(sums, request.score_threshold, last)[first:]
    return _found(collection, page, points, request)


def _rankings(collection: Collection, legs: Sequence[Leg]) -> list[_Ranking]:
    """Answer the legs in one go, and those that end among equals once more."""
    asked = [leg.limit + (_MORE if leg.is_ranked else 0) for leg in legs]
    rankings = collection.query([leg.request(n) for leg, n in zip(legs, asked, strict=True)])
    torn = [
        at
        for at, (leg, points) in enumerate(zip(legs, rankings, strict=True))
        if leg.limit < len(points) == asked[at]
        and nearly_equal(points[-1].score, points[leg.limit - 1].score)
    ]
    wider = [legs[at].request(legs[at].limit + _MOST_TIED) for at in torn]
    for at, points in zip(torn, collection.query(wider), strict=True):
        rankings[at] = points
    return [
        _settled(points, leg.limit) if leg.is_ranked else (points, [0.0] * len(points))
        for leg, points in zip(legs, rankings, strict=True)
    ]


def _settled(points: list[edge.ScoredPoint], count: int) -> _Ranking:
    """Order the best of a ranking, and their equals by id; the best of equals counts for all."""
    scores = [point.score for point in points]
    for run in runs(scores, count):
        points[run] = sorted(points[run], key=lambda point: by_id(point.id))
        scores[run] = [scores[run.start]] * (run.stop - run.start)
    return points[:count], scores[:count]


def _worths(fusion: Fusion, rankings: Sequence[_Ranking]) -> list[_Ranking]:
    """Return what each ranking gives to its points, best first."""
    if isinstance(fusion, models.FusionQuery) and fusion.fusion is models.Fusion.DBSF:
        return [(points, _spread(scores)) for points, scores in rankings]
    k, weights = USUAL_RRF_K, None
    if isinstance(fusion, models.RrfQuery):
        k = USUAL_RRF_K if fusion.rrf.k is None else fusion.rrf.k
        weights = fusion.rrf.weights
        if k < 1:
            message = f"Rrf has k={k}, expected a whole number from 1 on."
            raise ConfigurationError(message, found=k, expected=1)
    weights = [1.0] * len(rankings) if weights is None else weights
    if len(weights) != len(rankings):
        message = (
            f"Rrf has {len(weights)} weights for {len(rankings)} prefetches. "
            "Pass one for each, in their order."
        )
        raise ConfigurationError(message, found=len(weights), expected=len(rankings))
    return [
        (points, _reciprocals(len(points), k, weight))
        for (points, _), weight in zip(rankings, weights, strict=True)
    ]


@lru_cache(maxsize=_DIFFERENT_LEGS)
def _reciprocals(count: int, k: int, weight: float) -> Sequence[float]:
    if weight <= 0:
        return [0.0] * count
    return [1 / (rank / weight + k - 1) for rank in range(1, count + 1)]


def _spread(scores: Sequence[float]) -> list[float]:
    """Put scores between 0 and 1, by how they are distributed."""
    count = len(scores)
    if count < 2 or nearly_equal(max(scores), min(scores)):  # noqa: PLR2004 - one has no deviation
        return [0.5] * count
    mean = sum(scores) / count
    deviation = math.sqrt(sum((score - mean) ** 2 for score in scores) / (count - 1))
    width = 2 * _DEVIATIONS * deviation
    return [(score - mean) / width + 0.5 for score in scores]


def _in_order(sums: dict[PointId, float], threshold: float | None, count: int) -> list[_Sum]:
    """Order the greatest sums, and their equals by id; the best of equals counts for all."""
    ranked = sorted(sums, key=sums.__getitem__, reverse=True)
    scores = [sums[point_id] for point_id in ranked]
    for run in runs(scores, count):
        ranked[run] = sorted(ranked[run], key=by_id)
        scores[run] = [scores[run.start]] * (run.stop - run.start)
    return [
        (point_id, score)
        for point_id, score in zip(ranked[:count], scores, strict=False)
        if threshold is None or score >= threshold or nearly_equal(threshold, score)
    ]


def _found(
    collection: Collection,
    page: Sequence[_Sum],
    points: Mapping[PointId, edge.ScoredPoint],
    request: models.QueryRequest,
) -> list[models.ScoredPoint]:
    """Return points with what a request wants of them; those deleted meanwhile are left out."""
    contents: dict[Any, tuple[Any, Any]] = {}
    wants_content = bool(request.with_payload or request.with_vector)
    if wants_content:
        ids = [point_id for point_id, _ in page]
        records = retrieve(collection, ids, request.with_payload, request.with_vector)
        contents = {record.id: (record.payload, record.vector) for record in records}
    hits = []
    for point_id, score in page:
        plain = plain_id(point_id)
        if wants_content and plain not in contents:
            continue
        payload, vector = contents.get(plain, (None, None))
        hits.append(
            construct(
                models.ScoredPoint,
                {
                    "id": plain,
                    "version": points[point_id].version,
                    "score": score,
                    "payload": payload,
                    "vector": vector,
                    "shard_key": None,
                    "order_value": None,
                },
            )
        )
    return hits
