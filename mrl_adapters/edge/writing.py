"""The writing methods of `EdgeClient`."""

# ruff: noqa: FBT001, FBT002, PLR0913, PLR0917 - the signatures are those of QdrantClient

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

from qdrant_client import models

from mrl_adapters.edge import operations
from mrl_adapters.edge.batches import batch_steps
from mrl_adapters.edge.ids import PointId
from mrl_adapters.edge.opened import COMPLETED, OpenPath
from mrl_adapters.edge.operations import Selector
from mrl_adapters.edge.parsing import refuse_shard_key, refuse_unknown
from mrl_adapters.edge.uploads import columns


class Writing(OpenPath):
    """Write points. Parameters are those of QdrantClient.

    `wait`, `ordering` and `timeout` are accepted and mean nothing here: every call returns when the
    write is done and logged. There is one shard: `shard_key_selector` is refused.
    """

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

        Args:
            collection_name: The collection.
            points: The points. Vectors may be float buffers (NumPy arrays, memoryviews) inside
                points made with model_construct: the fast way in.
            wait: Means nothing here.
            ordering: Means nothing here.
            shard_key_selector: Refused; there is one shard.
            update_filter: Replace only points that match.
            update_mode: Insert only, update only, or both (default).
            timeout: Means nothing here.
            **kwargs: Refused.

        Raises:
            EmbeddingError: NaN, infinity or (DimensionsError) a wrong width; nothing is written.
            ValueError: There is no such collection or vector name.
        """
        del wait, ordering, timeout
        refuse_unknown(kwargs)
        refuse_shard_key(shard_key_selector)
        collection = self._collection(collection_name)
        operations.apply(
            collection, operations.upsert(collection, points, update_filter, update_mode)
        )
        return COMPLETED

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

        Args:
            collection_name: The collection.
            update_operations: UpsertOperation, DeleteOperation, SetPayloadOperation and the like.
            wait: Means nothing here.
            ordering: Means nothing here.
            timeout: Means nothing here.
            **kwargs: Refused.

        Returns:
            One result for each update.

        Raises:
            ValueError: An update that its own method would refuse; nothing is written.
            EngineError: There is no point of that id; the updates before are written, and this one
                to its other points.
        """
        del wait, ordering, timeout
        refuse_unknown(kwargs)
        collection = self._collection(collection_name)
        with collection.lock:
            for steps in batch_steps(collection, update_operations):
                operations.apply(collection, steps)
        return [COMPLETED] * len(update_operations)

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
        del parallel, method, max_retries, wait
        refuse_unknown(kwargs)
        refuse_shard_key(shard_key_selector)
        self._collection(collection_name)
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

        Args:
            collection_name: The collection.
            vectors: A matrix, matrices by vector name, or any iterable of vectors.
            payload: The payloads, if any.
            ids: The ids; None makes new ones.
            batch_size: How many points are checked and written at a time.
            parallel: Means nothing here.
            method: Means nothing here.
            max_retries: Means nothing here.
            wait: Means nothing here.
            shard_key_selector: Refused; there is one shard.
            update_filter: Replace only points that match.
            update_mode: Insert only, update only, or both (default).
            **kwargs: Refused.

        Raises:
            ValueError: ids or payload are shorter than the vectors, or as for `upsert`.
        """
        self.upload_points(
            collection_name,
            columns(vectors, payload, ids),
            batch_size,
            parallel,
            method,
            max_retries,
            wait,
            shard_key_selector,
            update_filter,
            update_mode,
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
        del wait, ordering, timeout
        refuse_unknown(kwargs)
        refuse_shard_key(shard_key_selector)
        collection = self._collection(collection_name)
        operations.apply(collection, operations.update_vectors(collection, points, update_filter))
        return COMPLETED

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
        del wait, ordering, timeout
        refuse_unknown(kwargs)
        refuse_shard_key(shard_key_selector)
        collection = self._collection(collection_name)
        operations.apply(collection, operations.set_payload(points, payload, key))
        return COMPLETED

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
        del wait, ordering, timeout
        refuse_unknown(kwargs)
        refuse_shard_key(shard_key_selector)
        collection = self._collection(collection_name)
        operations.apply(collection, operations.overwrite_payload(points, payload))
        return COMPLETED

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
        del wait, ordering, timeout
        refuse_unknown(kwargs)
        refuse_shard_key(shard_key_selector)
        collection = self._collection(collection_name)
        operations.apply(collection, operations.delete_payload(points, keys))
        return COMPLETED

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
        del wait, ordering, timeout
        refuse_unknown(kwargs)
        refuse_shard_key(shard_key_selector)
        collection = self._collection(collection_name)
        operations.apply(collection, operations.clear_payload(points_selector))
        return COMPLETED

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
        del wait, ordering, timeout
        refuse_unknown(kwargs)
        refuse_shard_key(shard_key_selector)
        collection = self._collection(collection_name)
        operations.apply(collection, operations.delete(points_selector))
        return COMPLETED

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
        del wait, ordering, timeout
        refuse_unknown(kwargs)
        refuse_shard_key(shard_key_selector)
        collection = self._collection(collection_name)
        operations.apply(collection, operations.delete_vectors(collection, points, vectors))
        return COMPLETED
