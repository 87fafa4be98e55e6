"""Read a collection's layout from what the engine says of it."""

from collections.abc import Mapping
from typing import Any, TypeAlias

from qdrant_client import models

from mrl_adapters.errors import CollectionMismatchError
from mrl_adapters.qdrant.commands import command
from mrl_adapters.qdrant.graphs import QDRANT_GRAPH
from mrl_adapters.qdrant.late_interaction import stored_tokens
from mrl_adapters.qdrant.layout import METADATA_KEY, SCHEMA_VERSION, CollectionLayout
from mrl_adapters.qdrant.lexical import TextIndex
from mrl_adapters.qdrant.quantization import datatype_of, known_codes
from mrl_adapters.qdrant.sparse import stored_sparse
from mrl_adapters.qdrant.vector_names import SHORT_NAME
from mrl_adapters.vectors import Rotation

Families: TypeAlias = dict[str | None, dict[int, models.VectorParams]]


def read_layout(
    name: str,
    info: models.CollectionInfo,
    rotation: Rotation | None = None,
    stages: tuple[int, ...] | None = None,
    full_name: str | None = None,
) -> CollectionLayout:
    """Read a collection's layout from what the engine says of it.

    A rotated collection needs its rotation beside that: ``rotation.open_layout`` fetches both. One
    without short vectors, which does not say that it has any, has no stages.

    Args:
        name: The collection's name, for messages.
        info: The engine's description.
        rotation: The rotation of its short vectors, or the one that is to replace it.
        stages: Sizes of the short vectors that are to replace them; None keeps its own.
        full_name: Which vector is the full one, where the collection does not say it itself.

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
    full_name = _full_name(name, info, full_name)
    present = tuple(sorted(shorts))
    if not shorts and short_vectors(info) and "stages" not in stored:
        msg = (
            f"Collection {name!r} has short vectors of several rotations ({_listing(dense)}), and "
            f"does not say which are its own. See what is wrong with: {command('audit', name)}"
        )
        raise CollectionMismatchError(msg, collection=name, found=_sizes(dense))
    if "stages" in stored and (
        stored["dimensions"] != dense[full_name].size or not set(stored["stages"]) <= set(present)
    ):
        msg = (
            f"Collection {name!r} says of itself: {stored['dimensions']} dimensions, stages "
            f"{stored['stages']}; it holds {_listing(dense)}. "
            f"See what is wrong with: {command('audit', name)}"
        )
        expected = (stored["dimensions"], *stored["stages"])
        raise CollectionMismatchError(msg, collection=name, found=_sizes(dense), expected=expected)
    if rotation_id is not None and rotation is None:
        msg = (
            f"Collection {name!r} is rotated by {rotation_id}, which was not fetched with it. "
            "Read its layout by mrl_adapters.qdrant.rotation.open_layout."
        )
        raise CollectionMismatchError(msg, collection=name, found=rotation_id)
    full = dense[full_name]
    full_graph = _graph(full, info.config.hnsw_config)
    chosen = stages or tuple(stored.get("stages", present))
    if chosen:
        first = shorts[present[0]]
        graph = first.hnsw_config or models.HnswConfigDiff()
        codes = first.quantization_config
    else:
        graph = full_graph
        codes = full.quantization_config or info.config.quantization_config
    tenants = graph.m == 0 and bool(graph.payload_m)
    return CollectionLayout(
        full.size,
        chosen,
        full.distance.value,
        model=stored.get("model"),
        reduction=stored.get("reduction", "prefix"),
        rotation=rotation,
        full_name=full_name,
        full_datatype=datatype_of(full),
        full_has_graph=full_graph.m != 0,
        quantization=known_codes(codes),
        hnsw_m=graph.m or graph.payload_m or QDRANT_GRAPH.m,
        hnsw_ef_construct=graph.ef_construct or QDRANT_GRAPH.ef_construct,
        payload_indexes={
            key: index.data_type.value for key, index in (info.payload_schema or {}).items()
        },
        text_index=_text_index(info),
        sparse=stored_sparse(stored, sparse_vectors(info)),
        late_interaction=stored_tokens(stored, dense),
        tenant_field=tenant_field(info) if tenants else None,
        shard_number=info.config.params.shard_number,
        replication_factor=info.config.params.replication_factor,
        write_consistency_factor=info.config.params.write_consistency_factor,
    )


def _text_index(info: models.CollectionInfo) -> TextIndex | None:
    """Read the text index that ranks: the one that is there, or that was lost and is made again."""
    named = stored_metadata(info).get("text_index")
    if named and named["field"] not in (info.payload_schema or {}):
        return TextIndex.from_stored(named)
    return ranking_text_index(info)


def ranking_text_index(info: models.CollectionInfo) -> TextIndex | None:
    """Find the text index that ranks: the one that the collection names, or the first."""
    schema = info.payload_schema or {}
    named = (stored_metadata(info).get("text_index") or {}).get("field")
    for field in sorted(schema, key=lambda field: field != named):
        if (read := TextIndex.of(field, schema[field].params)) is not None:
            return read
    return None


def _full_name(name: str, info: models.CollectionInfo, asked: str | None) -> str:
    """Choose the full vector: what the collection says, the caller, the name "full", the only one.

    Raises:
        CollectionMismatchError: None is known to be it, or it holds many vectors a point.
    """
    dense = dense_vectors(info)
    others = [key for key in dense if not SHORT_NAME.fullmatch(key)]
    usual = asked if asked in others else "full" if "full" in others else None
    chosen = stored_metadata(info).get("full_name", usual)
    single = [key for key in others if dense[key].multivector_config is None] or others
    if chosen is None and len(single) == 1:
        chosen = single[0]
    msg = None
    if not others:
        msg = (
            f"Collection {name!r} has no full vector; it holds {_listing(dense)}. Embed its texts "
            "and load them into a new collection."
        )
    elif chosen not in dense:
        msg = (
            f"Collection {name!r}: which vector is the full one? Expected {chosen or 'full'!r}, "
            f"found {_listing(dense)}. Name it: CollectionLayout(..., full_name=...)."
        )
    elif dense[chosen].multivector_config is not None:
        msg = (
            f"Collection {name!r}: vector {chosen!r} holds many vectors a point, expected one. "
            "Name another: CollectionLayout(..., full_name=...)."
        )
    if msg is not None:
        expected = chosen or "full"
        raise CollectionMismatchError(msg, collection=name, found=_sizes(dense), expected=expected)
    return str(chosen)


def _graph(params: models.VectorParams, of_all: models.HnswConfig) -> models.HnswConfigDiff:
    """Lay a vector's settings of its graph over those of the collection."""
    own = params.hnsw_config.model_dump(exclude_none=True) if params.hnsw_config else {}
    return models.HnswConfigDiff(**{**of_all.model_dump(exclude_none=True), **own})


