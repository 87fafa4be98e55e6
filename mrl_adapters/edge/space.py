"""Refuse to write while there is still room: the engine dies where a mapped file finds none.

Its files are made large and empty, and take room page by page as they are written. A page that
the disk has no room for ends the process (SIGBUS), whatever Python would do about it. So every
write asks first, for what it brings and for what the next build of the index takes.
"""

import math
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from qdrant_client import models

from mrl_adapters.edge.config import dense_vectors
from mrl_adapters.edge.files import allocated_bytes
from mrl_adapters.edge.paths import SHARD_FOLDER
from mrl_adapters.edge.pending import build_from
from mrl_adapters.errors import EngineError

Size: TypeAlias = Callable[[int, float], float]
"""About how many bytes a write brings, given the number of points that it touches and what a stored
one takes; asked only where room is short."""

_MB = 1 << 20
_MOUNTS = Path("/proc/self/mounts")
_IN_MEMORY = frozenset({"tmpfs", "ramfs"})

# Measured by the free room before and after each operation, on ext4 and tmpfs.
_BEGUN_BYTES = 8 * _MB  # pages begun in about a hundred files
_LOADED_BYTES = 1 * _MB
_CHUNK_BYTES = 33 * _MB  # of a vector kept in memory: tmpfs gives it room when it is only read
_WRITTEN_TIMES = 3  # log, segment, and the files around it: up to 2.1 of what comes
_PLENTY_BYTES = 4096 * _MB  # more than any one operation is allowed to bring
_OPERATION_BYTES = 4 * _MB  # what one brings in the end, mostly less
_BUILT_TIMES = 1.5  # segments beside the old ones, with codes and graph: up to 1.2 of the old


def nothing(touched: int, stored: float) -> float:
    """Return the size of a write that brings nothing to speak of."""
    del touched, stored
    return 0.0


class Space:
    """The room that a collection has left."""

    def __init__(self, name: str, folder: Path) -> None:
        self._name = name
        self._folder = folder
        self._stored: float | None = None

    def measure(self) -> None:
        """Look again what the segments take: they have been exchanged."""
        self._stored = None

    @property
    def stored(self) -> float:
        """About the bytes that the segments take."""
        if self._stored is None:
            self._stored = _stored_bytes(self._folder / SHARD_FOLDER / "segments")
        return self._stored

    def check_write(
        self,
        settings: models.CreateCollection,
        touched: int,
        size: Size,
        points: Callable[[], int],
    ) -> None:
        """Make sure of the room for a write and for the build that follows."""
        free = self._free()
        if free > _PLENTY_BYTES + _BUILT_TIMES * self.stored:
            self._stored = self.stored + _OPERATION_BYTES
            return
        self.measure()
        written = _WRITTEN_TIMES * size(touched, self.stored / max(points(), 1))
        kept = _kept(settings)
        if not math.isinf(build_from(settings)):
            kept += self.build_bytes() + _BUILT_TIMES * written
        if free < written + kept:
            raise self._shortage("writing", written, kept, free)

    def check_load(self, settings: models.CreateCollection) -> None:
        """Make sure of the few pages that loading begins."""
        free, needed = self._free(), _LOADED_BYTES
        if free < _kept(settings) and fills_holes(self._folder):
            needed += _holes(self._folder / SHARD_FOLDER / "segments")
        if free < needed:
            raise self._shortage("loading", needed, 0, free)

    def check(self, settings: models.CreateCollection, doing: str, needed: float = 0) -> None:
        """Make sure of the room for something else than a write."""
        free, kept = self._free(), _kept(settings)
        if free < needed + kept:
            raise self._shortage(doing, needed, kept, free)

    def build_bytes(self) -> float:
        """Return about what a build takes before the old segments are removed."""
        return _BUILT_TIMES * self.stored + _BEGUN_BYTES

    def has_room_to_build(self) -> bool:
        """Return whether a build would fit now."""
        self.measure()
        return self._free() >= self.build_bytes()

    def check_build(self) -> None:
        """Make sure of the room for a build."""
        if not self.has_room_to_build():
            doing, needed = "building the index", self.build_bytes()
            raise self._shortage(doing, needed, 0, self._free())

    def _free(self) -> int:
        return shutil.disk_usage(self._folder).free

    def _shortage(self, doing: str, needed: float, kept: float, free: int) -> EngineError:
        more = f", and {_megabytes(kept)} must stay free to load it and build its index"
        message = (
            f"No space left on {self._folder}: collection {self._name!r}: {doing} needs about "
            f"{_megabytes(needed)}{more if kept else ''}; {_megabytes(free)} are free. Nothing was "
            "written. Make room and try again; what is there stays as it is, and searchable."
        )
        return EngineError(
            message,
            collection=self._name,
            path=self._folder,
            expected=math.ceil(needed + kept),
            found=free,
        )


def _kept(settings: models.CreateCollection) -> float:
    """Return what must be free for a collection to be loaded again."""
    in_memory = sum(
        not params.on_disk and params.memory is not models.Memory.COLD
        for params in dense_vectors(settings).values()
    )
    payload = settings.on_disk_payload is False
    return _BEGUN_BYTES + _CHUNK_BYTES * (in_memory + payload)


def _stored_bytes(folder: Path) -> float:
    total = 0
    for where, _, names in os.walk(folder):
        for name in names:
            total += allocated_bytes(Path(where, name).stat())
    return total


def _holes(folder: Path) -> int:
    """Return the bytes of holes in files that loading may read whole."""
    states = (path.stat() for name in ("chunk_*", "page_*") for path in folder.rglob(name))
    return sum(max(0, state.st_size - allocated_bytes(state)) for state in states)


def _megabytes(size: float) -> str:
    return f"{math.ceil(size / _MB):,} MB"


def fills_holes(folder: Path) -> bool:
    """Return whether reading a hole of a mapped file takes room, as it does in memory."""
    try:
        lines = _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:  # not Linux
        return False
    place = folder.resolve()
    kinds = {_unescaped(line.split()[1]): line.split()[2] for line in lines}
    mounted = next((parent for parent in (place, *place.parents) if str(parent) in kinds), None)
    return mounted is not None and kinds[str(mounted)] in _IN_MEMORY


def _unescaped(point: str) -> str:
    """Return a mount point as it is; its blanks and backslashes are written as octal numbers."""
    for code in ("040", "011", "012", "134"):
        point = point.replace(f"\\{code}", chr(int(code, 8)))
    return point
