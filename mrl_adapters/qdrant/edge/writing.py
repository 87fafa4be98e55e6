"""The writing methods of `EdgeClient`."""

# ruff: noqa: FBT001, FBT002, PLR0913, PLR0917 - the signatures are those of QdrantClient

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar

import qdrant_edge as edge
from qdrant_client import models

from mrl_adapters.qdrant.edge.config import dense_vectors, edge_enum
from mrl_adapters.qdrant.edge.filters import edge_filter
from mrl_adapters.qdrant.edge.opened import COMPLETED, OpenPath
from mrl_adapters.qdrant.edge.points import PointId, edge_payload, edge_point_vectors, edge_points

# The log keeps the last operations, and whoever opens the collection reads them again, each into
# memory of several times its size. Smaller ones are not slower to write.
_OPERATION_BYTES = 1 << 20

T = TypeVar("T")
Selector = Sequence[PointId] | models.Filter | models.PointIdsList | models.FilterSelector


class Writing(OpenPath):
    """Write points. Parameters are those of QdrantClient.

    `wait`, `ordering`, `shard_key_selector`, `timeout` and further keywords are accepted and mean
    nothing here: every call returns when the write is done and logged.
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
            shard_key_selector: Means nothing here.
            update_filter: Replace only points that match.
            update_mode: Insert only, update only, or both (default).
            timeout: Means nothing here.
            **kwargs: Mean nothing here.

        Raises:
            EmbeddingError: NaN, infinity or (DimensionsError) a wrong width; nothing is written.
            ValueError: There is no such collection or vector name.
        """
        del wait, ordering, shard_key_selector, timeout, kwargs
        collection = self._collection(collection_name)
        converted = edge_points(points, collection.intake())
        condition, mode = edge_filter(update_filter), edge_enum(edge.UpdateMode, update_mode)
        for part in _portions(converted, collection.settings):
            operation = edge.UpdateOperation.upsert_points(part, condition, mode)
            collection.write(operation, touched=len(part))
        return COMPLETED

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
        del parallel, method, max_retries, wait, shard_key_selector, kwargs
        stream = iter(points)
        while batch := list(islice(stream, batch_size)):
            self.upsert(
                collection_name, batch, update_filter=update_filter, update_mode=update_mode
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
        del wait, ordering, shard_key_selector, timeout, kwargs
        collection = self._collection(collection_name)
        converted = edge_point_vectors(points, collection.intake())
        condition = edge_filter(update_filter)
        for part in _portions(converted, collection.settings):
            operation = edge.UpdateOperation.update_vectors(part, condition)
            collection.write(operation, touched=len(part))
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
        del wait, ordering, shard_key_selector, timeout, kwargs
        operations = edge.UpdateOperation
        plain = edge_payload(payload, "set_payload")
        return self._select(
            collection_name,
            points,
            lambda ids: operations.set_payload(ids, plain, key),
            lambda chosen: operations.set_payload_by_filter(chosen, plain, key),
        )

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
        del wait, ordering, shard_key_selector, timeout, kwargs
        operations = edge.UpdateOperation
        plain = edge_payload(payload, "overwrite_payload")
        return self._select(
            collection_name,
            points,
            lambda ids: operations.overwrite_payload(ids, plain),
            lambda chosen: operations.overwrite_payload_by_filter(chosen, plain),
        )

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
        del wait, ordering, shard_key_selector, timeout, kwargs
        operations = edge.UpdateOperation
        return self._select(
            collection_name,
            points,
            lambda ids: operations.delete_payload(ids, list(keys)),
            lambda chosen: operations.delete_payload_by_filter(chosen, list(keys)),
        )

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
        del wait, ordering, shard_key_selector, timeout, kwargs
        operations = edge.UpdateOperation
        return self._select(
            collection_name,
            points_selector,
            operations.clear_payload,
            operations.clear_payload_by_filter,
        )

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
        del wait, ordering, shard_key_selector, timeout, kwargs
        operations = edge.UpdateOperation
        return self._select(
            collection_name,
            points_selector,
            operations.delete_points,
            operations.delete_points_by_filter,
            moves=False,
        )

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
        del wait, ordering, shard_key_selector, timeout, kwargs
        operations = edge.UpdateOperation
        return self._select(
            collection_name,
            points,
            lambda ids: operations.delete_vectors(ids, list(vectors)),
            lambda chosen: operations.delete_vectors_by_filter(chosen, list(vectors)),
            moves=False,
        )

    def _select(
        self,
        collection_name: str,
        selector: Selector,
        by_ids: Callable[[list[PointId]], edge.UpdateOperation],
        by_filter: Callable[[edge.Filter], edge.UpdateOperation],
        *,
        moves: bool = True,
    ) -> models.UpdateResult:
        """Apply an operation to the points that a selector names.

        `moves`: the engine may move the points out of the index to change them.
        """
        collection = self._collection(collection_name)
        chosen, ids = _selected(selector)
        if chosen is None:
            collection.write(by_ids(ids), touched=len(ids) if moves else 0)
        else:
            with collection.engine() as shard:
                touched = shard.count(edge.CountRequest(filter=chosen)) if moves else 0
                collection.write(by_filter(chosen), touched=touched)
        return COMPLETED


def _selected(selector: Selector) -> tuple[edge.Filter | None, list[PointId]]:
    if isinstance(selector, models.FilterSelector):
        selector = selector.filter
    if isinstance(selector, models.Filter):
        return edge_filter(selector), []
    if isinstance(selector, models.PointIdsList):
        return None, list(selector.points)
    if isinstance(selector, (list, tuple)):
        return None, list(selector)
    message = (
        f"The embedded engine cannot select points by {type(selector).__name__}. "
        "Pass a list of ids, models.PointIdsList, models.Filter or models.FilterSelector."
    )
    raise NotImplementedError(message)


def _portions(points: list[T], settings: models.CreateCollection) -> Iterator[list[T]]:
    """Cut points into operations of about a megabyte; no points make one empty operation."""
    numbers = sum(params.size for params in dense_vectors(settings).values())
    size = max(1, _OPERATION_BYTES // (4 * max(numbers, 1)))
    for start in range(0, max(len(points), 1), size):
        yield points[start : start + size]
