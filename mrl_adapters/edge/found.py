"""Give what the engine found as qdrant-client does."""

from collections.abc import Sequence
from typing import Any

import qdrant_edge as edge
from qdrant_client import models

from mrl_adapters.edge.client_models import construct
from mrl_adapters.edge.collection import Collection
from mrl_adapters.edge.names import PointId, canonical_id, naming_ids, plain_id
from mrl_adapters.edge.requests import edge_payload_selector, edge_vector_selector


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
