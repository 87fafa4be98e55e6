"""Load shards, those included whose vectors were being changed when the process died.

The engine applies a new or removed vector segment by segment, and then refuses to load a shard
whose segments differ. Nothing has been acknowledged about that vector by then, so it can be taken
out of every segment and the change be done again.
"""

import ctypes
import logging
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

import qdrant_edge as edge
from qdrant_client import models

from mrl_adapters.edge.config import edge_config
from mrl_adapters.edge.files import read_json, write_json
from mrl_adapters.edge.log_repair import HarmedLog, has_lost_bounds
from mrl_adapters.edge.settings import Change

logger: logging.Logger = logging.getLogger(__name__)


def load_shard(path: Path, settings: models.CreateCollection) -> edge.EdgeShard:
    """Load a shard with exactly these settings."""
    if has_lost_bounds(path):
        message = "a filter with NaN or infinity, which would match other points now"
        raise HarmedLog(message)
    # The engine's own copy of the settings goes first: the given ones say everything, and a copy
    # torn by a crash would stop the engine from loading.
    (path / "edge_config.json").unlink(missing_ok=True)
    try:
        # Nothing may come between the engine and whoever keeps the shard: a Ctrl-C there would
        # leave it, and its lock, in the traceback.
        return edge.EdgeShard.load(str(path), edge_config(settings))
    except Exception as error:
        if "RecursionLimitExceeded" not in str(error):
            raise
        message = "a value or a filter that is nested too deeply to be read"
        raise HarmedLog(message) from error


def load_interrupted(
    path: Path,
    old: models.CreateCollection,
    change: Change,
) -> tuple[edge.EdgeShard, bool]:
    """Load a shard on its way from old to new settings; return whether it has the new vectors."""
    new, vector = change.settings, change.add if change.drop is None else change.drop
    for settings in (new, old):
        try:
            return load_shard(path, settings), settings is new
        except Exception as error:
            if type(error) is not Exception or (settings is old and vector is None):
                raise
            logger.warning("Loading %s in the middle of a change: %s", path, error)
    if vector is not None:
        _take_out(path, vector)
    done = change.drop is not None
    return load_shard(path, new if done else old), done


def _take_out(path: Path, vector: str) -> None:
    """Remove a vector from every segment, as if it had never been there."""
    for segment in (path / "segments").iterdir():
        file = segment / "segment.json"
        if not file.exists():  # a segment that was just being made; the engine drops it
            continue
        state = read_json(file)
        for kind in ("vector_data", "sparse_vector_data"):
            state["config"].get(kind, {}).pop(vector, None)
        write_json(file, state)
        for part in ("vector_storage", "vector_index"):
            shutil.rmtree(segment / f"{part}-{vector}", ignore_errors=True)


def release_memory() -> None:
    """Return freed memory to the system, where the allocator can: with glibc.

    Loading a shard reads its log again and building an index keeps lists: both are freed, but
    glibc's allocator keeps the pages. Of 200,000 points with short vectors of 256 numbers the log's
    remains are twice what searching needs.
    """
    if (trim := _malloc_trim()) is not None:
        trim(0)


@cache
def _malloc_trim() -> Callable[[int], object] | None:
    try:
        trim: Callable[[int], object] = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # another C library, or Windows
        return None
    return trim
