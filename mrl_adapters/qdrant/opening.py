"""Open a collection: read and check what there is, complete its indexes, or create it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from mrl_adapters import registry
from mrl_adapters.qdrant.adoption import adopted, adopted_tokens
from mrl_adapters.qdrant.commands import command, filling_call
from mrl_adapters.qdrant.description import dense_vectors, sparse_vectors, stored_metadata
from mrl_adapters.qdrant.flow import Flow, ask, change, current_engine
from mrl_adapters.qdrant.identity import Identity, identity_of
from mrl_adapters.qdrant.layout import METADATA_KEY, PLAN_KEY, CollectionLayout, IndexSchema
from mrl_adapters.qdrant.lexical import TextIndex
from mrl_adapters.qdrant.mismatches import (
    UnmetLayoutWarning,
    check_full_name,
    check_keys,
    check_layout,
    check_model,
)
from mrl_adapters.qdrant.payload_keys import AskedKeys, PayloadKeys, stored_keys, with_keys
from mrl_adapters.qdrant.plan import SearchPlan
from mrl_adapters.qdrant.reading import count_lacking
from mrl_adapters.qdrant.requirements import check_engine_has
from mrl_adapters.qdrant.rotation import rotated_layout, store_rotation
from mrl_adapters.qdrant.shard_keys import creation_options, has_own_shards
from mrl_adapters.qdrant.strict_mode import note_limits
from mrl_adapters.user_warnings import warn_user
from mrl_adapters.vectors import FloatArray, Rotation

FIRST_LOAD = 5_000
"""Vectors of a first load that are kept back at most, for a rotation to be fitted on."""

_VECTORS_PER_DIMENSION = 4  # from here on rotations beat plain slices clearly: the page "Rotation"


class MissingShortVectorsWarning(UserWarning):
    """Points lack a short vector, a sparse one or token vectors, so that searches miss them."""


class UnrotatedWarning(UserWarning):
    """The first load was too small to fit a rotation on."""


class Existing(NamedTuple):
    """What a collection says of itself, checked."""

    layout: CollectionLayout
    plan: SearchPlan | None
    keys: PayloadKeys | None
    described: bool
    """Whether it says anything, so that more can be added."""
    points: int
    """About how many there are."""
    identity: Identity
    has_own_shards: bool
    foreign_sparse: tuple[str, ...]
    """Its sparse vectors that are not the layout's."""


class Asked(NamedTuple):
    """What a caller asks of a collection; None leaves open."""

    layout: CollectionLayout | None
    fields: Mapping[str, Any]
    """Instead of a whole layout some of its fields."""
    model: str | None
    keys: AskedKeys | None
    words: TextIndex | None
    """What is to find words, where nothing does."""

    @property
    def full_name(self) -> str | None:
        """Which vector is the full one, if the caller says so."""
        if self.layout is not None and "full_name" in self.layout.given:
            return self.layout.full_name
        return self.fields.get("full_name")

    @property
    def one_stage(self) -> bool:
        """Whether the caller chose to have no stages."""
        return self.layout is not None and not self.layout.stages

    def over(self, layout: CollectionLayout) -> CollectionLayout | None:
        """Return the layout that an existing collection should have, as far as the caller says."""
        if not self.fields:
            return self.layout
        compared = ("dimensions", "stages", "distance", "model", "reduction", "rotation")
        kept = {name: getattr(layout, name) for name in compared}
        fields = {**kept, **self.fields}
        if "text_index" in fields and layout.text_index is not None:  # any of them will do
            fields["text_index"] = layout.text_index
        return CollectionLayout(**fields)


