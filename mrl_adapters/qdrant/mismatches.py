"""Compare a collection with what its caller asked for.

What would be answered wrongly is an error. What only costs time or space is a warning that says
what changes it, and the collection is used as it is.
"""

from collections.abc import Collection
from dataclasses import replace

from mrl_adapters import registry
from mrl_adapters.errors import CollectionMismatchError
from mrl_adapters.qdrant.commands import command, usual_stages
from mrl_adapters.qdrant.engine import Engine
from mrl_adapters.qdrant.layout import CollectionLayout
from mrl_adapters.qdrant.payload_keys import AskedKeys, PayloadKeys
from mrl_adapters.qdrant.quantization import CODE_BITS, DATATYPE_BITS, written
from mrl_adapters.user_warnings import warn_user
from mrl_adapters.vectors import Rotation


def check_layout(name: str, wanted: CollectionLayout, found: CollectionLayout) -> CollectionLayout:
    """Check an existing collection against what the caller asked for.

    Returns:
        The collection's layout with the caller's write options.
    """
    if wanted.dimensions != found.dimensions:
        msg = (
            f"Collection {name!r}: vector {found.full_name!r} has {found.dimensions} dimensions, "
            f"the layout asks for {wanted.dimensions}. Use the model that wrote it"
            f"{f' ({found.model})' if found.model else ''}, or another collection."
        )
        raise CollectionMismatchError(
            msg, collection=name, found=found.dimensions, expected=wanted.dimensions
        )
    if wanted.distance != found.distance:
        msg = (
            f"Collection {name!r} compares by {found.distance}, the layout asks for "
            f"{wanted.distance}. Pass distance={found.distance!r}, or use another collection."
        )
        raise CollectionMismatchError(
            msg, collection=name, found=found.distance, expected=wanted.distance
        )
    if not wanted.stages and found.stages:
        msg = (
            f"Collection {name!r} has stages {found.stages}, the layout asks for none. Pass "
            f"stages={found.stages}, or run: {command('migrate', name, '--stages', 'none')}"
        )
        raise CollectionMismatchError(msg, collection=name, found=found.stages, expected=())
    if not set(wanted.stages) <= set(found.stages):
        missing = [stage for stage in wanted.stages if stage not in found.stages]
        msg = (
            f"Collection {name!r} has stages {found.stages}, the layout asks for {wanted.stages}. "
            f"Pass stages={found.stages}, or run: {command('migrate', name, stages=missing)}"
        )
        raise CollectionMismatchError(
            msg, collection=name, found=found.stages, expected=wanted.stages
        )
    check_model(name, wanted.model, found.model)
    if wanted.model and found.model and wanted.reduction != found.reduction:
        msg = (
            f"Collection {name!r} was reduced by {found.reduction!r}, the layout asks for "
            f"{wanted.reduction!r}. Leave reduction out, or use another collection."
        )
        raise CollectionMismatchError(
            msg, collection=name, found=found.reduction, expected=wanted.reduction
        )
    if isinstance(wanted.rotation, Rotation) and wanted.rotation != found.rotation:
        msg = (
            f"Collection {name!r} has {found.rotation or 'plain slices'}, the layout asks for "
            f"{wanted.rotation!r}. Leave rotation out to use what the collection has, or fit it "
            f"anew: {command('rotate', name, stages=found.stages)}"
        )
        raise CollectionMismatchError(
            msg, collection=name, found=found.rotation, expected=wanted.rotation
        )
    return replace(found, write_ordering=wanted.write_ordering)


def check_full_name(name: str, wanted: CollectionLayout, found: CollectionLayout) -> None:
    """Refuse to rank by another vector than the one that was asked for by name."""
    if "full_name" in wanted.given and wanted.full_name != found.full_name:
        msg = (
            f"Collection {name!r}: its full vector is {found.full_name!r}, the layout asks for "
            f"{wanted.full_name!r}. Pass full_name={found.full_name!r}, or leave it out."
        )
        raise CollectionMismatchError(
            msg, collection=name, found=found.full_name, expected=wanted.full_name
        )


def check_model(name: str, model: str | None, found: str | None) -> None:
    """Refuse to mix two embedding models in one collection.

    Args:
        name: The collection's name, for messages.
        model: The model in use, None if it has no name.
        found: The collection's own, None if it is not known.
    """
    if model and found and _canonical(model) != _canonical(found):
        msg = (
            f"Collection {name!r} is for vectors of {found!r}, this embedding is {model!r}: "
            "their vectors cannot be compared. Use the first model, or another collection."
        )
        raise CollectionMismatchError(msg, collection=name, found=found, expected=model)


