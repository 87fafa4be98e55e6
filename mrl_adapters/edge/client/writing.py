"""The client's methods that write points."""

# ruff: noqa: ARG002, FBT001, FBT002, PLR0913, PLR0917 - the signatures are those of QdrantClient

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

from qdrant_client import models

from mrl_adapters.edge import operations
from mrl_adapters.edge.client.folder import OpenFolder
from mrl_adapters.edge.names import PointId
from mrl_adapters.edge.operations import Selector
from mrl_adapters.edge.points import columns


class WriteMethods(OpenFolder):
    """QdrantClient's methods that store, change and delete points."""

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
