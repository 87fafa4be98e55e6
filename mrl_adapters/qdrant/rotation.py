"""Keep a collection's rotation with the collection: in a companion of its own.

The rows of a rotation are the points of ``<name>__rotation`` (metadata is too small for them).
Which rotation a collection's short vectors were made with stands in their names and in the
collection's metadata, so that they cannot be searched with another one, nor without.

Deleting a collection leaves its companion behind; delete that too, or keep it: the next
collection of that name does not mistake it for its own. Opened by an alias, a collection's
companion is looked for under the collection's own name. Somebody else's collection under the
companion's name is never touched (see :mod:`mrl_adapters.qdrant.companion`).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from qdrant_client import models

from mrl_adapters.errors import CollectionMismatchError
from mrl_adapters.qdrant.aliases import collection_behind
from mrl_adapters.qdrant.commands import command
from mrl_adapters.qdrant.companion import (
    ROW,
    companion_name,
    companion_page,
    drop_companion,
    find_companion,
    has_companion,
    is_row,
    owned_by,
    owner_of,
    read_companion,
    row_ids,
)
from mrl_adapters.qdrant.description import active_rotation, dense_vectors, read_layout
from mrl_adapters.qdrant.engine import engine_of
from mrl_adapters.qdrant.flow import Flow, ask, change
from mrl_adapters.qdrant.layout import CollectionLayout
from mrl_adapters.qdrant.points import PointBatch
from mrl_adapters.vectors import Rotation

_ROWS_PER_PAGE = 128  # rows fetched at a time: a few MB


def open_layout(name: str) -> Flow[CollectionLayout]:
    """Read a collection's layout together with its rotation.

    Returns:
        The layout, its ``rotation`` None where short vectors are plain slices.
    """
    info = yield from ask(lambda c: c.get_collection(name))
    return (yield from rotated_layout(name, info))


def rotated_layout(
    name: str, info: models.CollectionInfo, full_name: str | None = None
) -> Flow[CollectionLayout]:
    """Read a collection's layout from its description, and its rotation from the companion.

    Args:
        name: The collection's name.
        info: The engine's description.
        full_name: Which vector is the full one, where the collection does not say it itself.

    Returns:
        The layout.

    Raises:
        CollectionMismatchError: It is no layout of this package's, or a companion itself.
    """
    if (owner := owner_of(info)) is not None:
        msg = (
            f"Collection {name!r} holds the rotation of {owner!r}, it is nothing to search. "
            f"Use {owner!r}."
        )
        raise CollectionMismatchError(msg, collection=name, found=owner)
    rotation_id = active_rotation(info)
    rotation = None
    if rotation_id is not None:
        rotation = yield from load_rotation(name, rotation_id)
    return read_layout(name, info, rotation, full_name=full_name)


def store_rotation(name: str, layout: CollectionLayout) -> Flow[None]:
    """Write a layout's rotation, if it has one, into the companion, beside any that is there."""
    rotation = layout.rotation
    if not isinstance(rotation, Rotation):
        return
    companion = companion_name(name)
    info = yield from find_companion(name)
    if info is not None and dense_vectors(info)[ROW].size != rotation.full_dimensions:
        # Left behind by a deleted collection of another model.
        yield from drop_companion(name)
        info = None
    if info is None:
        yield from _create_companion(name, layout)
    elif owner_of(info) != name:
        # Of an earlier version, or restored from a backup under another name.
        yield from change(lambda c: c.update_collection(companion, metadata=owned_by(name)))
    payloads = [
        {
            "rotation": rotation.id,
            "row": row,
            "rows": rotation.dimensions,
            "energy": energy,
            "flatten": rotation.flatten,
        }
        for row, energy in enumerate(rotation.energies.tolist())
    ]
    batch = PointBatch(row_ids(rotation.id, range(len(payloads))), {ROW: rotation.rows}, payloads)
    requests = yield from ask(lambda c: batch.requests(engine_of(c)))
    for points in requests:
        yield from _upsert(companion, points)


def load_rotation(name: str, rotation_id: str) -> Flow[Rotation]:
    """Fetch a rotation from a collection's companion.

    Returns:
        The rotation, its id checked.
    """
    try:
        return (yield from _read(name, rotation_id))
    except CollectionMismatchError:
        behind = yield from collection_behind(name)
        if behind == name:
            raise
    return (yield from _read(behind, rotation_id))


