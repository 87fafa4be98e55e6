"""Say what a folder looks like that is not a store of ours, and how to use it instead."""

import json
import os
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

_SHOWN = 5  # names of an unknown folder's content
_LOOKED_AT = 500  # folders a level; a home folder may hold thousands


def described(path: Path, is_store: Callable[[Path], bool]) -> str:
    """Say what is at a path.

    Args:
        path: A file, or a folder that is not empty and not a store.
        is_store: Tells whether a folder is one.

    Returns:
        A sentence or two that end in what to do.
    """
    if not path.is_dir():
        what = "a symbolic link to nothing" if path.is_symlink() else "a file"
        return f"{path} is {what}, not a folder. Pass the path of a folder."
    if stores := [each for each in _below(path, levels=2) if is_store(each)]:
        found = " or ".join(f"path={str(each)!r}" for each in stores[:_SHOWN])
        return f"{path} is not a store, but holds one further down. Pass {found}."
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
            f"migrate(connect(location={str(local)!r}), NAME, stages=(256,), mode='copy', "
            "target=CopyTarget(client=connect(path='new')))."
        )
    if _is_shard(path):
        what = "a shard of Qdrant Edge by itself, without this package's settings. "
    else:
        names = sorted(each.name for each in islice(path.iterdir(), 1000))
        more = ", ..." if len(names) > _SHOWN else ""
        what = f"not empty, and not ours: it holds {', '.join(names[:_SHOWN])}{more}. "
    return (
        f"{path} is {what}Pass a folder that is empty or does not exist, such as "
        f"{str(path / 'vectors')!r}."
    )


def _part_of(path: Path, found: Path) -> str:
    if path == found:
        return ""
    return f"above {found}, " if found.is_relative_to(path) else f"inside {found}, "


def _first(test: Callable[[Path], bool], folders: tuple[Path, ...]) -> Path | None:
    return next((each for each in folders if test(each)), None)


def _below(path: Path, levels: int = 1) -> Iterator[Path]:
    """Give the folders inside a folder, level by level; what cannot be listed is passed over."""
    try:
        with os.scandir(path) as entries:
            folders = [each for each in islice(entries, _LOOKED_AT) if each.is_dir()]
    except OSError:
        return
    inside = sorted(Path(each.path) for each in folders)
    yield from inside
    if levels > 1:
        for folder in inside:
            yield from _below(folder, levels - 1)


def _is_server_storage(path: Path) -> bool:
    """Know a server's storage.

    Source: https://qdrant.tech/documentation/concepts/storage/ and lib/storage of qdrant/qdrant
    (raft_state.json, aliases/data.json, .qdrant-initialized, collections/NAME/config.json).
    """
    if any(
        (path / name).is_file()
        for name in ("raft_state.json", ".qdrant-initialized", "aliases/data.json")
    ):
        return True
    return any(
        "params" in _json_keys(each / "config.json") for each in _below(path / "collections")
    )


def _is_local_mode(path: Path) -> bool:
    """Know a folder of qdrant-client's local mode, by the file that lists its collections."""
    return {"collections", "aliases"} <= _json_keys(path / "meta.json")


def _is_shard(path: Path) -> bool:
    return (path / "segments").is_dir() and (path / "wal").is_dir()


def _json_keys(path: Path) -> set[str]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return set()
    return set(content) if isinstance(content, dict) else set()