def read_existing(name: str, asked: Asked) -> Flow[Existing | None]:
    """Read a collection, and check it against what its caller asks for; None if there is none."""
    if not (yield from ask(lambda c: c.collection_exists(name))):
        return None
    info = yield from ask(lambda c: c.get_collection(name))
    note_limits(name, info)
    layout = yield from rotated_layout(name, info, asked.full_name)
    check_model(name, asked.model, layout.model)
    wanted = asked.over(layout)
    expected = completed(name, wanted or layout, asked.model)
    if wanted is not None:
        check_full_name(name, wanted, layout)
        if not layout.stages and "stages" not in wanted.given and wanted.rotation in {None, "auto"}:
            expected = replace(expected, stages=(), rotation=None)
        layout = check_layout(name, expected, layout)
        if wanted.sparse is not None:
            found = adopted(name, wanted.sparse, layout.sparse, sparse_vectors(info))
            layout = replace(layout, sparse=found)
        if (tokens := wanted.late_interaction) is not None:
            tokens = adopted_tokens(name, tokens, layout.late_interaction, dense_vectors(info))
            layout = replace(layout, late_interaction=tokens)
    if METADATA_KEY not in (info.config.metadata or {}):
        # A server before 1.16, or somebody else's collection: the caller knows the model.
        layout = replace(layout, model=expected.model, reduction=expected.reduction)
    stored = stored_metadata(info)
    saved = stored.get(PLAN_KEY)
    plan = SearchPlan.from_stored(saved) if saved else None
    keys = stored_keys(info)
    if keys is not None and asked.keys is not None:
        check_keys(name, asked.keys, keys)
    points, shards = info.points_count or 0, has_own_shards(info)
    own = layout.sparse.name if layout.sparse else None
    foreign = tuple(sparse for sparse in sparse_vectors(info) if sparse != own)
    return Existing(layout, plan, keys, bool(stored), points, identity_of(info), shards, foreign)


def warn_of_missing(name: str, layout: CollectionLayout) -> Flow[None]:
    """Warn of points that have a full vector and lack a short one, the sparse one or tokens."""
    lacking = []
    repairing = command("repair", name)
    if layout.stages:
        shorts = [layout.stage_name(stage) for stage in layout.stages]
        what = "a short vector and cannot be found by two-stage search. Repair them with: "
        lacking.append((shorts, what, repairing))
    if (sparse := layout.sparse) is not None:
        what = (
            f"the sparse vector {sparse.name!r} and cannot be found by their words. Add it with: "
        )
        call = filling_call(name, "sparse", sparse.spelled())
        lacking.append(([sparse.name], what, repairing if sparse.is_bm25 else call))
    if (tokens := layout.late_interaction) is not None:
        what = (
            f"the token vectors {tokens.name!r}, and late interaction leaves them out. Add them "
            "with: "
        )
        call = filling_call(name, "late_interaction", tokens.spelled())
        lacking.append(([tokens.name], what, call))
    for vectors, what, mending in lacking:
        if count := (yield from count_lacking(name, layout.full_name, vectors)):
            msg = f"Collection {name!r}: {count} points lack {what}{mending}"
            warn_user(msg, MissingShortVectorsWarning)


def store_metadata(
    name: str, layout: CollectionLayout, key: str, value: Mapping[str, Any]
) -> Flow[None]:
    """Put something into a collection's metadata, beside what is there, or what it is."""
    info = yield from ask(lambda c: c.get_collection(name))
    described = stored_metadata(info) or layout.metadata()[METADATA_KEY]
    metadata = {**described, key: value}
    yield from change(lambda c: c.update_collection(name, metadata={METADATA_KEY: metadata}))


def create(
    name: str, layout: CollectionLayout, keys: PayloadKeys | None, options: Mapping[str, Any]
) -> Flow[bool]:
    """Create a collection with its rotation and its indexes, and Qdrant's own options.

    Returns:
        Whether it was created here, not by another writer in the meantime.
    """
    yield from check_engine_has(name, layout)
    chosen = {**creation_options(layout), "optimizers_config": layout.indexing_config(), **options}
    yield from store_rotation(name, layout)
    described = with_keys(layout.metadata(), keys)
    ours = True
    try:
        yield from change(
            lambda c: c.create_collection(
                name,
                vectors_config=layout.vectors_config(),
                sparse_vectors_config=layout.sparse_config(),
                metadata=described,
                shard_number=layout.shard_number,
                replication_factor=layout.replication_factor,
                write_consistency_factor=layout.write_consistency_factor,
                **chosen,
            )
        )
    except Exception:
        if not (yield from ask(lambda c: c.collection_exists(name))):
            raise
        ours = False
    if current_engine().has_indexes:
        for field, schema in layout.index_schemas().items():
            yield from _create_index(name, field, schema, wait=True)
    return ours