def _read(name: str, rotation_id: str) -> Flow[Rotation]:
    companion = companion_name(name)
    info = yield from read_companion(name)
    if info is None:
        raise _lost(name, rotation_id, "does not exist")
    if ROW not in dense_vectors(info):
        raise _lost(name, rotation_id, "is somebody else's")
    records = yield from _fetch(companion, row_ids(rotation_id, [0]))
    if not records:
        raise _lost(name, rotation_id, "does not hold it")
    first = records[0].payload or {}
    ids = row_ids(rotation_id, range(int(first.get("rows", 1))))
    for start in range(1, len(ids), _ROWS_PER_PAGE):
        records += yield from _fetch(companion, ids[start : start + _ROWS_PER_PAGE])
    places = {each: place for place, each in enumerate(ids)}
    rows: list[Any] = []
    energies: list[float] = []
    for record in sorted(records, key=lambda each: places[str(each.id)]):
        rows.append((record.vector or {}).get(ROW, []))  # type: ignore[union-attr] # named
        energies.append((record.payload or {}).get("energy", 0.0))
    flatten = first.get("flatten", 0.0)
    try:
        rotation = Rotation(
            np.asarray(rows, dtype=np.float32), np.asarray(energies, dtype=np.float32), flatten
        )
    except ValueError as error:
        raise _lost(name, rotation_id, f"holds a damaged one ({error})") from error
    if rotation.id != rotation_id:
        raise _lost(name, rotation_id, f"holds {rotation!r} under that id")
    return rotation


def holds_rotation(name: str, rotation_id: str) -> Flow[bool]:
    """Return whether a collection's companion holds a rotation, or began to."""
    if not (yield from has_companion(name)):
        return False
    companion = companion_name(name)
    ids = row_ids(rotation_id, [0])
    return bool((yield from ask(lambda c: c.retrieve(companion, ids=ids, with_payload=False))))


def forget_others(name: str, kept: str) -> Flow[None]:
    """Delete every rotation but one from a collection's companion."""
    companion = companion_name(name)
    others: list[models.ExtendedPointId] = []
    offset: models.ExtendedPointId | None = None
    while True:
        records, offset = yield from companion_page(companion, offset)
        others += [
            record.id
            for record in records
            if is_row(record) and (record.payload or {}).get("rotation") != kept
        ]
        if offset is None:
            break
    if others:
        # By id, not by filter: a server in strict mode refuses filters on fields without an index.
        selector = models.PointIdsList(points=others)
        yield from change(lambda c: c.delete(companion, selector, wait=True))


def _create_companion(name: str, layout: CollectionLayout) -> Flow[None]:
    rows = models.VectorParams(
        size=layout.dimensions,
        # Dot stores numbers as they are; nothing ever searches among them.
        distance=models.Distance.DOT,
        on_disk=True,
        hnsw_config=models.HnswConfigDiff(m=0),
    )
    try:
        yield from change(
            lambda c: c.create_collection(
                companion_name(name),
                vectors_config={ROW: rows},
                metadata=owned_by(name),
                # Without it nothing of the collection can be read: it has as many copies.
                shard_number=None if layout.shard_number is None else 1,
                replication_factor=layout.replication_factor,
                write_consistency_factor=layout.write_consistency_factor,
            )
        )
    except Exception:
        # Another writer may have created it in the meantime; then it is looked at like any.
        if (yield from find_companion(name)) is None:
            raise


def _upsert(companion: str, points: list[models.PointStruct]) -> Flow[None]:
    yield from change(lambda c: c.upsert(companion, points=points, wait=True))


def _fetch(companion: str, ids: Sequence[str]) -> Flow[list[models.Record]]:
    return (
        yield from ask(
            lambda c: c.retrieve(companion, ids=ids, with_payload=True, with_vectors=[ROW])
        )
    )


def _lost(name: str, rotation_id: str, what: str) -> CollectionMismatchError:
    return CollectionMismatchError(
        f"Collection {name!r} is rotated by {rotation_id}, expected in collection "
        f"{companion_name(name)!r}, which {what}. Restore that collection from a backup, or fit "
        f"and derive anew from the full vectors: {command('rotate', name)}",
        collection=name,
        expected=companion_name(name),
    )
