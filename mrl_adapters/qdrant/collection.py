"""A two-stage collection: every conversation with Qdrant that the adapters need, as flows."""

import copy
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from qdrant_client import models

from mrl_adapters.arguments import flag, require_list
from mrl_adapters.errors import ConfigurationError
from mrl_adapters.qdrant.companion import drop_companion, has_companion
from mrl_adapters.qdrant.documents import StoredDocuments
from mrl_adapters.qdrant.flow import Flow, ask, bound, change
from mrl_adapters.qdrant.groups import Group, GroupBy, grouped
from mrl_adapters.qdrant.layout import CollectionLayout
from mrl_adapters.qdrant.paging import answers
from mrl_adapters.qdrant.plan import Plan, SearchPlan
from mrl_adapters.qdrant.points import check_query
from mrl_adapters.qdrant.query import Search
from mrl_adapters.qdrant.signals import Signals, signals_of
from mrl_adapters.qdrant.tenants import Scope, checked_tenant
from mrl_adapters.qdrant.token_vectors import with_question_tokens
from mrl_adapters.qdrant.weights import with_question_weights

T = TypeVar("T")


class MatryoshkaCollection(StoredDocuments):
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
        if how.searches and self.foreign_sparse.names and not (layout.sparse or layout.text_index):
            raise self.foreign_sparse.refusal(how.searches)
        for each in searches:
            if each.vector is not None or how.searches != "lexical" or each.mmr_lambda is not None:
                check_query(each.full, layout.dimensions)
        yield from bound(how.timeout_s)  # of a plan saved with the collection
        scoped, how = self.scope.restricted(self.name, layout, searches, how)
        weighed = yield from with_question_weights(self.name, scoped, layout, how)
        weighed = yield from with_question_tokens(self.name, weighed, layout, how)
        return (yield from act(weighed, layout, how))
