"""How a collection is laid out: one full vector a point, and the short ones derived from it."""

import copy
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from functools import partial
from typing import Any, Literal, TypeAlias, get_args

from qdrant_client import models
from typing_extensions import Self

from mrl_adapters.arguments import refuse_others
from mrl_adapters.errors import ConfigurationError
from mrl_adapters.qdrant.given import knowing_given
from mrl_adapters.qdrant.graphs import Graph, default_graph
from mrl_adapters.qdrant.late_interaction import TokenVectors
from mrl_adapters.qdrant.layout_checks import (
    check_codes,
    check_full_name,
    check_names,
    check_nesting,
    check_rotation,
    checked_shard_keys,
    checked_stages,
)
from mrl_adapters.qdrant.lexical import TextIndex
from mrl_adapters.qdrant.quantization import (
    DATATYPE_BITS,
    FullDatatype,
    Quantization,
    Settings,
    quantization_settings,
)
from mrl_adapters.qdrant.sparse import SparseVectors
from mrl_adapters.qdrant.vector_names import short_name
from mrl_adapters.vectors import Reduction, Rotation

Distance: TypeAlias = Literal["Cosine", "Dot", "Euclid", "Manhattan"]
WriteOrdering: TypeAlias = Literal["weak", "medium", "strong"]
NEARER_IS_LESS = frozenset({"Euclid", "Manhattan"})
IndexSchema: TypeAlias = (
    models.PayloadSchemaType | models.KeywordIndexParams | models.TextIndexParams
)
METADATA_KEY = "mrl_adapters"
PLAN_KEY = "plan"
SCHEMA_VERSION = 1
# Passed through to a cluster when a collection is created.
CLUSTER_OPTIONS = ("shard_number", "replication_factor", "write_consistency_factor")
# The graph of a short vector is skipped (plain scan) below about this many points. Qdrant states
# the threshold in kilobytes of vectors, meant for full ones: 10,000 KB of 64-d vectors are 40,000.
_SCANNED_POINTS = 4_000
_USUAL_THRESHOLD_KB = 10_000  # Qdrant's own


