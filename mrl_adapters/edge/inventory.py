"""What a collection held: how many points, and what its files were.

The file ``inventory`` is written while nothing is being written: after a creation, a build of the
index, a change of settings, and on closing. Its first line says what may have happened since, and
is overwritten in place before it happens: whenever the process dies, the inventory is not wrong,
it only says less.

Opening compares the sizes of all files, and the contents of all files of a small collection, of
the smallest ones of a large one: reading everything would take longer than loading. `check_files`
compares everything.
"""

import contextlib
import enum
import json
import os
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path

from mrl_adapters.edge.engine_files import (
    OWN_SETTINGS,
    SEGMENT_STATE,
    built_segments,
    digest,
    is_final,
    is_log,
    is_written_by_loading,
    may_vanish,
    must_stay,
)
from mrl_adapters.edge.files import checksum, sealed, told_if_full, unsealed, write_whole
from mrl_adapters.edge.paths import INVENTORY_FILE, SHARD_FOLDER
from mrl_adapters.errors import EngineError

READ_ON_OPENING_BYTES = 32 << 20
"""How much opening reads to compare contents, the log apart."""


class Since(enum.IntFlag):
    """What may have happened since the inventory was taken."""

    LOADED = 1
    """The engine folds its journals."""
    ADDED = 2
    """Points are written: there are no fewer, and what is never written again is as it was."""
    REMOVED = 4
    """Points are deleted: the count says nothing any more."""
    REBUILT = 8
    """Segments are exchanged: the files say nothing any more."""


_NOTHING = Since(0)
_UNKNOWN = Since.LOADED | Since.ADDED | Since.REMOVED | Since.REBUILT


@dataclass(frozen=True)
class _File:
    """A file as it was: bytes, those of them that are no holes, checksum, last change."""

    size: int
    data: int
    checksum: int
    changed_ns: int


class Inventory:
    """What is known of a collection's files and points."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._shard = folder / SHARD_FOLDER
        self._path = folder / INVENTORY_FILE
        self._files: dict[str, _File] = {}
        self._since = _UNKNOWN
        self._engine = ""
        self.revision: int = 0
        """Of the settings that belong to it."""
        self.points: int | None = None
        """How many there were; None before anything was noted."""

    @property
    def vague(self) -> bool:
        """Whether more has happened since it was taken than that the collection was loaded."""
        return self._since not in {_NOTHING, Since.LOADED}

    def read(self) -> None:
        """Read what was noted; an error says that it is gone or damaged."""
        try:
            line, text = self._path.read_bytes().split(b"\n", 1)
            flags, revision = line.split()
            since, noted = Since(int(flags, 2)), int(revision)
            content = unsealed(json.loads(text), self._path)
            self._files = {place: _File(*file) for place, file in content["files"].items()}
            self.points, self._engine = content["points"], content["engine"]
        except (EngineError, OSError, LookupError, TypeError, ValueError) as error:
            message = f"{self._path} is gone or damaged"
            raise EngineError(message, path=self._path) from error
        self._since, self.revision = since, noted

    def mark(self, what: Since) -> None:
        """Note what is about to happen; return when the disk knows."""
        # Only what this version of the engine writes is known.
        since = self._since | what if self._engine == _engine() else _UNKNOWN
        if since != self._since:
            self._write_line(since, wait=True)

    def note_revision(self, revision: int) -> None:
        """Note which settings belong to it."""
        self.revision = revision
        self._write_line(self._since, wait=False)

    def forget(self, revision: int) -> None:
        """Take what is there for what there was."""
        self.revision = revision
        self._write(0, {}, _UNKNOWN)

    def take(self, points: int, *, loaded: bool) -> None:
        """Note what is there, while nothing is being written."""
        states = dict(self._states())
        built = built_segments(states)
        files = {place: self._noted(place, now, built) for place, now in states.items()}
        since = Since.LOADED if loaded else _NOTHING
        if self._files == files and self.points == points and self._engine == _engine():
            self._write_line(since, wait=False)
        else:
            self._write(points, files, since)

    def damages(self, *, everything: bool = False) -> Iterator[str]:
        """Yield which files are not what was noted, as far as they must still be the same."""
        if Since.REBUILT in self._since:
            return
        states, built = dict(self._states()), built_segments(self._files)
        same: list[tuple[int, str]] = []
        for place, noted in self._files.items():
            path, now = self._shard / place, states.get(place)
            may_differ = self._may_have_changed(place, built)
            if now is None:
                if must_stay(place) or not (may_differ or may_vanish(place)):
                    yield f"{path} is gone"
            elif may_differ:
                continue
            elif now.st_size != noted.size and path.name != SEGMENT_STATE:
                yield f"{path} has {now.st_size:,} bytes, it had {noted.size:,}"
            else:
                same.append((noted.data, place))
        left = READ_ON_OPENING_BYTES
        for size, place in sorted(same):
            left -= 0 if is_log(place) else size
            if (left >= 0 or everything or is_log(place)) and self._differs(place):
                yield f"the content of {self._shard / place} has changed"

    def missing(self, points: int) -> int:
        """Return how many points are gone, as far as that is known."""
        if self.points is None or Since.REMOVED in self._since:
            return 0
        return max(0, self.points - points)

    def _differs(self, place: str) -> bool:
        now, _ = _digest(self._shard / place)
        return now != self._files[place].checksum

    def _noted(self, place: str, now: os.stat_result, built: frozenset[str]) -> _File:
        known = self._files.get(place)
        final = is_final(place, built)
        changed_ns = now.st_mtime_ns if final else 0  # mapped files do not always tell
        if known is not None and known.size == now.st_size:
            same = final and known.changed_ns == changed_ns
            if same or not self._may_have_changed(place, built):
                return known
        checksum, data = _digest(self._shard / place)
        return _File(now.st_size, data, checksum, changed_ns)

    def _may_have_changed(self, place: str, built: frozenset[str]) -> bool:
        if Since.REBUILT in self._since:
            return True
        if self._since & (Since.ADDED | Since.REMOVED):
            return not is_final(place, built)
        return bool(self._since) and is_written_by_loading(place)

    def _states(self) -> Iterator[tuple[str, os.stat_result]]:
        for folder, _, names in os.walk(self._shard):
            for name in sorted(names):
                if name != OWN_SETTINGS:
                    path = Path(folder, name)
                    yield path.relative_to(self._shard).as_posix(), path.stat()

    def _write(self, points: int, files: dict[str, _File], since: Since) -> None:
        noted = {place: list(astuple(file)) for place, file in files.items()}
        content = sealed({"engine": _engine(), "points": points, "files": noted})
        write_whole(self._path, _line(since, self.revision) + json.dumps(content).encode())
        self._files, self.points, self._engine, self._since = files, points, _engine(), since

    def _write_line(self, since: Since, *, wait: bool) -> None:
        if self.points is None:  # nothing was ever noted
            return
        with told_if_full(self._path), self._path.open("r+b", buffering=0) as file:
            file.write(_line(since, self.revision))
            if wait:
                os.fsync(file.fileno())
        self._since = since


def _line(since: Since, revision: int) -> bytes:
    return f"{since.value:04b} {revision:010d}\n".encode()


@cache
def _engine() -> str:
    return version("qdrant-edge-py")


def _digest(path: Path) -> tuple[int, int]:
    """Checksum a file; the state of a segment by its meaning, for the engine shuffles its keys."""
    if path.name == SEGMENT_STATE:
        content = path.read_bytes()
        with contextlib.suppress(ValueError):
            return checksum(json.loads(content)), len(content)
    return digest(path)
