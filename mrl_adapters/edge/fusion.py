"""Fuse rankings as a server does, but always into the same one.

The engine sorts the sums of a table whose order is chance, and ranks documents that are twins now
this way round and now that: their sums then differ, so that no order of the results mends it. Here
ids decide, within a leg, at its end, and among equal sums.

Source: https://qdrant.tech/documentation/concepts/hybrid-queries/; the formulas are those of
qdrant 1.19, lib/segment/src/common: reciprocal_rank_fusion.rs, score_fusion.rs.
"""

import operator
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
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
_Sum: TypeAlias = tuple[PointId, float]  # what a point has from all legs

_MORE = 8  # tells whether a leg ends among equals, and mostly settles it
_MOST_TIED = 256  # to read thousands of documents that are alike would take a second
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
        ConfigurationError: There are not as many weights as rankings.
    """
    legs = legs_of(request, collection.vector)
    versions: dict[PointId, int] = {}
    sums: dict[PointId, float] = {}
    for points, worths in _worths(fusion, _rankings(collection, legs)):
        for point, worth in zip(points, worths, strict=True):
            point_id = point.id
            versions[point_id] = point.version
            sums[point_id] = sums.get(point_id, 0.0) + worth
    first = request.offset or 0
    last = first + (DEFAULT_LIMIT if request.limit is None else request.limit)
    page = _in_order(sums, request.score_threshold, last)[first:]
    return _found(collection, page, versions, request)


def _rankings(collection: Collection, legs: Sequence[Leg]) -> list[list[edge.ScoredPoint]]:
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
        _settled(points, leg.limit) if leg.is_ranked else points
        for leg, points in zip(legs, rankings, strict=True)
    ]


def _settled(points: list[edge.ScoredPoint], count: int) -> list[edge.ScoredPoint]:
    """Order the best of a ranking, and their equals by id."""
    for run in runs([point.score for point in points]):
        if run.start >= count:
            break
        points[run] = sorted(points[run], key=lambda point: by_id(point.id))
    return points[:count]


def _worths(
    fusion: Fusion, rankings: Sequence[list[edge.ScoredPoint]]
) -> list[tuple[list[edge.ScoredPoint], list[float]]]:
    """Return what each ranking gives to its points, best first."""
    if isinstance(fusion, models.FusionQuery) and fusion.fusion is models.Fusion.DBSF:
        return [(points, _spread([each.score for each in points])) for points in rankings]
    k, weights = USUAL_RRF_K, None
    if isinstance(fusion, models.RrfQuery):
        k, weights = fusion.rrf.k or USUAL_RRF_K, fusion.rrf.weights
    weights = [1.0] * len(rankings) if weights is None else weights
    if len(weights) != len(rankings):
        message = (
            f"Rrf has {len(weights)} weights for {len(rankings)} prefetches. "
            "Pass one for each, in their order."
        )
        raise ConfigurationError(message, found=len(weights), expected=len(rankings))
    return [
        (points, _reciprocals(len(points), k, weight))
        for points, weight in zip(rankings, weights, strict=True)
    ]


def _reciprocals(count: int, k: int, weight: float) -> list[float]:
    if weight <= 0:
        return [0.0] * count
    return [1 / (rank / weight + k - 1) for rank in range(1, count + 1)]


def _spread(scores: Sequence[float]) -> list[float]:
    """Put scores between 0 and 1, by how they are distributed."""
    values = np.array(scores)
    deviation = values.std(ddof=1) if len(values) > 1 else 0.0
    if not deviation:
        return [0.5] * len(values)
    worths: list[float] = ((values - values.mean()) / (2 * _DEVIATIONS * deviation) + 0.5).tolist()
    return worths


def _in_order(sums: dict[PointId, float], threshold: float | None, count: int) -> list[_Sum]:
    """Order the greatest sums, and their equals by id; the best of equals counts for all."""
    ranked = sorted(sums.items(), key=operator.itemgetter(1), reverse=True)
    for run in runs([score for _, score in ranked]):
        if run.start >= count:
            break
        best = ranked[run.start][1]
        ids = sorted((point_id for point_id, _ in ranked[run]), key=by_id)
        ranked[run] = [(point_id, best) for point_id in ids]
    return [
        each
        for each in ranked[:count]
        if threshold is None or each[1] >= threshold or nearly_equal(each[1], threshold)
    ]


def _found(
    collection: Collection,
    page: Sequence[_Sum],
    versions: Mapping[PointId, int],
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
                    "version": versions[point_id],
                    "score": score,
                    "payload": payload,
                    "vector": vector,
                    "shard_key": None,
                    "order_value": None,
                },
            )
        )
    return hits
