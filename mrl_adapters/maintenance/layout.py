"""What a collection is laid out as: now, after a migration in place, and as a copy."""

from dataclasses import replace
from typing import Any, Literal

from qdrant_client import models

from mrl_adapters import registry
from mrl_adapters.errors import CollectionMismatchError, ConfigurationError, MigrationError
from mrl_adapters.maintenance.client import RetryingClient
from mrl_adapters.maintenance.source import Source
from mrl_adapters.qdrant.commands import command
from mrl_adapters.qdrant.description import (
    active_rotation,
    dense_vectors,
    short_vectors,
    stored_metadata,
)
from mrl_adapters.qdrant.layout import METADATA_KEY, PLAN_KEY, CollectionLayout
from mrl_adapters.qdrant.mismatches import check_model
from mrl_adapters.qdrant.quantization import FullDatatype, datatype_of
from mrl_adapters.qdrant.rotation import rotated_layout
from mrl_adapters.vectors import Reduction, Rotation


def present_layout(client: RetryingClient, source: Source) -> CollectionLayout | None:
    """Read a collection's layout; None where it does not say what it is, or lacks it."""
    stored = stored_metadata(source.info)
    present = short_vectors(source.info).get(active_rotation(source.info))
    if "stages" not in stored or (stored["stages"] and not present):
        return None
    return own_layout(client, source)


def own_layout(client: RetryingClient, source: Source) -> CollectionLayout:
    """Read the layout of a collection, whether it says what it is or not."""
    try:
        return client.run(rotated_layout(source.name, source.unambiguous))
    except CollectionMismatchError as error:
        raise _as_migration_error(error, source) from error


def wanted_layout(
    source: Source,
    present: CollectionLayout | None,
    stages: tuple[int, ...],
    model: str | None,
    rotation: Rotation | None,
) -> CollectionLayout:
    """Lay out a collection with further stages, as it will be after a migration in place.

    Without any stages it keeps none of those that it has, and is searched by its full vectors.
    """
    full = source.full
    if present is not None:
        try:
            check_model(source.name, model, present.model)
        except CollectionMismatchError as error:
            raise _as_migration_error(error, source) from error
        model = model or present.model
        if rotation is None and stages and isinstance(present.rotation, Rotation):
            rotation = present.rotation
    hnsw_m = full.hnsw_config.m if full.hnsw_config else None
    layout = replace(
        # What further stages are is what the first ones are: graph, codes.
        present
        or CollectionLayout(
            full.size,
            stages,
            full.distance.value,
            full_datatype=datatype_of(full),
            full_has_graph=(source.info.config.hnsw_config.m if hnsw_m is None else hnsw_m) != 0,
        ),
        stages=tuple({*stages, *(present.stages if present and stages else ())}),
        model=model,
        reduction=_reduction(source, present, model, stages, rotated=rotation is not None),
        rotation=rotation,
        full_name=source.full_name,
        tenant_field=source.tenant_field,
    )
    _check_stored_stages(source, layout)
    return layout


def copied_layout(
    source: Source,
    layout: CollectionLayout,
    datatype: FullDatatype | None,
    *,
    names_unnamed: bool,
) -> CollectionLayout:
    """Lay out a copy ideally: the full vector without a graph, cold, as float16 unless asked.

    The full vector keeps its name, so that whatever read it by that name still can. Where an
    unnamed one cannot have named ones beside it, it is called "full".
    """
    names_unnamed = names_unnamed and source.full_name == ""
    if names_unnamed and "full" in source.other_dense:
        msg = (
            f"Collection {source.name!r} has an unnamed vector and one called 'full', which is "
            "what the unnamed one would be called in a copy on this server. Copy it to one of 1.18 "
            "or later."
        )
        raise ConfigurationError(msg)
    params, present = source.info.config.params, datatype_of(source.full)
    return replace(
        layout,
        full_name="full" if names_unnamed else source.full_name,
        full_datatype=datatype or (present if present.startswith("turbo") else "float16"),
        full_has_graph=False,
        shard_number=params.shard_number,
        replication_factor=params.replication_factor,
        write_consistency_factor=params.write_consistency_factor,
    )


