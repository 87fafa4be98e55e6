"""Mend a log that holds operations which cannot be applied again as they were meant.

Earlier versions let two kinds in:

- Values and filters nested more deeply than the log's reader goes: it gives up, and the collection
  cannot be opened.
- NaN and infinity in a filter by range. The reader takes such a bound for none, so that what
  matched nothing would match every number at the next opening.

A value is cut where it gets too deep. A bound is replaced by a finite one that matches the same
numbers. Only an operation whose filter is too deep is taken out: it had been applied when it was
written. The files as they were are kept beside the engine's folder.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from mrl_adapters.edge.cbor import NULL, decoded, parts_below, without
from mrl_adapters.edge.engine_errors import repair_command
from mrl_adapters.edge.limits import MAX_PAYLOAD_DEPTH
from mrl_adapters.edge.log import LOG_FOLDER, first_replayed, read_log, replace_records
from mrl_adapters.edge.paths import LOG_BACKUP_FOLDER, SHARD_FOLDER
from mrl_adapters.errors import EngineError

# An operation puts up to five levels around a payload; the reader gives up at 128.
_KEPT_LEVELS = MAX_PAYLOAD_DEPTH + 5
_READ_LEVELS = 127
_STORED_LEVELS = 129  # so deep in an operation that sets a payload, the stored one is not read
_PAYLOAD = b"payload"
_SET_PAYLOAD = b"\xbfkset_payload"
_NOTHING = b"\xbfmdelete_points\xa1cids\x80\xff"  # an operation that deletes no point

_BOUND = re.compile(rb"(blt|clte|bgt|cgte)(\xf9(?:\x7e|\x7c|\xfc)\x00)")
_MINUS_INFINITY = b"\xf9\xfc\x00"
_LARGEST = b"\xfb\x7f\xef\xff\xff\xff\xff\xff\xff"  # the largest finite float: none is above
_SMALLEST = b"\xfb\xff\xef\xff\xff\xff\xff\xff\xff"


@dataclass(frozen=True)
class LogRepair:
    """What was mended in a collection's log, and what was wrong with its files.

    Args:
        bounds: Operations whose filter had a bound that is not finite.
        cut: Operations that lost values nested too deeply.
        dropped: Operations that were taken out: their filter was nested too deeply.
        backup: Where the log's files are kept as they were; None if nothing was wrong with it.
        restored: Ids of points whose stored payload was nested too deeply to be read; they have
            what the log held of it.
        emptied: Ids of such points of which the log held nothing; they have no payload now.
        accepted: What was wrong with the collection's files, a clause each: they are taken as
            they are.
    """

    bounds: int = 0
    cut: int = 0
    dropped: int = 0
    backup: str | None = None
    restored: tuple[int | str, ...] = ()
    emptied: tuple[int | str, ...] = ()
    accepted: tuple[str, ...] = ()

    @property
    def mended(self) -> bool:
        """Whether anything was wrong."""
        return bool(self.backup or self.restored or self.emptied or self.accepted)


def has_lost_bounds(shard: Path) -> bool:
    """Return whether the next opening would apply a filter without the bound that it was given."""
    return any(
        _BOUND.search(record.content) and record.whole
        for record in read_log(shard, first_replayed(shard))
    )


class HarmedLog(Exception):  # noqa: N818 - the collection turns it into an error that names it
    """A log holds what cannot be applied again, which the message names."""

    def error(self, name: str, folder: Path) -> EngineError:
        """Compose the error that names the collection, in a folder of the store."""
        log = folder / SHARD_FOLDER / LOG_FOLDER
        message = (
            f"Collection {name!r}: the log in {log} holds {self}: an earlier version let it in. "
            "Nothing was changed. Mend it, keeping everything else, with: "
            f"{repair_command(name, folder)}"
        )
        return EngineError(message, collection=name, path=log)


def repair_log(shard: Path) -> LogRepair:
    """Mend every operation that the next opening would apply.

    It may be interrupted at any moment and run again.
    """
    bounds = cut = dropped = 0
    contents: dict[Path, dict[int, bytes]] = {}
    for record in read_log(shard, first_replayed(shard)):
        finite = _BOUND.sub(_finite, record.content)
        mended = _shallow(finite)
        if mended == record.content or not record.whole:
            continue
        contents.setdefault(record.file, {})[record.position] = mended
        bounds += finite != record.content
        dropped += mended == _NOTHING
        cut += mended not in {finite, _NOTHING}
    backup = shard.parent / LOG_BACKUP_FOLDER
    for file, replaced in contents.items():
        replace_records(file, replaced, backup)
    return LogRepair(bounds, cut, dropped, str(backup) if contents else None)


def logged_payloads(shard: Path) -> dict[Any, dict[str, Any]]:
    """Return the last whole payloads that the log holds, by id."""
    payloads: dict[Any, dict[str, Any]] = {}
    for record in read_log(shard):
        if not parts_below(record.content, _READ_LEVELS, frozenset()):
            payloads.update(_payloads(decoded(record.content)))
    return payloads


def _payloads(operation: dict[str, Any]) -> Iterator[tuple[Any, dict[str, Any]]]:
    [(name, given)] = operation.items()
    if name == "overwrite_payload":
        for point_id in given["points"] or ():
            yield _point_id(point_id), given["payload"]
    elif name in {"upsert_points", "upsert_points_conditional"}:
        for point in given.get("points_op", given).get("points", ()):
            yield _point_id(point["id"]), point["payload"] or {}


def _point_id(given: int | bytes | str) -> int | str:
    return str(UUID(bytes=given)) if isinstance(given, bytes) else given


def _finite(bound: re.Match[bytes]) -> bytes:
    """Return a bound that matches the same numbers; to the engine, NaN is above infinity."""
    name, value = bound.groups()
    below = name in {b"blt", b"clte"}
    if below == (value != _MINUS_INFINITY):
        return name + NULL  # every number
    return name + (_SMALLEST if below else _LARGEST)


def _shallow(content: bytes) -> bytes:
    """Cut values that are nested too deeply out of an operation; give up one with such a filter."""
    if not parts_below(content, _READ_LEVELS, frozenset()):
        return content
    deep = parts_below(content, _KEPT_LEVELS, frozenset({_PAYLOAD}))
    if content.startswith(_SET_PAYLOAD) and parts_below(content, _STORED_LEVELS, frozenset()):
        return _NOTHING  # refused by the engine, after it was logged
    if any(part.under != _PAYLOAD for part in deep):
        return _NOTHING
    return without(content, deep)
