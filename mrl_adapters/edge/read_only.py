"""A collection that may not be written to: searched in a copy, and changed by nobody.

That is so where the system allows no more, and where a client chose it, beside others that read.

The engine opens its log and most of its files for writing, even to read. So it is given a private
copy, which lasts as long as the client. The files that it only ever reads, the largest of an
indexed collection, are links in that copy; of the others only what holds data takes room.
"""

import os
import shutil
import sys
import tempfile
import weakref
from pathlib import Path

import qdrant_edge as edge

from mrl_adapters.edge.collection import Collection
from mrl_adapters.edge.files import allocated_bytes
from mrl_adapters.edge.paths import collection_entries, may_write, refusal
from mrl_adapters.errors import EngineError

# Full vectors, codes and graphs of what is indexed: written once, by the index build.
# Source: strace of qdrant-edge-py 0.9.0 loading and searching a shard.
_NEVER_WRITTEN = frozenset({"matrix.dat", "quantized.data", "links_compressed.bin"})
_BLOCK = 1 << 16
_ZEROS = bytes(_BLOCK)
# Room that must be left beside the copy: the engine writes into it as it loads.
_SPARE_BYTES = 64 << 20


class ReadingCopy:
    """A copy of a collection where the engine may write.

    Args:
        original: The collection's folder.
        kept: Whether nobody writes there as long as the copy lasts.
    """

    def __init__(self, original: Path, *, kept: bool) -> None:
        self.original = original
        place = Path(tempfile.gettempdir())
        files = [
            (source, target, _is_linked(source, kept=kept))
            for source, target in collection_entries(original)
        ]
        _check_room(original, place, [source for source, _, linked in files if not linked])
        self.folder: Path = Path(tempfile.mkdtemp(prefix="mrl-adapters-"))
        self._end = weakref.finalize(self, _remove_copy, self.folder, os.getpid())
        try:
            for source, target, linked in files:
                _put(source, self.folder / target, linked=linked)
        except BaseException:
            self.remove()
            raise

    def remove(self) -> None:
        """Remove the copy; twice is harmless."""
        self._end()


def _is_linked(source: Path, *, kept: bool) -> bool:
    # Windows lets hardly anybody make links.
    lasts = kept or not may_write(source)
    return sys.platform != "win32" and source.name in _NEVER_WRITTEN and lasts


def _check_room(original: Path, place: Path, copied: list[Path]) -> None:
    states = (source.stat() for source in copied)
    # Of a file with holes only what holds data is copied.
    needed = sum(min(state.st_size, allocated_bytes(state)) for state in states)
    free = shutil.disk_usage(place).free
    if free < needed + _SPARE_BYTES:
        message = (
            f"{original} is read-only, and the engine searches it in a copy of {needed:,} bytes: "
            f"{place} has {free:,} free. Name a folder with more room in the environment "
            "variable TMPDIR."
        )
        raise EngineError(message, found=free, expected=needed + _SPARE_BYTES, path=original)


def _put(source: Path, target: Path, *, linked: bool) -> None:
    if source.is_dir():
        target.mkdir()
    elif linked:
        target.symlink_to(source)
    else:
        _copy(source, target)


def _copy(source: Path, target: Path) -> None:
    """Copy a file, its empty blocks as holes: the engine reserves far more than it fills."""
    with source.open("rb", buffering=0) as reading, target.open("wb", buffering=0) as writing:
        while block := reading.read(_BLOCK):
            if block == _ZEROS[: len(block)]:
                writing.seek(len(block), os.SEEK_CUR)
            else:
                writing.write(block)
        writing.truncate()


def _remove_copy(folder: Path, process: int) -> None:
    """Remove a copy, unless this is a forked child of the process that made it."""
    if os.getpid() == process:
        shutil.rmtree(folder, ignore_errors=True)


class ReadOnlyCollection(Collection):
    """A collection that can only be searched; nobody may be writing into its folder now.

    Args:
        name: Its name.
        folder: Its folder.
        kept: Whether nobody will as long as this is open, the client having chosen to read alone.
    """

    def __init__(self, name: str, folder: Path, *, kept: bool) -> None:
        self._copy = ReadingCopy(folder, kept=kept)
        self._kept = kept
        self._settling = False
        super().__init__(name, self._copy.folder)

    def _settle(self) -> edge.EdgeShard:
        self._settling = True  # an interrupted change may be finished in the copy
        try:
            return super()._settle()
        except EngineError as error:
            original = self._copy.original
            message = str(error).replace(str(self._copy.folder), str(original))
            raise EngineError(message, collection=self.name, path=original) from error
        finally:
            self._settling = False

    def close(self, *, index: bool = True) -> None:
        """Close the shard and remove the copy; twice is harmless."""
        super().close(index=index)
        self._copy.remove()

    def discard(self) -> None:
        """Close the shard and remove the copy."""
        super().discard()
        self._copy.remove()

    @property
    def _original(self) -> Path:
        return self._copy.original

    def _build_if_due(self, shard: edge.EdgeShard) -> None:
        """Build nothing, which would be lost with the copy."""

    def _note(self, points: int, *, loaded: bool) -> None:
        """Note nothing: the copy lasts no longer than this client."""

    def _check_writable(self) -> None:
        """Refuse changes, which would be lost with the copy."""
        if not self._settling:
            raise refusal(self._copy.original, self.name, chosen=self._kept)
