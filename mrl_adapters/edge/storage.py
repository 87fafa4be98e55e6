"""The folder of an `EdgeClient`: one process at a time, one sub-folder for each collection.

    path/
      mrl-adapters.json         says that the folder is ours
      .lock                     held while a client has the path open
      aliases.json              other names of collections
      collections/<name>/
        collection.json         settings and metadata
        pending.json            about how many points the index does not hold yet
        inventory               how many points it held, and what its files were
        shard/                  the engine's own files
      collections/.mrl-new-*    a collection that is being made
      collections/.mrl-gone-*   a collection that is being deleted
      snapshots/<name>/         what `create_snapshot` wrote

A collection comes and goes by one rename. What a killed process leaves under the names of those on
their way is removed at the next opening; nothing else ever is.
"""

import contextlib
import logging
import shutil
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

from mrl_adapters.edge.files import sync_folder
from mrl_adapters.edge.lock import LOCK_FILE, PathLock, unwritten
from mrl_adapters.edge.ownership import examine, mark, unusable
from mrl_adapters.edge.paths import (
    COLLECTIONS_FOLDER,
    OWN,
    SNAPSHOTS_FOLDER,
    folder_name,
    is_passing,
    may_change,
    may_write,
    passing_name,
    refusal,
    stored_name,
)
from mrl_adapters.errors import EngineError

logger: logging.Logger = logging.getLogger(__name__)


class Storage:
    """A folder of collections, owned by one client, or read by several.

    Args:
        path: The folder.
        must_exist: Create nothing.
        read_only: Keep everybody from writing until it is closed, and write nothing; others may
            read at the same time.
    """

    def __init__(self, path: Path, *, must_exist: bool = False, read_only: bool = False) -> None:
        self.path = path
        self._root = path / COLLECTIONS_FOLDER
        self._lock: PathLock | None = None  # stays so if the path can only be read
        self._reading = contextlib.ExitStack()
        self.is_kept_unwritten: bool = read_only
        """Whether nobody writes there as long as this is open."""
        with unusable(path):
            if read_only:
                if not examine(path):
                    raise _missing(path)
                self._reading.enter_context(unwritten(path))
                return
            if not examine(path):
                if must_exist:
                    raise _missing(path)
                path.mkdir(parents=True, exist_ok=True)
            elif not all(may_write(part) for part in (path, self._root, path / LOCK_FILE)):
                with unwritten(path):
                    logger.info("%s is read-only: its collections are searched in copies", path)
                return
            mark(path)
            self._root.mkdir(exist_ok=True)
            self._lock = PathLock(path)
        self._sweep()

    def close(self) -> None:
        """Let others open the path."""
        self._reading.close()
        if self._lock is not None:
            self._lock.release()

    def leave_to_parent(self) -> None:
        """Let go of the path in a forked child."""
        self._reading.close()
        if self._lock is not None:
            self._lock.forget()

    def may_change(self, name: str) -> bool:
        """Return whether a collection may be written to, or only read."""
        return self._lock is not None and may_change(self.folder(name))

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Keep everybody from writing while a collection is copied."""
        kept = self._lock is not None or self.is_kept_unwritten
        with unusable(self.path), nullcontext() if kept else unwritten(self.path):
            yield

    def folder(self, name: str) -> Path:
        """Return the folder of a collection, whether it exists or not."""
        return self._root / folder_name(name)

    def snapshots(self, name: str) -> Path:
        """Return the folder of a collection's snapshots, whether it exists or not."""
        return self.path / SNAPSHOTS_FOLDER / folder_name(name)

    def require_writable(self, name: str | None = None) -> None:
        """Refuse where nothing can be written."""
        if self._lock is None:
            raise refusal(self.path, name, chosen=self.is_kept_unwritten)

    def exists(self, name: str) -> bool:
        """Return whether a collection is there."""
        return stored_name(self.folder(name)) == name

    def holds(self, name: str) -> bool:
        """Return whether a collection is there, even one whose settings cannot be read."""
        try:
            return self.exists(name)
        except EngineError:
            return True

    def names(self) -> list[str]:
        """List the collections by name, sorted."""
        if not self._root.is_dir():
            return []
        names = (stored_name(folder) for folder in self._root.iterdir())
        return sorted(name for name in names if name is not None)

    @contextlib.contextmanager
    def making(self, name: str) -> Iterator[Path]:
        """Yield a folder to build a collection in, which it becomes when the block ends."""
        self.require_writable(name)
        target = self.folder(name)
        self._check_free(name, target)
        folder = self._root / passing_name("new")
        folder.mkdir()
        try:
            yield folder
            folder.rename(target)
        except BaseException:
            _clear(folder)
            raise
        sync_folder(self._root)

    def remove(self, name: str) -> None:
        """Delete a collection that nobody holds open; what others put into its folder stays."""
        folder = self.folder(name)
        if self._lock is None or not (folder.is_symlink() or may_change(folder)):
            raise refusal(folder, name, chosen=self.is_kept_unwritten)
        if folder.is_symlink():
            logger.warning("Collection %r: %s stays, only the link to it goes", name, folder)
            folder.unlink()
            sync_folder(self._root)
            return
        gone = folder.rename(self._root / passing_name("gone"))
        sync_folder(self._root)
        if not _clear(gone):
            logger.warning("Collection %r: %s holds files that are not ours: kept", name, folder)
            gone.rename(folder)

    def _sweep(self) -> None:
        """Remove what killed processes left on its way, and tell of folders that nobody knows."""
        for folder in self._root.iterdir():
            if folder.is_symlink() or not folder.is_dir():
                continue
            if is_passing(folder.name):
                _clear(folder)
            elif not any(folder.glob("collection.json")):
                logger.warning("%s is no collection: left as it is", folder)

    def _check_free(self, name: str, target: Path) -> None:
        """Make sure that nothing of anybody's has the place of a new collection."""
        if not target.exists() and not target.is_symlink():
            return
        with contextlib.suppress(OSError):
            target.rmdir()  # an empty folder says nothing
            return
        message = (
            f"Collection {name!r} cannot be made: {target} is there already and is no collection. "
            "It may be what a killed process of an earlier version left, a collection that lost "
            "its collection.json, or not ours at all. Move it away, or delete it if nobody needs "
            "it."
        )
        raise EngineError(message, collection=name, path=target)


def _missing(path: Path) -> EngineError:
    what = "the folder is empty" if path.exists() else "there is no such folder"
    message = (
        f"No collections at {path}: {what}. Check the path; "
        "reading makes nothing, the first writing does."
    )
    return EngineError(message, path=path)


def _clear(folder: Path) -> bool:
    """Remove a collection's folder on its way; return whether nothing of others' was in it.

    What cannot be removed now is left to the next opening.
    """
    for entry in folder.iterdir():
        if entry.name not in OWN:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink(missing_ok=True)
    if all(entry.name in OWN for entry in folder.iterdir()):
        with contextlib.suppress(OSError):
            folder.rmdir()
        return True
    return False
