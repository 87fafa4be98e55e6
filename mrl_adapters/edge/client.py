"""Qdrant Edge behind the methods of `qdrant_client.QdrantClient`."""

# ruff: noqa: ARG002, FBT001, FBT002, PLR0913, PLR0917 - the signatures are those of QdrantClient

import contextlib
import os
import threading
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, NoReturn
from uuid import UUID

import qdrant_edge as edge
from qdrant_client import QdrantClient, models
from qdrant_client.client_base import QdrantBase
from qdrant_client.http import models as rest
from qdrant_client.migrate.migrate import migrate
from typing_extensions import Self

from mrl_adapters.edge import operations, snapshots
from mrl_adapters.edge.aliases import Aliases
from mrl_adapters.edge.changes import added_vector, changed_settings, dropped_vector
from mrl_adapters.edge.client_models import construct
from mrl_adapters.edge.collection import COMPLETED, Collection
from mrl_adapters.edge.config import with_some_vector
from mrl_adapters.edge.exploring import as_offsets, as_pairs, distance_matrix, look_up, query_groups
from mrl_adapters.edge.filters import edge_filter
from mrl_adapters.edge.info import collection_info, edge_index_params
from mrl_adapters.edge.inventory import Since
from mrl_adapters.edge.log_repair import LogRepair
from mrl_adapters.edge.names import PointId, check_text, plain_id
from mrl_adapters.edge.operations import Selector
from mrl_adapters.edge.paths import AnyPath, absolute_path
from mrl_adapters.edge.payloads import edge_payload
from mrl_adapters.edge.points import columns
from mrl_adapters.edge.read_only import ReadOnlyCollection
from mrl_adapters.edge.requests import scroll_request
from mrl_adapters.edge.search import answer, record, retrieve
from mrl_adapters.edge.settings import Change
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

_Payload = bool | Sequence[str] | models.PayloadSelector
_Vectors = bool | Sequence[str]
_Prefetches = models.Prefetch | list[models.Prefetch] | None


