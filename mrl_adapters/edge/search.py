"""Answer queries: convert them, ask the engine, and return its answers as qdrant-client does."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import qdrant_edge as edge
from qdrant_client import models
from qdrant_client.http import models as rest

from mrl_adapters.edge.client_models import construct
from mrl_adapters.edge.collection import Collection
from mrl_adapters.edge.names import PointId, canonical_id, naming_ids, plain_id
from mrl_adapters.edge.requests import edge_payload_selector, edge_request, edge_vector_selector

_Terms: TypeAlias = dict[int, float]


def answer(
    collection: Collection, requests: Sequence[models.QueryRequest]
) -> list[rest.QueryResponse]:
    """Answer several queries in one go, in order."""
    sparse = collection.settings.sparse_vectors
    if sparse and any(_is_sparse_mmr(request, sparse) for request in requests):
        return [
            _diverse(collection, request)
            if _is_sparse_mmr(request, sparse)
            else answer(collection, [request])[0]
            for request in requests
        ]
    answers = collection.query([edge_request(request, collection.vector) for request in requests])
    responses = []
    for request, points in zip(requests, answers, strict=True):
        wanted = edge_vector_selector(request.with_vector)
        scored = [scored_point(point, wanted) for point in points]
        responses.append(construct(rest.QueryResponse, {"points": scored}))
    return responses


def retrieve(
    collection: Collection, ids: Sequence[PointId], with_payload: Any, with_vectors: Any
) -> list[models.Record]:
    """Return points by id, in the order of the ids; unknown ones are left out."""
    payload, vectors = edge_payload_selector(with_payload), edge_vector_selector(with_vectors)
    with naming_ids(ids), collection.engine() as shard:
        records = [record(point) for point in shard.retrieve(list(ids), payload, vectors)]
    if len(records) == len(ids):
        return records
    # The engine gives a point once, however often it is asked for.
    by_id = {record.id: record for record in records}
    return [by_id[plain] for point_id in ids if (plain := canonical_id(point_id)) in by_id]


def record(point: edge.Record) -> models.Record:
    """Return a retrieved point as the client gives it."""
    vector = point.vector
    return construct(
        models.Record,
        {
            "id": plain_id(point.id),
            "payload": point.payload,
            "vector": None if vector is None else _plain_vector(vector),
            "shard_key": None,
            "order_value": point.order_value,
        },
    )


def scored_point(point: edge.ScoredPoint, wanted: Any) -> models.ScoredPoint:
    """Return a search result as the client gives it, with the wanted vectors.

    The engine adds the vector that it needed for diversity, asked or not.
    """
    vector = None
    if wanted:
        vector = _plain_vector(point.vector)
        if isinstance(wanted, list) and isinstance(vector, dict):
            vector = {name: vector[name] for name in wanted if name in vector}
    return construct(
        models.ScoredPoint,
        {
            "id": plain_id(point.id),
            "version": point.version,
            "score": point.score,
            "payload": point.payload,
            "vector": vector,
            "shard_key": None,
            "order_value": point.order_value,
        },
    )


def _plain_vector(vector: Any) -> Any:
    """Return the engine's vectors as the client gives them: lists, by name where named."""
    if isinstance(vector, dict):
        return {name: _plain_vector(value) for name, value in vector.items()}
    if isinstance(vector, edge.SparseVector):
        return models.SparseVector(indices=vector.indices, values=vector.values)
    return vector


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
