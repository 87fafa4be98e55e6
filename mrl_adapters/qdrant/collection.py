"""A two-stage collection: every conversation with Qdrant that the adapters need, as flows."""

import copy
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import Any, TypeVar

from numpy.typing import ArrayLike
from qdrant_client import models

from mrl_adapters.arguments import flag, require_list
from mrl_adapters.errors import ConfigurationError
from mrl_adapters.qdrant.companion import drop_companion, has_companion
from mrl_adapters.qdrant.contents import Contents
from mrl_adapters.qdrant.filters import admitted, for_deletion
from mrl_adapters.qdrant.filters.keys import written
from mrl_adapters.qdrant.flow import (
    Flow,
    ask,
    bound,
    change,
    current_engine,
    is_missing,
    is_refusal,
)
from mrl_adapters.qdrant.groups import Group, GroupBy, grouped
from mrl_adapters.qdrant.identity import Watch, refuse_another_model
from mrl_adapters.qdrant.ids import DocumentId, id_texts
from mrl_adapters.qdrant.layout import PLAN_KEY, CollectionLayout
from mrl_adapters.qdrant.lexical import TextIndex
from mrl_adapters.qdrant.mismatches import warn_of_one_stage, warn_of_unmet
from mrl_adapters.qdrant.opening import (
    Asked,
    Existing,
    complete_indexes,
    create,
    fit_auto,
    missing_error,
    new_layout,
    read_existing,
    store_metadata,
    warn_of_missing,
)
from mrl_adapters.qdrant.paging import answers
from mrl_adapters.qdrant.payload import plain_payloads
from mrl_adapters.qdrant.payload_keys import KEYS_KEY, AskedKeys, Found, PayloadKeys, find_keys
from mrl_adapters.qdrant.plan import Plan, SearchPlan
from mrl_adapters.qdrant.points import (
    PointBatch,
    check_query,
    checked_vectors,
    columns,
)
from mrl_adapters.qdrant.query import Search
from mrl_adapters.qdrant.reading import count_points, every_id, read_by_ids, read_pages
from mrl_adapters.qdrant.shard_keys import ShardKey, every_shard, refuse_new
from mrl_adapters.qdrant.tenants import (
    Scope,
    checked_tenant,
    names_tenant,
    tenant_path,
    with_tenant_path,
)
from mrl_adapters.qdrant.text_indexes import (
    check_ranking,
    ensure_text_indexes,
    with_text_field,
    with_texts,
)
from mrl_adapters.qdrant.writing import store_points, warn_of_zeros
from mrl_adapters.vectors import FloatArray

T = TypeVar("T")

logger: logging.Logger = logging.getLogger(__name__)

_DEFAULT_PLAN = SearchPlan()


