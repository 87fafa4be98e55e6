"""Settings of a collection are changed field by field, kept, and handed to the engine."""

from pathlib import Path
from typing import Any

import pytest
from qdrant_client import models

from mrl_adapters.edge import EdgeClient
from mrl_adapters.errors import ConfigurationError, EngineError

BASE = models.VectorParams(
    size=4, distance="Cosine", hnsw_config=models.HnswConfigDiff(m=8, ef_construct=50)
)
INT8 = models.ScalarQuantization(
    scalar=models.ScalarQuantizationConfig(type=models.ScalarType.INT8, always_ram=True)
)

WORDS_ON_DISK = models.SparseVectorParams(index=models.SparseIndexParams(on_disk=True))


def reopened(path: Path) -> models.CollectionConfig:
    with EdgeClient(path) as client:
        return client.get_collection("docs").config


def test_changes_are_merged_and_survive_reopening(tmp_path: Path) -> None:
    with EdgeClient(tmp_path) as client:
        client.create_collection(
            "docs",
            {"a": BASE, "b": BASE},
            sparse_vectors_config={"words": models.SparseVectorParams()},
            hnsw_config=models.HnswConfigDiff(m=32),
            optimizers_config=models.OptimizersConfigDiff(deleted_threshold=0.5),
        )
        client.upsert("docs", [models.PointStruct(id=1, vector={"a": [1.0] * 4})])
        client.update_collection(
            "docs",
            vectors_config={
                "a": models.VectorParamsDiff(
                    hnsw_config=models.HnswConfigDiff(m=4),
                    quantization_config=INT8,
                    on_disk=True,
                )
            },
            hnsw_config=models.HnswConfigDiff(ef_construct=77, memory=models.Memory.COLD),
            optimizers_config=models.OptimizersConfigDiff(indexing_threshold=7),
            quantization_config=INT8,
            sparse_vectors_config={"words": WORDS_ON_DISK},
            collection_params=models.CollectionParamsDiff(
                on_disk_payload=False, replication_factor=3
            ),
        )
    config = reopened(tmp_path)
    changed, untouched = config.params.vectors["a"], config.params.vectors["b"]
    assert untouched == BASE
    assert changed.hnsw_config == models.HnswConfigDiff(m=4, ef_construct=50)
    assert changed.quantization_config == INT8
    assert changed.on_disk is True
    assert (config.hnsw_config.m, config.hnsw_config.ef_construct) == (32, 77)
    assert config.optimizer_config.deleted_threshold == 0.5
    assert config.optimizer_config.indexing_threshold == 7
    assert config.quantization_config == INT8
    assert config.params.sparse_vectors["words"] == WORDS_ON_DISK
    assert config.params.on_disk_payload is False

    with EdgeClient(tmp_path) as client:
        off = models.Disabled.DISABLED
        client.update_collection(
            "docs",
            quantization_config=off,
            vectors_config={"a": models.VectorParamsDiff(quantization_config=off)},
        )
        assert client.retrieve("docs", [1], with_vectors=True)[0].vector["a"] == [0.5] * 4
    config = reopened(tmp_path)
    assert config.quantization_config is None
    assert config.params.vectors["a"].quantization_config is None
    assert config.params.vectors["a"].hnsw_config.m == 4


def test_an_update_that_changes_nothing_is_fine(client: EdgeClient) -> None:
    client.create_collection("docs", BASE)
    assert client.update_collection("docs") is True
    assert client.update_collection("docs", hnsw_config=models.HnswConfigDiff()) is True
    assert client.get_collection("docs").config.params.vectors == BASE


def test_a_change_that_the_engine_refuses_changes_nothing(tmp_path: Path) -> None:
    other = {"words": models.SparseVectorParams(modifier=models.Modifier.IDF)}
    with EdgeClient(tmp_path) as client:
        client.create_collection(
            "docs", {"a": BASE}, sparse_vectors_config={"words": models.SparseVectorParams()}
        )
        client.upsert("docs", [models.PointStruct(id=1, vector={"a": [1.0] * 4})])
        for _ in range(2):
            with pytest.raises(EngineError, match="expected sparse vector modifier"):
                client.update_collection("docs", sparse_vectors_config=other, metadata={"a": 1})
            assert client.count("docs").count == 1
        assert client.get_collection("docs").config.params.vectors == {"a": BASE}
    for _ in range(2):
        config = reopened(tmp_path)
        assert config.params.vectors == {"a": BASE}
        assert config.params.sparse_vectors["words"].modifier is None
        assert config.metadata is None