def _canonical(model: str) -> str:
    """Resolve a model's aliases: frameworks and servers give the same weights several names."""
    spec = registry.find(model)
    return spec.name if spec else model


def check_keys(name: str, asked: AskedKeys, found: PayloadKeys) -> None:
    """Refuse payload keys that are not those of the collection."""
    for what, wanted, own in (
        ("texts", asked.content, found.content),
        ("metadata", asked.metadata, found.metadata),
    ):
        if wanted is not None and wanted != own:
            where = "beside the texts" if own is None else f"under {own!r}"
            other = "" if own is None else f", or pass {own!r}"
            msg = (
                f"Collection {name!r} keeps its {what} {where}, asked for {wanted!r}. Leave that "
                f"payload key out{other}; or use another collection."
            )
            raise CollectionMismatchError(msg, collection=name, found=own, expected=wanted)


_OF_GRAPHS = {"hnsw_m", "hnsw_ef_construct", "tenant_field"}
_LEFT_OPEN = {"hnsw_m", "hnsw_ef_construct"}  # by None: any graph will do


class UnmetLayoutWarning(UserWarning):
    """A collection does not have an option of the layout that it was opened with."""


# Of 256 dimensions a graph over all int8 codes took half of the time of one over a cut to 128, on
# 59,866 real texts with the same graph: "Is a cut worth it?" in the guide to layouts.
_SHORT_THEMSELVES = 256


class OneStageWarning(UserWarning):
    """A collection has no short vectors, so that it is searched by its full ones."""


def warn_of_one_stage(name: str, found: CollectionLayout, points: int) -> None:
    """Warn of what short vectors would save a collection that has none.

    Args:
        name: The collection's name.
        found: Its layout.
        points: About how many points it holds.

    Warns:
        OneStageWarning: Its vectors can be sliced.
    """
    if found.dimensions <= 1 or found.reduction in {"heads", "projection"}:
        return
    stages = usual_stages(found.dimensions)
    unnamed = {"": None}  # what a migration takes by itself
    width = (
        CODE_BITS[found.quantization] if found.quantization else DATATYPE_BITS[found.full_datatype]
    ) / 8
    now, then = found.dimensions * width, stages[-1]
    count = f"{points:,} points" if points else "a million points"
    in_ram = [f"{each * (points or 1_000_000) / 1e6:,.1f} MB" for each in (now, then)]
    msg = (
        f"Collection {name!r} has no short vectors: it is searched in one stage, by its full ones. "
        f"For {count} that takes {in_ram[0]} of vectors in RAM ({found.dimensions} x {width:g} "
        f"bytes each); with a stage of {stages[-1]} it would be {in_ram[1]} ({stages[-1]} x 1 "
        f"byte). {_advice(found.dimensions)} Add it, without embedding "
        "anything again: "
        + command(
            "migrate", name, stages=stages, full_name=unnamed.get(found.full_name, found.full_name)
        )
    )
    warn_user(msg, OneStageWarning)


def _advice(dimensions: int) -> str:
    """Say whether short vectors are likely to pay, and what measures it."""
    if dimensions > _SHORT_THEMSELVES:
        return "Whether it pays here is measured by mrl-adapters recommend."
    return (
        f"Full vectors of up to {_SHORT_THEMSELVES} dimensions are searched faster by their own "
        "int8 codes than by a cut (0.48 of the time, as measured): measure first, by mrl-adapters "
        "recommend."
    )


