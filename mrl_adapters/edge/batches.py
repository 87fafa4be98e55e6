"""Read the updates of `QdrantClient.batch_update_points`."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from qdrant_client import models

from mrl_adapters.edge import operations
from mrl_adapters.edge.operations import Selector, Step
from mrl_adapters.edge.parsing import parsed
from mrl_adapters.edge.shard import Collection
from mrl_adapters.errors import ConfigurationError


def batch_steps(collection: Collection, updates: Sequence[Any]) -> list[Iterable[Step]]:
    """Convert updates, all of them before anything is applied.

    Args:
        collection: The collection.
        updates: Operations of qdrant_client.models, or dicts.

    Returns:
        The engine's operations of each update.

    Raises:
        ValueError: One that cannot be applied, or is none.
    """
    steps: list[Iterable[Step]] = []
    for at, given in enumerate(updates):
        update = parsed(models.UpdateOperation, given) if isinstance(given, dict) else given
        read = _READERS.get(type(update).__name__)
        if read is None:
            message = (
                f"Update {at} of the batch is a {type(update).__name__}. "
                f"Pass one of {', '.join(_READERS)} of qdrant_client.models."
            )
            raise ConfigurationError(message, found=update)
        steps.append(read(collection, update))
    return steps


def _upsert(collection: Collection, update: models.UpsertOperation) -> Iterable[Step]:
    given = update.upsert
    points = given.batch if isinstance(given, models.PointsBatch) else given.points
    return operations.upsert(collection, points, given.update_filter, given.update_mode)


def _update_vectors(
    collection: Collection, update: models.UpdateVectorsOperation
) -> Iterable[Step]:
    given = update.update_vectors
    return operations.update_vectors(collection, given.points, given.update_filter)


def _set_payload(_: Collection, update: models.SetPayloadOperation) -> Iterable[Step]:
    given = update.set_payload
    return operations.set_payload(_selector(given), given.payload, given.key)


def _overwrite_payload(_: Collection, update: models.OverwritePayloadOperation) -> Iterable[Step]:
    given = update.overwrite_payload
    return operations.overwrite_payload(_selector(given), given.payload)


def _delete_payload(_: Collection, update: models.DeletePayloadOperation) -> Iterable[Step]:
    given = update.delete_payload
    return operations.delete_payload(_selector(given), given.keys)


def _delete_vectors(
    collection: Collection, update: models.DeleteVectorsOperation
) -> Iterable[Step]:
    given = update.delete_vectors
    return operations.delete_vectors(collection, _selector(given), given.vector)


def _selector(given: models.SetPayload | models.DeletePayload | models.DeleteVectors) -> Selector:
    """Give the points of an update that has ids and a filter; ids win, as on servers."""
    if given.points is not None:
        return given.points
    if given.filter is not None:
        return given.filter
    message = f"{type(given).__name__} names neither points nor a filter. Give it one of them."
    raise ConfigurationError(message)


_READERS: dict[str, Callable[[Collection, Any], Iterable[Step]]] = {
    "UpsertOperation": _upsert,
    "DeleteOperation": lambda _, update: operations.delete(update.delete),
    "SetPayloadOperation": _set_payload,
    "OverwritePayloadOperation": _overwrite_payload,
    "DeletePayloadOperation": _delete_payload,
    "ClearPayloadOperation": lambda _, update: operations.clear_payload(update.clear_payload),
    "UpdateVectorsOperation": _update_vectors,
    "DeleteVectorsOperation": _delete_vectors,
}