@pytest.mark.parametrize(
    "change",
    [
        {"vectors_config": {"nope": models.VectorParamsDiff(on_disk=True)}},
        {"sparse_vectors_config": {"nope": models.SparseVectorParams()}},
    ],
)
def test_changing_an_unknown_vector_is_refused(client: EdgeClient, change: dict[str, Any]) -> None:
    client.create_collection("docs", {"a": BASE})
    with pytest.raises(ValueError, match=r"Not existing vector name error: 'nope'"):
        client.update_collection("docs", **change)


def dense(size: int) -> models.DenseVectorNameConfig:
    config = models.DenseVectorConfig(size=size, distance=models.Distance.COSINE)
    return models.DenseVectorNameConfig(dense=config)


WORDS = models.SparseVectorNameConfig(
    sparse=models.SparseVectorConfig(modifier=models.Modifier.IDF)
)


def test_vector_names_come_and_go(tmp_path: Path) -> None:
    with EdgeClient(tmp_path) as client:
        client.create_collection("docs", BASE)
        client.upsert("docs", [models.PointStruct(id=1, vector=[1.0] * 4)])
        client.create_vector_name("docs", "short", dense(2))
        client.create_vector_name("docs", "words", WORDS)
        sparse = models.SparseVector(indices=[3], values=[2.0])
        client.update_vectors(
            "docs", [models.PointVectors(id=1, vector={"short": [0.0, 1.0], "words": sparse})]
        )
    config = reopened(tmp_path)
    assert set(config.params.vectors) == {"", "short"}
    assert config.params.vectors[""] == BASE
    assert set(config.params.sparse_vectors) == {"words"}
    with EdgeClient(tmp_path) as client:
        vector = client.retrieve("docs", [1], with_vectors=True)[0].vector
        assert vector == {"": [0.5] * 4, "short": [0.0, 1.0], "words": sparse}
        client.delete_vector_name("docs", "short")
        client.delete_vector_name("docs", "words")
        with pytest.raises(ValueError, match="Not existing vector name error: 'short'"):
            client.delete_vector_name("docs", "short")
    assert reopened(tmp_path).params.vectors == BASE


def test_the_same_vector_again_does_nothing_and_another_is_refused(client: EdgeClient) -> None:
    client.create_collection("docs", {"a": BASE})
    for name, same, other in (("short", dense(2), dense(3)), ("words", WORDS, dense(2))):
        client.create_vector_name("docs", name, same)
        client.create_vector_name("docs", name, same)
        with pytest.raises(ValueError, match=f"'{name}' already exists with different"):
            client.create_vector_name("docs", name, other)
    with pytest.raises(ValueError, match="'short' already exists with different"):
        client.create_vector_name("docs", "short", WORDS)


@pytest.mark.parametrize("name", ["x" * 201, "a/b", "a\\b", "a\0"])
def test_a_name_that_would_break_the_shard_is_refused(tmp_path: Path, name: str) -> None:
    with EdgeClient(tmp_path) as client:
        client.create_collection("docs", {"a": BASE})
        with pytest.raises(ConfigurationError, match="cannot be part of a file name"):
            client.create_vector_name("docs", name, dense(2))
        with pytest.raises(ConfigurationError, match="cannot be part of a file name"):
            client.create_collection("other", {name: BASE})
        assert client.count("docs").count == 0
    assert reopened(tmp_path).params.vectors == {"a": BASE}


