"""A store of ours, told from every other folder before anything in it is touched.

A store carries a marker. Stores of earlier versions have none, and are known by what only we
write: the settings of a collection, or nothing but our lock and an empty folder for collections.
"""

import contextlib
import json
import os
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from mrl_adapters.edge.files import write_json
from mrl_adapters.edge.lock import LOCK_FILE
from mrl_adapters.edge.paths import (
    COLLECTIONS_FOLDER,
    OWN,
    SNAPSHOTS_FOLDER,
    AnyPath,
    absolute_path,
    is_passing,
    passing_name,
    stored_name,
)
from mrl_adapters.errors import EngineError

_MARKER_FILE = "mrl-adapters.json"

_STORE = "collections of mrl-adapters"
_FORMAT = 1
_SHOWN = 5  # names of an unknown folder's content
_LOOKED_AT = 500  # folders a level; a home folder may hold thousands
# What systems and tools put into folders that are empty to their users.
_NOTHING = frozenset({".DS_Store", ".gitkeep", "Thumbs.db", "desktop.ini", "lost+found"})


def _is_store(path: Path) -> bool:
    """Return whether a folder is a store of ours; nothing in it is touched."""
    return _is_marked(path) or _is_unmarked_store(path)


def store_at(path: AnyPath) -> bool:
    """Return whether a store is at a path; False where one could be made.

    Args:
        path: The path.

    Raises:
        ConfigurationError: The path is empty, or the address of a server.
        EngineError: Something that is not ours is there, or it cannot be read.
    """
    place = absolute_path(path)
    with unusable(place):
        return examine(place)


@contextlib.contextmanager
def unusable(path: Path) -> Iterator[None]:
    """Name the folder that the system does not let us use."""
    try:
        yield
    except OSError as error:
        message = (
            f"{path} cannot be used as a store: {error.strerror or error}. "
            "Check its permissions, and those of the folders around it."
        )
        raise EngineError(message, path=path) from error


def examine(path: Path) -> bool:
    """Return whether a store is at a path, or could be made there; nothing is touched."""
    if path.is_dir() and _is_store(path):
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
    if path.is_dir() and all(_is_nothing(entry) for entry in path.iterdir()):
        return False
    raise EngineError(_described(path), path=path)


def mark(path: Path) -> None:
    """Make a folder a store; a file of the marker's name stays as it is."""
    marker = path / _MARKER_FILE
    if not marker.exists():
        # Two processes may do this at a time: each writes a file of its own first.
        write_json(marker, {"store": _STORE, "format": _FORMAT}, path / passing_name("new"))


def mark_aliases(path: Path, revision: int) -> None:
    """Write down how often the file of the store's aliases has been written."""
    content = {"store": _STORE, "format": _FORMAT, "aliases": revision}
    write_json(path / _MARKER_FILE, content, path / passing_name("new"))


def aliases_revision(path: Path) -> int:
    """Return how often the file of the store's aliases has been written, as far as is known."""
    revision = _marker(path).get("aliases")
    return revision if isinstance(revision, int) else 0


def _marker(path: Path) -> dict[str, Any]:
    """Read what the marker says; nothing if it is not ours."""
    try:
        content = json.loads((path / _MARKER_FILE).read_text(encoding="utf-8"))
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
        return any(_is_collection(folder) for folder in inside) or (
            {entry.name for entry in path.iterdir()} == {LOCK_FILE, COLLECTIONS_FOLDER}
            and (path / LOCK_FILE).read_text(encoding="ascii").strip().isdigit()
            and all(_is_unfinished(folder) for folder in inside)
        )
    except (OSError, ValueError):
        return False


def _is_collection(folder: Path) -> bool:
    try:
        return stored_name(folder) is not None
    except EngineError:
        return False


def _is_unfinished(folder: Path) -> bool:
    """Return whether a folder holds nothing but what a creation or deletion of ours leaves."""
    return folder.is_dir() and {entry.name for entry in folder.iterdir()} <= OWN


