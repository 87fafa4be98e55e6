"""EdgeClient is a QdrantClient to its caller: same parameters, same results, same errors."""

import contextlib
import inspect
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from qdrant_client import QdrantClient, models

from mrl_adapters.edge import EdgeClient
from mrl_adapters.errors import ConfigurationError, EngineError

Points = Callable[..., list[models.PointStruct]]
Vectors = dict[str, models.VectorParams]

THREADS = Path("/proc/self/task")
OUR_OWN = {"optimize", "check_files", "path", "repair_log"}
METHODS = sorted(
    name for name in dir(EdgeClient) if not name.startswith("_") and name not in OUR_OWN
)


def parameters(method: Any) -> list[tuple[str, Any, Any]]:
    return [
        (each.name, each.kind, each.default)
        for each in inspect.signature(method).parameters.values()
    ]


@pytest.mark.parametrize("name", METHODS)
def test_a_method_has_the_parameters_of_qdrant_client(name: str) -> None:
    assert parameters(getattr(EdgeClient, name)) == parameters(getattr(QdrantClient, name))


def test_the_methods_that_the_stores_use_are_there() -> None:
    assert METHODS == [
        "batch_update_points",
        "clear_payload",
        "close",
        "collection_exists",
        "count",
        "create_collection",
        "create_payload_index",
        "create_snapshot",
        "create_vector_name",
        "delete",
        "delete_collection",
        "delete_payload",
        "delete_payload_index",
        "delete_snapshot",
        "delete_vector_name",
        "delete_vectors",
        "facet",
        "get_aliases",
        "get_collection",
        "get_collection_aliases",
        "get_collections",
        "info",
        "list_snapshots",
        "migrate",
        "overwrite_payload",
        "query_batch_points",
        "query_points",
        "query_points_groups",
        "recover_snapshot",
        "retrieve",
        "scroll",
        "search_matrix_offsets",
        "search_matrix_pairs",
        "set_payload",
        "update_collection",
        "update_collection_aliases",
        "update_vectors",
        "upload_collection",
        "upload_points",
        "upsert",
    ]


def test_other_methods_are_refused_by_name(client: EdgeClient) -> None:
    with pytest.raises(AttributeError, match=r"no create_shard_key.*connect\(url="):
        client.create_shard_key("docs", "a")
    assert not hasattr(client, "no_such_method")


def test_a_collection_is_described_as_it_was_created(
    client: EdgeClient, nested_vectors: Vectors, nested_points: Points
) -> None:
    client.create_collection(
        "docs",
        nested_vectors,
        hnsw_config=models.HnswConfigDiff(ef_construct=64),
        optimizers_config=models.OptimizersConfigDiff(indexing_threshold=500),
        metadata={"model": "wordllama", "stages": [8], "nothing": None},
    )
    client.upsert("docs", nested_points(5))
    client.create_payload_index("docs", "n", models.PayloadSchemaType.INTEGER)
    info = client.get_collection("docs")
    assert info.config.params.vectors == nested_vectors
    assert info.config.metadata == {"model": "wordllama", "stages": [8], "nothing": None}
    assert info.config.hnsw_config.ef_construct == 64
    assert info.config.hnsw_config.m == 16
    assert info.config.optimizer_config.indexing_threshold == 500
    assert info.points_count == 5
    assert info.status == models.CollectionStatus.GREEN
    assert info.payload_schema["n"].data_type == models.PayloadSchemaType.INTEGER
    assert info.payload_schema["n"].points == 5
    client.delete_payload_index("docs", "n")
    assert client.get_collection("docs").payload_schema == {}


def test_collections_survive_closing(
    tmp_path: Path, nested_vectors: Vectors, nested_points: Points
) -> None:
    with EdgeClient(tmp_path) as first:
        first.create_collection("docs", nested_vectors, metadata={"model": "a"})
        first.upsert("docs", nested_points(5))
        before = first.get_collection("docs").config
    with EdgeClient(str(tmp_path)) as second:
        assert second.get_collection("docs").config == before
        assert second.count("docs").count == 5


