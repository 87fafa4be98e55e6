"""A two-stage collection: every conversation with Qdrant that the adapters need, as flows."""

import copy
import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from numpy.typing import ArrayLike
from qdrant_client import models

from mrl_adapters.arguments import flag, require_list
from mrl_adapters.errors import ConfigurationError
from mrl_adapters.qdrant.companion import drop_companion, has_companion
from mrl_adapters.qdrant.filters import admitted, for_deletion
from mrl_adapters.qdrant.flow import (
    Flow,
    ask,
    bound,
    change,
)
from mrl_adapters.qdrant.groups import Group, GroupBy, grouped
from mrl_adapters.qdrant.handle import CollectionHandle
from mrl_adapters.qdrant.ids import DocumentId, id_texts
from mrl_adapters.qdrant.layout import CollectionLayout, WriteOrdering, check_ordering
from mrl_adapters.qdrant.paging import answers
from mrl_adapters.qdrant.payload import plain_payloads
from mrl_adapters.qdrant.plan import Plan, SearchPlan
from mrl_adapters.qdrant.points import (
    PointBatch,
    check_query,
    checked_vectors,
    columns,
)
from mrl_adapters.qdrant.query import Search
from mrl_adapters.qdrant.reading import count_points, every_id, read_by_ids, read_pages
from mrl_adapters.qdrant.shard_keys import ShardKey
from mrl_adapters.qdrant.signals import Signals, signals_of
from mrl_adapters.qdrant.tenants import (
    Scope,
    checked_tenant,
)
from mrl_adapters.qdrant.text_indexes import (
    with_texts,
)
from mrl_adapters.qdrant.token_vectors import document_tokens, with_question_tokens
from mrl_adapters.qdrant.weights import document_weights, with_question_weights
from mrl_adapters.qdrant.writing import delete_points, store_points, warn_of_zeros

T = TypeVar("T")

logger: logging.Logger = logging.getLogger(__name__)

_DEFAULT_PLAN = SearchPlan()


