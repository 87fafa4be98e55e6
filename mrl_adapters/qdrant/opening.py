"""Open a collection: check it against what the caller expects, or create it."""

import logging
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, NamedTuple, TypeVar

from mrl_adapters import registry
from mrl_adapters.errors import CollectionMismatchError
from mrl_adapters.qdrant.commands import command
from mrl_adapters.qdrant.contents import Contents
from mrl_adapters.qdrant.description import stored_metadata
from mrl_adapters.qdrant.engine import engine_of
from mrl_adapters.qdrant.first_load import fit_auto
from mrl_adapters.qdrant.flow import Flow, ask, change, is_refusal
from mrl_adapters.qdrant.indexes import complete_indexes, create_indexes
from mrl_adapters.qdrant.layout import METADATA_KEY, PLAN_KEY, CollectionLayout
from mrl_adapters.qdrant.mismatches import (
    check_full_name,
    check_keys,
    check_layout,
    check_model,
    warn_of_unmet,
)
from mrl_adapters.qdrant.payload_keys import (
    KEYS_KEY,
    AskedKeys,
    PayloadKeys,
    find_keys,
    stored_keys,
    with_keys,
)
from mrl_adapters.qdrant.plan import SearchPlan
from mrl_adapters.qdrant.reading import lacking
from mrl_adapters.qdrant.rotation import rotated_layout, store_rotation
from mrl_adapters.vectors import FloatArray, Rotation

T = TypeVar("T")
L = TypeVar("L", bound=CollectionLayout | None)

logger = logging.getLogger(__name__)


class MissingShortVectorsWarning(UserWarning):
    """Points lack a short vector, so that two-stage search cannot find them."""


class _Found(NamedTuple):
    """What a collection says of itself, checked."""

    layout: CollectionLayout
    plan: SearchPlan | None
    keys: PayloadKeys | None
    described: bool
    """Whether it says anything, so that more can be added."""


