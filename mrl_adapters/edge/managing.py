"""The methods of `EdgeClient` that concern whole collections."""

# ruff: noqa: FBT001, PLR0913, PLR0917 - the signatures are those of QdrantClient

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from qdrant_client import models

from mrl_adapters.edge.changes import changed_settings
from mrl_adapters.edge.config import with_some_vector
from mrl_adapters.edge.info import collection_info
from mrl_adapters.edge.opened import OpenPath
from mrl_adapters.edge.parsing import refuse_unknown
from mrl_adapters.edge.payloads import edge_payload
from mrl_adapters.edge.settings import Change
from mrl_adapters.edge.shard import Collection


class Managing(OpenPath):
    """Create, change and delete collections. Parameters are those of QdrantClient.

    `shard_number`, `sharding_method`, `replication_factor`, `write_consistency_factor`,
    `wal_config`, `strict_mode_config` and `timeout` are accepted and mean nothing here: there is
    one shard, one copy, and its log is always on.
    """

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
        """Create a collection.

        Returns:
            True.

        Raises:
            ValueError: It exists already, or the name is empty.
            ConfigurationError: Metadata that would not come back as it is.
            NotImplementedError: A setting that the engine does not have.
        """
        del shard_number, sharding_method, replication_factor, write_consistency_factor
        del wal_config, timeout, strict_mode_config
        refuse_unknown(kwargs)
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
        with self._making(collection_name) as folder:
            Collection.make(collection_name, folder, with_some_vector(settings))
        self._collection(collection_name)
        return True

    def collection_exists(self, collection_name: str, **kwargs: Any) -> bool:
        """Tell whether a collection exists, by its name or an alias."""
        refuse_unknown(kwargs)
        storage = self._opened()
        return storage.exists(collection_name) or self._aliases.behind(collection_name) is not None

    def get_collection(self, collection_name: str, **kwargs: Any) -> models.CollectionInfo:
        """Describe a collection: settings, metadata, counts, payload indexes."""
        refuse_unknown(kwargs)
        collection = self._collection(collection_name)
        with collection.engine() as shard:
            return collection_info(collection.settings, shard.info())

    def get_collections(self, **kwargs: Any) -> models.CollectionsResponse:
        """List the collections under the path, without loading them."""
        refuse_unknown(kwargs)
        names = self._opened().names()
        return models.CollectionsResponse(
            collections=[models.CollectionDescription(name=name) for name in names]
        )

    def delete_collection(
        self, collection_name: str, timeout: int | None = None, **kwargs: Any
    ) -> bool:
        """Delete a collection, its files and its aliases.

        Returns:
            Whether there was one.
        """
        del timeout
        refuse_unknown(kwargs)
        storage = self._opened()
        with self._lock:
            if not storage.holds(collection_name):
                return False
            opened = self._collections.get(collection_name)
            if opened is not None:
                opened.discard()  # used again before it is gone, it is loaded again
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
            ValueError: There is no such collection or vector.
            ConfigurationError: Metadata that would not come back as it is; nothing is changed.
        """
        del timeout, strict_mode_config
        refuse_unknown(kwargs)
        collection = self._collection(collection_name)
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
                collection.apply(Change(new))
            if metadata is not None:
                collection.set_metadata(metadata)
        return True

    def info(self) -> models.VersionInfo:
        """Say which engine answers, and its version."""
        return models.VersionInfo(title="Qdrant Edge", version=version("qdrant-edge-py"))

    def optimize(self, collection_name: str) -> bool:
        """Build the index over all points now instead of at a later query.

        Args:
            collection_name: The collection.

        Returns:
            Whether there was something to build.
        """
        return self._collection(collection_name).optimize()


def _plain_metadata(name: str, metadata: dict[str, Any] | None) -> dict[str, Any] | None:
    """Give metadata as it will be read from its file."""
    return None if metadata is None else edge_payload(metadata, f"Metadata of collection {name!r}")
