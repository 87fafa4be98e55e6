"""The points of a collection, stored, read and deleted by the callers' ids and by filters."""

from collections.abc import Sequence
from typing import Any

from numpy.typing import ArrayLike
from qdrant_client import models

from mrl_adapters.qdrant.filters import admitted, for_deletion
from mrl_adapters.qdrant.flow import Flow
from mrl_adapters.qdrant.handle import CollectionHandle
from mrl_adapters.qdrant.ids import DocumentId, id_texts
from mrl_adapters.qdrant.layout import CollectionLayout, WriteOrdering, check_ordering
from mrl_adapters.qdrant.payload import plain_payloads
from mrl_adapters.qdrant.points import PointBatch, checked_vectors, columns
from mrl_adapters.qdrant.reading import count_points, every_id, read_by_ids, read_pages
from mrl_adapters.qdrant.shard_keys import ShardKey
from mrl_adapters.qdrant.text_indexes import with_texts
from mrl_adapters.qdrant.token_vectors import document_tokens
from mrl_adapters.qdrant.weights import document_weights
from mrl_adapters.qdrant.writing import delete_points, store_points, warn_of_zeros


class StoredDocuments(CollectionHandle):
    """Writes and reads points; its methods return flows for a driver.

    Its arguments are those of :class:`~mrl_adapters.qdrant.MatryoshkaCollection`.
    """

    def add(
        self,
        ids: Sequence[DocumentId],
        vectors: ArrayLike,
        payloads: Sequence[dict[str, Any]],
        *,
        shard_key: ShardKey | None = None,
        ordering: WriteOrdering | None = None,
        acknowledged: set[str] | None = None,
        zeros: list[str] | None = None,
    ) -> Flow[int]:
        """Store a batch: everything is checked before anything is written.

        Args:
            ids: The callers' ids, n of them; one that is there already is replaced, and of those
                that are there twice the last counts (see :mod:`mrl_adapters.qdrant.ids`).
            vectors: Full vectors, shape (n, d).
            payloads: One a point, converted as :mod:`mrl_adapters.qdrant.payload` says. Nothing
                is done for an empty batch.
            shard_key: Custom shard to write to.
            ordering: Qdrant's ordering of concurrent writes: weak, medium or strong; None takes
                the layout's.
            acknowledged: Gets the ids of each request as soon as the engine has confirmed it.
            zeros: Gets the ids of what no search will find, which is warned of otherwise.

        Returns:
            How many points were stored.

        Raises:
            ConfigurationError: An id is no string, integer or UUID, or a payload holds something
                that cannot be stored.
            DimensionsError: The vectors' size is not the collection's.
            EmbeddingError: A vector holds NaN or infinity.
            CollectionMismatchError: The collection differs from what was asked for.

        Warns:
            ZeroVectorsWarning: Vectors are all zeros, so that no search will find their points.
            MissingSparseVectorsWarning: The collection has sparse vectors that nobody computes.
        """
        check_ordering(ordering)
        texts = id_texts(ids)
        if not len(vectors):  # type: ignore[arg-type] # ArrayLike admits a number, which is no batch
            return 0
        names = [f"document {identifier!r}" for identifier in texts]
        payloads = plain_payloads(payloads, names)
        wanted = self._asked.layout
        full = checked_vectors(vectors, names, wanted.dimensions if wanted else None)
        without: list[str] = [] if zeros is None else zeros

        def store(layout: CollectionLayout) -> Flow[int]:
            if full.shape[1] != layout.dimensions:
                checked_vectors(full, names, layout.dimensions)
            yield from self.scope.refuse_others(self.name, layout, texts)
            stamped = self.scope.stamp(self.name, layout, with_texts(layout, payloads), names)
            weights = yield from document_weights(self.name, layout, stamped, self.keys, names)
            tokens = yield from document_tokens(self.name, layout, stamped, self.keys, names)
            others: dict[str, Any] = {**weights, **tokens}
            batch = PointBatch(texts, columns(full, layout, names), stamped, others=others)
            return (
                yield from store_points(
                    self.name,
                    batch,
                    layout.ordered(ordering),
                    without,
                    shard_key,
                    acknowledged,
                    (yield from self._every_shard()),
                )
            )

        stored = yield from self._use(
            store,
            0,
            lambda: self.ensure(full.shape[1], [full], shard_key=shard_key),
            writes=True,
        )
        self.foreign_sparse.warn()
        if zeros is None:
            warn_of_zeros(self.name, without)
        return stored

    def get(
        self, ids: Sequence[DocumentId], *, with_vectors: models.WithVector = False
    ) -> Flow[list[models.Record]]:
        """Fetch points by the callers' ids.

        Args:
            ids: The callers' ids, in any spelling; those that are not there are left out.
            with_vectors: Whether, or which, vectors are returned.

        Returns:
            The points found, in the order of ``ids``, each once.

        Raises:
            ConfigurationError: An id is no string, integer or UUID.
        """
        texts = id_texts(ids)
        if not texts:
            return []
        none: list[models.Record] = []

        def read(layout: CollectionLayout) -> Flow[list[models.Record]]:
            records = yield from read_by_ids(self.name, texts, with_vectors)
            return [each for each in records if self.scope.owns(self.name, layout, each)]

        return (yield from self._use(read, none))

    def delete(
        self,
        ids: Sequence[DocumentId] | None = None,
        query_filter: models.Filter | None = None,
        *,
        ordering: WriteOrdering | None = None,
    ) -> Flow[None]:
        """Delete points by id, by filter, or by both (points that satisfy both).

        Args:
            ids: The callers' ids, in any spelling; those that are not there are passed over. Empty
                deletes none.
            query_filter: Qdrant filter. With neither ids nor filter every point is deleted.
            ordering: As in :meth:`add`.

        Raises:
            ConfigurationError: An id is no string, integer or UUID; or there are no ids, and the
                filter restricts nothing; or one of its bounds is NaN or infinite, or it is nested
                too deep.
        """
        check_ordering(ordering)
        texts = None if ids is None else id_texts(ids)
        checked = for_deletion(query_filter) if ids is None else admitted(query_filter)
        if texts == []:
            return
        must: list[models.Condition] = [checked] if checked else []
        if texts is not None:
            must.append(models.HasIdCondition(has_id=every_id(texts)))
        chosen = models.Filter(must=must or None)

        def remove(layout: CollectionLayout) -> Flow[None]:
            restricted = self.scope.within(self.name, layout, chosen) or chosen
            selector = models.FilterSelector(filter=restricted)
            shards = yield from self._every_shard()
            yield from delete_points(self.name, selector, layout.ordered(ordering), shards)

        yield from self._use(remove, None, filters=[chosen], writes=True)

    def scroll(
        self,
        query_filter: models.Filter | None = None,
        *,
        limit: int | None = None,
        with_vectors: models.WithVector = False,
    ) -> Flow[list[models.Record]]:
        """Read every point that passes a filter, page by page.

        Args:
            query_filter: Qdrant filter; None reads all.
            limit: Stop after this many points; None reads on to the end.
            with_vectors: Whether, or which, vectors are returned.

        Returns:
            The points, by point id.
        """
        wanted = admitted(query_filter)
        none: list[models.Record] = []
        return (
            yield from self._use(
                lambda layout: read_pages(
                    self.name, self.scope.within(self.name, layout, wanted), limit, with_vectors
                ),
                none,
                filters=[wanted],
            )
        )

    def count(self, query_filter: models.Filter | None = None) -> Flow[int]:
        """Count the points that pass a filter.

        Args:
            query_filter: Qdrant filter; None counts all.
        """
        wanted = admitted(query_filter)

        def count(layout: CollectionLayout) -> Flow[int]:
            return count_points(self.name, self.scope.within(self.name, layout, wanted))

        return (yield from self._use(count, 0, filters=[wanted]))