def test_collections_under_one_path_do_not_mix(
    client: EdgeClient, nested_vectors: Vectors, nested_points: Points
) -> None:
    for name in ("one", "two"):
        client.create_collection(name, nested_vectors)
    client.upsert("one", nested_points(3))
    assert [client.count(name).count for name in ("one", "two")] == [3, 0]
    assert [each.name for each in client.get_collections().collections] == ["one", "two"]
    assert client.delete_collection("one") is True
    assert client.delete_collection("one") is False
    assert not client.collection_exists("one")
    assert [each.name for each in client.get_collections().collections] == ["two"]


@pytest.mark.parametrize(
    "name",
    ["Docs", "docs", "a/b", "..", ".", "%41", "naïve café", "con", "x" * 300, "a\\b:c*?", " "],
)
def test_any_name_will_do(tmp_path: Path, name: str) -> None:
    with EdgeClient(tmp_path) as client:
        client.create_collection(name, models.VectorParams(size=2, distance="Dot"))
        client.create_collection("other", models.VectorParams(size=3, distance="Dot"))
    with EdgeClient(tmp_path) as client:
        assert {each.name for each in client.get_collections().collections} == {name, "other"}
        assert client.get_collection(name).config.params.vectors.size == 2
    assert {each.name for each in tmp_path.iterdir()} == {
        ".lock",
        "collections",
        "mrl-adapters.json",
    }


def test_names_that_differ_in_case_are_different_folders(client: EdgeClient) -> None:
    params = models.VectorParams(size=2, distance="Dot")
    for name in ("docs", "Docs", "DOCS"):
        client.create_collection(name, params)
    folders = [each.name for each in (client._path / "collections").iterdir()]
    assert len({folder.lower() for folder in folders}) == 3


def test_an_empty_name_is_refused(client: EdgeClient) -> None:
    with pytest.raises(ValueError, match="empty"):
        client.create_collection("", models.VectorParams(size=2, distance="Dot"))


def test_creating_twice_is_an_error_as_on_the_server(client: EdgeClient) -> None:
    params = models.VectorParams(size=2, distance="Dot")
    client.create_collection("docs", params)
    with pytest.raises(ValueError, match="Collection docs already exists"):
        client.create_collection("docs", params)


@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.get_collection("nope"),
        lambda client: client.count("nope"),
        lambda client: client.upsert("nope", []),
        lambda client: client.query_points("nope", query=[1.0]),
        lambda client: client.update_collection("nope", metadata={}),
    ],
)
def test_a_missing_collection_is_the_error_of_local_mode(
    client: EdgeClient, call: Callable[[EdgeClient], object]
) -> None:
    with pytest.raises(ValueError, match="Collection nope not found"):
        call(client)


def test_metadata_is_merged_and_none_removes_a_key(tmp_path: Path) -> None:
    with EdgeClient(tmp_path) as client:
        client.create_collection(
            "docs", models.VectorParams(size=2, distance="Dot"), metadata={"a": 1, "b": 2}
        )
        client.update_collection("docs", metadata={"b": None, "c": {"d": [3]}})
        assert client.get_collection("docs").config.metadata == {"a": 1, "c": {"d": [3]}}
    with EdgeClient(tmp_path) as client:
        assert client.get_collection("docs").config.metadata == {"a": 1, "c": {"d": [3]}}


def test_collections_are_loaded_when_they_are_used(tmp_path: Path, nested_vectors: Vectors) -> None:
    with EdgeClient(tmp_path) as client:
        for at in range(3):
            client.create_collection(f"docs{at}", nested_vectors)
    with EdgeClient(tmp_path) as client:
        client.get_collections()
        assert client.collection_exists("docs1")
        assert client._collections == {}
        client.count("docs1")
        assert list(client._collections) == ["docs1"]


def test_closing_twice_is_harmless_and_use_after_close_says_so(tmp_path: Path) -> None:
    client = EdgeClient(tmp_path)
    client.create_collection("docs", models.VectorParams(size=2, distance="Dot"))
    collection = client._collection("docs")
    client.close()
    client.close()
    for use in (client.get_collections, lambda: client.count("docs")):
        with pytest.raises(EngineError, match=r"is closed\. Open a new one"):
            use()
    with pytest.raises(EngineError, match="'docs' is closed"):
        collection.optimize()
    collection.close()


