"""Checksum a file of the engine: its content, whatever lies in holes.

The engine maps files of tens of megabytes of which few pages are written. Holes and blocks of
zeros count the same, for a copy of a file may hold either; and holes are not read.
"""

import errno
import os
import zlib
from collections.abc import Iterator
from pathlib import Path

_BLOCK = 1 << 16
_CHUNK = 1 << 20
_ZEROS = bytes(_BLOCK)
_SEEK_DATA: int | None = getattr(os, "SEEK_DATA", None)  # not on Windows
_SEEK_HOLE: int | None = getattr(os, "SEEK_HOLE", None)


def digest(path: Path) -> tuple[int, int]:
    """Give the CRC-32 of a file's blocks that are not all zeros, each with its place.

    Returns:
        The checksum, and how many bytes of blocks it is of.
    """
    total = data = 0
    with path.open("rb", buffering=0) as file:
        descriptor = file.fileno()
        size = os.fstat(descriptor).st_size
        for start, end in _extents(descriptor, size):
            for at in range(start, end, _CHUNK):
                file.seek(at)
                content = file.read(min(_CHUNK, end - at))
                for first in range(0, len(content), _BLOCK):
                    block = content[first : first + _BLOCK]
                    if block != _ZEROS[: len(block)]:
                        place = (at + first).to_bytes(8, "little")
                        total = zlib.crc32(block, zlib.crc32(place, total))
                        data += len(block)
    return total, data


def _extents(descriptor: int, size: int) -> Iterator[tuple[int, int]]:
    """Give the parts of a file that may hold data, widened to whole blocks, in order."""
    if _SEEK_DATA is None or _SEEK_HOLE is None:
        yield 0, size
        return
    end = 0
    while end < size:
        try:
            start = os.lseek(descriptor, end, _SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # only a hole is left
                return
            yield end, size  # a file system without holes
            return
        hole = os.lseek(descriptor, start, _SEEK_HOLE)
        end = min(size, -(-hole // _BLOCK) * _BLOCK)
        yield start // _BLOCK * _BLOCK, end
