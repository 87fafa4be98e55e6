"""Turn updates into the engine's operations, all of them before the first one is applied."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias, TypeVar

import qdrant_edge as edge
from qdrant_client import models

from mrl_adapters.edge.config import dense_vectors, edge_enum
from mrl_adapters.edge.filters import edge_filter
from mrl_adapters.edge.ids import PointId, naming_ids, plain_id, spelled
from mrl_adapters.edge.inventory import Since
from mrl_adapters.edge.payloads import edge_payload
from mrl_adapters.edge.points import edge_point_vectors, edge_points
from mrl_adapters.edge.shard import Collection
from mrl_adapters.edge.space import Size, nothing
from mrl_adapters.edge.texts import check_text
from mrl_adapters.errors import ConfigurationError, EngineError

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

_MISSING = "No point with id"  # as the engine says it, after writing some of the others


class Step(NamedTuple):
    """One operation of the engine."""

    operation: _Operation
    touched: int | edge.Filter = 0
    """Which points it may move out of the index: how many, or those that match."""
    size: Size = nothing
    """Tells about how many bytes it brings."""
    effect: Since = Since.ADDED
    """What may be different afterwards."""
    ids: Callable[[], list[PointId]] = list
    """Gives the points that it names; asked where it fails for one that is not stored."""
    among: Callable[[set[int | str]], _Operation] | None = None
    """Gives the same operation on those of `ids` that a set holds, each as `spelled` gives it."""


def apply(collection: Collection, steps: Iterable[Step]) -> None:
    """Apply the operations of one update, one after the other.

    An id that is not stored does not stop the rest, as on a server: it is told in the end.

    Raises:
        EngineError: There is no such point; the others have been written.
    """
    missing: list[PointId] = []
    for step in steps:
        try:
            _apply(collection, step)
        except EngineError as error:
            if _MISSING not in str(error) or step.among is None:
                raise
            missing += _apply_to_stored(collection, step, step.among)
    if missing:
        message = (
            f"Collection {collection.name!r}: {_MISSING} {missing[0]!r}. The points of this update "
            "that are stored were written all the same, as on a server, and so was what stood "
            "before it in a batch. Leave that id out."
        )
        raise EngineError(message, collection=collection.name, found=missing[0])


def _apply_to_stored(
    collection: Collection, step: Step, among: Callable[[set[int | str]], _Operation]
) -> list[PointId]:
    """Apply an operation again, to those of its points that are stored; give the other ids.

    The engine stops at the first that is not, in an order of its own.
    """
    ids = step.ids()
    with collection.engine() as shard:
        found = shard.retrieve(ids, with_payload=False, with_vector=False)
        stored = {plain_id(each.id) for each in found}
        if stored:
            _apply(collection, step._replace(operation=among(stored)))
    return [each for each in ids if spelled(each) not in stored]


def _apply(collection: Collection, step: Step) -> None:
    operation, touched, size, effect = step[:4]
    if isinstance(touched, int):
        collection.write(operation, touched, size, effect)
        return
    with collection.engine() as shard:
        matching = shard.count(edge.CountRequest(filter=touched))
        collection.write(operation, matching, size, effect)


def upsert(
    collection: Collection,
    points: models.Batch | Sequence[models.PointStruct],
    update_filter: models.Filter | None,
    update_mode: models.UpdateMode | None,
) -> Iterator[Step]:
    """Convert points that are inserted or replaced.

    Raises:
        EmbeddingError: NaN, infinity or (DimensionsError) a wrong width.
        ValueError: No points, or a vector name that the collection does not have.
    """
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
    return _chosen(
        points,
        lambda ids: _Operation.set_payload(ids, plain, key),
        lambda chosen: _Operation.set_payload_by_filter(chosen, plain, key),
        size=lambda touched, stored: touched * (stored + len(repr(plain))),
    )


def overwrite_payload(points: Selector, payload: dict[str, Any]) -> list[Step]:
    """Convert payloads that are replaced whole."""
    plain = edge_payload(payload, "overwrite_payload")
    return _chosen(
        points,
        lambda ids: _Operation.overwrite_payload(ids, plain),
        lambda chosen: _Operation.overwrite_payload_by_filter(chosen, plain),
        size=lambda touched, stored: touched * (stored + len(repr(plain))),
    )


def delete_payload(points: Selector, keys: Sequence[str]) -> list[Step]:
    """Convert keys of the payload that are deleted."""
    for each in keys:
        check_text(each, "key of delete_payload")
    return _chosen(
        points,
        lambda ids: _Operation.delete_payload(ids, list(keys)),
        lambda chosen: _Operation.delete_payload_by_filter(chosen, list(keys)),
    )


def clear_payload(points: Selector) -> list[Step]:
    """Convert payloads that are deleted whole."""
    return _chosen(points, _Operation.clear_payload, _Operation.clear_payload_by_filter)


def delete(points: Selector) -> list[Step]:
    """Convert points that are deleted."""
    return _chosen(
        points,
        _Operation.delete_points,
        _Operation.delete_points_by_filter,
        moves=False,
        effect=Since.REMOVED,
    )


def delete_vectors(collection: Collection, points: Selector, names: Sequence[str]) -> list[Step]:
    """Convert named vectors that are deleted.

    Raises:
        ValueError: No names, or one that the collection does not have.
    """
    collection.intake().check_names(names)
    return _chosen(
        points,
        lambda ids: _Operation.delete_vectors(ids, list(names)),
        lambda chosen: _Operation.delete_vectors_by_filter(chosen, list(names)),
        moves=False,
    )


def _chosen(
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
    chosen, ids = _selected(selector)
    if chosen is None:
        with naming_ids(ids):
            operation = by_ids(_some(ids))

        def among(stored: set[int | str]) -> _Operation:
            return by_ids([each for each in ids if spelled(each) in stored])

        touched = len(ids) if moves else 0
        return [Step(operation, touched, size, effect, lambda: ids, among)]
    return [Step(by_filter(chosen), chosen if moves else 0, size, effect)]


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


def _some(given: list[_T]) -> list[_T]:
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
            return make([each for each in part if plain_id(each.id) in stored])

        return Step(
            make(part),
            len(part),
            _size(part, numbers),
            ids=lambda: [each.id for each in part],
            among=among,
        )

    return (
        step(part)
        for start in range(0, len(_some(points)), size)
        for part in [points[start : start + size]]
    )


def _size(points: Sequence[edge.Point | edge.PointVectors], numbers: int) -> Size:
    def size(touched: int, stored: float) -> float:
        del touched, stored
        payloads = sum(len(repr(getattr(each, "payload", None))) for each in points)
        return len(points) * (4 * numbers + _ID_BYTES) + payloads

    return size
