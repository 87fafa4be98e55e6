"""Give what the engine found as the models of qdrant-client."""

from typing import Any

import qdrant_edge as edge
from qdrant_client import models

from mrl_adapters.edge.client_models import construct
from mrl_adapters.edge.ids import plain_id


def plain_vector(vector: Any) -> Any:
    """Give the engine's vectors as the client gives them: lists, by name where named."""
    if isinstance(vector, dict):
        return {name: plain_vector(value) for name, value in vector.items()}
    if isinstance(vector, edge.SparseVector):
        return models.SparseVector(indices=vector.indices, values=vector.values)
    return vector


def record(found: edge.Record) -> models.Record:
    """Give a retrieved point as the client gives it."""
    vector = found.vector
    return construct(
        models.Record,
        {
            "id": plain_id(found.id),
            "payload": found.payload,
            "vector": None if vector is None else plain_vector(vector),
            "shard_key": None,
            "order_value": found.order_value,
        },
    )


def scored_point(found: edge.ScoredPoint, wanted: Any) -> models.ScoredPoint:
    """Give a search result as the client gives it.

    Args:
        found: The engine's result.
        wanted: Which vectors were asked for, a bool or names; the engine adds the one that it
            needed for diversity, asked or not.

    Returns:
        The client's result.
    """
    vector = None
    if wanted:
        vector = plain_vector(found.vector)
        if isinstance(wanted, list) and isinstance(vector, dict):
            vector = {name: vector[name] for name in wanted if name in vector}
    return construct(
        models.ScoredPoint,
        {
            "id": plain_id(found.id),
            "version": found.version,
            "score": found.score,
            "payload": found.payload,
            "vector": vector,
            "shard_key": None,
            "order_value": found.order_value,
        },
    )
