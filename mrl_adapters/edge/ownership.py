"""Tell a store of ours from every other folder, before anything in it is touched.

A store carries a marker. Stores of earlier versions have none, and are known by what only we
write: the settings of a collection, or nothing but our lock and an empty folder for collections.
"""

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mrl_adapters.edge.files import write_json
from mrl_adapters.edge.lock import LOCK_FILE
from mrl_adapters.edge.names import (
    COLLECTIONS_FOLDER,
    OWN,
    SNAPSHOTS_FOLDER,
    is_passing,
    passing_name,
    stored_name,
)
from mrl_adapters.edge.paths import AnyPath, absolute_path
from mrl_adapters.edge.strangers import described
from mrl_adapters.errors import EngineError

MARKER_FILE = "mrl-adapters.json"

_STORE = "collections of mrl-adapters"
_FORMAT = 1
# What systems and tools put into folders that are empty to their users.
_NOTHING = frozenset({".DS_Store", ".gitkeep", "Thumbs.db", "desktop.ini", "lost+found"})


def is_store(path: Path) -> bool:
    """Tell whether a folder is a store of ours; nothing in it is touched.

    Raises:
        EngineError: A later version of this package made it.
    """
    return _is_marked(path) or _is_unmarked_store(path)


def store_at(path: AnyPath) -> bool:
    """Tell whether a store is at a path; False where one could be made.

    Raises:
        ConfigurationError: The path is empty, or the address of a server.
        EngineError: Something that is not ours is there, or it cannot be read.
    """
    place = absolute_path(path)
    with unusable(place):
        return examine(place)


@contextlib.contextmanager
def unusable(path: Path) -> Iterator[None]:
    """Say which folder it is that the system does not let us use."""
    try:
        yield
    except OSError as error:
        message = (
            f"{path} cannot be used as a store: {error.strerror or error}. "
            "Check its permissions, and those of the folders around it."
        )
        raise EngineError(message, path=path) from error


def examine(path: Path) -> bool:
    """Tell whether a store is at a path, or could be made there; nothing is touched.

    Args:
        path: Absolute.

    Returns:
        True for a store, False where nothing is.

    Raises:
        EngineError: Something that is not ours is there, or it lies inside a store.
        OSError: It cannot be read.
    """
    if path.is_dir() and is_store(path):
        return True
    outer = _store_around(path)
    if outer is not None:
        message = (
            f"{path} is inside the store {outer}, whose folders are its own to arrange. "
            f"Pass the store itself: path={str(outer)!r}."
        )
        raise EngineError(message, path=path, expected=str(outer))
    if not path.exists() and not path.is_symlink():
        return False
    if path.is_dir() and all(_is_nothing(each) for each in path.iterdir()):
        return False
    raise EngineError(described(path, is_store), path=path)


def mark(path: Path) -> None:
    """Make a folder a store; a file of the marker's name stays as it is."""
    marker = path / MARKER_FILE
    if not marker.exists():
        # Two processes may do this at a time: each writes a file of its own first.
        write_json(marker, {"store": _STORE, "format": _FORMAT}, path / passing_name("new"))


def mark_aliases(path: Path, revision: int) -> None:
    """Write down how often the file of the store's aliases has been written."""
    content = {"store": _STORE, "format": _FORMAT, "aliases": revision}
    write_json(path / MARKER_FILE, content, path / passing_name("new"))


def aliases_revision(path: Path) -> int:
    """Tell how often the file of the store's aliases has been written, as far as is known."""
    found = _marker(path).get("aliases")
    return found if isinstance(found, int) else 0


def _marker(path: Path) -> dict[str, Any]:
    """Read what the marker says; nothing if it is not ours."""
    try:
        content = json.loads((path / MARKER_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) and content.get("store") == _STORE else {}


def _is_marked(path: Path) -> bool:
    content = _marker(path)
    if not content:
        return False
    found = content.get("format")
    if found != _FORMAT:
        message = (
            f"{path} has format {found!r}, expected {_FORMAT}. "
            "Open it with the version of mrl-adapters that wrote it."
        )
        raise EngineError(message, path=path, found=found, expected=_FORMAT)
    return True


def _is_unmarked_store(path: Path) -> bool:
    collections = path / COLLECTIONS_FOLDER
    try:
        inside = list(collections.iterdir()) if collections.is_dir() else []
        return any(_is_collection(each) for each in inside) or (
            {each.name for each in path.iterdir()} == {LOCK_FILE, COLLECTIONS_FOLDER}
            and (path / LOCK_FILE).read_text(encoding="ascii").strip().isdigit()
            and all(_is_unfinished(each) for each in inside)
        )
    except (OSError, ValueError):
        return False


def _is_collection(folder: Path) -> bool:
    try:
        return stored_name(folder) is not None
    except EngineError:
        return False


def _is_unfinished(folder: Path) -> bool:
    """Tell whether a folder holds nothing but what a creation or deletion of ours leaves."""
    return folder.is_dir() and {each.name for each in folder.iterdir()} <= OWN


def _store_around(path: Path) -> Path | None:
    """Find the store inside whose collections or snapshots a path lies."""
    # Unlike Path.resolve, realpath goes as far as it can where links lead in a circle.
    for folder in (resolved := Path(os.path.realpath(path)), *resolved.parents):
        if folder.name in {COLLECTIONS_FOLDER, SNAPSHOTS_FOLDER} and is_store(folder.parent):
            return folder.parent
    return None


def _is_nothing(entry: Path) -> bool:
    """Tell whether an entry leaves its folder as good as empty."""
    return entry.name in _NOTHING or (is_passing(entry.name) and entry.is_file())