def tenant_field(info: models.CollectionInfo) -> str | None:
    """Return which payload field separates tenants: the one that is indexed so, or that is named.

    Local mode has no indexes, and an index may be lost.
    """
    for field, index in (info.payload_schema or {}).items():
        if getattr(index.params, "is_tenant", None):
            return field
    named: str | None = stored_metadata(info).get("tenant_field")
    return named


def active_rotation(info: models.CollectionInfo) -> str | None:
    """Return which rotation a collection's short vectors are to be read with.

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


def sparse_vectors(info: models.CollectionInfo) -> dict[str, models.SparseVectorParams]:
    """List a collection's sparse vectors by name."""
    return info.config.params.sparse_vectors or {}


def stored_metadata(info: models.CollectionInfo) -> dict[str, Any]:
    """Return what this package has stored about a collection in its metadata; {} if nothing."""
    stored: dict[str, Any] = (info.config.metadata or {}).get(METADATA_KEY) or {}
    return stored


def _sizes(dense: Mapping[str, models.VectorParams]) -> dict[str, int]:
    return {name: each.size for name, each in dense.items()}


def _listing(dense: Mapping[str, models.VectorParams]) -> str:
    return ", ".join(f"{name!r} ({size})" for name, size in _sizes(dense).items()) or (
        "no dense vector"
    )