def _store_around(path: Path) -> Path | None:
    """Find the store inside whose collections or snapshots a path lies."""
    # Unlike Path.resolve, realpath goes as far as it can where links lead in a circle.
    for folder in (resolved := Path(os.path.realpath(path)), *resolved.parents):
        if folder.name in {COLLECTIONS_FOLDER, SNAPSHOTS_FOLDER} and _is_store(folder.parent):
            return folder.parent
    return None


def _is_nothing(entry: Path) -> bool:
    """Return whether an entry leaves its folder as good as empty."""
    return entry.name in _NOTHING or (is_passing(entry.name) and entry.is_file())


def _described(path: Path) -> str:
    """Describe a folder that is not a store of ours, and how to use it instead."""
    if not path.is_dir():
        what = "a symbolic link to nothing" if path.is_symlink() else "a file"
        return f"{path} is {what}, not a folder. Pass the path of a folder."
    if stores := [folder for folder in _below(path, levels=2) if _is_store(folder)]:
        options = " or ".join(f"path={str(store)!r}" for store in stores[:_SHOWN])
        return f"{path} is not a store, but holds one further down. Pass {options}."
    around = (path, *path.parents)
    if (server := _first(_is_server_storage, (path, *_below(path), *around))) is not None:
        return (
            f"{path} is {_part_of(path, server)}the storage of a Qdrant server. Connect to the "
            "server that runs on it: url='http://localhost:6333' (--url on the command line)."
        )
    if (local := _first(_is_local_mode, (path, *_below(path), *around))) is not None:
        return (
            f"{path} is {_part_of(path, local)}a folder of qdrant-client's local mode. Open it as "
            f"one: location={str(local)!r}; or copy its collections to a new folder: "
            f"QdrantClient(path={str(local)!r}).migrate(EdgeClient('new'))."
        )
    if _is_shard(path):
        what = "a shard of Qdrant Edge by itself, without this package's settings. "
    else:
        names = sorted(entry.name for entry in islice(path.iterdir(), 1000))
        more = ", ..." if len(names) > _SHOWN else ""
        what = f"not empty, and not ours: it holds {', '.join(names[:_SHOWN])}{more}. "
    return (
        f"{path} is {what}Pass a folder that is empty or does not exist, such as "
        f"{str(path / 'vectors')!r}."
    )


def _part_of(path: Path, other: Path) -> str:
    if path == other:
        return ""
    return f"above {other}, " if other.is_relative_to(path) else f"inside {other}, "


def _first(test: Callable[[Path], bool], folders: tuple[Path, ...]) -> Path | None:
    return next((folder for folder in folders if test(folder)), None)


def _below(path: Path, levels: int = 1) -> Iterator[Path]:
    """Yield the folders inside a folder, level by level; what cannot be listed is passed over."""
    try:
        with os.scandir(path) as entries:
            folders = [Path(entry.path) for entry in islice(entries, _LOOKED_AT) if entry.is_dir()]
    except OSError:
        return
    yield from sorted(folders)
    if levels > 1:
        for folder in sorted(folders):
            yield from _below(folder, levels - 1)


def _is_server_storage(path: Path) -> bool:
    """Recognize a server's storage.

    Source: https://qdrant.tech/documentation/concepts/storage/ and lib/storage of qdrant/qdrant
    (raft_state.json, aliases/data.json, .qdrant-initialized, collections/NAME/config.json).
    """
    if any(
        (path / name).is_file()
        for name in ("raft_state.json", ".qdrant-initialized", "aliases/data.json")
    ):
        return True
    return any(
        "params" in _json_keys(folder / "config.json") for folder in _below(path / "collections")
    )


def _is_local_mode(path: Path) -> bool:
    """Recognize a folder of qdrant-client's local mode by the file that lists its collections."""
    return {"collections", "aliases"} <= _json_keys(path / "meta.json")


def _is_shard(path: Path) -> bool:
    return (path / "segments").is_dir() and (path / "wal").is_dir()


def _json_keys(path: Path) -> set[str]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return set()
    return set(content) if isinstance(content, dict) else set()