def test_repr_names_the_path(tmp_path: Path) -> None:
    with EdgeClient(tmp_path) as client:
        assert repr(client) == f"EdgeClient({str(tmp_path)!r})"


def test_a_forked_child_is_told_to_open_its_own(
    client: EdgeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.create_collection("docs", models.VectorParams(size=2, distance="Dot"))
    monkeypatch.setattr(os, "getpid", lambda: -1)
    with pytest.raises(EngineError, match="Open it after forking"):
        client.count("docs")
    client.close()  # must not close what the parent uses
    monkeypatch.undo()
    assert client.count("docs").count == 0


def test_errors_of_the_engine_name_the_collection(client: EdgeClient) -> None:
    client.create_collection("docs", models.VectorParams(size=2, distance="Dot"))
    with pytest.raises(ConfigurationError, match="Collection 'docs': Not existing vector name"):
        client.query_points("docs", query=[1.0, 2.0], using="short")


def test_settings_that_mean_nothing_here_are_accepted(client: EdgeClient) -> None:
    client.create_collection(
        "docs",
        models.VectorParams(size=2, distance="Dot"),
        shard_number=3,
        replication_factor=2,
        timeout=5,
    )
    client.upsert("docs", [models.PointStruct(id=1, vector=[1.0, 0.0])], wait=False, timeout=3)
    assert client.count("docs", exact=False, timeout=1).count == 1


def test_a_foreign_format_is_refused(tmp_path: Path) -> None:
    with EdgeClient(tmp_path) as client:
        client.create_collection("docs", models.VectorParams(size=2, distance="Dot"))
    file = tmp_path / "collections" / "docs" / "collection.json"
    file.write_text(file.read_text().replace('"format": 2', '"format": 99'))
    with EdgeClient(tmp_path) as client, pytest.raises(EngineError, match="has format 99"):
        client.count("docs")
    file.write_text("{")
    with EdgeClient(tmp_path) as client, pytest.raises(EngineError, match="Cannot read"):
        client.count("docs")


@pytest.mark.skipif(not THREADS.exists(), reason="only Linux lists a process's threads")
def test_a_collection_searches_on_one_thread(
    tmp_path: Path, nested_vectors: Vectors, nested_points: Points
) -> None:
    """Where it is made and where it is opened: a pool costs a search its waking."""

    def searching() -> set[str]:
        found = set()
        for name in THREADS.glob("*/comm"):
            with contextlib.suppress(OSError):  # threads of closed collections end at any time
                if name.read_text().startswith("edge-search"):
                    found.add(name.parent.name)
        return found

    def started(client: EdgeClient, before: set[str]) -> set[str]:
        assert client.query_points("docs", query=[1.0] * 8, using="short_8").points
        deadline = time.monotonic() + 5
        while not (now := searching() - before) and time.monotonic() < deadline:
            time.sleep(0.01)  # a thread takes its name when it begins to run
        return now

    before = searching()
    with EdgeClient(tmp_path) as made:
        made.create_collection("docs", nested_vectors)
        made.upsert("docs", nested_points(20))
        assert len(started(made, before)) == 1
    before = searching()
    with EdgeClient(tmp_path) as opened:
        assert len(started(opened, before)) == 1


def test_a_misspelt_argument_is_no_search_without_it(client: EdgeClient) -> None:
    client.create_collection("docs", models.VectorParams(size=2, distance="Dot"))
    for call in (
        lambda: client.query_points("docs", [1.0, 2.0], filter=models.Filter()),
        lambda: client.delete("docs", points_selector=[1], fliter=3),
        lambda: client.create_collection("more", vectors={}),
        lambda: client.create_payload_index("docs", "n", schema="integer"),
    ):
        with pytest.raises(TypeError, match=r"Unknown arguments: \['"):
            call()


def test_shard_keys_are_refused(client: EdgeClient) -> None:
    client.create_collection("docs", models.VectorParams(size=2, distance="Dot"))
    for call in (client.count, client.scroll, client.query_points):
        with pytest.raises(NotImplementedError, match="no shard keys: found 'a'"):
            call("docs", shard_key_selector="a")
    with pytest.raises(NotImplementedError, match="connect to a Qdrant server"):
        client.delete("docs", [1], shard_key_selector="a")
