"""Look for settings of a collection that cost memory, time or results."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from qdrant_client import models

from mrl_adapters.maintenance.client import RetryingClient
from mrl_adapters.maintenance.source import Source
from mrl_adapters.qdrant.commands import command, usual_stages
from mrl_adapters.qdrant.companion import companion_name, read_companion
from mrl_adapters.qdrant.description import (
    active_rotation,
    dense_vectors,
    short_vectors,
    stored_metadata,
)
from mrl_adapters.qdrant.layout import CollectionLayout
from mrl_adapters.qdrant.payload_keys import TEXT_KEYS, PayloadKeys
from mrl_adapters.qdrant.quantization import datatype_of
from mrl_adapters.qdrant.vector_names import short_name

_SAMPLED_POINTS = 200
_COMMON_SHARE = 0.5
_INDEX_TYPES = {str: "keyword", int: "integer", float: "float", bool: "bool"}
_LONGEST_CHARACTERS = 200  # longer texts are read, not filtered by
_LISTED_FIELDS = 10


@dataclass(frozen=True)
class Recommendation:
    """One thing that could be better.

    Args:
        topic: A short name for scripts.
        message: What is so, and what it costs.
        fix: What to do about it.
    """

    topic: str
    message: str
    fix: str


def recommendations_for(
    client: RetryingClient, source: Source, layout: CollectionLayout | None, keys: PayloadKeys
) -> list[Recommendation]:
    """Look at a collection's settings; without a layout it has no usable short vectors."""
    if not client.engine.has_indexes:
        return [
            Recommendation(
                "local_mode",
                "qdrant-client's local mode scans every vector, so that short ones save nothing.",
                "Copy the collection to the embedded engine or a server: migrate with mode='copy' "
                "(--to-path, --to-url).",
            )
        ]
    if layout is not None and not layout.stages:
        return [
            *_about_stages(client, source),
            *_about_others(client, source, layout),
            *_about_payload(client, source, keys),
        ]
    return [
        *_about_full(source, layout),
        *(_about_short(source, layout) if layout else []),
        *(_about_tenants(source, layout) if layout else []),
        *_about_copies(client, source),
        *_about_others(client, source, layout),
        *_about_payload(client, source, keys),
    ]


def _about_copies(client: RetryingClient, source: Source) -> list[Recommendation]:
    """Look for a rotation in fewer copies than its collection, as earlier versions kept it."""
    if active_rotation(source.info) is None:
        return []
    kept = client.run(read_companion(source.name))
    wanted = source.info.config.params.replication_factor or 1
    there = (kept.config.params.replication_factor or 1) if kept else wanted
    if there >= wanted:
        return []
    name = companion_name(source.name)
    return [
        Recommendation(
            "rotation_copies",
            f"The rotation's collection {name!r} is laid out for {there} copies, "
            f"{source.name!r} for {wanted}: without the nodes that hold the rotation, none of them "
            "can be opened.",
            f"Copy its shard to other nodes (GET /cluster): POST /collections/{name}/cluster "
            '{"replicate_shard": {"shard_id": 0, "from_peer_id": ..., "to_peer_id": ...}}, and '
            f"update_collection({name!r}, collection_params="
            f"CollectionParamsDiff(replication_factor={wanted})).",
        )
    ]


def _about_stages(client: RetryingClient, source: Source) -> list[Recommendation]:
    """Propose stages to a collection that nobody chose to have none."""
    if stored_metadata(source.info) or source.full.size == 1:
        return []
    stages = usual_stages(source.full.size)
    line = command(
        "migrate",
        source.name,
        stages=stages,
        full_name=source.full_name or None,
        client=client.wrapped,
    )
    return [
        Recommendation(
            "one_stage",
            f"It has no short vectors: every search goes through {source.full.size} numbers a "
            f"point, where a stage would go through {stages[-1]} bytes.",
            f"Where RAM or time matter, add a stage, without embedding anything again: {line}",
        )
    ]


