"""Turn updates into the engine's operations, all of them before the first one is applied."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeAlias, TypeVar

import qdrant_edge as edge
from qdrant_client import models

from mrl_adapters.edge.client_models import parsed
from mrl_adapters.edge.collection import Collection, Step
from mrl_adapters.edge.config import dense_vectors, edge_enum
from mrl_adapters.edge.filters import edge_filter
from mrl_adapters.edge.inventory import Since
from mrl_adapters.edge.names import PointId, canonical_id, check_text, naming_ids, plain_id
from mrl_adapters.edge.payloads import edge_payload
from mrl_adapters.edge.points import edge_point_vectors, edge_points
from mrl_adapters.edge.space import Size
from mrl_adapters.errors import ConfigurationError

Selector: TypeAlias = (
    Sequence[PointId] | models.Filter | models.PointIdsList | models.FilterSelector
)

_T = TypeVar("_T")
_Stored = TypeVar("_Stored", edge.Point, edge.PointVectors)
_Operation: TypeAlias = edge.UpdateOperation

# The log keeps the last operations, and whoever opens the collection reads them again, each into
# memory of several times its size. Smaller ones are not slower to write.
_OPERATION_BYTES = 1 << 20
_ID_BYTES = 40


def upsert(
    collection: Collection,
    points: models.Batch | Sequence[models.PointStruct],
    update_filter: models.Filter | None,
    update_mode: models.UpdateMode | None,
) -> Iterator[Step]:
    """Convert points that are inserted or replaced."""
    converted = edge_points(points, collection.intake())
    condition, mode = edge_filter(update_filter), edge_enum(edge.UpdateMode, update_mode)
    return _portions(
        collection, converted, lambda part: _Operation.upsert_points(part, condition, mode)
    )


def update_vectors(
    collection: Collection,
    points: Sequence[models.PointVectors],
    update_filter: models.Filter | None,
) -> Iterator[Step]:
    """Convert new vectors of existing points; raises as :func:`upsert` does."""
    converted = edge_point_vectors(points, collection.intake())
    condition = edge_filter(update_filter)
    return _portions(collection, converted, lambda part: _Operation.update_vectors(part, condition))


def set_payload(points: Selector, payload: dict[str, Any], key: str | None) -> list[Step]:
    """Convert keys of the payload that are set."""
    check_text(key or "", "key of set_payload")
    plain = edge_payload(payload, "set_payload", key=key)
    return _on_selected(
        points,
        lambda ids: _Operation.set_payload(ids, plain, key),
        lambda where: _Operation.set_payload_by_filter(where, plain, key),
        size=lambda touched, stored: touched * (stored + len(repr(plain))),
    )


def overwrite_payload(points: Selector, payload: dict[str, Any]) -> list[Step]:
    """Convert payloads that are replaced whole."""
    plain = edge_payload(payload, "overwrite_payload")
    return _on_selected(
        points,
        lambda ids: _Operation.overwrite_payload(ids, plain),
        lambda where: _Operation.overwrite_payload_by_filter(where, plain),
        size=lambda touched, stored: touched * (stored + len(repr(plain))),
    )


def delete_payload(points: Selector, keys: Sequence[str]) -> list[Step]:
    """Convert keys of the payload that are deleted."""
    for key in keys:
        check_text(key, "key of delete_payload")
    return _on_selected(
        points,
        lambda ids: _Operation.delete_payload(ids, list(keys)),
        lambda where: _Operation.delete_payload_by_filter(where, list(keys)),
    )


def clear_payload(points: Selector) -> list[Step]:
    """Convert payloads that are deleted whole."""
    return _on_selected(points, _Operation.clear_payload, _Operation.clear_payload_by_filter)


def delete(points: Selector) -> list[Step]:
    """Convert points that are deleted."""
    return _on_selected(
        points,
        _Operation.delete_points,
        _Operation.delete_points_by_filter,
        moves=False,
        effect=Since.REMOVED,
    )


def delete_vectors(collection: Collection, points: Selector, names: Sequence[str]) -> list[Step]:
    """Convert named vectors that are deleted."""
    collection.intake().check_names(names)
    return _on_selected(
        points,
        lambda ids: _Operation.delete_vectors(ids, list(names)),
        lambda where: _Operation.delete_vectors_by_filter(where, list(names)),
        moves=False,
    )


def _on_selected(
    selector: Selector,
    by_ids: Callable[[list[PointId]], _Operation],
    by_filter: Callable[[edge.Filter], _Operation],
    *,
    size: Size = lambda touched, stored: touched * stored,
    moves: bool = True,
    effect: Since = Since.ADDED,
) -> list[Step]:
    """Convert an operation on the points that a selector names.

    `moves`: the engine may move the points out of the index to change them, whole.
    """
    where, ids = _selected(selector)
    if where is None:
        with naming_ids(ids):
            operation = by_ids(_nonempty(ids))

        def among(stored: set[int | str]) -> _Operation:
            return by_ids([point_id for point_id in ids if canonical_id(point_id) in stored])

        touched = len(ids) if moves else 0
        return [Step(operation, touched, size, effect, lambda: ids, among)]
    return [Step(by_filter(where), where if moves else 0, size, effect)]


def _selected(selector: Selector) -> tuple[edge.Filter | None, list[PointId]]:
    if isinstance(selector, models.FilterSelector):
        selector = selector.filter
    if isinstance(selector, models.Filter):
        return edge_filter(selector), []
    if isinstance(selector, models.PointIdsList):
        return None, list(selector.points)
    if isinstance(selector, (list, tuple)):
        return None, list(selector)
    message = (
        f"The embedded engine cannot select points by {type(selector).__name__}. "
        "Pass a list of ids, models.PointIdsList, models.Filter or models.FilterSelector."
    )
    raise NotImplementedError(message)


def _nonempty(given: list[_T]) -> list[_T]:
    """Refuse an update of nothing, as servers do."""
    if not given:
        message = "Empty update request: no points were given. Pass at least one."
        raise ConfigurationError(message)
    return given


def _portions(
    collection: Collection,
    points: list[_Stored],
    make: Callable[[list[_Stored]], _Operation],
) -> Iterator[Step]:
    """Cut points into operations of about a megabyte, if there is room for all of them."""
    numbers = sum(params.size for params in dense_vectors(collection.settings).values())
    collection.check_room(len(points), _size(points, numbers))
    size = max(1, _OPERATION_BYTES // (4 * max(numbers, 1)))

    def step(part: list[_Stored]) -> Step:
        def among(stored: set[int | str]) -> _Operation:
            return make([point for point in part if plain_id(point.id) in stored])

        return Step(
            make(part),
            len(part),
            _size(part, numbers),
            ids=lambda: [point.id for point in part],
            among=among,
        )

    return (
        step(part)
        for start in range(0, len(_nonempty(points)), size)
        for part in [points[start : start + size]]
    )


def _size(points: Sequence[edge.Point | edge.PointVectors], numbers: int) -> Size:
    def size(touched: int, stored: float) -> float:
        del touched, stored
        payloads = sum(len(repr(getattr(point, "payload", None))) for point in points)
        return len(points) * (4 * numbers + _ID_BYTES) + payloads

    return size


def batch(collection: Collection, updates: Sequence[Any]) -> list[Iterable[Step]]:
    """Convert the updates of `QdrantClient.batch_update_points`, all before any is applied."""
    steps: list[Iterable[Step]] = []
    for at, given in enumerate(updates):
        update = parsed(models.UpdateOperation, given) if isinstance(given, dict) else given
        convert = _UPDATES.get(type(update).__name__)
        if convert is None:
            message = (
                f"Update {at} of the batch is a {type(update).__name__}. "
                f"Pass one of {', '.join(_UPDATES)} of qdrant_client.models."
            )
            raise ConfigurationError(message, found=update)
        steps.append(convert(collection, update))
    return steps


def _selector_of(
    given: models.SetPayload | models.DeletePayload | models.DeleteVectors,
) -> Selector:
    """Return the points of an update that has ids and a filter; ids win, as on servers."""
    if given.points is not None:
        return given.points
    if given.filter is not None:
        return given.filter
    message = f"{type(given).__name__} names neither points nor a filter. Give it one of them."
    raise ConfigurationError(message)


def _upsert_of(collection: Collection, update: models.UpsertOperation) -> Iterable[Step]:
    given = update.upsert
    points = given.batch if isinstance(given, models.PointsBatch) else given.points
    return upsert(collection, points, given.update_filter, given.update_mode)


_UPDATES: dict[str, Callable[[Collection, Any], Iterable[Step]]] = {
    "UpsertOperation": _upsert_of,
    "DeleteOperation": lambda _, update: delete(update.delete),
    "SetPayloadOperation": lambda _, update: set_payload(
        _selector_of(update.set_payload), update.set_payload.payload, update.set_payload.key
    ),
    "OverwritePayloadOperation": lambda _, update: overwrite_payload(
        _selector_of(update.overwrite_payload), update.overwrite_payload.payload
    ),
    "DeletePayloadOperation": lambda _, update: delete_payload(
        _selector_of(update.delete_payload), update.delete_payload.keys
    ),
    "ClearPayloadOperation": lambda _, update: clear_payload(update.clear_payload),
    "UpdateVectorsOperation": lambda collection, update: update_vectors(
        collection, update.update_vectors.points, update.update_vectors.update_filter
    ),
    "DeleteVectorsOperation": lambda collection, update: delete_vectors(
        collection, _selector_of(update.delete_vectors), update.delete_vectors.vector
    ),
}