class Opening:
    """One collection, opened once, or created: see MatryoshkaCollection for the arguments."""

    def __init__(
        self,
        name: str,
        layout: CollectionLayout | None,
        model: str | None,
        payload_indexes: Mapping[str, str] | None = None,
        keys: AskedKeys | None = None,
        layout_fields: Mapping[str, Any] | None = None,
    ) -> None:
        self.name = name
        self.contents = Contents(name)
        self._fields = dict(layout_fields or {})
        self._asked = keys
        self._keys_to_store = False
        self.wanted = layout
        self.model = model
        self._indexes = payload_indexes or {}
        self._opened: CollectionLayout | None = None
        self.saved_plan: SearchPlan | None = None

    @property
    def layout(self) -> CollectionLayout | None:
        """The collection's own layout once it is open, before that the one asked for."""
        return self._opened or self.wanted

    def learn_model(self, model: str) -> None:
        """Take the name of a model where none was given: a new collection keeps it."""
        if self.model is None and self._opened is None:
            self.model = model

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
        found = yield from self._look()
        if found is None:
            if must_exist:
                msg = (
                    f"Collection {self.name!r} does not exist. Check the name, or create it with "
                    "from_texts or from_documents."
                )
                raise CollectionMismatchError(msg, collection=self.name)
            logger.info("Collection %r does not exist yet: nothing to find.", self.name)
            self.contents.keys = (self._asked or AskedKeys()).completed()
            return None
        if not ours and (wanted := self._wanted_over(found.layout)) is not None:
            found = yield from self._complete(wanted, found)
        yield from self._read_keys(found)
        yield from self._warn_of_missing(found.layout)
        self.saved_plan = found.plan
        self._opened = found.layout
        return found.layout

    def _read_keys(self, found: _Found) -> Flow[None]:
        keys, asked = found.keys, self._asked
        if keys is None and asked is not None:
            keys = yield from find_keys(self.name, asked)
            self._keys_to_store = asked.kept and found.described and keys != PayloadKeys()
        self.contents.keys = keys or PayloadKeys()

    def _look(self) -> Flow[_Found | None]:
        """Read what there is, and check it; None if nothing."""
        if not (yield from ask(lambda c: c.collection_exists(self.name))):
            return None
        info = yield from ask(lambda c: c.get_collection(self.name))
        found = yield from rotated_layout(self.name, info)
        check_model(self.name, self.model, found.model)
        wanted = self._wanted_over(found)
        expected = self._completed(wanted or found)
        if wanted is not None:
            check_full_name(self.name, wanted, found)
            found = check_layout(self.name, expected, found)
        if METADATA_KEY not in (info.config.metadata or {}):
            # A server before 1.16, or somebody else's collection: the caller knows the model.
            found = replace(found, model=expected.model, reduction=expected.reduction)
        stored = stored_metadata(info)
        saved = stored.get(PLAN_KEY)
        plan = SearchPlan.from_stored(saved) if saved else None
        keys = stored_keys(info)
        if keys is not None and self._asked is not None:
            check_keys(self.name, self._asked, keys)
        return _Found(found, plan, keys, bool(stored))

    def _wanted_over(self, found: CollectionLayout) -> CollectionLayout | None:
        """Return the layout that a collection should have, as far as the caller says."""
        if not self._fields:
            return self.wanted
        compared = ("dimensions", "stages", "distance", "model", "reduction", "rotation")
        return CollectionLayout(**{name: getattr(found, name) for name in compared} | self._fields)

    def _complete(self, wanted: CollectionLayout, found: _Found) -> Flow[_Found]:
        """Make the payload indexes that are missing, and tell of what else is not as asked for."""
        # An adapter's own indexes alone are no reason to change a collection.
        if wanted.index_schemas() and (
            yield from complete_indexes(self.name, self._indexed(wanted), found.layout)
        ):
            found = (yield from self._look()) or found
        warn_of_unmet(self.name, wanted, found.layout, (yield from ask(engine_of)))
        return found

    def _indexed(self, layout: CollectionLayout) -> CollectionLayout:
        return replace(layout, payload_indexes={**self._indexes, **layout.payload_indexes})

    def save_plan(self, plan: SearchPlan) -> Flow[None]:
        """Store a plan in the collection's metadata, and know it from now on."""
        yield from self._store(PLAN_KEY, asdict(plan))
        self.saved_plan = plan

    def _store(self, key: str, value: dict[str, Any]) -> Flow[None]:
        """Put something into the collection's metadata, beside what is there."""
        info = yield from ask(lambda c: c.get_collection(self.name))
        metadata = {**stored_metadata(info), key: value}
        yield from change(
            lambda c: c.update_collection(self.name, metadata={METADATA_KEY: metadata})
        )

    def use_existing(self, act: Callable[[CollectionLayout], Flow[T]], missing: T) -> Flow[T]:
        """Do something with the collection, as :meth:`use` does, if it exists.

        Args:
            act: What to do, given the layout.
            missing: What comes of it while there is no collection.
        """

        def act_if_there(layout: CollectionLayout | None) -> Flow[T]:
            return missing if layout is None else (yield from act(layout))

        return (yield from self.use(act_if_there, self.open))

    def use(self, act: Callable[[L], Flow[T]], opening: Callable[[], Flow[L]]) -> Flow[T]:
        """Do something with the collection, and again if it has become another one since.

        Replacing a rotation gives the short vectors other names, and a collection may be deleted
        and made anew. Whoever had it open finds out by a refusal, and goes on with what there is.

        Args:
            act: What to do, given the layout.
            opening: How the layout is found out.
        """
        while True:
            layout = yield from opening()
            try:
                return (yield from act(layout))
            except Exception as error:
                if not (is_refusal(error) and (yield from self._outdated(layout))):
                    raise

    def _outdated(self, used: CollectionLayout | None) -> Flow[bool]:
        """Tell whether the collection is not what a request took it for; if so, forget it."""
        if self._opened != used:  # another request has found out
            return True
        found = yield from self._look()
        if (found and found.layout) == used:
            return False
        if self._opened == used:  # not opened again by another request meanwhile
            self._opened = self.saved_plan = None
        return True

    def _warn_of_missing(self, layout: CollectionLayout) -> Flow[None]:
        affected = lacking(layout.full_name, map(layout.stage_name, layout.stages))
        answer = yield from ask(lambda c: c.count(self.name, count_filter=affected, exact=True))
        if answer.count:
            msg = (
                f"Collection {self.name!r}: {answer.count} points lack a short vector and cannot "
                f"be found by two-stage search. Repair them with: {command('repair', self.name)}"
            )
            warnings.warn(msg, MissingShortVectorsWarning, stacklevel=2)

    def ensure(
        self, dimensions: int, first_load: Sequence[FloatArray] = ()
    ) -> Flow[CollectionLayout]:
        """Open the collection, creating it if it does not exist.

        Args:
            dimensions: Size of the vectors about to be stored.
            first_load: Those vectors, as batches of shape (n, dimensions): what a layout with
                ``rotation="auto"`` is fitted on.

        Returns:
            Its layout.
        """
        opened = yield from self.open()
        if opened is not None:
            if self._keys_to_store:  # they were found out, and are about to be written by
                yield from self._store(KEYS_KEY, self.contents.keys.described())
                self._keys_to_store = False
            return opened
        layout = fit_auto(self.name, self._new_layout(dimensions), first_load)
        if isinstance(layout.rotation, Rotation):
            yield from store_rotation(self.name, layout.rotation)
        layout = self._indexed(layout)
        kept = self._asked is not None and self._asked.kept
        described = with_keys(layout.metadata(), self.contents.keys if kept else None)
        ours = True
        try:
            yield from change(
                lambda c: c.create_collection(
                    self.name,
                    vectors_config=layout.vectors_config(),
                    metadata=described,
                    shard_number=layout.shard_number,
                    replication_factor=layout.replication_factor,
                )
            )
        except Exception:
            # Another writer may have created it in the meantime; then it is checked like any.
            if not (yield from ask(lambda c: c.collection_exists(self.name))):
                raise
            ours = False
        yield from create_indexes(self.name, layout.index_schemas())
        created = yield from self._open(must_exist=True, ours=ours)
        assert created is not None  # noqa: S101 - must_exist
        return created

    def _new_layout(self, dimensions: int) -> CollectionLayout:
        if self.wanted is not None:
            return self._completed(self.wanted)
        spec = registry.find(self.model) if self.model else None
        stage = spec.default_stage if spec else 256
        stages = (min(stage, max(1, dimensions // 2)),)
        return self._completed(CollectionLayout(dimensions, **{"stages": stages, **self._fields}))

    def _completed(self, layout: CollectionLayout) -> CollectionLayout:
        """Fill in the model, and the reduction that the registry knows of it."""
        check_model(self.name, self.model, layout.model)
        model = layout.model or self.model
        spec = registry.find(model) if model else None
        known = spec.reduction if spec and spec.reduction != "none" else "prefix"
        if spec and known == "layernorm_prefix" and spec.dimensions != layout.dimensions:
            known = "prefix"  # shortened vectors: the embedder has applied the norm already
        reduction = known if layout.reduction == "prefix" else layout.reduction
        return replace(layout, model=model, reduction=reduction)
