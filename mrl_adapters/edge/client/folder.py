"""A folder of collections that one client has open."""

import contextlib
import os
import threading
import weakref
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, NoReturn

from qdrant_client import QdrantClient, models
from typing_extensions import Self

from mrl_adapters.edge.aliases import Aliases
from mrl_adapters.edge.collection import Collection
from mrl_adapters.edge.paths import AnyPath, absolute_path
from mrl_adapters.edge.read_only import ReadOnlyCollection
from mrl_adapters.edge.storage import Storage
from mrl_adapters.errors import ConfigurationError, EngineError

_NO_MODELS = "it embeds nothing. Use the embedders of mrl_adapters.embeddings, and pass vectors."

# What is done otherwise here; all else of QdrantClient that is missing concerns clusters.
_INSTEAD = {
    "recreate_collection": "call delete_collection(), then create_collection().",
    "create_full_snapshot": "call create_snapshot() for each collection.",
    "get_optimizations": "nothing runs in the background. Call optimize() to build the index now.",
    "get_embedding_size": _NO_MODELS,
    "list_image_models": _NO_MODELS,
    "list_late_interaction_multimodal_models": _NO_MODELS,
    "list_late_interaction_text_models": _NO_MODELS,
    "list_sparse_models": _NO_MODELS,
    "list_text_models": _NO_MODELS,
}

_NONE: Mapping[str, Any] = MappingProxyType({})


class OpenFolder:
    """Holds a folder's lock and its collections, from opening to closing."""

    def __init__(self, path: AnyPath, *, must_exist: bool = False, read_only: bool = False) -> None:
        self._path = absolute_path(path)
        self._storage: Storage | None = Storage(
            self._path, must_exist=must_exist, read_only=read_only
        )
        self._aliases = Aliases(self._path, self._storage.exists)
        self._collections: dict[str, Collection] = {}
        self._lock = threading.RLock()
        self._process = os.getpid()
        _OPEN.add(self)

    @property
    def path(self) -> Path:
        """The folder that holds the collections, absolute."""
        return self._path

    def close(self, grpc_grace: float | None = None, **kwargs: Any) -> None:  # noqa: ARG002 - as QdrantClient's
        """Write everything down and let others open the path; twice is harmless."""
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

    def info(self) -> models.VersionInfo:
        """Return the engine's name and version."""
        return models.VersionInfo(title="Qdrant Edge", version=version("qdrant-edge-py"))

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
        self.close()

    def __copy__(self) -> Self:
        return self  # only one may own the files

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        return self

    def __reduce__(self) -> NoReturn:
        message = (
            f"{self!r} cannot be pickled: one process at a time has its folder open. Close it, and "
            "open the folder where it is needed, with connect(path=...)."
        )
        raise ConfigurationError(message)

    def __getattr__(self, name: str) -> NoReturn:
        """Refuse QdrantClient's other methods with what they would need."""
        message = f"{type(self).__name__!r} object has no attribute {name!r}"
        if callable(getattr(QdrantClient, name, None)):
            instead = _INSTEAD.get(
                name,
                "the embedded engine is one shard in this process. "
                "For it, run a Qdrant server: mrl_adapters.qdrant.connect(url=...).",
            )
            message = f"EdgeClient has no {name}(): {instead}"
        raise AttributeError(message, name=name, obj=self)

    def _opened(self, unknown: Mapping[str, Any] = _NONE) -> Storage:
        """Return the storage for a call whose arguments are all known."""
        if unknown:
            message = (
                f"Unknown arguments: {sorted(unknown)}. EdgeClient's methods take those of "
                "QdrantClient; help(EdgeClient) lists them."
            )
            raise TypeError(message)
        if self._storage is None:
            message = f"{self!r} is closed. Open a new one."
            raise EngineError(message, path=self._path)
        if os.getpid() != self._process:
            message = (
                f"{self!r} was opened in process {self._process} and "
                f"forked into {os.getpid()}. Open it after forking, in one process only."
            )
            raise EngineError(message, found=os.getpid(), expected=self._process, path=self._path)
        return self._storage

    def _collection(
        self, name: str, unknown: Mapping[str, Any] = _NONE, shard_key: Any = None
    ) -> Collection:
        """Return the collection that a call names, whose arguments are all known."""
        storage = self._opened(unknown)
        if shard_key is not None:  # left out, it would read and write points that it keeps apart
            message = (
                f"The embedded engine is one shard and has no shard keys: found {shard_key!r}. "
                "Leave it out and keep tenants apart by a payload field, or connect to a Qdrant "
                "server."
            )
            raise NotImplementedError(message)
        collection = self._collections.get(name)
        if collection is not None and not collection.closed:
            return collection
        return self._load(name, storage)

    def _load(self, name: str, storage: Storage) -> Collection:
        """Return a collection by its name or an alias at its first use."""
        with self._lock:
            if name not in self._collections or self._collections[name].closed:
                if not storage.exists(name):
                    target = self._aliases.noted.get(name)
                    if target in self._collections or self._aliases.target(name):
                        return self._collection(str(target))
                    message = f"Collection {name} not found"  # as qdrant-client's local mode says
                    raise ValueError(message)
                if storage.may_change(name):
                    self._collections[name] = Collection(name, storage.folder(name))
                else:
                    with storage.reading():
                        kept = storage.is_kept_unwritten
                        copied = ReadOnlyCollection(name, storage.folder(name), kept=kept)
                    self._collections[name] = copied
            return self._collections[name]

    @contextlib.contextmanager
    def _making(self, name: str, unknown: Mapping[str, Any]) -> Iterator[Path]:
        """Yield a folder to build a new collection in, which is there when the block ends."""
        storage = self._opened(unknown)
        if not name:
            message = "The collection name is empty. Give the collection a name."
            raise ValueError(message)
        with self._lock:
            if storage.exists(name):
                message = f"Collection {name} already exists"
                raise ValueError(message)
            if self._aliases.target(name) is not None:
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


_OPEN: weakref.WeakSet[OpenFolder] = weakref.WeakSet()


def _after_fork() -> None:
    for client in _OPEN:
        client._leave_to_parent()  # noqa: SLF001 - of this module


if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
    os.register_at_fork(after_in_child=_after_fork)