def _about_full(source: Source, layout: CollectionLayout | None) -> list[Recommendation]:
    full, config = source.full, source.info.config
    points = source.info.points_count or 0
    listed = []
    own_m = full.hnsw_config.m if full.hnsw_config else None
    if layout is not None and (config.hnsw_config.m if own_m is None else own_m) != 0:
        listed.append(
            Recommendation(
                "full_graph",
                f"The full vectors have a graph of their own: time to build it, and about "
                f"{points * config.hnsw_config.m * 2 * 4:,} bytes of RAM that two-stage search "
                "does not use.",
                "Once nothing searches them directly: update_collection(vectors_config="
                f"{{{source.full_name!r}: VectorParamsDiff(hnsw_config=HnswConfigDiff(m=0))}}).",
            )
        )
    if config.quantization_config is not None:
        listed.append(
            Recommendation(
                "collection_quantization",
                "The collection is quantized as a whole, full vectors too: other programs get "
                "approximate scores; this package asks for exact ones.",
                "update_collection(quantization_config=Disabled.DISABLED); the short vectors have "
                "a setting of their own.",
            )
        )
    cold = getattr(getattr(full, "memory", None), "value", None) == "cold"
    if layout is not None and not full.on_disk and not cold:
        listed.append(
            Recommendation(
                "full_in_ram",
                f"The full vectors are kept in RAM: {points * full.size * 4:,} bytes, of which a "
                "search reads only the shortlist.",
                "update_collection(vectors_config="
                f"{{{source.full_name!r}: VectorParamsDiff(on_disk=True)}}).",
            )
        )
    if layout is not None and datatype_of(full) == "float32":
        listed.append(
            Recommendation(
                "full_float32",
                f"The full vectors are stored as float32; float16 would save "
                f"{points * full.size * 2:,} bytes of disk at a score error below 1e-4.",
                "Migrate into a copy (mode='copy', --copy-to).",
            )
        )
    return listed


def _about_short(source: Source, layout: CollectionLayout) -> list[Recommendation]:
    listed = []
    for stage in layout.stages:
        name = layout.stage_name(stage)
        params = dense_vectors(source.info)[name]
        links, tenant_links = _links(source, name)
        if not links and not (tenant_links and source.info.payload_schema):
            listed.append(
                Recommendation(
                    "short_graph",
                    f"{name!r} has no graph: every search scans all points.",
                    f"update_collection(vectors_config={{{name!r}: "
                    "VectorParamsDiff(hnsw_config=HnswConfigDiff(m=16))}).",
                )
            )
        if params.quantization_config is None:
            listed.append(
                Recommendation(
                    "short_codes",
                    f"{name!r} is kept in RAM as float32; int8 codes take a quarter and find the "
                    "same.",
                    f"update_collection(vectors_config={{{name!r}: VectorParamsDiff("
                    "quantization_config=ScalarQuantization(...))}).",
                )
            )
    return listed


def _about_tenants(source: Source, layout: CollectionLayout) -> list[Recommendation]:
    """Look for graphs of all points where every search is one tenant's."""
    if source.tenant_field is None:
        return []
    links = {name: _links(source, name)[0] for name in map(layout.stage_name, layout.stages)}
    if not (links := {name: m for name, m in links.items() if m}):
        return []
    settings = ", ".join(
        f"{name!r}: VectorParamsDiff(hnsw_config=HnswConfigDiff(m=0, payload_m={m}))"
        for name, m in links.items()
    )
    return [
        Recommendation(
            "tenant_graphs",
            f"{source.tenant_field!r} is indexed as a tenant's field, but the graphs of "
            f"{', '.join(map(repr, links))} go through the points of all tenants, as they were "
            "laid out before that index. A search within one tenant follows links that lead out "
            "of it: where tenants are large, it finds less.",
            "If every search is filtered by its tenant: update_collection(vectors_config="
            f"{{{settings}}}). The next optimization (embedded engine: optimize) then builds a "
            "graph a tenant; a search without that filter scans all points.",
        )
    ]