def check_rotation(
    client: RetryingClient,
    source: Source,
    present: CollectionLayout | None,
    wanted: Rotation | Literal["auto"] | None,
) -> None:
    """Refuse a rotation that is not the one of the short vectors that are there."""
    if wanted is None or present is None or not present.stages or present.rotation == wanted:
        return
    if wanted == "auto" and isinstance(present.rotation, Rotation):
        return
    msg = (
        f"Collection {source.name!r} has short vectors made "
        f"{f'with {present.rotation!r}' if present.rotation else 'without a rotation'}, "
        f"asked for {wanted!r}. Replace them with: "
        f"{command('rotate', source.name, client=client.wrapped)}"
    )
    raise MigrationError(msg, collection=source.name, found=present.rotation, expected=wanted)


def lasting_plan(info: models.CollectionInfo, layout: CollectionLayout) -> dict[str, Any] | None:
    """Return the plan that ``tune`` saved with a collection, if it holds for another layout.

    It does if every short vector that it was measured on stays as it is; one that names no stage
    was measured on the longest, or where there is none on the full vectors.
    """
    stored = stored_metadata(info)
    plan: dict[str, Any] | None = stored.get(PLAN_KEY)
    if plan is None or bool(stored.get("stages")) != bool(layout.stages):
        return None
    stages = set(plan.get("stages") or layout.stages[-1:])
    return plan if stages <= lasting_stages(info, layout) else None


def lasting_stages(info: models.CollectionInfo, layout: CollectionLayout) -> set[int]:
    """Stages that a collection names as its own and that another layout leaves as they are."""
    stored = stored_metadata(info)
    if stored.get("rotation") != layout.metadata()[METADATA_KEY].get("rotation"):
        return set()
    present = dense_vectors(info)
    return {stage for stage in stored.get("stages", ()) if layout.stage_name(stage) in present}


def _as_migration_error(error: CollectionMismatchError, source: Source) -> MigrationError:
    return MigrationError(
        str(error), collection=source.name, found=error.found, expected=error.expected
    )


def _check_stored_stages(source: Source, layout: CollectionLayout) -> None:
    for stage in layout.stages:
        name = layout.stage_name(stage)
        stored = dense_vectors(source.info).get(name)
        if stored is not None and (stored.size, stored.distance) != (stage, source.full.distance):
            msg = (
                f"Collection {source.name!r}: vector {name!r} has {stored.size} "
                f"dimensions compared by {stored.distance.value}, expected {stage} by "
                f"{source.full.distance.value}. Delete that vector (delete_vector_name), or choose "
                "another stage."
            )
            raise MigrationError(msg, collection=source.name, found=stored.size, expected=stage)


def _reduction(
    source: Source,
    present: CollectionLayout | None,
    model: str | None,
    stages: tuple[int, ...],
    *,
    rotated: bool,
) -> Reduction:
    spec = registry.find(model) if model else None
    kept: Reduction = present.reduction if present else "prefix"
    if spec is None:
        return kept
    size = source.full.size
    what = f"Collection {source.name!r}: vector {source.full_name!r} has {size}"
    if size > spec.dimensions:
        msg = (
            f"{what} dimensions, model {spec.name!r} gives {spec.dimensions}. Pass the model that "
            "wrote it, or none."
        )
        raise MigrationError(msg, collection=source.name, found=size, expected=spec.dimensions)
    for stage in stages:
        spec.check(stage, rotated=rotated)
    if spec.reduction == "none":
        return kept
    if spec.reduction == "layernorm_prefix" and size < spec.dimensions and not rotated:
        msg = (
            f"{what} of model {spec.name!r}'s {spec.dimensions} dimensions. This model's short "
            "vectors need the layer norm of the whole vector, which is lost. Embed the texts at "
            "full size."
        )
        raise MigrationError(msg, collection=source.name, found=size, expected=spec.dimensions)
    if present is not None and present.reduction != spec.reduction:
        msg = (
            f"Collection {source.name!r} was reduced by {present.reduction!r}, model "
            f"{spec.name!r} reduces by {spec.reduction!r}. Pass no model, or another collection."
        )
        raise MigrationError(
            msg, collection=source.name, found=present.reduction, expected=spec.reduction
        )
    return spec.reduction
