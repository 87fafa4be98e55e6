"""What a collection is laid out as: found, wanted, and as a copy."""

from dataclasses import replace

from qdrant_client import models

from mrl_adapters import registry
from mrl_adapters.errors import CollectionMismatchError, ConfigurationError, MigrationError
from mrl_adapters.maintenance.source import Source
from mrl_adapters.qdrant.description import (
    active_rotation,
    dense_vectors,
    short_vectors,
    stored_metadata,
)
from mrl_adapters.qdrant.driver import Driver
from mrl_adapters.qdrant.layout import CollectionLayout
from mrl_adapters.qdrant.mismatches import check_model
from mrl_adapters.qdrant.rotation import rotated_layout
from mrl_adapters.vectors import Reduction, Rotation


def existing_layout(driver: Driver, source: Source) -> CollectionLayout | None:
    """Read the layout of a collection that has short vectors already.

    Args:
        driver: Reaches the collection.
        source: The collection.

    Returns:
        Its layout; None if it has no short vectors, or none that it acknowledges as its own.

    Raises:
        MigrationError: Its short vectors cannot be made sense of.
    """
    if not short_vectors(source.info).get(active_rotation(source.info)):
        return None
    if not stored_metadata(source.info):
        return None
    try:
        return driver.run(rotated_layout(source.name, source.info))
    except CollectionMismatchError as error:
        raise MigrationError(
            str(error), collection=source.name, found=error.found, expected=error.expected
        ) from error


def wanted_layout(
    source: Source,
    existing: CollectionLayout | None,
    stages: tuple[int, ...],
    model: str | None,
    rotation: Rotation | None,
) -> CollectionLayout:
    """Lay out the collection with the stages that it shall have.

    Args:
        source: The collection.
        existing: Its layout if it is a two-stage collection already; its stages are kept.
        stages: Sizes of the short vectors to add.
        model: Name of the embedding model; None takes what the collection knows.
        rotation: Rotation to slice after.

    Returns:
        The layout, as it will be after a migration in place.

    Raises:
        ConfigurationError: The model's vectors cannot be sliced.
        DimensionsError: A stage does not fit the vectors or the model.
        MigrationError: The model does not fit the collection.
    """
    full = source.full
    if existing is not None:
        try:
            check_model(source.name, model, existing.model)
        except CollectionMismatchError as error:
            raise MigrationError(
                str(error), collection=source.name, found=error.found, expected=error.expected
            ) from error
        model = model or existing.model
        rotation = rotation or (
            existing.rotation if isinstance(existing.rotation, Rotation) else None
        )
    hnsw = full.hnsw_config.m if full.hnsw_config else None
    layout = replace(
        # What further stages are is what the first ones are: graph, codes.
        existing
        or CollectionLayout(
            full.size,
            stages,
            full.distance.value,
            full_datatype="float16" if full.datatype == models.Datatype.FLOAT16 else "float32",
            full_has_graph=(source.info.config.hnsw_config.m if hnsw is None else hnsw) != 0,
        ),
        stages=tuple({*stages, *(existing.stages if existing else ())}),
        model=model,
        reduction=_reduction(source, existing, model, stages, rotated=rotation is not None),
        rotation=rotation,
        full_name=source.full_name,
        tenant_field=source.tenant_field,
    )
    for stage in layout.stages:
        found = dense_vectors(source.info).get(layout.stage_name(stage))
        if found is not None and (found.size, found.distance) != (stage, full.distance):
            msg = (
                f"Collection {source.name!r}: vector {layout.stage_name(stage)!r} has {found.size} "
                f"dimensions compared by {found.distance.value}, expected {stage} by "
                f"{full.distance.value}. Delete that vector (delete_vector_name), or choose "
                "another stage."
            )
            raise MigrationError(msg, collection=source.name, found=found.size, expected=stage)
    return layout


def _reduction(
    source: Source,
    existing: CollectionLayout | None,
    model: str | None,
    stages: tuple[int, ...],
    *,
    rotated: bool,
) -> Reduction:
    spec = registry.find(model) if model else None
    kept: Reduction = existing.reduction if existing else "prefix"
    if spec is None:
        return kept
    if source.full.size > spec.dimensions:
        msg = (
            f"Collection {source.name!r}: vector {source.full_name!r} has {source.full.size} "
            f"dimensions, model {spec.name!r} gives {spec.dimensions}. Pass the model that wrote "
            "it, or none."
        )
        raise MigrationError(
            msg, collection=source.name, found=source.full.size, expected=spec.dimensions
        )
    for stage in stages:
        spec.check(stage, rotated=rotated)
    if spec.reduction == "none":
        return kept
    if spec.reduction == "layernorm_prefix" and source.full.size < spec.dimensions and not rotated:
        msg = (
            f"Collection {source.name!r}: vector {source.full_name!r} has {source.full.size} of "
            f"model {spec.name!r}'s {spec.dimensions} dimensions. This model's short vectors need "
            "the layer norm of the whole vector, which is lost. Embed the texts at full size."
        )
        raise MigrationError(
            msg, collection=source.name, found=source.full.size, expected=spec.dimensions
        )
    if existing is not None and existing.reduction != spec.reduction:
        msg = (
            f"Collection {source.name!r} was reduced by {existing.reduction!r}, model "
            f"{spec.name!r} reduces by {spec.reduction!r}. Pass no model, or another collection."
        )
        raise MigrationError(
            msg, collection=source.name, found=existing.reduction, expected=spec.reduction
        )
    return spec.reduction


def copied_layout(source: Source, layout: CollectionLayout) -> CollectionLayout:
    """Lay out a copy ideally: the full vector without a graph, cold, as float16.

    Args:
        source: The collection to copy.
        layout: Its layout, as it would be after a migration in place.

    Returns:
        The copy's layout. A named full vector keeps its name, so that whatever read it by that
        name still can; an unnamed one is called "full".

    Raises:
        ConfigurationError: The collection has an unnamed and a "full" vector.
    """
    if source.full_name == "" and "full" in source.other_dense:
        msg = (
            f"Collection {source.name!r} has an unnamed vector and one called 'full', which is "
            "what the unnamed one is called in a copy. Migrate it in place instead."
        )
        raise ConfigurationError(msg)
    params = source.info.config.params
    return replace(
        layout,
        full_name=source.full_name or "full",
        full_datatype="float16",
        full_has_graph=False,
        shard_number=params.shard_number,
        replication_factor=params.replication_factor,
    )
