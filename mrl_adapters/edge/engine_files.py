"""Know which of its files the engine may write when.

Seen by comparing all files of shards before and after each operation, and at random moments.
Source: qdrant-edge-py 0.9.0; what another version does is not relied on (see `inventory`).
"""

from collections.abc import Iterable

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


def built_segments(places: Iterable[str]) -> frozenset[str]:
    """Give the segments, of those that files lie in, that are never appended to.

    Args:
        places: Files, as paths within the shard with slashes.
    """
    return frozenset(
        place.split("/")[1] for place in places if place.endswith(f"/{_MAPPINGS_OF_BUILT}")
    )


def is_final(place: str, built: frozenset[str]) -> bool:
    """Tell whether a file is never written again as long as its segment lives."""
    parts = place.split("/")
    name = parts[-1]
    if parts[0] != "segments":
        return False
    written = name in _WRITTEN_IN_BUILT or name.startswith(_WRITTEN_IN_BUILT_PREFIXES)
    return name == "version.info" or (parts[1] in built and not written)


def is_written_by_loading(place: str) -> bool:
    """Tell whether loading a shard may write a file."""
    return place.rpartition("/")[2] in _WRITTEN_BY_LOADING


def must_stay(place: str) -> bool:
    """Tell whether a file is there as long as its segment lives, whatever is written into it."""
    return place.rpartition("/")[2] in _NEEDED


def may_vanish(place: str) -> bool:
    """Tell whether the engine does without a file that nothing was written into."""
    return place.rpartition("/")[2] == _JOURNAL


def is_log(place: str) -> bool:
    """Tell whether a file is part of the log, all of which the engine reads as it loads."""
    return place.startswith("wal/")
