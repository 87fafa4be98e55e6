"""The engine's files: which it may write when, and checksums of their contents.

Seen by comparing all files of shards before and after each operation, and at random moments.
Source: qdrant-edge-py 0.9.0; what another version does is not relied on (see `inventory`).
"""

import errno
import os
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

OWN_SETTINGS = "edge_config.json"
"""The engine's copy of the settings, made anew at every loading."""

SEGMENT_STATE = "segment.json"
"""The state of a segment, its keys in whatever order."""

_MAPPINGS_OF_BUILT = "id_tracker.mappings"  # a segment that is still appended to has another
_JOURNAL = "tracker_journal.dat"  # all of it is in tracker.dat already after a flush
_NEEDED = frozenset({SEGMENT_STATE, "version.info"})
_WRITTEN_BY_LOADING = frozenset(
    {SEGMENT_STATE, _JOURNAL, "id_tracker.versions", "mutable_id_tracker.versions"}
)
_WRITTEN_IN_BUILT = _WRITTEN_BY_LOADING | {
    "id_tracker.deleted",
    "bitmask.dat",
    "deleted.bin",
    "deleted.dat",
    "deleted_points.dat",
    "gaps.dat",
    "status.dat",
    "tracker.dat",
}
_WRITTEN_IN_BUILT_PREFIXES = ("page_", "flags_", "chunk_")

_BLOCK = 1 << 16
_CHUNK_BYTES = 1 << 20
_ZEROS = bytes(_BLOCK)
_SEEK_DATA: int | None = getattr(os, "SEEK_DATA", None)  # not on Windows
_SEEK_HOLE: int | None = getattr(os, "SEEK_HOLE", None)


def built_segments(places: Iterable[str]) -> frozenset[str]:
    """Return the segments, of those that files lie in, that are never appended to."""
    return frozenset(
        place.split("/")[1] for place in places if place.endswith(f"/{_MAPPINGS_OF_BUILT}")
    )


def is_final(place: str, built: frozenset[str]) -> bool:
    """Return whether a file is never written again as long as its segment lives."""
    parts = place.split("/")
    name = parts[-1]
    if parts[0] != "segments":
        return False
    written = name in _WRITTEN_IN_BUILT or name.startswith(_WRITTEN_IN_BUILT_PREFIXES)
    return name == "version.info" or (parts[1] in built and not written)


def is_written_by_loading(place: str) -> bool:
    """Return whether loading a shard may write a file."""
    return place.rpartition("/")[2] in _WRITTEN_BY_LOADING


def must_stay(place: str) -> bool:
    """Return whether a file is there as long as its segment lives, whatever is written into it."""
    return place.rpartition("/")[2] in _NEEDED


def may_vanish(place: str) -> bool:
    """Return whether the engine does without a file that nothing was written into."""
    return place.rpartition("/")[2] == _JOURNAL


def is_log(place: str) -> bool:
    """Return whether a file is part of the log, all of which the engine reads as it loads."""
    return place.startswith("wal/")


def digest(path: Path) -> tuple[int, int]:
    """Return the CRC-32 of a file's blocks that are not all zeros, and how many bytes they are.

    The engine maps files of tens of megabytes of which few pages are written. Holes and blocks of
    zeros count the same, for a copy of a file may hold either; and holes are not read.
    """
    total = data = 0
    with path.open("rb", buffering=0) as file:
        descriptor = file.fileno()
        size = os.fstat(descriptor).st_size
        for start, end in _extents(descriptor, size):
            for at in range(start, end, _CHUNK_BYTES):
                file.seek(at)
                content = file.read(min(_CHUNK_BYTES, end - at))
                for first in range(0, len(content), _BLOCK):
                    block = content[first : first + _BLOCK]
                    if block != _ZEROS[: len(block)]:
                        place = (at + first).to_bytes(8, "little")
                        total = zlib.crc32(block, zlib.crc32(place, total))
                        data += len(block)
    return total, data


def _extents(descriptor: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield the parts of a file that may hold data, widened to whole blocks, in order."""
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