class EdgeClient:
    """Qdrant's engine in this process, over a folder, with QdrantClient's methods.

    Persistent and crash-safe: what a call has written survives the death of the process. HNSW and
    quantization are the server's own. One client at a time holds a path, or several that only
    read: threads take turns in the engine, processes do not. Inside a process, share it between
    threads. It does not survive a fork: open it in the child.

    Parameters are those of QdrantClient. There is one shard, one copy and no network: `wait`,
    `ordering`, `consistency`, `timeout` and the like mean nothing, every call returns when its
    work is done and logged. What would change an answer is never ignored: `shard_key_selector`,
    unknown arguments and parts of a request that the engine does not have are refused. Every
    method that takes a collection's name takes an alias, but for `create_collection` and
    `delete_collection`, which take the collection's own. All methods that name a collection raise
    ValueError if there is none.

    Example:
        with EdgeClient("data/qdrant") as client:
            client.create_collection("docs", models.VectorParams(size=256, distance="Cosine"))

    Args:
        path: The folder; made absolute, ``~`` being the home folder, and created if absent.
        must_exist: Create nothing.
        read_only: Only search a store that exists, beside other readers: until all of them have
            closed it nobody can write. Each has a copy of what the engine insists on writing to,
            in the system's temporary folder; full vectors, codes and graphs of what is indexed
            are shared (except on Windows, where there is one reader at a time).

    Raises:
        ConfigurationError: The path is empty, or the address of a server.
        EngineError: Another client, here or in another process, has the path open; it holds
            something that is not ours; or nothing is there and something must be.
    """

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

    # -- The path ----------------------------------------------------------------------------

    @property
    def path(self) -> Path:
        """The folder that holds the collections, absolute."""
        return self._path

    def close(self, grpc_grace: float | None = None, **kwargs: Any) -> None:
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

    def __copy__(self) -> "EdgeClient":
        return self  # only one may own the files

    def __deepcopy__(self, memo: dict[int, object]) -> "EdgeClient":
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
            message = f"EdgeClient({str(self._path)!r}) is closed. Open a new one."
            raise EngineError(message, path=self._path)
        if os.getpid() != self._process:
            message = (
                f"EdgeClient({str(self._path)!r}) was opened in process {self._process} and "
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

    # -- Collections -------------------------------------------------------------------------

    def create_collection(
        self,
        collection_name: str,
        vectors_config: models.VectorParams | Mapping[str, models.VectorParams] | None = None,
        sparse_vectors_config: Mapping[str, models.SparseVectorParams] | None = None,
        shard_number: int | None = None,
        sharding_method: Any = None,
        replication_factor: int | None = None,
        write_consistency_factor: int | None = None,
        on_disk_payload: bool | None = None,
        hnsw_config: models.HnswConfigDiff | None = None,
        optimizers_config: models.OptimizersConfigDiff | None = None,
        wal_config: Any = None,
        quantization_config: models.QuantizationConfig | None = None,
        timeout: int | None = None,
        strict_mode_config: Any = None,
        metadata: dict[str, Any] | None = None,
        payload: models.PayloadStorageParams | None = None,
        id_tracker: models.IdTrackerParams | None = None,
        **kwargs: Any,
    ) -> bool:
        """Create a collection. What concerns shards, copies and the log means nothing here.

        Returns:
            True.

        Raises:
            ValueError: It exists already, or the name is empty.
            ConfigurationError: Metadata that would not come back as it is.
            NotImplementedError: A setting that the engine does not have.
        """
        with self._making(collection_name, kwargs) as folder:
            settings = models.CreateCollection(
                vectors=vectors_config
                if isinstance(vectors_config, models.VectorParams)
                else dict(vectors_config or {}),
                sparse_vectors=dict(sparse_vectors_config) if sparse_vectors_config else None,
                on_disk_payload=on_disk_payload,
                hnsw_config=hnsw_config,
                optimizers_config=optimizers_config,
                quantization_config=quantization_config,
                metadata=_plain_metadata(collection_name, metadata),
                payload=payload,
                id_tracker=id_tracker,
            )
            Collection.make(collection_name, folder, with_some_vector(settings))
        self._collection(collection_name)
        return True

    def collection_exists(self, collection_name: str, **kwargs: Any) -> bool:
        """Return whether a collection exists, by its name or an alias."""
        storage = self._opened(kwargs)
        return storage.exists(collection_name) or self._aliases.target(collection_name) is not None

    def get_collection(self, collection_name: str, **kwargs: Any) -> models.CollectionInfo:
        """Describe a collection: settings, metadata, counts, payload indexes."""
        collection = self._collection(collection_name, kwargs)
        with collection.engine() as shard:
            return collection_info(collection.settings, shard.info())

    def get_collections(self, **kwargs: Any) -> models.CollectionsResponse:
        """List the collections under the path, without loading them."""
        names = self._opened(kwargs).names()
        return models.CollectionsResponse(
            collections=[models.CollectionDescription(name=name) for name in names]
        )

    def delete_collection(
        self, collection_name: str, timeout: int | None = None, **kwargs: Any
    ) -> bool:
        """Delete a collection, its files and its aliases; return whether there was one."""
        storage = self._opened(kwargs)
        with self._lock:
            if not storage.holds(collection_name):
                return False
            collection = self._collections.get(collection_name)
            if collection is not None:
                collection.discard()  # used again before it is gone, it is loaded again
            storage.remove(collection_name)
            self._collections.pop(collection_name, None)
            self._aliases.forget(collection_name)
        return True

    def update_collection(
        self,
        collection_name: str,
        optimizers_config: models.OptimizersConfigDiff | None = None,
        collection_params: models.CollectionParamsDiff | None = None,
        vectors_config: Mapping[str, models.VectorParamsDiff] | None = None,
        hnsw_config: models.HnswConfigDiff | None = None,
        quantization_config: models.QuantizationConfigDiff | None = None,
        timeout: int | None = None,
        sparse_vectors_config: Mapping[str, models.SparseVectorParams] | None = None,
        strict_mode_config: Any = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> bool:
        """Change settings of a collection; what is not given stays.

        Vector settings take effect with the next build of the index: call `optimize`, or write on.

        Returns:
            True.

        Raises:
            ValueError: There is no such vector.
            ConfigurationError: Metadata that would not come back as it is; nothing is changed.
        """
        collection = self._collection(collection_name, kwargs)
        metadata = _plain_metadata(collection_name, metadata)
        with collection.lock:
            new = changed_settings(
                collection.settings,
                optimizers_config=optimizers_config,
                collection_params=collection_params,
                vectors_config=vectors_config,
                hnsw_config=hnsw_config,
                quantization_config=quantization_config,
                sparse_vectors_config=sparse_vectors_config,
            )
            if new != collection.settings:
                collection.change(Change(new))
            if metadata is not None:
                collection.set_metadata(metadata)
        return True

    def create_vector_name(
        self,
        collection_name: str,
        vector_name: str,
        vector_name_config: models.DenseVectorNameConfig | models.SparseVectorNameConfig,
        wait: bool = True,
        ordering: Any = None,
        timeout: int | None = None,
        **kwargs: Any,
    ) -> models.UpdateResult:
        """Add a named vector to a collection; its points lack it until `update_vectors`.

        Adding the same one again does nothing.

        Raises:
            ValueError: There is one of that name with other settings.
        """
        collection = self._collection(collection_name, kwargs)
        with collection.lock:
            new = added_vector(collection.settings, vector_name, vector_name_config)
            if new is not None:
                collection.change(Change(new, add=vector_name))
        return COMPLETED

    def delete_vector_name(
        self,
        collection_name: str,
        vector_name: str,
        wait: bool = True,
        ordering: Any = None,
        timeout: int | None = None,
        **kwargs: Any,
    ) -> models.UpdateResult:
        """Remove a named vector from a collection and from all its points."""
        collection = self._collection(collection_name, kwargs)
        with collection.lock:
            new = dropped_vector(collection.settings, vector_name)
            collection.change(Change(new, drop=vector_name))
        return COMPLETED

    def create_payload_index(
        self,
        collection_name: str,
        field_name: str,
        field_schema: Any = None,
        field_type: Any = None,
        wait: bool = True,
        ordering: Any = None,
        timeout: int | None = None,
        **kwargs: Any,
    ) -> models.UpdateResult:
        """Index a payload field, dotted if nested; filters work without, and faster with it.

        `field_type` is the older name of `field_schema`: a models.PayloadSchemaType, its name, or
        ...IndexParams.
        """
        collection = self._collection(collection_name, kwargs)
        schema = edge_index_params(field_schema if field_schema is not None else field_type)
        check_text(field_name, "field name")
        operation = edge.UpdateOperation.create_field_index(field_name, schema)
        with collection.engine() as shard:
            points = shard.info().points_count
            # Words and where they are: never more than half of what the points take themselves.
            collection.write(
                operation, size=lambda _, stored: points * stored / 2, effect=Since.REBUILT
            )
        return COMPLETED

    def delete_payload_index(
        self,
        collection_name: str,
        field_name: str,
        wait: bool = True,
        ordering: Any = None,
        timeout: int | None = None,
        **kwargs: Any,
    ) -> models.UpdateResult:
        """Delete the index of a payload field."""
        operation = edge.UpdateOperation.delete_field_index(field_name)
        self._collection(collection_name, kwargs).write(operation, effect=Since.REBUILT)
        return COMPLETED

    def optimize(self, collection_name: str) -> bool:
        """Build the index over all points now instead of at a later query.

        Args:
            collection_name: The collection.

        Returns:
            Whether there was something to build.
        """
        return self._collection(collection_name).optimize()

    def check_files(self, collection_name: str) -> None:
        """Make sure that all files of a collection are what they were; reads all of them.

        Opening a collection does the same, but reads the contents of the smaller files only.

        Args:
            collection_name: The collection.

        Raises:
            EngineError: They are not; says which.
        """
        self._collection(collection_name).check_files()

    def repair_log(self, collection_name: str) -> LogRepair:
        """Mend a log that cannot be applied again, and payloads too deep to be read.

        Files that are not what they were are taken as they are, if the engine can load them; what
        is missing or wrong in them is not told again. Everything else stays. It may be interrupted
        at any moment and run again; a collection that is well is left alone.

        Args:
            collection_name: The collection.

        Returns:
            What was wrong, and where the log is kept as it was.

        Raises:
            EngineError: It cannot be opened for another reason.
        """
        return self._collection(collection_name).repair()

    def migrate(
        self,
        dest_client: QdrantBase,
        collection_names: list[str] | None = None,
        batch_size: int = 100,
        recreate_on_collision: bool = False,
    ) -> None:
        """Copy collections (None: all) to another client: to a server, say, or an EdgeClient.

        Raises:
            ValueError: A collection is there already, or does not exist here.
        """
        source: Any = self  # of no class that qdrant-client knows
        migrate(
            source,
            dest_client,
            collection_names=collection_names,
            batch_size=batch_size,
            recreate_on_collision=recreate_on_collision,
        )

    # -- Aliases -----------------------------------------------------------------------------

    def update_collection_aliases(
        self,
        change_aliases_operations: Sequence[models.AliasOperations],
        timeout: int | None = None,
        **kwargs: Any,
    ) -> bool:
        """Create, rename and delete aliases, all at once: nobody sees a part of it.

        Returns:
            True.

        Raises:
            ValueError: One of them cannot be; none is done.
        """
        self._opened(kwargs).require_writable()
        with self._lock:
            self._aliases.change(change_aliases_operations)
        return True

    def get_aliases(self, **kwargs: Any) -> models.CollectionsAliasesResponse:
        """List all aliases, with their collections."""
        self._opened(kwargs)
        return self._aliases.described()

    def get_collection_aliases(
        self, collection_name: str, **kwargs: Any
    ) -> models.CollectionsAliasesResponse:
        """List the aliases of a collection."""
        self._opened(kwargs)
        return self._aliases.described(collection_name)

    # -- Snapshots ---------------------------------------------------------------------------

    def create_snapshot(
        self, collection_name: str, wait: bool = True, **kwargs: Any
    ) -> models.SnapshotDescription:
        """Write a collection as it is now into a file; it is complete when the call returns.

        It lies in ``path/snapshots/<collection>/`` and outlives its collection. It is a file of
        this engine's: copy it to where another EdgeClient can read it; a server does not take it.

        Returns:
            The file's name, its size in bytes and its SHA-256.

        Raises:
            EngineError: The file cannot be written, as where the disk is full; none is left.
        """
        collection = self._collection(collection_name, kwargs)
        storage = self._opened()
        storage.require_writable(collection.name)
        with collection.engine() as shard:
            shard.flush()
            return snapshots.pack(
                collection.name,
                storage.folder(collection.name),
                storage.snapshots(collection.name),
                shard.info().points_count,
            )

    def list_snapshots(
        self, collection_name: str, **kwargs: Any
    ) -> list[models.SnapshotDescription]:
        """List the snapshots of a collection, the oldest first, also of one that is gone."""
        return snapshots.described(self._snapshots(collection_name, kwargs))

    def delete_snapshot(
        self, collection_name: str, snapshot_name: str, wait: bool = True, **kwargs: Any
    ) -> bool:
        """Delete a snapshot; return whether there was one of that name."""
        self._opened().require_writable()
        return snapshots.remove(self._snapshots(collection_name, kwargs), snapshot_name)

    def recover_snapshot(
        self,
        collection_name: str,
        location: str,
        api_key: str | None = None,
        checksum: str | None = None,
        priority: models.SnapshotPriority | None = None,
        wait: bool = True,
        **kwargs: Any,
    ) -> bool:
        """Make a collection from a snapshot (a path, or a file:// address), under any name.

        A collection that exists is not replaced: recover under another name, look, and let an
        alias lead there. The SHA-256 is taken from beside the file if none is given.

        Returns:
            True.

        Raises:
            ValueError: The collection exists already, or the name is empty.
            EngineError: There is no such file, it is no snapshot of ours, it is damaged, or there
                is no room. Nothing is left of it then.
        """
        with self._making(collection_name, kwargs) as folder:
            points = snapshots.unpack(collection_name, location, checksum, folder)
            snapshots.check(Collection(collection_name, folder), points, location)
        self._collection(collection_name)
        return True

    def _snapshots(self, name: str, unknown: Mapping[str, Any]) -> Path:
        """Return the folder of a collection's snapshots."""
        return self._opened(unknown).snapshots(self._aliases.target(name) or name)

    # -- Queries -----------------------------------------------------------------------------

    def query_points(
        self,
        collection_name: str,
        query: Any = None,
        using: str | None = None,
        prefetch: _Prefetches = None,
        query_filter: models.Filter | None = None,
        search_params: models.SearchParams | None = None,
        limit: int = 10,
        offset: int | None = None,
        with_payload: _Payload = True,
        with_vectors: _Vectors = False,
        score_threshold: float | None = None,
        lookup_from: models.LookupLocation | None = None,
        consistency: Any = None,
        shard_key_selector: Any = None,
        timeout: int | None = None,
        **kwargs: Any,
    ) -> rest.QueryResponse:
        """Answer one query: a vector, the id of a point, or a query of qdrant_client.models.

        Vectors may be lists of floats or float buffers (NumPy arrays, memoryviews).

        Returns:
            The points, best first.

        Raises:
            ValueError: There is no such point to search by, or a limit is below 1.
            NotImplementedError: A part that the engine does not have, as `lookup_from`.
        """
        collection = self._collection(collection_name, kwargs, shard_key_selector)
        request = construct(
            models.QueryRequest,
            {
                "shard_key": None,
                "query": query,
                "using": using,
                "prefetch": prefetch,
                "filter": query_filter,
                "params": search_params,
                "limit": limit,
                "offset": offset,
                "with_payload": with_payload,
                "with_vector": with_vectors,
                "score_threshold": score_threshold,
                "lookup_from": lookup_from,
            },
        )
        return answer(collection, [request])[0]

    def query_batch_points(
        self,
        collection_name: str,
        requests: Sequence[models.QueryRequest],
        consistency: Any = None,
        timeout: int | None = None,
        **kwargs: Any,
    ) -> list[rest.QueryResponse]:
        """Answer several queries in one go, in order; see `query_points`."""
        return answer(self._collection(collection_name, kwargs), requests)

    def query_points_groups(
        self,
        collection_name: str,
        group_by: str,
        query: Any = None,
        using: str | None = None,
        prefetch: _Prefetches = None,
        query_filter: models.Filter | None = None,
        search_params: models.SearchParams | None = None,
        limit: int = 10,
        group_size: int = 3,
        with_payload: _Payload = True,
        with_vectors: _Vectors = False,
        score_threshold: float | None = None,
        with_lookup: str | models.WithLookup | None = None,
        lookup_from: models.LookupLocation | None = None,
        consistency: Any = None,
        shard_key_selector: Any = None,
        timeout: int | None = None,
        **kwargs: Any,
    ) -> models.GroupsResult:
        """Answer one query by groups of points that share a value, best first.

        As `query_points`; a prefetch brings `group_size` times its limit, as on the server.

        Raises:
            ValueError: limit or group_size is below 1, or as for `query_points`.
        """
        collection = self._collection(collection_name, kwargs, shard_key_selector)
        request = models.QueryRequest.model_construct(
            query=query,
            using=using,
            prefetch=prefetch,
            filter=query_filter,
            params=search_params,
            limit=limit,
            with_payload=with_payload,
            with_vector=with_vectors,
            score_threshold=score_threshold,
            lookup_from=lookup_from,
        )
        groups = query_groups(collection, request, group_by, group_size)
        if with_lookup is not None:
            if isinstance(with_lookup, str):
                with_lookup = models.WithLookup(collection=with_lookup)
            look_up(self._collection(with_lookup.collection), groups, with_lookup)
        return models.GroupsResult(groups=groups)

    def search_matrix_pairs(
        self,
        collection_name: str,
        query_filter: models.Filter | None = None,
        limit: int = 3,
        sample: int = 10,
        using: str | None = None,
        consistency: Any = None,
        timeout: int | None = None,
        shard_key_selector: Any = None,
        **kwargs: Any,
    ) -> models.SearchMatrixPairsResponse:
        """Score random points against each other, as pairs."""
        collection = self._collection(collection_name, kwargs, shard_key_selector)
        return as_pairs(distance_matrix(collection, using, query_filter, limit, sample))

    def search_matrix_offsets(
        self,
        collection_name: str,
        query_filter: models.Filter | None = None,
        limit: int = 3,
        sample: int = 10,
        using: str | None = None,
        consistency: Any = None,
        timeout: int | None = None,
        shard_key_selector: Any = None,
        **kwargs: Any,
    ) -> models.SearchMatrixOffsetsResponse:
        """Score random points against each other, as offsets into their ids."""
        collection = self._collection(collection_name, kwargs, shard_key_selector)
        return as_offsets(distance_matrix(collection, using, query_filter, limit, sample))

    # -- Points read -------------------------------------------------------------------------

    def retrieve(
        self,
        collection_name: str,
        ids: Sequence[PointId],
        with_payload: _Payload = True,
        with_vectors: _Vectors = False,
        consistency: Any = None,
        shard_key_selector: Any = None,
        timeout: int | None = None,
        **kwargs: Any,
    ) -> list[models.Record]:
        """Return points by id, in the order of the ids; unknown ones are left out."""
        collection = self._collection(collection_name, kwargs, shard_key_selector)
        return retrieve(collection, ids, with_payload, with_vectors)

    def scroll(
        self,
        collection_name: str,
        scroll_filter: models.Filter | None = None,
        limit: int = 10,
        order_by: str | models.OrderBy | None = None,
        offset: PointId | None = None,
        with_payload: _Payload = True,
        with_vectors: _Vectors = False,
        consistency: Any = None,
        shard_key_selector: Any = None,
        timeout: int | None = None,
        **kwargs: Any,
    ) -> tuple[list[models.Record], int | str | UUID | None]:
        """Return a page of points, by id or by a payload field, and the offset of the next page."""
        collection = self._collection(collection_name, kwargs, shard_key_selector)
        request = scroll_request(scroll_filter, limit, order_by, offset, with_payload, with_vectors)
        with collection.engine() as shard:
            page, following = shard.scroll(request)
        records = [record(point) for point in page]
        return records, None if following is None else plain_id(following)

    def count(
        self,
        collection_name: str,
        count_filter: models.Filter | None = None,
        exact: bool = True,
        shard_key_selector: Any = None,
        timeout: int | None = None,
        **kwargs: Any,
    ) -> models.CountResult:
        """Count the points that a filter matches, or all."""
        collection = self._collection(collection_name, kwargs, shard_key_selector)
        request = edge.CountRequest(exact=exact, filter=edge_filter(count_filter))
        with collection.engine() as shard:
            return models.CountResult(count=shard.count(request))

    def facet(
        self,
        collection_name: str,
        key: str,
        facet_filter: models.Filter | None = None,
        limit: int = 10,
        exact: bool = False,
        consistency: Any = None,
        timeout: int | None = None,
        shard_key_selector: Any = None,
        **kwargs: Any,
    ) -> models.FacetResponse:
        """Count points by the values of a payload field, which needs a payload index."""
        collection = self._collection(collection_name, kwargs, shard_key_selector)
        request = edge.FacetRequest(key, limit, exact, edge_filter(facet_filter))
        with collection.engine() as shard:
            hits = shard.facet(request).hits
        return models.FacetResponse(
            hits=[models.FacetValueHit(value=hit.value, count=hit.count) for hit in hits]
        )

    # -- Points written ----------------------------------------------------------------------

    def upsert(
        self,
        collection_name: str,
        points: models.Batch | Sequence[models.PointStruct],
        wait: bool = True,
        ordering: Any = None,
        shard_key_selector: Any = None,
        update_filter: models.Filter | None = None,
        update_mode: models.UpdateMode | None = None,
        timeout: int | None = None,
        **kwargs: Any,
    ) -> models.UpdateResult:
        """Insert points, or replace them whole.

        Vectors may be float buffers (NumPy arrays, memoryviews) inside points made with
        model_construct: the fast way in.

        Raises:
            EmbeddingError: NaN or infinity; nothing is written.
            DimensionsError: A wrong width; nothing is written.
            ValueError: There is no such vector name.
        """
        collection = self._collection(collection_name, kwargs, shard_key_selector)
        return collection.update(operations.upsert(collection, points, update_filter, update_mode))

    def batch_update_points(
        self,
        collection_name: str,
        update_operations: Sequence[models.UpdateOperation],
        wait: bool = True,
        ordering: Any = None,
        timeout: int | None = None,
        **kwargs: Any,
    ) -> list[models.UpdateResult]:
        """Apply several updates in order; each is checked in itself before the first is applied.

        Which points are stored is known only when an update's turn comes: ids that are not end the
        batch there, and what stands before stays applied, as on a server.

        Raises:
            ValueError: An update that its own method would refuse; nothing is written.
            EngineError: There is no point of that id; the updates before are written, and this one
                to its other points.
        """
        collection = self._collection(collection_name, kwargs)
        with collection.lock:
            batch = operations.batch(collection, update_operations)
            return [collection.update(steps) for steps in batch]

    def upload_points(
        self,
        collection_name: str,
        points: Iterable[models.PointStruct],
        batch_size: int = 64,
        parallel: int = 1,
        method: str | None = None,
        max_retries: int = 3,
        wait: bool = False,
        shard_key_selector: Any = None,
        update_filter: models.Filter | None = None,
        update_mode: models.UpdateMode | None = None,
        **kwargs: Any,
    ) -> None:
        """Upsert points in batches, as they come; each batch is checked and written by itself."""
        self._collection(collection_name, kwargs, shard_key_selector)
        stream = iter(points)
        while batch := list(islice(stream, batch_size)):
            self.upsert(
                collection_name, batch, update_filter=update_filter, update_mode=update_mode
            )

    def upload_collection(
        self,
        collection_name: str,
        vectors: Any,
        payload: Iterable[dict[Any, Any]] | None = None,
        ids: Iterable[PointId] | None = None,
        batch_size: int = 64,
        parallel: int = 1,
        method: str | None = None,
        max_retries: int = 3,
        wait: bool = False,
        shard_key_selector: Any = None,
        update_filter: models.Filter | None = None,
        update_mode: models.UpdateMode | None = None,
        **kwargs: Any,
    ) -> None:
        """Upsert columns of vectors, payloads and ids in batches, as `upload_points` does.

        Vectors are a matrix, matrices by vector name, or any iterable of vectors; no ids: new ones.

        Raises:
            ValueError: ids or payload are shorter than the vectors, or as for `upsert`.
        """
        self.upload_points(
            collection_name,
            columns(vectors, payload, ids),
            batch_size,
            shard_key_selector=shard_key_selector,
            update_filter=update_filter,
            update_mode=update_mode,
            **kwargs,
        )

    def update_vectors(
        self,
        collection_name: str,
        points: Sequence[models.PointVectors],
        wait: bool = True,
        ordering: Any = None,
        shard_key_selector: Any = None,
        update_filter: models.Filter | None = None,
        timeout: int | None = None,
        **kwargs: Any,
    ) -> models.UpdateResult:
        """Set the named vectors of existing points, leaving their other vectors alone."""
        collection = self._collection(collection_name, kwargs, shard_key_selector)
        return collection.update(operations.update_vectors(collection, points, update_filter))

    def set_payload(
        self,
        collection_name: str,
        payload: dict[str, Any],
        points: Selector,
        key: str | None = None,
        wait: bool = True,
        ordering: Any = None,
        shard_key_selector: Any = None,
        timeout: int | None = None,
        **kwargs: Any,
    ) -> models.UpdateResult:
        """Set keys of the payload, at the top or under `key`, leaving the others alone."""
        collection = self._collection(collection_name, kwargs, shard_key_selector)
        return collection.update(operations.set_payload(points, payload, key))

    def overwrite_payload(
        self,
        collection_name: str,
        payload: dict[str, Any],
        points: Selector,
        wait: bool = True,
        ordering: Any = None,
        shard_key_selector: Any = None,
        timeout: int | None = None,
        **kwargs: Any,
    ) -> models.UpdateResult:
        """Replace the whole payload."""
        collection = self._collection(collection_name, kwargs, shard_key_selector)
        return collection.update(operations.overwrite_payload(points, payload))

    def delete_payload(
        self,
        collection_name: str,
        keys: Sequence[str],
        points: Selector,
        wait: bool = True,
        ordering: Any = None,
        shard_key_selector: Any = None,
        timeout: int | None = None,
        **kwargs: Any,
    ) -> models.UpdateResult:
        """Delete keys of the payload."""
        collection = self._collection(collection_name, kwargs, shard_key_selector)
        return collection.update(operations.delete_payload(points, keys))

    def clear_payload(
        self,
        collection_name: str,
        points_selector: Selector,
        wait: bool = True,
        ordering: Any = None,
        shard_key_selector: Any = None,
        timeout: int | None = None,
        **kwargs: Any,
    ) -> models.UpdateResult:
        """Delete the whole payload."""
        collection = self._collection(collection_name, kwargs, shard_key_selector)
        return collection.update(operations.clear_payload(points_selector))

    def delete(
        self,
        collection_name: str,
        points_selector: Selector,
        wait: bool = True,
        ordering: Any = None,
        shard_key_selector: Any = None,
        timeout: int | None = None,
        **kwargs: Any,
    ) -> models.UpdateResult:
        """Delete points by id or by filter; unknown ids are fine."""
        collection = self._collection(collection_name, kwargs, shard_key_selector)
        return collection.update(operations.delete(points_selector))

    def delete_vectors(
        self,
        collection_name: str,
        vectors: Sequence[str],
        points: Selector,
        wait: bool = True,
        ordering: Any = None,
        shard_key_selector: Any = None,
        timeout: int | None = None,
        **kwargs: Any,
    ) -> models.UpdateResult:
        """Delete named vectors of points, which stay."""
        collection = self._collection(collection_name, kwargs, shard_key_selector)
        return collection.update(operations.delete_vectors(collection, points, vectors))


def _plain_metadata(name: str, metadata: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return metadata as it will be read from its file."""
    if metadata is None:
        return None
    return deepcopy(edge_payload(metadata, f"Metadata of collection {name!r}"))


_OPEN: weakref.WeakSet[EdgeClient] = weakref.WeakSet()


def _after_fork() -> None:
    for client in _OPEN:
        client._leave_to_parent()  # noqa: SLF001 - of this module


if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
    os.register_at_fork(after_in_child=_after_fork)
