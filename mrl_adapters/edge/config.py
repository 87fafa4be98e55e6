"""Convert the settings of a collection: `models.CreateCollection` in, the engine's config out."""

from collections.abc import Callable
from enum import Enum
from typing import Any, TypeVar

import qdrant_edge as edge
from qdrant_client import models

from mrl_adapters.edge.client_models import set_fields
from mrl_adapters.edge.names import check_text
from mrl_adapters.errors import ConfigurationError

EdgeEnum = TypeVar("EdgeEnum")

# Defaults of the engine, as the server has them.
# Source: https://qdrant.tech/documentation/guides/configuration/
HNSW_DEFAULTS = {"m": 16, "ef_construct": 100, "full_scan_threshold": 10_000}
INDEXING_THRESHOLD_KB = 10_000

# A search takes a thread for each segment, and a built collection has one that holds anything:
# handing it to a pool of many costs a search 0.1 ms of waking and of cold caches. Points that
# wait for the next build lie in a second segment, which a second thread would scan beside the
# first: up to a tenth sooner just before that build.
_SEARCH_THREADS = 1

# The engine keeps no collection without a vector. One that is made so gets this sparse vector,
# which no point ever has and no description shows.
_NO_VECTOR = {"_none": models.SparseVectorParams()}

_LONGEST_NAME = 200
_UNFIT = frozenset('/\\:*?"<>|\0')

_DATATYPE_BYTES = {"float16": 2.0, "uint8": 1.0, "turbo16": 2.0, "turbo8": 1.0, "turbo4": 0.5}


def dense_vectors(settings: models.CreateCollection) -> dict[str, models.VectorParams]:
    """Return the dense vectors of a collection by name; the unnamed one is called ''."""
    vectors = settings.vectors
    if isinstance(vectors, models.VectorParams):
        return {"": vectors}
    return dict(vectors or {})


def with_some_vector(settings: models.CreateCollection) -> models.CreateCollection:
    """Add the vector that the engine insists on to a collection of payloads alone."""
    if dense_vectors(settings) or settings.sparse_vectors:
        return settings
    return settings.model_copy(update={"sparse_vectors": dict(_NO_VECTOR)})


def shown_sparse(settings: models.CreateCollection) -> dict[str, models.SparseVectorParams] | None:
    """Return the sparse vectors that the collection was made with; None for none."""
    given = settings.sparse_vectors or {}
    return {name: params for name, params in given.items() if name not in _NO_VECTOR} or None


def edge_config(settings: models.CreateCollection) -> edge.EdgeConfig:
    """Build the engine's config of a collection.

    The engine is told to index whatever it is asked to index (threshold 1 KB): when to ask is
    decided in collection.py, by the threshold of `settings`.
    """
    for name in (*dense_vectors(settings), *(settings.sparse_vectors or {})):
        _check_name(name)
    optimizers = set_fields(settings.optimizers_config) if settings.optimizers_config else {}
    known = ("deleted_threshold", "vacuum_min_vector_number", "max_segment_size")
    payload = settings.payload.memory if settings.payload else None
    id_tracker = settings.id_tracker.memory if settings.id_tracker else None
    hnsw = settings.hnsw_config
    return edge.EdgeConfig(
        vectors={
            name: _edge_vector(params, hnsw) for name, params in dense_vectors(settings).items()
        },
        sparse_vectors={
            name: _edge_sparse(params) for name, params in (settings.sparse_vectors or {}).items()
        },
        on_disk_payload=settings.on_disk_payload,
        hnsw_config=edge.HnswIndexConfig(**merged_hnsw(hnsw)),
        quantization_config=edge_quantization(settings.quantization_config),
        optimizers=edge.EdgeOptimizersConfig(
            indexing_threshold=1,
            **{name: optimizers[name] for name in known if name in optimizers},
        ),
        payload_memory=edge_enum(edge.Memory, payload),
        id_tracker_memory=edge_enum(edge.Memory, id_tracker),
        max_search_threads=_SEARCH_THREADS,
        wal_enabled=True,
    )


def _check_name(name: str) -> None:
    """Refuse a vector name that the engine would fail on after having logged it."""
    check_text(name, "vector name")
    if len(name.encode()) > _LONGEST_NAME or not _UNFIT.isdisjoint(name):
        message = (
            f"Vector name {name[:40]!r} cannot be part of a file name. Choose one of up to "
            f"{_LONGEST_NAME} bytes without {' '.join(sorted(_UNFIT - {chr(0)}))}."
        )
        raise ConfigurationError(message)


