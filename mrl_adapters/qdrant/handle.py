"""A collection as a store holds it: what was asked of it, what it is, and whether it still is."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, TypeVar

from qdrant_client import models

from mrl_adapters.errors import CollectionMismatchError
from mrl_adapters.qdrant.adoption import with_sparse_of
from mrl_adapters.qdrant.contents import Contents
from mrl_adapters.qdrant.filters.keys import written
from mrl_adapters.qdrant.flow import Flow, current_engine, is_missing, is_refusal
from mrl_adapters.qdrant.foreign_sparse import ForeignSparse
from mrl_adapters.qdrant.identity import Watch, refuse_another_model
from mrl_adapters.qdrant.layout import PLAN_KEY, CollectionLayout
from mrl_adapters.qdrant.lexical import TextIndex
from mrl_adapters.qdrant.mismatches import warn_of_one_stage, warn_of_unmet
from mrl_adapters.qdrant.missing import those_there
from mrl_adapters.qdrant.opening import (
    Asked,
    Existing,
    complete_indexes,
    create,
    fit_auto,
    new_layout,
    read_existing,
    store_metadata,
    warn_of_missing,
)
from mrl_adapters.qdrant.payload_keys import KEYS_KEY, AskedKeys, Found, PayloadKeys, find_keys
from mrl_adapters.qdrant.plan import Plan, SearchPlan
from mrl_adapters.qdrant.shard_keys import ShardKey, complete_shards, every_shard, refuse_new
from mrl_adapters.qdrant.tenants import Scope, tenant_path, with_tenant_path
from mrl_adapters.qdrant.text_indexes import (
    check_ranking,
    ensure_text_indexes,
    with_text_field,
    with_words,
)
from mrl_adapters.vectors import FloatArray

T = TypeVar("T")

logger: logging.Logger = logging.getLogger(__name__)

_DEFAULT_PLAN = SearchPlan()


class CollectionHandle:
    """Opens a collection once, checks it, creates it, and notices when it has become another one.

    Its arguments are those of :class:`~mrl_adapters.qdrant.MatryoshkaCollection`.
    """

    def __init__(  # noqa: PLR0913 - all that may be said of a collection
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
        words: TextIndex | None = None,
    ) -> None:
        self.name = name
        self.scope: Scope = Scope()
        """Whose documents are seen."""
        self.contents: Contents = Contents(name)
        """Reads its payloads; by its own keys once it is open."""
        self.found: Found = Found(PayloadKeys())
        """How its points are written, as far as a few of them tell; once it is open."""
        self.foreign_sparse: ForeignSparse = ForeignSparse(name)
        """Sparse vectors that it has beside its layout's; once it is open."""
        _DEFAULT_PLAN.merge(plan)  # refuses unknown knobs now; what it changes may be saved
        self._plan = plan
        self._saved_plan: SearchPlan | None = None
        self._given_model = model
        self._asked = Asked(layout, dict(layout_fields or {}), model, keys, words)
        self._opened: CollectionLayout | None = None
        self._watch: Watch | None = None
        self._has_own_shards = False
        self._described = False
        self._indexes = payload_indexes or {}
        self._creation_options = creation_options or {}
        self._keys_to_store = False
        self._told_of_one_stage = False

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
        if index is None and self._opened is None:
            index = self._asked.words
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
                msg = (
                    f"Collection {self.name!r} does not exist. Check the name, or create it with "
                    f"from_texts or from_documents{(yield from those_there())}."
                )
                raise CollectionMismatchError(msg, collection=self.name)
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
        wanted = yield from self._wanted(existing.layout)
        if wanted is None and existing.described and existing.layout.text_index is not None:
            yield from complete_indexes(self.name, existing.layout, existing.layout)  # lost ones
        if not ours and wanted is not None:
            existing = yield from self._completed(existing, wanted)
        yield from complete_shards(self.name, wanted, own=existing.has_own_shards)
        yield from warn_of_missing(self.name, existing.layout)
        if not (existing.layout.stages or existing.described or self._asked.one_stage):
            self._tell_of_one_stage(existing)
        self._saved_plan, self._opened = existing.plan, existing.layout
        self._watch = Watch(existing.identity)
        self._described = existing.described
        self._has_own_shards = existing.has_own_shards
        if existing.foreign_sparse != self.foreign_sparse.names:
            self.foreign_sparse = ForeignSparse(self.name, existing.foreign_sparse)
        return existing.layout

    def _completed(self, existing: Existing, wanted: CollectionLayout) -> Flow[Existing]:
        """Make the indexes that are asked for and missing; tell of what differs."""
        wanted = self._placed(wanted, existing.layout)
        if wanted.text_index is not None and existing.layout.text_index is None:
            yield from check_ranking(self.name)
        # An adapter's own indexes alone are no reason to change a collection.
        if wanted.index_schemas() and (
            yield from complete_indexes(self.name, self._indexed(wanted), existing.layout)
        ):
            existing = (yield from self._read()) or existing
        warn_of_unmet(self.name, wanted, existing.layout, current_engine())
        return existing

    def _wanted(self, found: CollectionLayout) -> Flow[CollectionLayout | None]:
        """Return the layout that an existing collection should have; None where nobody says."""
        wanted, words = self._asked.over(found), self._asked.words
        if words is None:
            return wanted
        return (yield from with_words(wanted or found, words, found))

    def _tell_of_one_stage(self, existing: Existing) -> None:
        """Warn, once, of what a collection without short vectors could save."""
        if not self._told_of_one_stage:
            self._told_of_one_stage = True
            warn_of_one_stage(self.name, existing.layout, existing.points)

    def _read(self) -> Flow[Existing | None]:
        return read_existing(self.name, self._asked)

    def _placed(
        self, layout: CollectionLayout, present: CollectionLayout | None = None
    ) -> CollectionLayout:
        """Name fields where this collection's payloads have them, and the sparse vectors it has."""
        asked = self._asked.keys
        under = self.keys.metadata if asked is not None and asked.kept else None
        index = present.text_index if present else None
        field = index.field if index and index.field else written(self.keys.content)
        placed = with_text_field(with_tenant_path(layout, under), field)
        return with_sparse_of(placed, present) if present else placed

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
            ConfigurationError: There is no collection yet, and its layout names no such shard.
        """
        opened = yield from self.open()
        if opened is not None:
            if self._keys_to_store:  # they were found out, and are about to be written by
                yield from store_metadata(self.name, opened, KEYS_KEY, self.keys.described())
                self._keys_to_store = False
            return opened
        layout = new_layout(self.name, self._asked, dimensions)
        if self._asked.words is not None:
            layout = yield from with_words(layout, self._asked.words)
        layout = self._placed(layout)
        refuse_new(self.name, shard_key, layout)
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
                if is_refusal(error) and (yield from self._explains(error, layout)):
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

    def _explains(self, refusal: Exception, used: CollectionLayout) -> Flow[bool]:
        """Return whether a collection that has changed explains a refusal."""
        try:
            return (yield from self._is_outdated(used))
        except CollectionMismatchError:
            raise
        except Exception:  # noqa: BLE001 - of two errors the first one says more
            raise refusal from None

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
            self._forget()
        return True

    def _forget(self) -> None:
        """Take the collection for one that has not been opened."""
        self._opened = self._saved_plan = None
