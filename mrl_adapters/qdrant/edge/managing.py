"""The methods of `EdgeClient` that concern whole collections."""

# ruff: noqa: FBT001, FBT002, PLR0913, PLR0917 - the signatures are those of QdrantClient

from collections.abc import Mapping
from typing import Any

import qdrant_edge as edge
from qdrant_client import models

from mrl_adapters.qdrant.edge.config import (
    dense_vectors,
    merge_models,
    merge_vectors,
    with_vectors,
)
from mrl_adapters.qdrant.edge.info import collection_info, edge_index_params
from mrl_adapters.qdrant.edge.opened import OpenPath
from mrl_adapters.qdrant.edge.shard import Collection


class Managing(OpenPath):
    """Create, change and delete collections. Parameters are those of QdrantClient.

    `shard_number`, `sharding_method`, `replication_factor`, `write_consistency_factor`,
    `wal_config`, `strict_mode_config`, `timeout` and further keywords are accepted and mean
    nothing here: there is one shard, one copy, and its log is always on.
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
            ValueError: It exists already.
            NotImplementedError: A setting that the engine does not have.
        """
        del shard_number, sharding_method, replication_factor, write_consistency_factor
        del wal_config, timeout, strict_mode_config, kwargs
        settings = models.CreateCollection(
            vectors=vectors_config
            if isinstance(vectors_config, models.VectorParams)
            else dict(vectors_config or {}),
            sparse_vectors=dict(sparse_vectors_config) if sparse_vectors_config else None,
            on_disk_payload=on_disk_payload,
            hnsw_config=hnsw_config,
            optimizers_config=optimizers_config,
            quantization_config=quantization_config,
            metadata=metadata,
            payload=payload,
            id_tracker=id_tracker,
        )
        storage = self._opened()
        with self._lock:
            if storage.exists(collection_name):
                message = f"Collection {collection_name} already exists"
                raise ValueError(message)
            folder = storage.fresh_folder(collection_name)
            self._collections[collection_name] = Collection.create(
                collection_name, folder, settings
            )
        return True

    def collection_exists(self, collection_name: str, **kwargs: Any) -> bool:
        """Tell whether a collection exists."""
        del kwargs
        return self._opened().exists(collection_name)

    def get_collection(self, collection_name: str, **kwargs: Any) -> models.CollectionInfo:
        """Describe a collection: settings, metadata, counts, payload indexes."""
        del kwargs
        collection = self._collection(collection_name)
        with collection.engine() as shard:
            return collection_info(collection.settings, shard.info())

    def get_collections(self, **kwargs: Any) -> models.CollectionsResponse:
        """List the collections under the path, without loading them."""
        del kwargs
        names = self._opened().names()
        return models.CollectionsResponse(
            collections=[models.CollectionDescription(name=name) for name in names]
        )

    def delete_collection(
        self, collection_name: str, timeout: int | None = None, **kwargs: Any
    ) -> bool:
        """Delete a collection and its files.

        Returns:
            Whether there was one.
        """
        del timeout, kwargs
        storage = self._opened()
        with self._lock:
            if not storage.exists(collection_name):
                return False
            opened = self._collections.pop(collection_name, None)
            if opened is not None:
                opened.close(index=False)
            storage.remove(collection_name)
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
        """
        del timeout, strict_mode_config, kwargs
        collection = self._collection(collection_name)
        with collection.lock:
            if metadata is not None:
                collection.set_metadata(metadata)
            old = collection.settings
            new = merge_vectors(old, vectors_config or {})
            changes: dict[str, Any] = {
                "optimizers_config": merge_models(old.optimizers_config, optimizers_config),
                "hnsw_config": merge_models(old.hnsw_config, hnsw_config),
            }
            if quantization_config is not None:
                off = isinstance(quantization_config, models.Disabled)
                changes["quantization_config"] = None if off else quantization_config
            if sparse_vectors_config is not None:
                changes["sparse_vectors"] = {**(old.sparse_vectors or {}), **sparse_vectors_config}
            if collection_params is not None and collection_params.on_disk_payload is not None:
                changes["on_disk_payload"] = collection_params.on_disk_payload
            new = new.model_copy(update=changes)
            if new != old:
                collection.apply(new)
        return True

    def optimize(self, collection_name: str) -> bool:
        """Build the index over all points now instead of at a later query.

        Args:
            collection_name: The collection.

        Returns:
            Whether there was something to build.
        """
        return self._collection(collection_name).optimize()

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
        del wait, ordering, timeout, kwargs
        collection = self._collection(collection_name)
        with collection.lock:
            settings = collection.settings
            if isinstance(vector_name_config, models.DenseVectorNameConfig):
                fields = vector_name_config.dense.model_dump(mode="json", exclude_none=True)
                params = models.VectorParams.model_validate(fields)
                vectors = dense_vectors(settings)
                same = ("size", "distance", "datatype", "multivector_config")
                found = vectors.get(vector_name)
                if found is not None:
                    if any(getattr(found, each) != getattr(params, each) for each in same):
                        _refuse_vector(collection_name, vector_name)
                    return _done()
                new = with_vectors(settings, {**vectors, vector_name: params})
            else:
                given = vector_name_config.sparse
                index = models.SparseIndexParams(
                    datatype=models.Datatype(given.datatype.value) if given.datatype else None
                )
                sparse = models.SparseVectorParams(modifier=given.modifier, index=index)
                known = settings.sparse_vectors or {}
                if vector_name in known:
                    if known[vector_name].modifier != given.modifier:
                        _refuse_vector(collection_name, vector_name)
                    return _done()
                new = settings.model_copy(update={"sparse_vectors": {**known, vector_name: sparse}})
            collection.apply(new, add=vector_name)
        return _done()

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
        del wait, ordering, timeout, kwargs
        collection = self._collection(collection_name)
        with collection.lock:
            settings = collection.settings
            vectors = dense_vectors(settings)
            sparse = dict(settings.sparse_vectors or {})
            if vectors.pop(vector_name, None) is None and sparse.pop(vector_name, None) is None:
                message = f"Not existing vector name error: {vector_name}"
                raise ValueError(message)
            new = with_vectors(settings, vectors).model_copy(update={"sparse_vectors": sparse})
            collection.apply(new, drop=vector_name)
        return _done()

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
        """Index a payload field; filters work without, and faster with it.

        Args:
            collection_name: The collection.
            field_name: The field, dotted for nested ones.
            field_schema: A models.PayloadSchemaType, its name, or ...IndexParams.
            field_type: The older name of field_schema.
            wait: Means nothing here.
            ordering: Means nothing here.
            timeout: Means nothing here.
            **kwargs: Mean nothing here.
        """
        del wait, ordering, timeout, kwargs
        schema = edge_index_params(field_schema if field_schema is not None else field_type)
        operation = edge.UpdateOperation.create_field_index(field_name, schema)
        self._collection(collection_name).write(operation)
        return _done()

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
        del wait, ordering, timeout, kwargs
        operation = edge.UpdateOperation.delete_field_index(field_name)
        self._collection(collection_name).write(operation)
        return _done()


def _refuse_vector(collection_name: str, vector_name: str) -> None:
    message = (
        f"Collection {collection_name!r}: vector {vector_name!r} already exists with different "
        "parameters. Delete it first, or choose another name."
    )
    raise ValueError(message)


def _done() -> models.UpdateResult:
    return models.UpdateResult.model_construct(
        operation_id=None, status=models.UpdateStatus.COMPLETED
    )
