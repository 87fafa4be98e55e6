"""Work out the settings that a collection has after a change. Nothing here touches the engine."""

from collections.abc import Mapping
from typing import Any

from qdrant_client import models

from mrl_adapters.edge.client_models import refuse_fields, set_fields
from mrl_adapters.edge.config import dense_vectors

_FIXED_AT_CREATION = ("size", "distance", "datatype", "multivector_config")


def changed_settings(  # the parts of QdrantClient.update_collection
    old: models.CreateCollection,
    *,
    optimizers_config: models.OptimizersConfigDiff | None = None,
    collection_params: models.CollectionParamsDiff | None = None,
    vectors_config: Mapping[str, models.VectorParamsDiff] | None = None,
    hnsw_config: models.HnswConfigDiff | None = None,
    quantization_config: models.QuantizationConfigDiff | None = None,
    sparse_vectors_config: Mapping[str, models.SparseVectorParams] | None = None,
) -> models.CreateCollection:
    """Lay changes over a collection's settings; what is not given stays."""
    changes: dict[str, Any] = {
        "optimizers_config": _merged(old.optimizers_config, optimizers_config),
        "hnsw_config": _merged(old.hnsw_config, hnsw_config),
    }
    if quantization_config is not None:
        changes["quantization_config"] = _switched(quantization_config)
    if sparse_vectors_config is not None:
        known = old.sparse_vectors or {}
        _require(known, sparse_vectors_config)
        changes["sparse_vectors"] = {**known, **sparse_vectors_config}
    if collection_params is not None:
        local = {"on_disk_payload", "payload", "id_tracker"}
        given = set_fields(collection_params)
        changes.update({name: given[name] for name in local & given.keys()})
    if vectors_config is not None:
        vectors = dense_vectors(old)
        _require(vectors, vectors_config)
        for name, diff in vectors_config.items():
            vectors[name] = _changed_vector(vectors[name], diff)
        changes["vectors"] = _unnamed_alone(vectors)
    return old.model_copy(update=changes)


def _changed_vector(old: models.VectorParams, diff: models.VectorParamsDiff) -> models.VectorParams:
    given = set_fields(diff)
    known = {"hnsw_config", "quantization_config", "on_disk", "memory"}
    refuse_fields(diff, given.keys() - known)
    if "hnsw_config" in given:
        given["hnsw_config"] = _merged(old.hnsw_config, diff.hnsw_config)
    if "quantization_config" in given:
        given["quantization_config"] = _switched(diff.quantization_config)
    return old.model_copy(update=given)


def added_vector(
    old: models.CreateCollection,
    name: str,
    config: models.DenseVectorNameConfig | models.SparseVectorNameConfig,
) -> models.CreateCollection | None:
    """Add a vector name; return None if the same vector is there already."""
    vectors, sparse = dense_vectors(old), dict(old.sparse_vectors or {})
    if isinstance(config, models.DenseVectorNameConfig):
        fields = config.dense.model_dump(mode="json", exclude_none=True)
        params = models.VectorParams.model_validate(fields)
        old_params = vectors.get(name)
        same = old_params is not None and all(
            getattr(old_params, field) == getattr(params, field) for field in _FIXED_AT_CREATION
        )
        taken = old_params is not None or name in sparse
        new = old.model_copy(update={"vectors": _unnamed_alone({**vectors, name: params})})
    else:
        given = config.sparse
        datatype = models.Datatype(given.datatype.value) if given.datatype else None
        index = models.SparseIndexParams(datatype=datatype)
        sparse_params = models.SparseVectorParams(modifier=given.modifier, index=index)
        same = sparse.get(name) == sparse_params
        taken = name in sparse or name in vectors
        new = old.model_copy(update={"sparse_vectors": {**sparse, name: sparse_params}})
    if taken and not same:
        message = (
            f"Vector {name!r} already exists with different parameters. Delete it first, or choose "
            "another name."
        )
        raise ValueError(message)
    return None if taken else new


def dropped_vector(old: models.CreateCollection, name: str) -> models.CreateCollection:
    """Remove a vector name."""
    vectors, sparse = dense_vectors(old), dict(old.sparse_vectors or {})
    _require({**vectors, **sparse}, [name])
    vectors.pop(name, None)
    sparse.pop(name, None)
    return old.model_copy(update={"vectors": _unnamed_alone(vectors), "sparse_vectors": sparse})


def _require(known: Mapping[str, Any], names: Any) -> None:
    for name in names:
        if name not in known:
            message = (
                f"Not existing vector name error: {name!r}. The collection has {sorted(known)}."
            )
            raise ValueError(message)


def _switched(given: Any) -> Any:
    return None if isinstance(given, models.Disabled) else given


def _merged(old: Any, new: Any) -> Any:
    if old is None or new is None:
        return new if old is None else old
    return old.model_copy(update=set_fields(new))


def _unnamed_alone(
    vectors: Mapping[str, models.VectorParams],
) -> models.VectorParams | dict[str, models.VectorParams]:
    """Return vectors in the form of the client: an unnamed one alone stays unnamed."""
    only = vectors.get("") if len(vectors) == 1 else None
    return only or dict(vectors)
