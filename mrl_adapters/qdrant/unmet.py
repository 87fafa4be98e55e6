"""What an existing collection does not have of the layout that it is opened with.

Such options change nothing that is found, only what it costs: they are told with what changes
them, and the collection is used as it is. What would be answered wrongly is an error instead
(:mod:`mrl_adapters.qdrant.matching`).
"""

import warnings
from collections.abc import Collection

from mrl_adapters.qdrant.commands import command
from mrl_adapters.qdrant.engine import Engine
from mrl_adapters.qdrant.layout import CollectionLayout

_OF_GRAPHS = {"hnsw_m", "hnsw_ef_construct", "tenant_field"}


class UnmetLayoutWarning(UserWarning):
    """A collection does not have an option of the layout that it was opened with."""


def warn_of_unmet(
    name: str, wanted: CollectionLayout, found: CollectionLayout, engine: Engine
) -> None:
    """Warn of what was asked for and is otherwise.

    Args:
        name: The collection.
        wanted: The caller's layout; what it leaves open is not compared.
        found: The collection's own.
        engine: What keeps it.

    Warns:
        UnmetLayoutWarning: They differ; the message names each option, both values, and what
            changes the collection.
    """
    differing = [
        option
        for option in engine.layout_options
        if option in wanted.given and getattr(wanted, option) != getattr(found, option)
    ]
    told = [
        f"{option} is {getattr(found, option)!r}, the layout asks for {getattr(wanted, option)!r}"
        for option in differing
    ]
    fixes = _fixes(name, wanted, found, differing) if engine.has_indexes else _anew(differing)
    if engine.has_indexes:
        for field, kind in wanted.payload_indexes.items():
            if (other := found.payload_indexes.get(field, kind)) != kind:
                told.append(f"the index of {field!r} is {other!r}, the layout asks for {kind!r}")
                fixes.append(
                    f"client.delete_payload_index({name!r}, {field!r}) and "
                    f"client.create_payload_index({name!r}, {field!r}, {kind!r})"
                )
    if wanted.rotation == "auto" and found.rotation is None:
        told.append("its short vectors are plain slices, the layout asks for rotation='auto'")
        fixes.append(command("rotate", name, stages=found.stages))
    if told:
        msg = (
            f"Collection {name!r} is used as it is, not as the layout says: {'; '.join(told)}. "
            f"Leave out what need not be so, or change it: {'; '.join(fixes)}."
        )
        warnings.warn(msg, UnmetLayoutWarning, stacklevel=2)


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
    if settings := _settings(wanted, found, differing):
        fixes.append(f"client.update_collection({name!r}, vectors_config={{{settings}}})")
    if "replication_factor" in differing:
        fixes.append(
            f"client.update_collection({name!r}, collection_params=models.CollectionParamsDiff("
            f"replication_factor={wanted.replication_factor}))"
        )
    if "full_datatype" in differing and wanted.full_datatype == "float16":
        fixes.append(
            f"mrl_adapters.qdrant.migrate(client, {name!r}, stages={found.stages}, mode='copy', "
            f"target=mrl_adapters.qdrant.CopyTarget({name + '_float16'!r}))"
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
            "quantization_config=models.Disabled.DISABLED, on_disk=False"
            if wanted.quantization is None
            else "quantization_config=models.ScalarQuantization(scalar="
            "models.ScalarQuantizationConfig(type='int8', always_ram=True)), on_disk=True"
        )
    changed = {found.stage_name(stage): ", ".join(parts) for stage in found.stages if parts}
    if "full_has_graph" in differing:
        links = found.hnsw_m if wanted.full_has_graph else 0
        changed[found.full_name] = f"hnsw_config=models.HnswConfigDiff(m={links})"
    return ", ".join(
        f"{vector!r}: models.VectorParamsDiff({settings})" for vector, settings in changed.items()
    )
