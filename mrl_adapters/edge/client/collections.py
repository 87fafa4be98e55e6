"""The client's methods that make, describe, name and delete collections."""

# ruff: noqa: ARG002, FBT001, PLR0913, PLR0917 - the signatures are those of QdrantClient

from collections.abc import Mapping, Sequence
from typing import Any

from qdrant_client import models

from mrl_adapters.edge.client.folder import OpenFolder
from mrl_adapters.edge.collection import Collection
from mrl_adapters.edge.config import with_some_vector
from mrl_adapters.edge.info import collection_info
from mrl_adapters.edge.payloads import plain_metadata


class CollectionMethods(OpenFolder):
    """QdrantClient's methods for whole collections and their aliases."""

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
                metadata=plain_metadata(collection_name, metadata),
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
