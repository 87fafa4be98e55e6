"""Folders of qdrant-client's local mode: recognised, named in messages, and read from a copy.

Its client writes even where it only reads (a lock file, rows that it tidies up), so a folder that
is to be moved elsewhere is read from a copy of the files, while the folder itself stays locked.

Source: qdrant_client/local/qdrant_local.py and persistence.py of qdrant/qdrant-client.
"""

import json
import shutil
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TextIO

from qdrant_client import QdrantClient

from mrl_adapters.edge import AnyPath, absolute_path
from mrl_adapters.errors import EngineError, MigrationError
from mrl_adapters.qdrant.commands import moving_command, usual_stages
from mrl_adapters.qdrant.companion import companion_name

_META = "meta.json"
_LOCK = ".lock"
_COLLECTIONS = "collection"
_SHOWN = 5  # names in a message


def is_local_folder(folder: Path) -> bool:
    """Return whether a folder is one of qdrant-client's local mode."""
    return {"collections", "aliases"} <= _read_meta(folder).keys()


def not_embedded(folder: Path) -> EngineError:
    """Compose the error for such a folder where one of the embedded engine is expected."""
    message = (
        f"{folder} is a folder of qdrant-client's local mode. Open it as one: "
        f"location={str(folder)!r}"
    )
    described = _read_meta(folder)["collections"]
    if names := _own_names(described):
        stages = usual_stages(_largest(described[names[0]].get("vectors")))
        message += (
            f"; or copy its collections ({_listing(names)}) to the embedded engine, one by one: "
            f"{moving_command(names[0], folder, stages=stages)}"
        )
    return EngineError(message, path=folder)


@contextmanager
def reading_copy(given: AnyPath, name: str) -> Iterator[QdrantClient]:
    """Open a copy of one collection of such a folder, and keep the folder locked meanwhile.

    Args:
        given: The folder; not a byte of it changes.
        name: The collection, or an alias of it.

    Yields:
        A client that holds the collection, under its own name and its aliases, with its rotation.

    Raises:
        EngineError: It is no such folder, another program uses it, or it cannot be read.
        MigrationError: It holds no such collection.
    """
    folder = absolute_path(given, "--from-local")
    _check(folder)
    with ExitStack() as opened:
        opened.enter_context(_locked(folder))
        meta = _read_meta(folder)
        described, aliases = meta["collections"], meta["aliases"]
        own_name = aliases.get(name, name)
        if own_name not in described:
            there = _listing(_own_names(described))
            msg = f"{folder} has no collection {name!r}. It holds {there}."
            raise MigrationError(msg, collection=name, found=sorted(described))
        names = [own_name, *{companion_name(own_name)} & described.keys()]
        kept = {
            **meta,
            "collections": {key: described[key] for key in names},
            "aliases": {key: to for key, to in aliases.items() if to == own_name},
            "text_indexes": {
                key: fields for key, fields in meta.get("text_indexes", {}).items() if key in names
            },
        }
        copied = Path(opened.enter_context(TemporaryDirectory(prefix="mrl-adapters-")))
        try:
            (copied / _META).write_text(json.dumps(kept), encoding="utf-8")
            for key in names:
                shutil.copytree(folder / _COLLECTIONS / key, copied / _COLLECTIONS / key)
            client = opened.enter_context(_opened(copied))
        except Exception as error:
            msg = (
                f"Collection {name!r} of {folder} cannot be read from a copy in {copied.parent} "
                f"(TMPDIR): {error}. Nothing was changed."
            )
            raise EngineError(msg, path=folder) from error
        yield client


@contextmanager
def _opened(folder: Path) -> Iterator[QdrantClient]:
    with warnings.catch_warnings():
        # It is about to leave the local mode.
        warnings.filterwarnings("ignore", "Local mode is not recommended", UserWarning)
        client = QdrantClient(path=str(folder))
    try:
        yield client
    finally:
        client.close()


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep local-mode clients from opening a folder; none writes where there is no lock file."""
    if not (folder / _LOCK).exists():
        yield
        return
    with (folder / _LOCK).open(encoding="utf-8") as file:
        _lock(folder, file)
        yield


def _lock(folder: Path, file: TextIO) -> None:
    import portalocker  # it looks for a folder to write to when it is imported

    try:
        portalocker.lock(file, portalocker.LockFlags.SHARED | portalocker.LockFlags.NON_BLOCKING)
    except portalocker.LockException as error:
        msg = (
            f"{folder} is in use: another client of qdrant-client's local mode has it open. Close "
            "it (or end that program), and run this again."
        )
        raise EngineError(msg, path=folder) from error


def _check(folder: Path) -> None:
    if is_local_folder(folder):
        return
    below = [at.parent for at in sorted(folder.glob(f"*/{_META}")) if is_local_folder(at.parent)]
    around = [at for at in folder.parents if is_local_folder(at)]
    if near := [*below, *around]:
        what = "is none of qdrant-client's local mode, but near one"
        then = f"Pass {' or '.join(str(at) for at in near[:_SHOWN])}"
    elif not folder.exists():
        what, then = "does not exist", "Pass the folder that QdrantClient(path=...) was given"
    else:
        what = f"is no folder of qdrant-client's local mode: no {_META} there lists collections"
        then = "Pass the folder that QdrantClient(path=...) was given, or leave --from-local out"
    msg = f"{folder} {what}. {then}."
    raise EngineError(msg, path=folder)


def _own_names(described: dict[str, Any]) -> list[str]:
    """List a folder's collections but for those that hold another's rotation."""
    rotations = {companion_name(name) for name in described}
    return [name for name in described if name not in rotations]


def _listing(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return (", ".join(map(repr, names[:_SHOWN])) or "no collection") + more


def _largest(vectors: Any) -> int:
    """Read the size of the largest dense vector from a collection's description."""
    if not isinstance(vectors, dict):
        return 0
    if isinstance(vectors.get("size"), int):
        return int(vectors["size"])
    return max((_largest(params) for params in vectors.values()), default=0)


def _read_meta(folder: Path) -> dict[str, Any]:
    try:
        content = json.loads((folder / _META).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
