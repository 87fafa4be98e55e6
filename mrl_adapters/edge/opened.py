"""Hold an open path: its lock, and its collections as they come into use."""

import contextlib
import os
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from qdrant_client import models
from typing_extensions import Self

from mrl_adapters.edge.aliases import Aliases
from mrl_adapters.edge.paths import AnyPath, absolute_path
from mrl_adapters.edge.read_only import ReadOnlyCollection
from mrl_adapters.edge.shard import Collection
from mrl_adapters.edge.storage import Storage
from mrl_adapters.errors import EngineError

# What every write returns: done and logged when the call returns.
COMPLETED = models.UpdateResult(operation_id=None, status=models.UpdateStatus.COMPLETED)


class OpenPath:
    """Open a folder of collections; each one is loaded when it is first used.

    Args:
        path: The folder; made absolute, ``~`` being the home folder, and created if absent.
        must_exist: Create nothing.

    Raises:
        ConfigurationError: The path is empty, or the address of a server.
        EngineError: Another client, here or in another process, has the path open; it holds
            something that is not ours; or nothing is there and something must be.
    """

    def __init__(self, path: AnyPath, *, must_exist: bool = False) -> None:
        self._path = absolute_path(path)
        self._storage: Storage | None = Storage(self._path, must_exist=must_exist)
        self._aliases = Aliases(self._path, self._storage.exists)
        self._collections: dict[str, Collection] = {}
        self._lock = threading.RLock()
        self._process = os.getpid()
        _OPEN.add(self)

    @property
    def path(self) -> Path:
        """The folder that holds the collections, absolute."""
        return self._path

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self._path)!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()

    def _close(self) -> None:
        if os.getpid() != self._process:  # the parent's, and so may be the lock's holder
            return
        with self._lock:
            if self._storage is None:
                return
            failed: BaseException | None = None
            for collection in self._collections.values():
                try:
                    # After a failure or Ctrl-C what is left is closed quickly, but it is closed.
                    collection.close(index=failed is None)
                except BaseException as error:  # noqa: BLE001  # raised when all are closed
                    failed = failed or error
                    collection.discard()
            self._collections.clear()
            self._storage.close()
            self._storage = None
            if failed is not None:
                raise failed

    def _opened(self) -> Storage:
        """Give the storage, or say why it cannot be used."""
        if self._storage is None:
            message = f"EdgeClient({str(self._path)!r}) is closed. Open a new one."
            raise EngineError(message, path=self._path)
        if os.getpid() != self._process:
            message = (
                f"EdgeClient({str(self._path)!r}) was opened in process {self._process} and "
                f"forked into {os.getpid()}. Open it after forking, in one process only."
            )
            raise EngineError(message, found=os.getpid(), expected=self._process, path=self._path)
        return self._storage

    def _collection(self, name: str) -> Collection:
        """Give an existing collection by its name or an alias, loading it at first use.

        Raises:
            ValueError: There is none; the same error as qdrant-client's local mode.
        """
        storage = self._opened()
        found = self._collections.get(name)
        if found is not None and not found.closed:
            return found
        with self._lock:
            if name not in self._collections or self._collections[name].closed:
                if not storage.exists(name):
                    behind = self._aliases.noted.get(name)
                    if behind in self._collections or self._aliases.behind(name):
                        return self._collection(str(behind))
                    message = f"Collection {name} not found"
                    raise ValueError(message)
                if storage.may_change(name):
                    self._collections[name] = Collection(name, storage.folder(name))
                else:
                    with storage.reading():
                        found = ReadOnlyCollection(name, storage.folder(name))
                    self._collections[name] = found
            return self._collections[name]

    @contextlib.contextmanager
    def _making(self, name: str) -> Iterator[Path]:
        """Give a folder to build a new collection in, which is there when the block ends.

        Raises:
            ValueError: The name is empty, or taken by a collection or an alias.
            EngineError: Something that is not ours has its place, or nothing can be written.
        """
        storage = self._opened()
        if not name:
            message = "The collection name is empty. Give the collection a name."
            raise ValueError(message)
        with self._lock:
            if storage.exists(name):
                message = f"Collection {name} already exists"
                raise ValueError(message)
            if self._aliases.behind(name) is not None:
                message = f"Alias {name} already exists"
                raise ValueError(message)
            self._aliases.forget(name)
            with storage.making(name) as folder:
                yield folder

    def _leave_to_parent(self) -> None:
        """Let go of the path in a forked child."""
        if self._storage is not None:
            self._storage.leave_to_parent()
        for collection in self._collections.values():
            collection.leave_to_parent()


_OPEN: weakref.WeakSet[OpenPath] = weakref.WeakSet()


def _after_fork() -> None:
    for opened in _OPEN:
        opened._leave_to_parent()  # noqa: SLF001 - of this module


if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
    os.register_at_fork(after_in_child=_after_fork)
