"""Keep the folder of an `EdgeClient`: one process at a time, one sub-folder for each collection.

    path/
      .lock                     held while a client has the path open
      collections/<name>/
        collection.json         settings and metadata; its presence makes the collection exist
        pending.json            about how many points the index does not hold yet
        shard/                  the engine's own files

A collection is created shard first and `collection.json` last, deleted the other way round: a
process killed in between leaves a folder without `collection.json`, which the next one sweeps.
"""

import contextlib
import hashlib
import json
import os
import shutil
import sys
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

from mrl_adapters.errors import EngineError

SETTINGS_FILE = "collection.json"
PENDING_FILE = "pending.json"
SHARD_FOLDER = "shard"

_PLAIN = "abcdefghijklmnopqrstuvwxyz0123456789_-"
_LONGEST_NAME = 200


class Storage:
    """Own a folder of collections.

    Args:
        path: The folder; created if absent.

    Raises:
        EngineError: Another client, here or in another process, has it open.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._root = path / "collections"
        self._root.mkdir(parents=True, exist_ok=True)
        self._lock = _acquire(path)
        for folder in self._root.iterdir():
            if folder.is_dir() and not (folder / SETTINGS_FILE).exists():
                shutil.rmtree(folder)

    def close(self) -> None:
        """Let others open the path."""
        self._lock.close()

    def folder(self, name: str) -> Path:
        """Give the folder of a collection, whether it exists or not."""
        return self._root / folder_name(name)

    def fresh_folder(self, name: str) -> Path:
        """Give the folder for a new collection, emptied of what a failed creation left."""
        folder = self.folder(name)
        if folder.exists():
            shutil.rmtree(folder)
        return folder

    def exists(self, name: str) -> bool:
        """Tell whether a collection is there."""
        return (self.folder(name) / SETTINGS_FILE).exists()

    def names(self) -> list[str]:
        """List the collections by name, sorted."""
        return sorted(
            read_json(folder / SETTINGS_FILE)["name"]
            for folder in self._root.iterdir()
            if (folder / SETTINGS_FILE).exists()
        )

    def remove(self, name: str) -> None:
        """Delete a collection that nobody holds open."""
        folder = self.folder(name)
        (folder / SETTINGS_FILE).unlink()
        _sync_folder(folder)
        shutil.rmtree(folder)


def folder_name(name: str) -> str:
    """Encode a collection name for every file system, those that ignore case included.

    Args:
        name: Any name.

    Returns:
        Lower-case letters, digits, '_', '-' and %XX; a digest for very long names.
    """
    encoded = "".join(char if char in _PLAIN else _percent(char) for char in name)
    if len(encoded) <= _LONGEST_NAME:
        return encoded
    return f"%long-{hashlib.sha256(name.encode()).hexdigest()}"


def _percent(char: str) -> str:
    quoted = quote(char, safe="")
    return f"%{ord(char):02x}" if quoted == char else quoted.lower()


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        EngineError: It is unreadable; names the file.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        message = f"Cannot read {path}: {error}. Restore it from a backup."
        raise EngineError(message, path=path) from error


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file so that a crash leaves the old or the new one, never a part."""
    temporary = path.with_suffix(".tmp")
    with temporary.open("w", encoding="utf-8") as file:
        json.dump(content, file, ensure_ascii=False)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Make a rename or a removal durable; Windows has no such call and needs none."""
    if sys.platform == "win32":  # pragma: no cover  # coverage is measured on Linux
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _acquire(path: Path) -> IO[str]:
    """Lock the path for this client; the system lets go of it when the process dies."""
    lock = (path / ".lock").open("a+", encoding="utf-8")
    try:
        _lock_file(lock)
    except OSError as error:
        lock.seek(0)
        holder = lock.read().strip() or "unknown"
        lock.close()
        message = (
            f"{path} is open in another EdgeClient (process {holder}). Close that one first, "
            "share one client, or use a Qdrant server for several processes."
        )
        raise EngineError(message, found=holder, path=path) from error
    lock.seek(0)
    lock.truncate()
    with contextlib.suppress(OSError):
        lock.write(str(os.getpid()))
        lock.flush()
    return lock


if sys.platform == "win32":  # pragma: no cover  # coverage is measured on Linux

    def _lock_file(lock: IO[str]) -> None:
        import msvcrt

        lock.seek(1 << 20)  # beyond the process id, so that others can read it
        msvcrt.locking(lock.fileno(), msvcrt.LK_NBLCK, 1)

else:

    def _lock_file(lock: IO[str]) -> None:
        import fcntl

        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