def merged_hnsw(*layers: models.HnswConfigDiff | None) -> dict[str, Any]:
    """Lay HNSW settings over the defaults, later layers winning."""
    merged: dict[str, Any] = dict(HNSW_DEFAULTS)
    for layer in layers:
        if layer is not None:
            merged.update(set_fields(layer))
    if "memory" in merged:
        merged["memory"] = edge_enum(edge.Memory, merged["memory"])
    return merged


def bytes_per_point(settings: models.CreateCollection) -> float:
    """Return the bytes of a point's largest dense vector, which indexing_threshold counts."""
    sizes = [
        params.size * _DATATYPE_BYTES.get(params.datatype.value if params.datatype else "", 4.0)
        for params in dense_vectors(settings).values()
    ]
    return max(sizes, default=0.0)


def edge_enum(kind: type[EdgeEnum], value: Enum | None) -> EdgeEnum | None:
    """Return the engine's member of the same name: OneBit for one_bit, X4 for x4."""
    if value is None:
        return None
    wanted = str(value.value).replace("_", "").lower()
    for name in dir(kind):
        if name.replace("_", "").lower() == wanted:
            member: EdgeEnum = getattr(kind, name)
            return member
    message = (
        f"The embedded engine has no {kind.__name__} {value.value!r}. "
        "Choose another, or connect to a Qdrant server."
    )
    raise NotImplementedError(message)


def edge_quantization(given: Any) -> Any:
    """Convert a quantization setting; None and Disabled stay off."""
    if given is None or isinstance(given, models.Disabled):
        return None
    [(kind, config)] = set_fields(given).items()
    fields = set_fields(config)
    target, enums = _QUANTIZATIONS[kind]
    return target(
        **{
            name: edge_enum(enums[name], value) if name in enums else value
            for name, value in fields.items()
        }
    )


_QUANTIZATIONS: dict[str, tuple[Callable[..., Any], dict[str, type[Any]]]] = {
    "scalar": (edge.ScalarQuantizationConfig, {"type": edge.ScalarType, "memory": edge.Memory}),
    "product": (
        edge.ProductQuantizationConfig,
        {"compression": edge.CompressionRatio, "memory": edge.Memory},
    ),
    "binary": (
        edge.BinaryQuantizationConfig,
        {
            "encoding": edge.BinaryQuantizationEncoding,
            "query_encoding": edge.BinaryQuantizationQueryEncoding,
            "memory": edge.Memory,
        },
    ),
    "turbo": (
        edge.TurboQuantQuantizationConfig,
        {"bits": edge.TurboQuantBitSize, "memory": edge.Memory},
    ),
}


def edge_distance(distance: models.Distance) -> edge.Distance:
    """Convert a distance."""
    member: edge.Distance = getattr(edge.Distance, distance.value)
    return member


def edge_multivector(given: models.MultiVectorConfig | None) -> edge.MultiVectorConfig | None:
    """Convert a multi-vector setting."""
    return None if given is None else edge.MultiVectorConfig(edge.MultiVectorComparator.MaxSim)


def _edge_vector(
    params: models.VectorParams, hnsw: models.HnswConfigDiff | None
) -> edge.EdgeVectorParams:
    own = params.hnsw_config
    return edge.EdgeVectorParams(
        size=params.size,
        distance=edge_distance(params.distance),
        on_disk=params.on_disk,
        multivector_config=edge_multivector(params.multivector_config),
        datatype=edge_enum(edge.VectorStorageDatatype, params.datatype),
        quantization_config=edge_quantization(params.quantization_config),
        hnsw_config=edge.HnswIndexConfig(**merged_hnsw(hnsw, own)) if own else None,
        memory=edge_enum(edge.Memory, params.memory),
    )


def _edge_sparse(params: models.SparseVectorParams) -> edge.EdgeSparseVectorParams:
    index = params.index or models.SparseIndexParams()
    return edge.EdgeSparseVectorParams(
        full_scan_threshold=index.full_scan_threshold,
        on_disk=index.on_disk,
        modifier=edge_enum(edge.Modifier, params.modifier),
        datatype=edge_enum(edge.VectorStorageDatatype, index.datatype),
        memory=edge_enum(edge.Memory, index.memory),
    )


def vector_creation(settings: models.CreateCollection, name: str) -> edge.UpdateOperation:
    """Build the operation that adds a vector to a shard; the engine takes the same one twice."""
    config = edge_config(settings)
    if name in config.vectors:
        vector = config.vectors[name]
        return edge.UpdateOperation.create_dense_vector(
            name, vector.size, vector.distance, vector.multivector_config, vector.datatype
        )
    sparse = config.sparse_vectors[name]
    return edge.UpdateOperation.create_sparse_vector(name, sparse.modifier, sparse.datatype)
