"""The index builds itself when it is due, and only then."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from qdrant_client import models

from mrl_adapters.edge import EdgeClient
from mrl_adapters.edge.pending import build_from
from mrl_adapters.errors import ConfigurationError

Points = Callable[..., list[models.PointStruct]]
Vectors = dict[str, models.VectorParams]

# One point holds at most 64 bytes in one vector (32 half floats): 16 points to a KB.
FROM_64_POINTS = models.OptimizersConfigDiff(indexing_threshold=4)


@pytest.fixture
def docs(client: EdgeClient, nested_vectors: Vectors) -> EdgeClient:
    client.create_collection("docs", nested_vectors, optimizers_config=FROM_64_POINTS)
    return client


def indexed(client: EdgeClient) -> int:
    """Count the indexed points; both vectors of a point count."""
    return (client.get_collection("docs").indexed_vectors_count or 0) // 2


def search(client: EdgeClient) -> None:
    client.query_points("docs", query=[1.0] * 8, using="short_8", limit=1)


def test_a_query_after_bulk_loading_finds_an_index(docs: EdgeClient, nested_points: Points) -> None:
    docs.upsert("docs", nested_points(200))
    assert indexed(docs) == 0
    search(docs)
    assert indexed(docs) == 200


def test_bulk_loading_costs_one_build(
    docs: EdgeClient, nested_points: Points, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", logger="mrl_adapters.edge.collection"):
        for start in range(0, 1000, 100):
            docs.upsert("docs", nested_points(100, start))
        search(docs)
        search(docs)
    assert [each.getMessage() for each in caplog.records] == [
        "Collection 'docs': indexing about 1000 points"
    ]


def test_small_collections_are_scanned(docs: EdgeClient, nested_points: Points) -> None:
    docs.upsert("docs", nested_points(63))
    search(docs)
    assert indexed(docs) == 0
    docs.upsert("docs", nested_points(1, 63))
    search(docs)
    assert indexed(docs) == 64


def test_a_few_new_points_do_not_cost_a_build(docs: EdgeClient, nested_points: Points) -> None:
    docs.upsert("docs", nested_points(1000))
    search(docs)
    docs.upsert("docs", nested_points(199, 1000))  # over 64 points, below a fifth
    search(docs)
    assert indexed(docs) == 1000
    docs.upsert("docs", nested_points(100, 1199))
    search(docs)
    assert indexed(docs) == 1299


def test_new_points_are_found_before_they_are_indexed(
    docs: EdgeClient, nested_points: Points
) -> None:
    docs.upsert("docs", nested_points(500))
    search(docs)
    [late] = nested_points(1, 500)
    docs.upsert("docs", [late])
    found = docs.query_points("docs", query=late.vector["short_8"], using="short_8", limit=1)
    assert found.points[0].id == 500


def test_writing_the_same_points_again_counts_them_once(
    docs: EdgeClient, nested_points: Points
) -> None:
    for _ in range(5):
        docs.upsert("docs", nested_points(60))
    search(docs)
    assert indexed(docs) == 0


@pytest.mark.parametrize("change", ["payload", "vectors", "overwrite", "filter"])
def test_points_that_a_change_takes_out_of_the_index_come_back_into_it(
    docs: EdgeClient, nested_points: Points, change: str
) -> None:
    docs.upsert("docs", nested_points(200))
    docs.create_payload_index("docs", "n", "integer")
    search(docs)
    if change == "payload":
        docs.set_payload("docs", {"n": -1}, list(range(200)))
    elif change == "filter":
        docs.set_payload("docs", {"n": -1}, models.Filter())
    elif change == "vectors":
        moved = [
            models.PointVectors.model_construct(id=each.id, vector=each.vector)
            for each in nested_points(200)
        ]
        docs.update_vectors("docs", moved)
    else:
        docs.upsert("docs", nested_points(200))
    search(docs)
    assert indexed(docs) == 200
    assert docs._collection("docs")._pending.count == 0


def test_optimize_builds_however_few_points_there_are(
    docs: EdgeClient, nested_points: Points
) -> None:
    docs.upsert("docs", nested_points(20))
    assert docs.optimize("docs") is True
    assert indexed(docs) == 20
    assert docs.optimize("docs") is False


def test_closing_builds_what_is_due(
    tmp_path: Path, nested_vectors: Vectors, nested_points: Points
) -> None:
    with EdgeClient(tmp_path) as first:
        first.create_collection("docs", nested_vectors, optimizers_config=FROM_64_POINTS)
        first.upsert("docs", nested_points(100))
    with EdgeClient(tmp_path) as second:
        assert indexed(second) == 100


def test_points_waiting_are_remembered_over_a_restart(
    tmp_path: Path, nested_vectors: Vectors, nested_points: Points
) -> None:
    with EdgeClient(tmp_path) as first:
        first.create_collection("docs", nested_vectors, optimizers_config=FROM_64_POINTS)
        first.upsert("docs", nested_points(40))
    with EdgeClient(tmp_path) as second:
        second.upsert("docs", nested_points(24, 40))
        search(second)
        assert indexed(second) == 64


def test_most_points_waiting_are_remembered_after_a_crash(
    tmp_path: Path, nested_vectors: Vectors, nested_points: Points
) -> None:
    with EdgeClient(tmp_path) as client:
        client.create_collection("docs", nested_vectors, optimizers_config=FROM_64_POINTS)
        for start in range(0, 6000, 500):
            client.upsert("docs", nested_points(500, start))
        saved = json.loads((tmp_path / "collections" / "docs" / "pending.json").read_text())
    assert saved["pending"] >= 3000


def test_threshold_zero_switches_automatic_building_off(
    client: EdgeClient, nested_vectors: Vectors, nested_points: Points
) -> None:
    off = models.OptimizersConfigDiff(indexing_threshold=0)
    client.create_collection("docs", nested_vectors, optimizers_config=off)
    client.upsert("docs", nested_points(500))
    search(client)
    assert indexed(client) == 0
    client.update_collection("docs", optimizers_config=FROM_64_POINTS)
    search(client)
    assert indexed(client) == 500


def test_the_default_threshold_is_the_servers(client: EdgeClient, nested_vectors: Vectors) -> None:
    client.create_collection("docs", nested_vectors)
    assert build_from(client._collection("docs").settings) == 10_000 * 1024 / 64


def test_a_vector_added_later_gets_its_own_index_settings(
    tmp_path: Path, nested_vectors: Vectors, nested_points: Points
) -> None:
    points = nested_points(2000)
    rows = np.array([each.vector["full"][:4] for each in points])
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    best = np.argsort(-(unit[:50] @ unit.T))[:, :10]
    config = models.DenseVectorNameConfig(dense=models.DenseVectorConfig(size=4, distance="Cosine"))

    def overlap(client: EdgeClient) -> float:
        # A graph of two links for each point and a beam of one finds little; a scan finds all.
        requests = [
            models.QueryRequest(
                query=row.tolist(), using="short_4", params=models.SearchParams(hnsw_ef=1), limit=10
            )
            for row in unit[:50]
        ]
        answers = client.query_batch_points("docs", requests)
        return np.mean(
            [
                len({each.id for each in answer.points} & set(expected.tolist())) / 10
                for answer, expected in zip(answers, best, strict=True)
            ]
        )

    with EdgeClient(tmp_path) as client:
        client.create_collection("docs", nested_vectors, optimizers_config=FROM_64_POINTS)
        client.upsert("docs", points)
        search(client)
        client.create_vector_name("docs", "short_4", config)
        client.create_vector_name("docs", "short_4", config)  # the same again is fine
        poor = models.HnswConfigDiff(m=2, ef_construct=4, full_scan_threshold=1)
        client.update_collection(
            "docs", vectors_config={"short_4": models.VectorParamsDiff(hnsw_config=poor)}
        )
        client.update_vectors(
            "docs",
            [
                models.PointVectors.model_construct(id=each.id, vector={"short_4": row})
                for each, row in zip(points, rows, strict=True)
            ],
        )
        assert overlap(client) < 0.9
    with EdgeClient(tmp_path) as client:
        assert overlap(client) < 0.9
        params = client.get_collection("docs").config.params.vectors["short_4"]
        assert params.hnsw_config == poor
        plain = models.VectorParamsDiff(hnsw_config=models.HnswConfigDiff(m=0))
        client.update_collection("docs", vectors_config={"short_4": plain})
        assert overlap(client) > 0.99
        client.delete_vector_name("docs", "short_4")
        assert set(client.get_collection("docs").config.params.vectors) == {"full", "short_8"}
        assert set(client.retrieve("docs", [1], with_vectors=True)[0].vector) == {"full", "short_8"}
        with pytest.raises(ConfigurationError):
            overlap(client)