class MatryoshkaCollection(CollectionHandle):
    """One collection, opened once and checked; its methods return flows for a driver.

    Args:
        name: The collection's name.
        layout: What to create, or what to expect; None reads an existing collection and derives
            a new one's layout from its first vectors and the registry.
        plan: How it is searched unless a call says otherwise; None takes the plan saved with the
            collection, or the defaults, and a dict changes the knobs of these that it names.
        model: Name of the embedding model, to be stored with a new collection and compared with
            an existing one's.
        payload_indexes: Payload field to index type, as in the layout: indexes that a new
            collection gets beside the layout's own.
        keys: What the caller says of the payload keys, if it reads or writes payloads by them.
        layout_fields: Instead of a whole layout some of its fields, by name: a new collection gets
            them, and one that exists has to have them.
        creation_options: Further arguments of ``create_collection``, for a new collection.
        words: A text index for a collection that is to be searched by words, and whose layout says
            nothing of it; where the engine has none, a new collection gets sparse vectors.
    """

    def for_tenant(self, tenant: str) -> "MatryoshkaCollection":
        """Return this collection as one tenant sees it: see :mod:`mrl_adapters.qdrant.tenants`.

        Args:
            tenant: The tenant's name, as the documents' metadata have it.

        Raises:
            ConfigurationError: It is no text, or this collection is another tenant's already.
        """
        if self.scope.tenant not in {None, tenant}:
            msg = f"for_tenant({tenant!r}): this store belongs to tenant {self.scope.tenant!r}."
            raise ConfigurationError(msg, found=tenant, expected=self.scope.tenant)
        scoped = copy.copy(self)
        scoped.scope = Scope(checked_tenant(tenant))
        return scoped

    def for_all_tenants(self, *, said: object = True) -> "MatryoshkaCollection":
        """Return this collection with searches through the documents of all tenants.

        They compare with every full vector, for graphs are the tenants' own.

        Args:
            said: Whether that is asked for.
        """
        scoped = copy.copy(self)
        scoped.scope = Scope(all_tenants=flag("all_tenants", said))
        return scoped

    def drop(self) -> Flow[None]:
        """Delete the collection with its rotation; the next points create it anew.

        Of a tenant's collection only the tenant's documents are deleted.
        """
        if self.scope.tenant is not None:
            return (yield from self.delete())
        if (yield from has_companion(self.name)):
            yield from drop_companion(self.name)
        if (yield from ask(lambda c: c.collection_exists(self.name))):
            yield from change(lambda c: c.delete_collection(self.name))
        self._forget()
        self._asked = self._asked._replace(model=self._given_model)

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
        if zeros is None:
            warn_of_zeros(self.name, without)
        return stored

    def search(
        self,
        searches: Sequence[Search],
        plan: Plan | None = None,
    ) -> Flow[list[list[models.ScoredPoint]]]:
        """Answer several searches in one request; later pages of one take some more.

        Pages of one size (``k``) are disjoint, and together hold every point that passes once: see
        :mod:`mrl_adapters.qdrant.paging`.

        Args:
            searches: What to look for.
            plan: How, if not by the collection's own plan: another one, or the knobs to change.

        Returns:
            Hits by falling score (rising distance), one list a search; all empty while the
            collection does not exist.

        Raises:
            DimensionsError: A query vector's size is not the collection's.
            EmbeddingError: A query vector holds NaN, infinity or only zeros.
            DeadlineError: A server has not answered in time, which is the plan's ``timeout_s``,
                else the client's: opening, repetitions and pauses included.
            AnswerError: A server's answer is none.
        """
        return (yield from self._answer(searches, plan, partial(answers, self.name), list))

    def search_groups(
        self, searches: Sequence[Search], by: GroupBy, plan: Plan | None = None
    ) -> Flow[list[list[Group]]]:
        """Answer several searches by groups of points: see :mod:`mrl_adapters.qdrant.groups`.

        Args:
            searches: What to look for; ``k`` and ``offset`` count groups.
            by: What the points of a group have in common, and how many of them are wanted.
            plan: How, if not by the collection's own plan.

        Returns:
            Groups, the one with the best hit first, one list a search.

        Raises:
            ConfigurationError: A search is to be diverse.
            DimensionsError, EmbeddingError, DeadlineError, AnswerError: As :meth:`search`.
        """
        return (yield from self._answer(searches, plan, partial(grouped, self.name, by), list))

    def signals(self, searches: Sequence[Search], plan: Plan | None = None) -> Flow[list[Signals]]:
        """Measure how sure several searches may be of what they find, in one request.

        Args:
            searches: What is looked for, as :meth:`search` takes it.
            plan: How, if not by the collection's own plan.

        Returns:
            One a search: see :mod:`mrl_adapters.qdrant.signals`.

        Raises:
            DimensionsError, EmbeddingError, DeadlineError, AnswerError: As :meth:`search`.
        """
        return (yield from self._answer(searches, plan, partial(signals_of, self.name), Signals))

    def _answer(
        self,
        searches: Sequence[Search],
        plan: Plan | None,
        act: Callable[[Sequence[Search], CollectionLayout, SearchPlan], Flow[list[T]]],
        none: Callable[[], T],
    ) -> Flow[list[T]]:
        """Answer searches that are checked and see what they may; none while there is nothing."""
        require_list(searches, "searches", "searches")
        yield from bound(self.plan.merge(plan).timeout_s)  # for opening, too
        if not searches:
            return []
        missing = [none() for _ in searches]
        filters = [search.query_filter for search in searches]
        answer = partial(self._answer_open, searches, plan, act)
        return (yield from self._use(answer, missing, filters=filters))

    def _answer_open(
        self,
        searches: Sequence[Search],
        plan: Plan | None,
        act: Callable[[Sequence[Search], CollectionLayout, SearchPlan], Flow[list[T]]],
        layout: CollectionLayout,
    ) -> Flow[list[T]]:
        """Answer searches in a collection that is open.

        No function within another: Python would evaluate its annotations anew in every search.
        """
        how = self.plan.merge(plan)
        for each in searches:
            if each.vector is not None or how.searches != "lexical" or each.mmr_lambda is not None:
                check_query(each.full, layout.dimensions)
        yield from bound(how.timeout_s)  # of a plan saved with the collection
        scoped, how = self.scope.restricted(self.name, layout, searches, how)
        weighed = yield from with_question_weights(self.name, scoped, layout, how)
        weighed = yield from with_question_tokens(self.name, weighed, layout, how)
        return (yield from act(weighed, layout, how))

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
