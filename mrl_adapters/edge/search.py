"""Answer queries: convert them, ask the engine, and return its answers as qdrant-client does."""

from collections.abc import Sequence
from typing import Any, TypeAlias

from qdrant_client import models
from qdrant_client.http import models as rest

from mrl_adapters.edge.client_models import construct
from mrl_adapters.edge.collection import Collection
from mrl_adapters.edge.found import retrieve, scored_point
from mrl_adapters.edge.fusion import fused, fusion_of
from mrl_adapters.edge.requests import edge_request, edge_vector_selector

_Terms: TypeAlias = dict[int, float]


def answer(
    collection: Collection, requests: Sequence[models.QueryRequest]
) -> list[rest.QueryResponse]:
    """Answer several queries in one go, in order."""
    sparse = collection.settings.sparse_vectors
    for request in requests:
        if _is_own(request, sparse):
            return [_own_answer(collection, each, sparse) for each in requests]
    answers = collection.query([edge_request(request, collection.vector) for request in requests])
    responses = []
    for request, points in zip(requests, answers, strict=True):
        wanted = edge_vector_selector(request.with_vector)
        scored = [scored_point(point, wanted) for point in points]
        responses.append(construct(rest.QueryResponse, {"points": scored}))
    return responses


def _is_own(request: models.QueryRequest, sparse: Any) -> bool:
    """Return whether a request is for what the engine does not do, or does by chance."""
    if isinstance(request.query, models.NearestQuery):
        return sparse and _is_sparse_mmr(request, sparse)
    return fusion_of(request) is not None


def _own_answer(
    collection: Collection, request: models.QueryRequest, sparse: Any
) -> rest.QueryResponse:
    if (fusion := fusion_of(request)) is not None:
        points = fused(collection, request, fusion)
        return construct(rest.QueryResponse, {"points": points})
    if sparse and _is_sparse_mmr(request, sparse):
        return _diverse(collection, request)
    return answer(collection, [request])[0]


# Maximal marginal relevance over sparse vectors, which the engine has for dense ones only.
# Source: https://qdrant.tech/documentation/concepts/search-relevance/#maximal-marginal-relevance-mmr


def _is_sparse_mmr(request: models.QueryRequest, sparse: Any) -> bool:
    query = request.query
    return (
        isinstance(query, models.NearestQuery) and query.mmr is not None and request.using in sparse
    )


def _diverse(collection: Collection, request: models.QueryRequest) -> rest.QueryResponse:
    """Answer a request for diversity among sparse vectors."""
    mmr: Any = request.query
    wanted = (request.limit or 10) + (request.offset or 0)
    candidates = {
        "query": mmr.nearest,
        "limit": max(mmr.mmr.candidates_limit or wanted, 1),
        "offset": None,
        "with_vector": [request.using],
    }
    [response] = answer(collection, [request.model_copy(update=candidates)])
    diversity = 0.5 if mmr.mmr.diversity is None else mmr.mmr.diversity
    order = _mmr_order(response.points, request.using or "", diversity, wanted)
    points = [response.points[at] for at in order[request.offset or 0 :]]
    vectors = {}
    if request.with_vector:
        ids = [point.id for point in points]
        records = retrieve(collection, ids, with_payload=False, with_vectors=request.with_vector)
        vectors = {record.id: record.vector for record in records}
    return rest.QueryResponse(
        points=[point.model_copy(update={"vector": vectors.get(point.id)}) for point in points]
    )


def _mmr_order(
    points: Sequence[models.ScoredPoint], using: str, diversity: float, wanted: int
) -> list[int]:
    """Return the places of points that are near to the query and unlike each other."""
    terms = [_terms(point, using) for point in points]
    scores = [point.score for point in points]
    pending, order = list(range(len(points))), list[int]()
    nearest = [0.0] * len(points)
    while pending and len(order) < wanted:
        # The last of equals, as the server takes it.
        best = max(
            pending,
            key=lambda at: (
                (1 - diversity) * scores[at] - diversity * nearest[at] if order else scores[at],
                at,
            ),
        )
        pending.remove(best)
        for at in pending:
            likeness = _dot(terms[at], terms[best])
            nearest[at] = max(nearest[at], likeness) if order else likeness
        order.append(best)
    return order


def _terms(point: models.ScoredPoint, using: str) -> _Terms:
    vectors: Any = point.vector
    return dict(zip(vectors[using].indices, vectors[using].values, strict=True))


def _dot(one: _Terms, other: _Terms) -> float:
    return sum(value * other[index] for index, value in one.items() if index in other)