@knowing_given
@dataclass(frozen=True)
class CollectionLayout:
    """A collection's layout: what it holds.

    The full vector is kept as the model gave it: no graph, on disk, float16 by default. Each
    stage is a short vector named ``short_<d>``: a graph in RAM over int8 codes by default.

    Without stages the full vector itself has that graph and those codes. Collections that other
    programs made are such; where vectors are short anyway, it is faster too. Measure it.

    Args:
        dimensions: Size of the full vectors.
        stages: Sizes of the short vectors, each below ``dimensions``; two-stage search needs one,
            a funnel several. None at all, ``()``, searches the full vectors' own graph.
        distance: Cosine, Dot, Euclid or Manhattan.
        model: Name of the embedding model; opening the collection with another is an error.
        reduction: How that model nests (see ``mrl_adapters.registry``).
        rotation: Turns the full vectors before short ones are sliced from them, in place of
            ``reduction``; it is stored in a companion collection, ``<name>__rotation``. "auto"
            fits one on the first load (see ``mrl_adapters.qdrant.loading``). None, with an existing
            collection, takes what the collection has.
        full_name: Name of the full vector ("" for an unnamed one, as in migrated collections).
        full_datatype: float16 halves the disk at a score error below 1e-4; float32 keeps all;
            turbo16 takes the bytes of float16 at a score error below 1e-5, turbo8 half of them at
            2e-3 (embedded engine, servers from 1.20).
        full_has_graph: Whether the full vector has a graph of its own, as in collections that
            were made for single-stage search. Two-stage search does not need it; without stages
            it always has one.
        quantization: Codes of the vectors that are searched first (short ones, without stages
            the full ones): int8, turbo8, turbo4, turbo2, turbo1.5, turbo1 (bits a number; embedded
            engine, servers from 1.18) or binary (from 512 dimensions on); None keeps these vectors
            themselves in RAM. Fewer bits need more candidates: measure it.
        hnsw_m: Links a node in those vectors' graphs. None chooses as the collection is made: 32
            up to 512 dimensions, else 16 (see :mod:`mrl_adapters.qdrant.graphs`, with what was
            measured); any graph of a collection that exists will do.
        hnsw_ef_construct: Beam while those graphs are built; None chooses 200 or 100 alike.
        payload_indexes: Payload field to index type (keyword, integer, float, bool, datetime,
            uuid, geo, text), created with the collection, and in an existing one where they are
            missing.
        text_index: A text index that ranks by BM25, for hybrid search (see
            :class:`mrl_adapters.qdrant.TextIndex`); None has none.
        sparse: Sparse vectors for hybrid search, which every engine has: BM25's, or a model's (see
            :class:`mrl_adapters.qdrant.SparseVectors`); None has none. They go before a text index.
        late_interaction: Token vectors, by which plans with ``late_interaction`` rank what the full
            vectors found (see :class:`mrl_adapters.qdrant.TokenVectors`); None has none.
        tenant_field: Metadata key that tells whose a document is; graphs are then built per
            tenant, and stores are asked for one tenant's documents by ``store.for_tenant(...)``.
        shard_number: Shards on a cluster (the server's default if None); of each custom shard key
            where there are ``shard_keys``.
        shard_keys: Keys of custom shards, made with the collection; documents are then written
            with ``shard_key=``. None lets the server choose shards by ids.
        replication_factor: Copies of each shard on a cluster (the server's default if None).
        write_consistency_factor: Copies that must confirm a write (the server's default if None).
        write_ordering: Ordering of concurrent writes on a cluster: weak, medium or strong.

    Opening an existing collection never changes it otherwise. What the caller chose and it does
    not have is an error (sizes, distance, model, rotation, names) or an UnmetLayoutWarning (what
    only costs time or space); what was left open takes what there is.

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
    rotation: Rotation | Literal["auto"] | None = None
    full_name: str = "full"
    full_datatype: FullDatatype = "float16"
    full_has_graph: bool = False
    quantization: Quantization | None = "int8"
    hnsw_m: int | None = None
    hnsw_ef_construct: int | None = None
    payload_indexes: Mapping[str, str] = field(default_factory=dict)
    text_index: TextIndex | None = None
    sparse: SparseVectors | None = None
    late_interaction: TokenVectors | None = None
    tenant_field: str | None = None
    shard_number: int | None = None
    shard_keys: tuple[str | int, ...] | None = None
    replication_factor: int | None = None
    write_consistency_factor: int | None = None
    write_ordering: WriteOrdering | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be created; sort the stages."""
        object.__setattr__(self, "stages", checked_stages(self.stages, self.dimensions))
        object.__setattr__(self, "shard_keys", checked_shard_keys(self.shard_keys))
        if not self.stages:
            object.__setattr__(self, "full_has_graph", True)
        check_full_name(self.full_name)
        check_names(self.vector_names, sparse=self.sparse, late_interaction=self.late_interaction)
        self._check_options()
        check_codes(self.quantization, min((*self.stages, self.dimensions)))
        check_rotation(self.rotation, self.dimensions, self.stages, self.distance)
        check_nesting(self.stages, self.model, self.reduction, self.rotation)

    def _check_options(self) -> None:
        choice = partial(refuse_others, whose="CollectionLayout")
        choice("distance", self.distance, get_args(Distance))
        choice("full_datatype", self.full_datatype, get_args(FullDatatype))
        choice("quantization", self.quantization, (*get_args(Quantization), None))
        choice("write_ordering", self.write_ordering, (*get_args(WriteOrdering), None))
        for kind in self.payload_indexes.values():
            choice("payload_indexes", kind, tuple(each.value for each in models.PayloadSchemaType))
        least = {"hnsw_m": 1, "hnsw_ef_construct": 4, **dict.fromkeys(CLUSTER_OPTIONS, 1)}
        for name, limit in least.items():
            if (found := getattr(self, name)) is not None and found < limit:
                msg = f"CollectionLayout({name}={found!r}): expected at least {limit}."
                raise ConfigurationError(msg)

    @property
    def given(self) -> frozenset[str]:
        """Name the fields that the caller chose: the others are open to what a collection has."""
        given: frozenset[str] = vars(self).get("_given", frozenset())
        return given

    def placed(self, **changed: object) -> Self:
        """Copy it with other values, of which its caller chose none: what he did choose stays so.

        Args:
            changed: Fields and their checked values.
        """
        placed = copy.copy(self)
        for name, value in changed.items():
            object.__setattr__(placed, name, value)
        return placed

    def stage_name(self, stage: int) -> str:
        """Name the short vector of a stage.

        Args:
            stage: Its size.
        """
        return short_name(stage, self.rotation.id if isinstance(self.rotation, Rotation) else None)

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
                # With codes in RAM the float32 originals are read only if a plan rescores.
                on_disk=self.quantization is not None,
                hnsw_config=self.graph_config(stage),
                quantization_config=self.quantization_config(),
            )
            for stage in self.stages
        }
        config[self.full_name] = models.VectorParams(
            size=self.dimensions,
            distance=distance,
            on_disk=bool(self.stages) or self.quantization is not None,
            datatype=models.Datatype(self.full_datatype),
            **self.full_search_config(),
        )
        if self.late_interaction is not None:
            config[self.late_interaction.name] = self.late_interaction.params()
        return config

    def sparse_config(self) -> dict[str, models.SparseVectorParams] | None:
        """Build Qdrant's description of the sparse vectors; None if there are none."""
        return None if self.sparse is None else {self.sparse.name: self.sparse.params()}

    def full_search_config(self) -> dict[str, Any]:
        """Build the settings by which full vectors are searched: their graph and their codes."""
        if self.stages:
            graph = None if self.full_has_graph else models.HnswConfigDiff(m=0)
            return {"hnsw_config": graph}
        return {
            "hnsw_config": self.graph_config(self.dimensions),
            "quantization_config": self.quantization_config(),
        }

    def graph(self, dimensions: int) -> Graph:
        """Return the graph over vectors of a size: as the caller chose, else by that size."""
        default = default_graph(dimensions)
        return Graph(self.hnsw_m or default.m, self.hnsw_ef_construct or default.ef_construct)

    @property
    def searched_dimensions(self) -> int:
        """Size of the vectors that are searched first: the longest stage's, else the full ones'."""
        return self.stages[-1] if self.stages else self.dimensions

    def graph_config(self, stage: int) -> models.HnswConfigDiff:
        """Build the graph settings of the vectors that are searched first.

        Args:
            stage: Their size.
        """
        tenants, graph = self.tenant_field is not None, self.graph(stage)
        return models.HnswConfigDiff(
            m=0 if tenants else graph.m,
            payload_m=graph.m if tenants else None,
            ef_construct=graph.ef_construct,
            full_scan_threshold=max(10, _SCANNED_POINTS * stage * 4 // 1024),
            on_disk=False,
        )

    def indexing_config(self) -> models.OptimizersConfigDiff:
        """Build what says from how many points on a graph is built.

        From those on that a scan takes longer than the graph (see :meth:`graph_config`). Qdrant's
        own threshold, in KB of a segment's largest vectors, knows nothing of shorter ones that are
        searched first; and a server parts few points into two to eight segments, each of which
        would stay below it for ever.
        """
        bits = [self.dimensions * DATATYPE_BITS[self.full_datatype], *(32 * n for n in self.stages)]
        least_kb = int(_SCANNED_POINTS * max(bits) / 8 / 1024)
        return models.OptimizersConfigDiff(
            indexing_threshold=max(1, min(least_kb, _USUAL_THRESHOLD_KB))
        )

    def quantization_config(self) -> Settings | None:
        """Build the quantization settings of the vectors that are searched first."""
        return quantization_settings(self.quantization)

    def index_schemas(self) -> dict[str, IndexSchema]:
        """Build the payload indexes to create with the collection, the tenant's first."""
        schemas: dict[str, IndexSchema] = {}
        if self.tenant_field is not None:
            schemas[self.tenant_field] = models.KeywordIndexParams(
                type=models.KeywordIndexType.KEYWORD, is_tenant=True
            )
        if self.text_index is not None and self.text_index.field is not None:
            schemas.setdefault(self.text_index.field, self.text_index.params())
        for name, kind in self.payload_indexes.items():
            schemas.setdefault(name, models.PayloadSchemaType(kind))
        return schemas

    def ordering(self) -> models.WriteOrdering | None:
        """Build Qdrant's ordering of concurrent writes; None leaves it to the server."""
        return models.WriteOrdering(self.write_ordering) if self.write_ordering else None

    def ordered(self, ordering: WriteOrdering | None) -> Self:
        """Order one call's writes otherwise; None leaves them as they are."""
        return self if ordering is None else self.placed(write_ordering=ordering)

    def metadata(self) -> dict[str, Any]:
        """Describe the nesting, to be stored with the collection."""
        described: dict[str, Any] = {
            "version": SCHEMA_VERSION,
            "model": self.model,
            "dimensions": self.dimensions,
            "stages": list(self.stages),
            "reduction": self.reduction,
            "full_name": self.full_name,
        }
        if isinstance(self.rotation, Rotation):
            described["rotation"] = self.rotation.id
        if self.tenant_field is not None:
            described["tenant_field"] = self.tenant_field
        if self.text_index is not None:
            described["text_index"] = self.text_index.described()
        if self.sparse is not None:
            described["sparse"] = self.sparse.described()
        if self.late_interaction is not None:
            described["late_interaction"] = self.late_interaction.described()
        return {METADATA_KEY: described}


def check_ordering(ordering: object) -> None:
    """Refuse an ordering of one call's writes that Qdrant does not have."""
    refuse_others("ordering", ordering, (*get_args(WriteOrdering), None))