def warn_of_unmet(
    name: str, wanted: CollectionLayout, found: CollectionLayout, engine: Engine
) -> None:
    """Warn of what was asked for and is otherwise.

    Warns:
        UnmetLayoutWarning: They differ; the message names each option, both values, and what
            changes the collection.
    """
    differing = [
        option
        for option in engine.layout_options
        if option in wanted.given
        and getattr(wanted, option) != getattr(found, option)
        and not (option in _LEFT_OPEN and getattr(wanted, option) is None)
    ]
    told = [
        f"{option} is {getattr(found, option)!r}, the layout asks for {getattr(wanted, option)!r}"
        for option in differing
    ]
    if engine.has_indexes:
        fixes = _fixes(name, wanted, found, differing)
    else:
        fixes = _anew([option for option in differing if option != "sparse"])
    if "sparse" in differing and wanted.sparse is not None:
        fixes.append(f"mrl_adapters.qdrant.migrate(client, {name!r}, sparse={wanted.sparse!r})")
    if engine.has_indexes:
        for field, kind in wanted.payload_indexes.items():
            if (other := found.payload_indexes.get(field, kind)) != kind:
                told.append(f"the index of {field!r} is {other!r}, the layout asks for {kind!r}")
                fixes.append(
                    f"client.delete_payload_index({name!r}, {field!r}) and "
                    f"client.create_payload_index({name!r}, {field!r}, {kind!r})"
                )
    if wanted.rotation == "auto" and found.rotation is None and found.stages:
        told.append("its short vectors are plain slices, the layout asks for rotation='auto'")
        fixes.append(command("rotate", name, stages=found.stages))
    if told:
        msg = (
            f"Collection {name!r} is used as it is, not as the layout says: {'; '.join(told)}. "
            f"Leave out what need not be so, or change it: {'; '.join(fixes)}."
        )
        warn_user(msg, UnmetLayoutWarning)


def _fixes(
    name: str, wanted: CollectionLayout, found: CollectionLayout, differing: Collection[str]
) -> list[str]:
    """Write the lines that change a collection on an engine that can."""
    fixes = []
    if "tenant_field" in differing and wanted.tenant_field is not None:
        if found.tenant_field is not None:
            fixes.append(f"client.delete_payload_index({name!r}, {found.tenant_field!r})")
        fixes.append(
            f"client.create_payload_index({name!r}, {wanted.tenant_field!r}, "
            "models.KeywordIndexParams(type='keyword', is_tenant=True))"
        )
    if "text_index" in differing and wanted.text_index is not None:
        fixes.append(
            f"mrl_adapters.qdrant.migrate(client, {name!r}, text_index={wanted.text_index!r})"
        )
    if settings := _settings(wanted, found, differing):
        fixes.append(f"client.update_collection({name!r}, vectors_config={{{settings}}})")
    fixes += [
        f"client.update_collection({name!r}, collection_params=models.CollectionParamsDiff("
        f"{option}={getattr(wanted, option)}))"
        for option in ("replication_factor", "write_consistency_factor")
        if option in differing
    ]
    if "full_datatype" in differing and wanted.full_datatype != "float32":
        fixes.append(
            f"mrl_adapters.qdrant.migrate(client, {name!r}, stages={found.stages}, mode='copy', "
            f"settings={{'full_datatype': {wanted.full_datatype!r}}}, "
            f"target=mrl_adapters.qdrant.CopyTarget({f'{name}_{wanted.full_datatype}'!r}))"
        )
    elif "full_datatype" in differing:
        fixes += _anew(["full_datatype"])
    if "shard_number" in differing:
        fixes += _anew(["shard_number"])
    return fixes


def _anew(options: Collection[str]) -> list[str]:
    return [f"embed into a new collection for {', '.join(options)}"] if options else []


def _settings(wanted: CollectionLayout, found: CollectionLayout, differing: Collection[str]) -> str:
    """Write what the vectors' settings would have to be: Python, for ``vectors_config``."""
    parts = []
    if _OF_GRAPHS.intersection(differing):
        asked = {option: getattr(wanted, option) for option in differing}
        links = asked.get("hnsw_m", found.hnsw_m)
        tenants = asked.get("tenant_field", found.tenant_field) is not None
        beam = asked.get("hnsw_ef_construct", found.hnsw_ef_construct)
        parts.append(
            f"hnsw_config=models.HnswConfigDiff(m={0 if tenants else links}, "
            f"payload_m={links if tenants else 0}, ef_construct={beam})"
        )
    if "quantization" in differing:
        parts.append(
            f"quantization_config={written(wanted.quantization)}, "
            f"on_disk={wanted.quantization is not None}"
        )
    searched = [found.stage_name(stage) for stage in found.stages] or [found.full_name]
    changed = {vector: ", ".join(parts) for vector in searched if parts}
    if "full_has_graph" in differing and found.stages:
        links = found.hnsw_m if wanted.full_has_graph else 0
        changed[found.full_name] = f"hnsw_config=models.HnswConfigDiff(m={links})"
    return ", ".join(
        f"{vector!r}: models.VectorParamsDiff({settings})" for vector, settings in changed.items()
    )