def test_points_without_the_new_vector_can_be_counted(client: EdgeClient) -> None:
    client.create_collection("docs", {"a": BASE})
    points = [models.PointStruct(id=at, vector={"a": [1.0] * 4}) for at in range(5)]
    client.upsert("docs", points)
    client.create_vector_name("docs", "short", dense(2))
    client.update_vectors("docs", [models.PointVectors(id=3, vector={"short": [1.0, 0.0]})])
    lacking = models.Filter(must_not=models.HasVectorCondition(has_vector="short"))
    assert client.count("docs", count_filter=lacking).count == 4
    client.upsert("docs", [points[3]])
    assert client.count("docs", count_filter=lacking).count == 5


QUANTIZATIONS = [
    INT8,
    models.ScalarQuantization(
        scalar=models.ScalarQuantizationConfig(
            type=models.ScalarType.INT8, quantile=0.99, memory=models.Memory.PINNED
        )
    ),
    models.ProductQuantization(
        product=models.ProductQuantizationConfig(compression=models.CompressionRatio.X4)
    ),
    models.BinaryQuantization(
        binary=models.BinaryQuantizationConfig(
            encoding=models.BinaryQuantizationEncoding.TWO_BITS,
            query_encoding=models.BinaryQuantizationQueryEncoding.SCALAR8BITS,
        )
    ),
    models.TurboQuantization(
        turbo=models.TurboQuantQuantizationConfig(bits=models.TurboQuantBitSize.BITS4)
    ),
]


@pytest.mark.parametrize("quantization", QUANTIZATIONS, ids=lambda each: type(each).__name__)
def test_every_quantization_is_taken(tmp_path: Path, quantization: Any) -> None:
    params = models.VectorParams(size=8, distance="Cosine", quantization_config=quantization)
    rows = [[1.0 + at % 5, *([at * 0.01] * 7)] for at in range(200)]
    with EdgeClient(tmp_path) as client:
        client.create_collection("docs", {"a": params}, quantization_config=quantization)
        client.upsert("docs", models.Batch(ids=list(range(200)), vectors={"a": rows}))
        client.optimize("docs")
        assert len(client.query_points("docs", query=[1.0] * 8, using="a").points) == 10
    assert list((tmp_path / "collections").glob("**/quantized.data"))
    assert reopened(tmp_path).params.vectors["a"] == params


@pytest.mark.parametrize("datatype", [models.Datatype.FLOAT16, models.Datatype.TURBO8])
@pytest.mark.parametrize("distance", list(models.Distance))
def test_every_distance_and_datatype_is_taken(
    client: EdgeClient, distance: models.Distance, datatype: models.Datatype
) -> None:
    params = models.VectorParams(
        size=32, distance=distance, datatype=datatype, memory=models.Memory.CACHED
    )
    client.create_collection("docs", params)
    near, far = [1.0] * 32, [1.0, -1.0] * 16
    client.upsert("docs", models.Batch(ids=[1, 2], vectors=[near, far]))
    found = client.query_points("docs", query=near).points
    assert [each.id for each in found] == [1, 2]


def test_places_in_memory_are_taken(client: EdgeClient) -> None:
    client.create_collection(
        "docs",
        {"a": BASE},
        sparse_vectors_config={
            "words": models.SparseVectorParams(
                index=models.SparseIndexParams(
                    full_scan_threshold=5, memory=models.Memory.COLD, datatype="float16"
                )
            )
        },
        payload=models.PayloadStorageParams(memory=models.Memory.COLD),
        id_tracker=models.IdTrackerParams(memory=models.Memory.CACHED),
    )
    params = client.get_collection("docs").config.params
    assert params.payload == models.PayloadStorageParams(memory=models.Memory.COLD)
    assert params.id_tracker == models.IdTrackerParams(memory=models.Memory.CACHED)


def test_what_the_engine_does_not_have_is_named(client: EdgeClient) -> None:
    class Later:
        value = "tape"

    params = BASE.model_copy(update={"memory": Later})
    with pytest.raises(NotImplementedError, match="no Memory 'tape'"):
        client.create_collection("docs", {"a": params})
    assert not client.collection_exists("docs")
    diff = models.VectorParamsDiff(on_disk=True)
    diff.__dict__["later"] = 1
    client.create_collection("docs", {"a": BASE})
    with pytest.raises(NotImplementedError, match=r"VectorParamsDiff\.later"):
        client.update_collection("docs", vectors_config={"a": diff})
