"""Read a collection's layout from what the engine says of it."""

from collections.abc import Mapping
from typing import Any, TypeAlias

from qdrant_client import models

from mrl_adapters.errors import CollectionMismatchError
from mrl_adapters.qdrant.commands import command, usual_stages
from mrl_adapters.qdrant.layout import METADATA_KEY, SCHEMA_VERSION, SHORT_NAME, CollectionLayout
from mrl_adapters.vectors import Rotation

Families: TypeAlias = dict[str | None, dict[int, models.VectorParams]]


def read_layout(
    name: str,
    info: models.CollectionInfo,
    rotation: Rotation | None = None,
    stages: tuple[int, ...] | None = None,
) -> CollectionLayout:
    """Read a collection's layout from what the engine says of it.

    A rotated collection needs its rotation beside that: ``rotation.open_layout`` fetches both.

    Args:
        name: The collection's name, for messages.
        info: The engine's description.
        rotation: The rotation of its short vectors, or the one that is to replace it.
        stages: Sizes of the short vectors that are to replace them; None keeps its own.

    Returns:
        The layout, with model and reduction where the collection's metadata holds them.
    """
    dense = dense_vectors(info)
    stored = stored_metadata(info)
    if stored.get("version", SCHEMA_VERSION) > SCHEMA_VERSION:
        msg = (
            f"Collection {name!r} was made by a newer mrl-adapters: its description has version "
            f"{stored['version']}, this one reads {SCHEMA_VERSION}. "
            "Run: pip install --upgrade mrl-adapters"
        )
        raise CollectionMismatchError(
            msg, collection=name, found=stored["version"], expected=SCHEMA_VERSION
        )
    rotation_id = active_rotation(info)
    shorts = short_vectors(info).get(rotation_id, {})
    others = [key for key in dense if not SHORT_NAME.fullmatch(key)]
    full_name = stored.get("full_name", "full" if "full" in others else None)
    if full_name is None and len(others) == 1:
        full_name = others[0]
    sizes = {key: each.size for key, each in dense.items()}
    if not shorts:
        msg = f"Collection {name!r} has no short vector; it holds {_listing(sizes)}. "
        if others:
            largest = max(others, key=sizes.__getitem__)
            chosen = largest if full_name is None else full_name
            msg += "Add one with: " + command(
                "migrate",
                name,
                stages=usual_stages(sizes.get(chosen, 0)),
                full_name=largest if full_name is None else None,
            )
        else:
            msg += "Embed its texts and load them into a new collection."
        raise CollectionMismatchError(msg, collection=name, found=sizes)
    if full_name not in dense:
        msg = (
            f"Collection {name!r}: which vector is the full one? Expected {full_name or 'full'!r}, "
            f"found {_listing(sizes)}."
        )
        raise CollectionMismatchError(
            msg, collection=name, found=sizes, expected=full_name or "full"
        )
    present = tuple(sorted(shorts))
    if stored and (
        stored["dimensions"] != dense[full_name].size or not set(stored["stages"]) <= set(present)
    ):
        msg = (
            f"Collection {name!r} says of itself: {stored['dimensions']} dimensions, stages "
            f"{stored['stages']}; it holds {_listing(sizes)}. "
            f"See what is wrong with: {command('audit', name)}"
        )
        raise CollectionMismatchError(
            msg, collection=name, found=sizes, expected=(stored["dimensions"], *stored["stages"])
        )
    if rotation_id is not None and rotation is None:
        msg = (
            f"Collection {name!r} is rotated by {rotation_id}, which was not fetched with it. "
            "Read its layout by mrl_adapters.qdrant.rotation.open_layout."
        )
        raise CollectionMismatchError(msg, collection=name, found=rotation_id)
    first, full = shorts[present[0]], dense[full_name]
    graph = first.hnsw_config or models.HnswConfigDiff()
    tenants = graph.m == 0 and bool(graph.payload_m)
    full_m = full.hnsw_config.m if full.hnsw_config else None
    return CollectionLayout(
        full.size,
        stages or tuple(stored.get("stages", present)),
        full.distance.value,
        model=stored.get("model"),
        reduction=stored.get("reduction", "prefix"),
        rotation=rotation,
        full_name=full_name,
        full_datatype="float16" if full.datatype == models.Datatype.FLOAT16 else "float32",
        full_has_graph=(info.config.hnsw_config.m if full_m is None else full_m) != 0,
        quantization="int8" if first.quantization_config else None,
        hnsw_m=graph.m or graph.payload_m or CollectionLayout.hnsw_m,
        hnsw_ef_construct=graph.ef_construct or CollectionLayout.hnsw_ef_construct,
        payload_indexes={
            key: index.data_type.value for key, index in (info.payload_schema or {}).items()
        },
        tenant_field=tenant_field(info) if tenants else None,
        shard_number=info.config.params.shard_number,
        replication_factor=info.config.params.replication_factor,
    )


def tenant_field(info: models.CollectionInfo) -> str | None:
    """Tell which payload field is indexed as the one that separates tenants, if one is."""
    for field, index in (info.payload_schema or {}).items():
        if getattr(index.params, "is_tenant", None):
            return field
    return None


def active_rotation(info: models.CollectionInfo) -> str | None:
    """Tell which rotation a collection's short vectors are to be read with.

    Returns:
        The rotation's id; None where short vectors are plain slices, or where there are none.
        Without metadata (servers before 1.16) the names of the vectors tell.
    """
    stored = stored_metadata(info)
    if stored:
        found: str | None = stored.get("rotation")
        return found
    families = list(short_vectors(info))
    return families[0] if len(families) == 1 else None


def short_vectors(info: models.CollectionInfo) -> Families:
    """Sort a collection's short vectors by the rotation that made them.

    Returns:
        Rotation's id (None for plain slices) to stage to parameters. There is more than one only
        while a rotation is being replaced.
    """
    families: Families = {}
    for key, params in dense_vectors(info).items():
        if match := SHORT_NAME.fullmatch(key):
            families.setdefault(match[2], {})[int(match[1])] = params
    return families


def dense_vectors(info: models.CollectionInfo) -> dict[str, models.VectorParams]:
    """List a collection's dense vectors by name; an unnamed one is called ""."""
    params = info.config.params.vectors
    if isinstance(params, dict):
        return params
    return {"": params} if params else {}


def stored_metadata(info: models.CollectionInfo) -> dict[str, Any]:
    """Give what this package has stored about a collection in its metadata; {} if nothing."""
    stored: dict[str, Any] = (info.config.metadata or {}).get(METADATA_KEY) or {}
    return stored


def _listing(sizes: Mapping[str, int]) -> str:
    return ", ".join(f"{name!r} ({size})" for name, size in sizes.items()) or "no dense vector"
