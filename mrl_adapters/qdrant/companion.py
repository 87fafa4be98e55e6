"""The name that a collection's rotation is kept under, and whose collection has that name.

A companion says in its metadata whose it is. Those of earlier versions, and of servers before 1.16,
say nothing: they are known by what they hold. Whatever else has the name is somebody's own
collection: it is neither written to nor deleted.
"""

import uuid
from collections.abc import Sequence
from typing import Any

from qdrant_client import models

from mrl_adapters.errors import CollectionMismatchError, EngineError
from mrl_adapters.qdrant.description import active_rotation, dense_vectors
from mrl_adapters.qdrant.flow import Flow, ask, change, is_forbidden
from mrl_adapters.qdrant.strict_mode import limits_of

ROW = "row"
"""Name of a companion's vector."""

_KEY = "mrl_adapters_companion"
_NAMESPACE = uuid.UUID("6d726c5f-726f-5461-8169-6f6e726f7773")
_POINTS_PER_PAGE = 1_000
_OTHER_POINTS = "holds points that are not this package's"


def companion_name(name: str) -> str:
    """Name the collection that holds a collection's rotation."""
    return f"{name}__rotation"


def row_ids(rotation_id: str, rows: Sequence[int]) -> list[str]:
    """Return the ids of the points that hold rows of a rotation."""
    return [str(uuid.uuid5(_NAMESPACE, f"{rotation_id}/{row}")) for row in rows]


def is_row(record: models.Record) -> bool:
    """Return whether a point is a row of a rotation: its id says the same as its payload."""
    payload = record.payload or {}
    return [str(record.id)] == row_ids(str(payload.get("rotation")), [payload.get("row", -1)])


def owned_by(name: str) -> dict[str, Any]:
    """Describe a companion, to be stored as its metadata."""
    return {_KEY: {"version": 1, "collection": name}}


def owner_of(info: models.CollectionInfo) -> str | None:
    """Read whose companion a collection says it is; None if it says nothing."""
    stored = (info.config.metadata or {}).get(_KEY) or {}
    return stored.get("collection")


def find_companion(name: str) -> Flow[models.CollectionInfo | None]:
    """Look for a collection's companion, before anything is written to it.

    Returns:
        The engine's description of the companion; None if there is none.
    """
    info = yield from read_companion(name)
    if info is None:
        return None
    stranger = yield from _stranger(name, info)
    if stranger is not None:
        raise _taken(name, stranger)
    return info


def read_companion(name: str) -> Flow[models.CollectionInfo | None]:
    """Read the description of the collection that has a companion's name; None if there is none.

    Raises:
        EngineError: A server lets this key or token read the collection, and not its companion.
    """
    companion = companion_name(name)
    try:
        if not (yield from ask(lambda c: c.collection_exists(companion))):
            return None
        return (yield from ask(lambda c: c.get_collection(companion)))
    except Exception as error:
        if not is_forbidden(error):
            raise
        msg = (
            f"Collection {name!r} may have its rotation in collection {companion!r}, which this "
            f"key or token may not read ({error}). Let it: whoever reads {name!r} needs read "
            f"access to {companion!r}, and whoever rotates or deletes it write access."
        )
        raise EngineError(msg, collection=companion) from error


def drop_companion(name: str) -> Flow[None]:
    """Delete a collection's companion, if it has one."""
    companion = companion_name(name)
    if (yield from find_companion(name)) is None:
        return
    if not (yield from _holds_rows_only(companion)):
        raise _taken(name, _OTHER_POINTS)
    yield from change(lambda c: c.delete_collection(companion))


def has_companion(name: str) -> Flow[bool]:
    """Return whether a collection has a companion that holds nothing but rotations."""
    try:
        info = yield from find_companion(name)
    except CollectionMismatchError:
        return False
    return info is not None and (yield from _holds_rows_only(companion_name(name)))


def _stranger(name: str, info: models.CollectionInfo) -> Flow[str | None]:
    """Return what a collection is, if it is not the companion of ``name``."""
    vectors = dense_vectors(info)
    companion = companion_name(name)
    row = vectors.get(ROW) if len(vectors) == 1 else None
    if row is None or row.distance != models.Distance.DOT or info.config.params.sparse_vectors:
        return "is not one of this package's"
    owner = owner_of(info)
    if owner is None:
        rows_only = yield from _holds_rows_only(companion)
        return None if rows_only else _OTHER_POINTS
    if owner == name or (yield from _serves(name, companion)):
        return None
    return f"belongs to collection {owner!r}"


def _serves(name: str, companion: str) -> Flow[bool]:
    """Return whether a companion holds what a collection's short vectors are made with.

    So it is with both restored from a backup under other names.
    """
    if not (yield from ask(lambda c: c.collection_exists(name))):
        return False
    rotation_id = active_rotation((yield from ask(lambda c: c.get_collection(name))))
    if rotation_id is None:
        return False
    ids = row_ids(rotation_id, [0])
    return bool((yield from ask(lambda c: c.retrieve(companion, ids=ids, with_payload=False))))


def _holds_rows_only(companion: str) -> Flow[bool]:
    offset: models.ExtendedPointId | None = None
    while True:
        records, offset = yield from companion_page(companion, offset)
        if not all(map(is_row, records)):
            return False
        if offset is None:
            return True


def companion_page(
    companion: str, offset: models.ExtendedPointId | None
) -> Flow[tuple[list[models.Record], models.ExtendedPointId | None]]:
    """Read a page of a companion's points, without vectors.

    Args:
        companion: The companion.
        offset: Where the page starts; None starts at the first point.

    Returns:
        The points, and where the next page starts (None after the last).
    """
    size = (yield from limits_of(companion)).page(_POINTS_PER_PAGE)
    return (
        yield from ask(lambda c: c.scroll(companion, limit=size, offset=offset, with_payload=True))
    )


def _taken(name: str, what: str) -> CollectionMismatchError:
    companion = companion_name(name)
    return CollectionMismatchError(
        f"Collection {companion!r} {what}, and the rotation of {name!r} would be kept under that "
        f"name. It was left as it is, and nothing was written. Choose another name than {name!r}, "
        "or leave rotation out. Only if that collection is not needed, delete it: "
        f"client.delete_collection({companion!r})",
        collection=companion,
        found=what,
        expected=f"the rotation of {name!r}",
    )