def complete_indexes(
    name: str, wanted: CollectionLayout, layout: CollectionLayout
) -> Flow[list[str]]:
    """Make the payload indexes that an existing collection lacks: nothing is lost by one more.

    A search needs none of them, so it neither waits for them nor fails with them: an engine that
    refuses (a read-only store or key) is only told of.

    Returns:
        The fields whose indexes were made.
    """
    schemas = wanted.index_schemas()
    missing = [field for field in schemas if field not in layout.payload_indexes]
    if not missing or not current_engine().has_indexes:
        return []
    made, refused = [], []
    for field in missing:
        try:
            yield from _create_index(name, field, schemas[field], wait=False)
        except Exception as error:  # noqa: BLE001 - each engine refuses in its own way
            refused.append(f"{field!r} ({error})")
        else:
            made.append(field)
    if refused:
        msg = (
            f"Collection {name!r} lacks payload indexes that the layout asks for, and they could "
            f"not be made: {'; '.join(refused)}. Filters on them read every payload. Leave them "
            "out of the layout, or open the collection once with the right to change it."
        )
        warn_user(msg, UnmetLayoutWarning)
    return made


def _create_index(name: str, field: str, schema: IndexSchema, *, wait: bool) -> Flow[None]:
    yield from change(lambda c: c.create_payload_index(name, field, field_schema=schema, wait=wait))


def fit_auto(
    name: str, layout: CollectionLayout, first_load: Sequence[FloatArray]
) -> CollectionLayout:
    """Fit the rotation of a layout with ``rotation="auto"`` on the vectors about to be stored.

    With fewer than four a dimension of the longest stage there is none, and a warning.
    """
    if layout.rotation != "auto":
        return layout
    longest = layout.stages[-1]
    found = sum(np.count_nonzero(batch.any(axis=1)) for batch in first_load)  # zeros teach nothing
    needed = _VECTORS_PER_DIMENSION * longest
    if found < needed:
        msg = (
            f"Collection {name!r}: rotation='auto' needs {needed} vectors in the first load, found "
            f"{found}. Its short vectors are plain slices; once it holds more, run: "
            f"{command('rotate', name, stages=layout.stages)}"
        )
        warn_user(msg, UnrotatedWarning)
        return replace(layout, rotation=None)
    return replace(layout, rotation=Rotation.fit(first_load, longest))


def new_layout(name: str, asked: Asked, dimensions: int) -> CollectionLayout:
    """Lay out a new collection as asked for, or by what the registry knows of its model."""
    if asked.layout is not None:
        return completed(name, asked.layout, asked.model)
    spec = registry.find(asked.model) if asked.model else None
    stages = (min(spec.default_stage if spec else 256, max(1, dimensions // 2)),)
    fields = {"dimensions": dimensions, "stages": stages, **asked.fields}
    layout = CollectionLayout(**fields)
    return completed(name, layout, asked.model)


def completed(name: str, layout: CollectionLayout, model: str | None) -> CollectionLayout:
    """Fill in a layout's model, and the reduction that the registry knows of it."""
    check_model(name, model, layout.model)
    model = layout.model or model
    spec = registry.find(model) if model else None
    known = spec.reduction if spec and spec.reduction != "none" else "prefix"
    if spec and known == "layernorm_prefix" and spec.dimensions != layout.dimensions:
        known = "prefix"  # shortened vectors: the embedder has applied the norm already
    reduction = known if layout.reduction == "prefix" else layout.reduction
    return replace(layout, model=model, reduction=reduction)