def _links(source: Source, name: str) -> tuple[int, int]:
    """Links a point in a vector's graph: of all points, and of those with one payload value."""
    shared = source.info.config.hnsw_config
    own = dense_vectors(source.info)[name].hnsw_config or models.HnswConfigDiff()
    links = shared.m if own.m is None else own.m
    tenant_links = shared.payload_m if own.payload_m is None else own.payload_m
    return links, links if tenant_links is None else tenant_links


def _about_others(
    client: RetryingClient, source: Source, layout: CollectionLayout | None
) -> list[Recommendation]:
    listed = []
    sizes = {name: params.size for name, params in source.other_dense.items()}
    if any(size != source.full.size for size in sizes.values()):
        listed.append(
            Recommendation(
                "mixed_sizes",
                f"It holds dense vectors of several sizes beside {source.full_name!r} "
                f"({source.full.size}): {sizes}. Those are not searched.",
                "Delete those that nothing uses: delete_vector_name.",
            )
        )
    known = set(layout.vector_names) if layout else set()
    unused = sorted(
        short_name(stage, rotation)
        for rotation, family in short_vectors(source.info).items()
        for stage in family
    )
    if layout is not None and (unused := [name for name in unused if name not in known]):
        # Those of another rotation cannot be made this one's.
        of_ours = short_vectors(source.info).get(active_rotation(source.info), {})
        keeping = ""
        if sizes_left := sorted(set(of_ours) - set(layout.stages)):
            line = command("migrate", source.name, stages=sizes_left, client=client.wrapped)
            keeping = f", or make them stages of its own: {line}"
        listed.append(
            Recommendation(
                "unused_short",
                f"Short vectors {unused} are not among the stages {layout.stages} that the "
                "collection names as its own.",
                f"Delete them (delete_vector_name){keeping}",
            )
        )
    if source.info.status != models.CollectionStatus.GREEN:
        listed.append(
            Recommendation(
                "status",
                f"The collection's status is {source.info.status.value}: what is not indexed yet "
                "is scanned.",
                "Wait for the optimizer, or look into the server's log if it stays.",
            )
        )
    return listed


def _about_payload(
    client: RetryingClient, source: Source, keys: PayloadKeys
) -> list[Recommendation]:
    records, _ = next(client.pages(source.name, _SAMPLED_POINTS, payload=True), ([], None))
    fields = [_fields(record.payload or {}, keys) for record in records]
    seen = Counter(field for each in fields for field in each)
    common = [field for field, count in seen.items() if count >= _COMMON_SHARE * len(records)]
    bare = sorted(field for field in common if field not in (source.info.payload_schema or {}))
    if not bare:
        return []
    kind = _INDEX_TYPES[next(each[bare[0]] for each in fields if bare[0] in each)]
    return [
        Recommendation(
            "payload_indexes",
            f"Payload fields without an index: {', '.join(bare[:_LISTED_FIELDS])}"
            f"{' and more' if len(bare) > _LISTED_FIELDS else ''}. Filters on them read every "
            "payload.",
            "For each that you filter by: "
            f"client.create_payload_index({source.name!r}, {bare[0]!r}, {kind!r}).",
        )
    ]


def _fields(payload: dict[str, Any], keys: PayloadKeys) -> dict[str, type]:
    """List what could be filtered by: short values at the top, and in LangChain's metadata."""
    nested = payload.get(keys.metadata) if keys.metadata else None
    inner = nested if isinstance(nested, dict) else {}
    values = {**payload, **{f"{keys.metadata}.{key}": value for key, value in inner.items()}}
    return {
        key: type(value)
        for key, value in values.items()
        if not key.startswith("_")
        and key not in {keys.content, *TEXT_KEYS}
        and isinstance(value, str | int | float | bool)
        and len(str(value)) <= _LONGEST_CHARACTERS
    }