class MatryoshkaCollection:
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
    """

    def __init__(
        self,
        name: str,
        *,
        layout: CollectionLayout | None = None,
        plan: Plan | None = None,
        model: str | None = None,
        payload_indexes: Mapping[str, str] | None = None,
        keys: AskedKeys | None = None,
        layout_fields: Mapping[str, Any] | None = None,
        creation_options: Mapping[str, Any] | None = None,
    ) -> None:
        self.name = name
        self.scope: Scope = Scope()
        """Whose documents are seen."""
        self.contents: Contents = Contents(name)
        """Reads its payloads; by its own keys once it is open."""
        self.found: Found = Found(PayloadKeys())
        """How its points are written, as far as a few of them tell; once it is open."""
        _DEFAULT_PLAN.merge(plan)  # refuses unknown knobs now; what it changes may be saved
        self._plan = plan
        self._saved_plan: SearchPlan | None = None
        self._given_model = model
        self._asked = Asked(layout, dict(layout_fields or {}), model, keys)
        self._opened: CollectionLayout | None = None
        self._watch: Watch | None = None
        self._has_own_shards = False
        self._described = False
        self._indexes = payload_indexes or {}
        self._creation_options = creation_options or {}
        self._keys_to_store = False
        self._told_of_one_stage = False

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

    @property
    def layout(self) -> CollectionLayout | None:
        """The collection's own layout once it is open, before that the one asked for."""
        return self._opened or self._asked.layout

    @property
    def model(self) -> str | None:
        """Name of the embedding model, where its embedder says."""
        return self._asked.model

    @property
    def text_field(self) -> str | None:
        """Payload key of the texts that are ranked by their words; None without such a text index.

        Also where the index is on something within the payload, which is no text's own place.
        """
        layout = self.layout
        index = layout.text_index if layout else self._asked.fields.get("text_index")
        field: str = (index.field or "") if index else ""
        name = field.strip('"')
        return name if name and written(name) == field else None

    @property
    def keys(self) -> PayloadKeys:
        """Where it keeps texts and metadata, known once it has been opened."""
        return self.contents.keys

    @property
    def plan(self) -> SearchPlan:
        """How the collection is searched; one saved with it is known once it is open."""
        if isinstance(self._plan, SearchPlan):
            return self._plan
        return (self._saved_plan or _DEFAULT_PLAN).merge(self._plan)

    def learn_model(self, model: str) -> None:
        """Take the name of a model where none was given, for a collection that is not open yet."""
        if self.model is None and self._opened is None:
            self._asked = self._asked._replace(model=model)

    def save_plan(self, plan: SearchPlan) -> Flow[None]:
        """Store a plan with the collection: see :func:`mrl_adapters.evaluation.save_plan`."""
        layout = yield from self.open(must_exist=True)
        assert layout is not None  # noqa: S101 - must_exist
        yield from store_metadata(self.name, layout, PLAN_KEY, asdict(plan))
        self._saved_plan = plan

    def open(self, *, must_exist: bool = False) -> Flow[CollectionLayout | None]:
        """Check the collection against what was asked for, once.

        Args:
            must_exist: Whether a missing collection is an error.

        Returns:
            Its layout, or None while it does not exist.

        Raises:
            CollectionMismatchError: It differs from what was asked for, or does not exist.
        """
        return (yield from self._open(must_exist=must_exist, ours=False))

    def _open(self, *, must_exist: bool, ours: bool) -> Flow[CollectionLayout | None]:
        if self._opened is not None:
            return self._opened
        existing = yield from self._read()
        if existing is None:
            if must_exist:
                raise missing_error(self.name)
            logger.info("Collection %r does not exist yet: nothing to find.", self.name)
            self.contents.keys = (self._asked.keys or AskedKeys()).completed()
            return None
        keys, asked = existing.keys, self._asked.keys
        if asked is not None:
            self.found = yield from find_keys(self.name, asked, keys)
            unusual = keys is None and self.found.keys != PayloadKeys()
            self._keys_to_store = unusual and asked.kept and existing.described
            keys = self.found.keys
        self.contents.keys = keys or PayloadKeys()
        wanted = self._asked.over(existing.layout)
        if wanted is None and existing.described and existing.layout.text_index is not None:
            yield from complete_indexes(self.name, existing.layout, existing.layout)  # lost ones
        if not ours and wanted is not None:
            wanted = self._placed(wanted, existing.layout.text_index)
            if wanted.text_index is not None and existing.layout.text_index is None:
                yield from check_ranking(self.name)
            # An adapter's own indexes alone are no reason to change a collection.
            if wanted.index_schemas() and (
                yield from complete_indexes(self.name, self._indexed(wanted), existing.layout)
            ):
                existing = (yield from self._read()) or existing
            warn_of_unmet(self.name, wanted, existing.layout, current_engine())
        yield from warn_of_missing(self.name, existing.layout)
        if not (existing.layout.stages or existing.described or self._asked.one_stage):
            self._tell_of_one_stage(existing)
        self._saved_plan, self._opened = existing.plan, existing.layout
        self._watch = Watch(existing.identity)
        self._described = existing.described
        self._has_own_shards = existing.has_own_shards
        return existing.layout

    def _tell_of_one_stage(self, existing: Existing) -> None:
        """Warn, once, of what a collection without short vectors could save."""
        if not self._told_of_one_stage:
            self._told_of_one_stage = True
            warn_of_one_stage(self.name, existing.layout, existing.points)

    def _read(self) -> Flow[Existing | None]:
        return read_existing(self.name, self._asked)

    def _placed(
        self, layout: CollectionLayout, present: TextIndex | None = None
    ) -> CollectionLayout:
        """Name the tenants' field and the texts' where this collection's payloads have them."""
        asked = self._asked.keys
        under = self.keys.metadata if asked is not None and asked.kept else None
        field = present.field if present and present.field else written(self.keys.content)
        return with_text_field(with_tenant_path(layout, under), field)

    def _indexed(self, layout: CollectionLayout) -> CollectionLayout:
        return replace(layout, payload_indexes={**self._indexes, **layout.payload_indexes})

    def ensure(
        self,
        dimensions: int,
        first_load: Sequence[FloatArray] = (),
        *,
        shard_key: ShardKey | None = None,
    ) -> Flow[CollectionLayout]:
        """Open the collection, creating it if it does not exist.

        Args:
            dimensions: Size of the vectors about to be stored.
            first_load: Those vectors, as batches of shape (n, dimensions): what a layout with
                ``rotation="auto"`` is fitted on.
            shard_key: Custom shard that they go to.

        Returns:
            Its layout.

        Raises:
            ConfigurationError: There is a shard key, and no collection yet.
        """
        opened = yield from self.open()
        if opened is not None:
            if self._keys_to_store:  # they were found out, and are about to be written by
                yield from store_metadata(self.name, opened, KEYS_KEY, self.keys.described())
                self._keys_to_store = False
            return opened
        refuse_new(self.name, shard_key)
        layout = self._placed(new_layout(self.name, self._asked, dimensions))
        if self.scope.tenant is not None:
            tenant_path(self.name, layout)  # refuses to make what has no tenants
        if layout.text_index is not None:
            yield from check_ranking(self.name)
        layout = self._indexed(fit_auto(self.name, layout, first_load))
        kept = self._asked.keys is not None and self._asked.keys.kept
        keys = self.keys if kept else None
        ours = yield from create(self.name, layout, keys, self._creation_options)
        # Another writer's is checked like any.
        created = yield from self._open(must_exist=True, ours=ours)
        assert created is not None  # noqa: S101 - must_exist
        return created

    def _use(
        self,
        act: Callable[[CollectionLayout], Flow[T]],
        missing: T,
        opening: Callable[[], Flow[CollectionLayout | None]] | None = None,
        *,
        filters: Sequence[models.Filter | None] = (),
        writes: bool = False,
    ) -> Flow[T]:
        """Do something with the collection, and again if it has become another one since.

        Replacing a rotation gives the short vectors other names, and a collection may be deleted
        and made anew. Whoever had it open finds out by a refusal, or by asking (see
        :mod:`mrl_adapters.qdrant.identity`), and goes on with what there is. While there is none,
        the result is ``missing``.
        """
        was_away = False
        while True:
            opened = self._opened
            layout = yield from (opening or self.open)()
            if layout is None:
                return missing
            try:
                if opened is not None and (yield from self._is_replaced(opened, writes=writes)):
                    continue
                for given in filters:
                    if given is not None:
                        yield from self._index_texts(layout, given)
                return (yield from act(layout))
            except Exception as error:
                if is_refusal(error) and (yield from self._is_outdated(layout)):
                    continue
                # Deleted, and made anew by others before it was looked for.
                if was_away or not is_missing(error):
                    raise
                was_away = True

    def _is_replaced(self, used: CollectionLayout, *, writes: bool) -> Flow[bool]:
        """Return whether an open collection has become another one; if so, forget it."""
        watch = self._watch
        if watch is None or not watch.is_due(writes=writes):
            return False
        if (yield from watch.holds(self.name, writes=writes)):
            return False
        return (yield from self._is_outdated(used))

    def _index_texts(self, layout: CollectionLayout, given: models.Filter) -> Flow[None]:
        made = yield from ensure_text_indexes(self.name, layout, given, ours=self._described)
        if made:
            indexes = {**layout.payload_indexes, **dict.fromkeys(made, "text")}
            self._opened = replace(layout, payload_indexes=indexes)

    def _every_shard(self) -> Flow[list[ShardKey] | None]:
        """List the custom shards, which a change that goes to all of them must name."""
        if not self._has_own_shards:
            return None
        return (yield from every_shard(self.name))

    def _is_outdated(self, used: CollectionLayout) -> Flow[bool]:
        """Return whether the collection is not what a request took it for; if so, forget it."""
        if self._opened != used:  # another request has found out
            return True
        existing = yield from self._read()
        if existing is not None:
            refuse_another_model(self.name, existing.layout, used)
            if existing.layout == used:
                self._watch = Watch(existing.identity)
                return False
        if self._opened == used:  # not opened again by another request meanwhile
            self._opened = self._saved_plan = None
        return True

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
        self._opened = self._saved_plan = None
        self._asked = self._asked._replace(model=self._given_model)

    def add(
        self,
        ids: Sequence[DocumentId],
        vectors: ArrayLike,
        payloads: Sequence[dict[str, Any]],
        *,
        shard_key: ShardKey | None = None,
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
            batch = PointBatch(texts, columns(full, layout, names), stamped)
            return (
                yield from store_points(
                    self.name,
                    batch,
                    layout,
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
        return (yield from self._answer(searches, plan, partial(answers, self.name)))

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
        return (yield from self._answer(searches, plan, partial(grouped, self.name, by)))

    def _answer(
        self,
        searches: Sequence[Search],
        plan: Plan | None,
        act: Callable[[Sequence[Search], CollectionLayout, SearchPlan], Flow[list[list[T]]]],
    ) -> Flow[list[list[T]]]:
        """Answer searches that are checked and see what they may; empty while there is nothing."""
        require_list(searches, "searches", "searches")
        yield from bound(self.plan.merge(plan).timeout_s)  # for opening, too

        def answer(layout: CollectionLayout) -> Flow[list[list[T]]]:
            how = self.plan.merge(plan)
            for each in searches:
                if (
                    each.vector is not None
                    or how.searches != "lexical"
                    or each.mmr_lambda is not None
                ):
                    check_query(each.full, layout.dimensions)
            yield from bound(how.timeout_s)  # of a plan saved with the collection
            scoped, how = self._scoped(searches, layout, how)
            return (yield from act(scoped, layout, how))

        if not searches:
            return []
        none: list[list[T]] = [[] for _ in searches]
        filters = [search.query_filter for search in searches]
        return (yield from self._use(answer, none, filters=filters))

    def _scoped(
        self, searches: Sequence[Search], layout: CollectionLayout, plan: SearchPlan
    ) -> tuple[Sequence[Search], SearchPlan]:
        """Restrict searches to the tenant; through those of all no graph leads."""
        if layout.tenant_field is None and self.scope.tenant is None:
            return searches, plan
        filters = [
            self.scope.search_filter(self.name, layout, search.query_filter) for search in searches
        ]
        if not all(names_tenant(layout, each) for each in filters):
            plan = plan.merge({"exact": True})
        pairs = zip(searches, filters, strict=True)
        return [replace(search, query_filter=each) for search, each in pairs], plan

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
        self, ids: Sequence[DocumentId] | None = None, query_filter: models.Filter | None = None
    ) -> Flow[None]:
        """Delete points by id, by filter, or by both (points that satisfy both).

        Args:
            ids: The callers' ids, in any spelling; those that are not there are passed over. Empty
                deletes none.
            query_filter: Qdrant filter. With neither ids nor filter every point is deleted.

        Raises:
            ConfigurationError: An id is no string, integer or UUID; or there are no ids, and the
                filter restricts nothing; or one of its bounds is NaN or infinite, or it is nested
                too deep.
        """
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
            yield from change(
                lambda c: c.delete(
                    self.name,
                    selector,
                    wait=True,
                    ordering=layout.ordering(),
                    shard_key_selector=shards,
                )
            )

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
