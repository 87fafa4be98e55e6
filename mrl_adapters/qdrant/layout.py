"""How a collection is laid out: one full vector a point, and the short ones derived from it."""

import re
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, Literal, TypeAlias, get_args

from qdrant_client import models

from mrl_adapters.errors import CollectionMismatchError, ConfigurationError, DimensionsError
from mrl_adapters.vectors import Reduction

Distance: TypeAlias = Literal["Cosine", "Dot", "Euclid", "Manhattan"]
METADATA_KEY = "mrl_adapters"
_SCHEMA_VERSION = 1
_SHORT_NAME = re.compile(r"short_(\d+)")
# The graph of a short vector is skipped (plain scan) below about this many points. Qdrant states
# the threshold in kilobytes of vectors, meant for full ones: 10,000 KB of 64-d vectors are 40,000.
_SCANNED_POINTS = 4_000
_FEWEST_DIMENSIONS = 2


@dataclass(frozen=True)
class CollectionLayout:
    """Say what a collection holds.

    The full vector is kept as the model gave it: no graph, on disk, float16 by default. Each
    stage is a short vector named ``short_<d>``: a graph in RAM over int8 codes by default.

    Args:
        dimensions: Size of the full vectors.
        stages: Sizes of the short vectors, each below ``dimensions``; two-stage search needs one,
            a funnel several.
        distance: Cosine, Dot, Euclid or Manhattan.
        model: Name of the embedding model; opening the collection with another is an error.
        reduction: How that model nests (see ``mrl_adapters.registry``).
        full_name: Name of the full vector ("" for an unnamed one, as in migrated collections).
        full_datatype: float16 halves the disk at a score error below 1e-4; float32 keeps all.
        full_has_graph: Whether the full vector has a graph of its own, as in collections that
            were made for single-stage search. Two-stage search does not need it.
        quantization: int8 codes for the short vectors, or None for plain float32 in RAM.
        hnsw_m: Links a node in the short vectors' graphs.
        hnsw_ef_construct: Beam while those graphs are built.
        payload_indexes: Payload field to index type (keyword, integer, float, bool, datetime,
            uuid, geo, text), created with the collection.
        tenant_field: Payload field that separates tenants; graphs are then built per tenant.
        shard_number: Shards on a cluster (the server's default if None).
        replication_factor: Copies of each shard on a cluster (the server's default if None).
        write_ordering: Ordering of concurrent writes on a cluster: weak, medium or strong.

    Raises:
        DimensionsError: A stage is not smaller than the full vector, or not positive.
        ConfigurationError: An option has a value outside its list.
    """

    dimensions: int
    stages: tuple[int, ...] = (256,)
    distance: Distance = "Cosine"
    _: KW_ONLY
    model: str | None = None
    reduction: Reduction = "prefix"
    full_name: str = "full"
    full_datatype: Literal["float16", "float32"] = "float16"
    full_has_graph: bool = False
    quantization: Literal["int8"] | None = "int8"
    hnsw_m: int = 16
    hnsw_ef_construct: int = 128
    payload_indexes: Mapping[str, str] = field(default_factory=dict)
    tenant_field: str | None = None
    shard_number: int | None = None
    replication_factor: int | None = None
    write_ordering: Literal["weak", "medium", "strong"] | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be created; sort the stages."""
        stages: object = self.stages  # whatever the caller passed
        if isinstance(stages, int) or not stages:
            msg = (
                f"CollectionLayout(stages={stages!r}): expected at least one short size in "
                "a tuple, such as (256,)."
            )
            raise ConfigurationError(msg)
        object.__setattr__(self, "stages", tuple(sorted(set(self.stages))))
        if self.dimensions < _FEWEST_DIMENSIONS:
            msg = (
                f"Vectors of {self.dimensions} dimensions have no shorter form. "
                f"Two-stage search needs at least {_FEWEST_DIMENSIONS}."
            )
            raise DimensionsError(msg)
        for stage in self.stages:
            if not 1 <= stage < self.dimensions:
                msg = (
                    f"Stage {stage} does not fit vectors of {self.dimensions} dimensions. "
                    f"Choose stages from 1 to {self.dimensions - 1}."
                )
                raise DimensionsError(msg)
        self._check_options()

    def _check_options(self) -> None:
        if _SHORT_NAME.fullmatch(self.full_name):
            msg = (
                f"CollectionLayout(full_name={self.full_name!r}): that is the name of a short "
                "vector. Choose another, such as 'full'."
            )
            raise ConfigurationError(msg)
        _choice("distance", self.distance, get_args(Distance))
        _choice("full_datatype", self.full_datatype, ("float16", "float32"))
        _choice("quantization", self.quantization, ("int8", None))
        _choice("write_ordering", self.write_ordering, ("weak", "medium", "strong", None))
        for kind in self.payload_indexes.values():
            _choice("payload_indexes", kind, tuple(each.value for each in models.PayloadSchemaType))
        least = {"hnsw_m": 1, "hnsw_ef_construct": 4, "shard_number": 1, "replication_factor": 1}
        for name, limit in least.items():
            if (found := getattr(self, name)) is not None and found < limit:
                msg = f"CollectionLayout({name}={found!r}): expected at least {limit}."
                raise ConfigurationError(msg)
        if self.reduction in {"heads", "projection"}:
            msg = (
                f"Model {self.model!r} makes its short vectors by its own {self.reduction}; the "
                "prefix of its full vector means nothing. Two-stage search needs a model whose "
                "vectors can be sliced (list: mrl-adapters models)."
            )
            raise ConfigurationError(msg)

    def stage_name(self, stage: int) -> str:
        """Name the short vector of a stage.

        Args:
            stage: Its size.
        """
        return f"short_{stage}"

    @property
    def vector_names(self) -> list[str]:
        """Name every vector of a point, shortest first, the full one last."""
        return [*map(self.stage_name, self.stages), self.full_name]

    def vectors_config(self) -> dict[str, models.VectorParams]:
        """Build Qdrant's description of the vectors."""
        distance = models.Distance(self.distance)
        config = {
            self.stage_name(stage): models.VectorParams(
                size=stage,
                distance=distance,
                # With int8 codes in RAM the float32 originals are read only if a plan rescores.
                on_disk=self.quantization is not None,
                hnsw_config=self.graph_config(stage),
                quantization_config=self.quantization_config(),
            )
            for stage in self.stages
        }
        config[self.full_name] = models.VectorParams(
            size=self.dimensions,
            distance=distance,
            on_disk=True,
            datatype=models.Datatype(self.full_datatype),
            hnsw_config=None if self.full_has_graph else models.HnswConfigDiff(m=0),
        )
        return config

    def graph_config(self, stage: int) -> models.HnswConfigDiff:
        """Build the graph settings of a stage.

        Args:
            stage: Its size.
        """
        tenants = self.tenant_field is not None
        return models.HnswConfigDiff(
            m=0 if tenants else self.hnsw_m,
            payload_m=self.hnsw_m if tenants else None,
            ef_construct=self.hnsw_ef_construct,
            full_scan_threshold=max(10, _SCANNED_POINTS * stage * 4 // 1024),
            on_disk=False,
        )

    def quantization_config(self) -> models.ScalarQuantization | None:
        """Build the quantization settings of the short vectors; the full one has none."""
        if self.quantization is None:
            return None
        return models.ScalarQuantization(
            scalar=models.ScalarQuantizationConfig(type=models.ScalarType.INT8, always_ram=True)
        )

    def index_schemas(self) -> dict[str, models.PayloadSchemaType | models.KeywordIndexParams]:
        """Build the payload indexes to create with the collection, the tenant's first."""
        schemas: dict[str, models.PayloadSchemaType | models.KeywordIndexParams] = {}
        if self.tenant_field is not None:
            schemas[self.tenant_field] = models.KeywordIndexParams(
                type=models.KeywordIndexType.KEYWORD, is_tenant=True
            )
        for name, kind in self.payload_indexes.items():
            schemas.setdefault(name, models.PayloadSchemaType(kind))
        return schemas

    def metadata(self) -> dict[str, Any]:
        """Describe the nesting, to be stored with the collection."""
        described = {
            "version": _SCHEMA_VERSION,
            "model": self.model,
            "dimensions": self.dimensions,
            "stages": list(self.stages),
            "reduction": self.reduction,
            "full_name": self.full_name,
        }
        return {METADATA_KEY: described}


def read_layout(name: str, info: models.CollectionInfo) -> CollectionLayout:
    """Read a collection's layout from what the engine says of it.

    Args:
        name: The collection's name, for messages.
        info: The engine's description.

    Returns:
        The layout, with model and reduction where the collection's metadata holds them.

    Raises:
        CollectionMismatchError: It has no short vector, or its metadata contradicts its vectors or
            comes from a newer version of this package.
    """
    params = info.config.params.vectors
    dense = params if isinstance(params, dict) else {"": params} if params else {}
    stored = ((info.config.metadata or {}).get(METADATA_KEY)) or {}
    if stored.get("version", _SCHEMA_VERSION) > _SCHEMA_VERSION:
        msg = (
            f"Collection {name!r} was made by a newer mrl-adapters: its description has version "
            f"{stored['version']}, this one reads {_SCHEMA_VERSION}. "
            "Run: pip install --upgrade mrl-adapters"
        )
        raise CollectionMismatchError(msg)
    shorts = {
        int(match[1]): each for key, each in dense.items() if (match := _SHORT_NAME.fullmatch(key))
    }
    others = [key for key in dense if not _SHORT_NAME.fullmatch(key)]
    full_name = stored.get("full_name", "full" if "full" in others else None)
    if full_name is None and len(others) == 1:
        full_name = others[0]
    sizes = {key: each.size for key, each in dense.items()}
    if not shorts:
        msg = (
            f"Collection {name!r} has no short vector; it holds {_listing(sizes)}. "
            f"Add one with: mrl-adapters migrate {name} --stages 256"
        )
        raise CollectionMismatchError(msg)
    if full_name not in dense:
        msg = (
            f"Collection {name!r}: which vector is the full one? Expected {full_name or 'full'!r}, "
            f"found {_listing(sizes)}."
        )
        raise CollectionMismatchError(msg)
    stages = tuple(sorted(shorts))
    if stored and (
        stored["dimensions"] != dense[full_name].size or not set(stored["stages"]) <= set(stages)
    ):
        msg = (
            f"Collection {name!r} says of itself: {stored['dimensions']} dimensions, stages "
            f"{stored['stages']}; it holds {_listing(sizes)}. "
            f"See what is wrong with: mrl-adapters audit {name}"
        )
        raise CollectionMismatchError(msg)
    first, full = shorts[stages[0]], dense[full_name]
    graph = first.hnsw_config or models.HnswConfigDiff()
    full_m = full.hnsw_config.m if full.hnsw_config else None
    return CollectionLayout(
        full.size,
        tuple(stored.get("stages", stages)),
        full.distance.value,
        model=stored.get("model"),
        reduction=stored.get("reduction", "prefix"),
        full_name=full_name,
        full_datatype="float16" if full.datatype == models.Datatype.FLOAT16 else "float32",
        full_has_graph=(info.config.hnsw_config.m if full_m is None else full_m) != 0,
        quantization="int8" if first.quantization_config else None,
        hnsw_m=graph.m or graph.payload_m or CollectionLayout.hnsw_m,
        hnsw_ef_construct=graph.ef_construct or CollectionLayout.hnsw_ef_construct,
        payload_indexes={
            key: index.data_type.value for key, index in (info.payload_schema or {}).items()
        },
        shard_number=info.config.params.shard_number,
        replication_factor=info.config.params.replication_factor,
    )


def _choice(name: str, found: object, allowed: tuple[object, ...]) -> None:
    if found not in allowed:
        msg = f"CollectionLayout({name}={found!r}): expected one of {allowed}."
        raise ConfigurationError(msg)


def _listing(sizes: Mapping[str, int]) -> str:
    return ", ".join(f"{name!r} ({size})" for name, size in sizes.items()) or "no dense vector"
