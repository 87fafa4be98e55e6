"""Copy a collection that may not be written to, for the engine to search.

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

from mrl_adapters.edge.files import allocated_bytes
from mrl_adapters.edge.permissions import everything, may_write
from mrl_adapters.errors import EngineError

# Full vectors, codes and graphs of what is indexed: written once, by the index build.
# Source: strace of qdrant-edge-py 0.9.0 loading and searching a shard.
_NEVER_WRITTEN = frozenset({"matrix.dat", "quantized.data", "links_compressed.bin"})
_BLOCK = 1 << 16
_NOTHING = bytes(_BLOCK)
# Room that must be left beside the copy: the engine writes into it as it loads.
_SPARE_BYTES = 64 << 20


class ReadingCopy:
    """Copy a collection to where the engine may write.

    Args:
        original: The collection's folder; nobody may be writing into it.

    Raises:
        EngineError: There is no room for the copy.
        OSError: Something cannot be read.
    """

    def __init__(self, original: Path) -> None:
        self.original = original
        place = Path(tempfile.gettempdir())
        files = list(everything(original))
        _check_room(original, place, files)
        self.folder = Path(tempfile.mkdtemp(prefix="mrl-adapters-"))
        self._end = weakref.finalize(self, _remove, self.folder, os.getpid())
        try:
            for source, target in files:
                _put(source, self.folder / target)
        except BaseException:
            self.remove()
            raise

    def remove(self) -> None:
        """Remove the copy; twice is harmless."""
        self._end()


def _is_linked(source: Path) -> bool:
    # Windows lets hardly anybody make links.
    return sys.platform != "win32" and source.name in _NEVER_WRITTEN and not may_write(source)


def _check_room(original: Path, place: Path, files: list[tuple[Path, str]]) -> None:
    states = (source.stat() for source, _ in files if not _is_linked(source))
    # Of a file with holes only what holds data is copied.
    needed = sum(min(each.st_size, allocated_bytes(each)) for each in states)
    free = shutil.disk_usage(place).free
    if free < needed + _SPARE_BYTES:
        message = (
            f"{original} is read-only, and the engine searches it in a copy of {needed:,} bytes: "
            f"{place} has {free:,} free. Name a folder with more room in the environment "
            "variable TMPDIR."
        )
        raise EngineError(message, found=free, expected=needed + _SPARE_BYTES, path=original)


def _put(source: Path, target: Path) -> None:
    if source.is_dir():
        target.mkdir()
    elif _is_linked(source):
        target.symlink_to(source)
    else:
        _copy(source, target)


def _copy(source: Path, target: Path) -> None:
    """Copy a file, its empty blocks as holes: the engine reserves far more than it fills."""
    with source.open("rb", buffering=0) as reading, target.open("wb", buffering=0) as writing:
        while block := reading.read(_BLOCK):
            if block == _NOTHING[: len(block)]:
                writing.seek(len(block), os.SEEK_CUR)
            else:
                writing.write(block)
        writing.truncate()


def _remove(folder: Path, process: int) -> None:
    """Remove a copy, unless this is a forked child of the process that made it."""
    if os.getpid() == process:
        shutil.rmtree(folder, ignore_errors=True)
