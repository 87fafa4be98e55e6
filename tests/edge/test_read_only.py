"""A store that may not be written to is searched as any other, and stays as it is."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding
from llama_index.core.vector_stores import VectorStoreQuery
from qdrant_client import QdrantClient, models

from mrl_adapters.edge import EdgeClient, read_only
from mrl_adapters.edge.files import read_sealed, write_sealed
from mrl_adapters.errors import ConfigurationError, EngineError
from mrl_adapters.langchain import MatryoshkaVectorStore
from mrl_adapters.llama_index import MatryoshkaVectorStore as LlamaIndexStore
from mrl_adapters.qdrant import connect

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="folders have no permissions")

Seal = Callable[[Path], None]
QUERY = [1.0] * 8


def state(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(each): (each.stat().st_mtime_ns, each.stat().st_size) for each in folder.rglob("*")}


@pytest.fixture
def copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The system's temporary folder, of this test alone."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def store(
    tmp_path: Path,
    nested_vectors: dict[str, models.VectorParams],
    nested_points: Callable[..., list[models.PointStruct]],
) -> Path:
    """Indexed points, points beside the index, deleted ones, and a payload index."""
    folder = tmp_path / "store"
    with EdgeClient(folder) as client:
        client.create_collection(
            "docs",
            nested_vectors,
            optimizers_config=models.OptimizersConfigDiff(indexing_threshold=10),
        )
        client.upsert("docs", nested_points(400))
        client.optimize("docs")
        client.create_payload_index("docs", "n", "integer")
        client.upsert("docs", nested_points(50, 400))
        client.delete("docs", [3, 401])
        client.create_collection("empty", models.VectorParams(size=2, distance="Dot"))
    return folder


def answers(client: EdgeClient) -> list[Any]:
    few = models.Filter(must=[models.FieldCondition(key="n", range=models.Range(lt=90))])
    prefetch = models.Prefetch(query=QUERY, using="short_8", limit=100)
    info = client.get_collection("docs")
    return [
        [each.name for each in client.get_collections().collections],
        client.query_points("docs", prefetch=prefetch, query=QUERY * 4, using="full").points,
        client.query_points("docs", query=QUERY, using="short_8", query_filter=few).points,
        client.scroll("docs", few, limit=2000, with_vectors=True)[0],
        client.retrieve("docs", [440, 2, 3]),
        [client.count(name).count for name in ("docs", "empty")],
        [info.points_count, info.payload_schema, info.config],
    ]


def test_it_answers_as_before_and_nothing_is_made_or_changed(
    store: Path, copies: Path, seal: Seal
) -> None:
    with EdgeClient(store) as client:
        before = answers(client)
    seal(store)
    files = state(store)
    for must_exist in (True, False):
        with EdgeClient(store, must_exist=must_exist) as client:
            assert answers(client) == before
            assert list(copies.iterdir())
            linked = [each.name for each in copies.rglob("*") if each.is_symlink()]
            assert {"matrix.dat", "quantized.data", "links_compressed.bin"} <= set(linked)
        assert list(copies.iterdir()) == []
    assert state(store) == files


VECTOR = models.DenseVectorNameConfig(dense=models.DenseVectorConfig(size=2, distance="Dot"))
WRITES: dict[str, Callable[[EdgeClient], object]] = {
    "upsert": lambda c: c.upsert("empty", [models.PointStruct(id=1, vector=[1.0, 1.0])]),
    "upload_points": lambda c: c.upload_points(
        "empty", [models.PointStruct(id=1, vector=[1.0, 1.0])]
    ),
    "update_vectors": lambda c: c.update_vectors(
        "empty", [models.PointVectors(id=1, vector=[1.0, 1.0])]
    ),
    "delete_vectors": lambda c: c.delete_vectors("docs", ["full"], [1]),
    "delete": lambda c: c.delete("docs", [1]),
    "delete by filter": lambda c: c.delete("docs", models.Filter()),
    "set_payload": lambda c: c.set_payload("docs", {"a": 1}, [1]),
    "overwrite_payload": lambda c: c.overwrite_payload("docs", {"a": 1}, [1]),
    "delete_payload": lambda c: c.delete_payload("docs", ["n"], [1]),
    "clear_payload": lambda c: c.clear_payload("docs", models.Filter()),
    "create_payload_index": lambda c: c.create_payload_index("docs", "a", "keyword"),
    "delete_payload_index": lambda c: c.delete_payload_index("docs", "n"),
    "create_vector_name": lambda c: c.create_vector_name("docs", "new", VECTOR),
    "delete_vector_name": lambda c: c.delete_vector_name("docs", "short_8"),
    "update_collection": lambda c: c.update_collection("docs", metadata={"a": 1}),
    "its settings": lambda c: c.update_collection(
        "docs", hnsw_config=models.HnswConfigDiff(m=3)
    ),
    "optimize": lambda c: c.optimize("docs"),
    "create_collection": lambda c: c.create_collection(
        "new", models.VectorParams(size=2, distance="Dot")
    ),
    "delete_collection": lambda c: c.delete_collection("docs"),
}  # fmt: skip


def test_whatever_would_change_it_is_refused_by_one_error(
    store: Path, copies: Path, seal: Seal
) -> None:
    seal(store)
    files = state(store)
    with EdgeClient(store) as client:
        before = answers(client)
        for name, write in WRITES.items():
            with pytest.raises(EngineError, match=r"is read-only: it can be searched") as caught:
                write(client)
            assert str(store) in str(caught.value), name
            assert str(copies) not in str(caught.value), name
        assert answers(client) == before
    assert state(store) == files
    assert list(copies.iterdir()) == []


def test_one_collection_may_be_read_only_and_the_others_not(
    store: Path, copies: Path, seal: Seal
) -> None:
    seal(store / "collections" / "docs")
    with EdgeClient(store) as client:
        assert client.count("docs").count == 448
        client.upsert("empty", [models.PointStruct(id=1, vector=[1.0, 1.0])])
        for write in (WRITES["delete"], WRITES["delete_collection"]):
            with pytest.raises(EngineError, match=r"'docs'.*is read-only"):
                write(client)
        assert client.count("docs").count == 448
        assert client.count("empty").count == 1
    assert list(copies.iterdir()) == []


def test_readers_stand_side_by_side(store: Path, copies: Path, seal: Seal) -> None:
    seal(store)
    with EdgeClient(store) as one, EdgeClient(store) as other:
        assert answers(one) == answers(other)
        assert len(list(copies.iterdir())) == 4


def test_what_another_client_is_writing_to_is_not_copied(
    store: Path, copies: Path, seal: Seal
) -> None:
    with EdgeClient(store) as writer:
        seal(store)
        for _ in range(2):
            with pytest.raises(EngineError, match=rf"open in another.*process {os.getpid()}"):
                EdgeClient(store)
        assert writer.count("docs").count == 448
    with EdgeClient(store) as client:
        assert client.count("docs").count == 448
    assert list(copies.iterdir()) == []


def test_no_room_for_the_copy_is_said_before_it_is_made(
    store: Path, copies: Path, seal: Seal, monkeypatch: pytest.MonkeyPatch
) -> None:
    seal(store)
    monkeypatch.setattr(read_only, "_SPARE_BYTES", 1 << 62)
    with EdgeClient(store) as client, pytest.raises(EngineError, match=r"free. Name.*TMPDIR"):
        client.count("docs")
    assert list(copies.iterdir()) == []


def test_a_change_that_a_killed_process_left_half_done_is_finished_in_the_copy(
    store: Path, copies: Path, seal: Seal
) -> None:
    file = store / "collections" / "docs" / "collection.json"
    content = read_sealed(file)
    content["change"] = {"settings": content["settings"] | {"metadata": {"a": 1}}}
    content["change"] |= {"add": None, "drop": None}
    write_sealed(file, content)
    seal(store)
    for _ in range(2):
        with EdgeClient(store) as client:
            assert client.count("docs").count == 448
            with pytest.raises(EngineError, match="is read-only"):
                WRITES["its settings"](client)
    assert list(copies.iterdir()) == []


def test_a_damaged_collection_is_named_by_its_own_path(
    store: Path, copies: Path, seal: Seal
) -> None:
    (store / "collections" / "docs" / "collection.json").write_text(
        '{"format": 9, "name": "docs", "settings": {}, "change": null}'
    )
    seal(store)
    with EdgeClient(store) as client, pytest.raises(EngineError, match="has format 9") as caught:
        client.count("docs")
    assert f"{store}/collections/docs" in str(caught.value)
    assert list(copies.iterdir()) == []


def test_stores_of_earlier_versions_and_without_hidden_files_are_read(
    store: Path, copies: Path, seal: Seal
) -> None:
    (store / "mrl-adapters.json").unlink()
    (store / ".lock").unlink()
    seal(store)
    with EdgeClient(store, must_exist=True) as client:
        assert client.count("docs").count == 448
    assert not (store / ".lock").exists()
    assert list(copies.iterdir()) == []


def test_a_marked_store_without_collections_has_none(tmp_path: Path, seal: Seal) -> None:
    EdgeClient(tmp_path / "store").close()
    (tmp_path / "store" / "collections").rmdir()
    seal(tmp_path / "store")
    with EdgeClient(tmp_path / "store") as client:
        assert client.get_collections().collections == []
        assert not client.collection_exists("docs")


def test_an_empty_folder_that_is_read_only_becomes_no_store(tmp_path: Path, seal: Seal) -> None:
    (tmp_path / "here").mkdir()
    seal(tmp_path / "here")
    with pytest.raises(EngineError, match=r"cannot be used as a store: .*Check its permissions"):
        EdgeClient(tmp_path / "here")


FORGETFUL = """
import os, sys, tempfile
from mrl_adapters.qdrant import connect
client = connect(path=sys.argv[1], must_exist=True)
assert client.count("docs").count == 448
if os.fork() == 0:
    sys.exit(0)
os.wait()
assert len(os.listdir(tempfile.gettempdir())) == 1
"""


def test_a_process_that_ends_without_closing_leaves_no_copy_and_its_child_takes_none(
    store: Path, copies: Path, seal: Seal
) -> None:
    seal(store)
    subprocess.run(  # noqa: S603  # our own script
        [sys.executable, "-W", "ignore", "-c", FORGETFUL, store],
        env={**os.environ, "TMPDIR": str(copies)},
        check=True,
        timeout=60,
    )
    assert list(copies.iterdir()) == []


def test_readers_by_choice_share_a_store_and_its_largest_files(store: Path, copies: Path) -> None:
    with EdgeClient(store) as client:
        before = answers(client)
    files = state(store)
    with EdgeClient(store, read_only=True) as one, connect(path=store, read_only=True) as other:
        assert answers(one) == answers(other) == before
        linked = [each.name for each in copies.rglob("*") if each.is_symlink()]
        assert {"matrix.dat", "quantized.data", "links_compressed.bin"} <= set(linked)
    assert list(copies.iterdir()) == []
    assert state(store) == files


ALSO_REFUSED: dict[str, Callable[[EdgeClient], object]] = {
    "aliases": lambda c: c.update_collection_aliases([]),
    "create_snapshot": lambda c: c.create_snapshot("docs"),
    "delete_snapshot": lambda c: c.delete_snapshot("docs", "x.snapshot"),
}


@pytest.mark.parametrize("name", [*WRITES, *ALSO_REFUSED])
def test_a_reader_by_choice_is_told_how_to_write(name: str, store: Path, copies: Path) -> None:
    files = state(store)
    with EdgeClient(store, read_only=True) as client:
        with pytest.raises(EngineError, match=r"with read_only=True: it can be .*open it without"):
            (WRITES | ALSO_REFUSED)[name](client)
        assert client.count("docs").count == 448
    assert state(store) == files


def test_nobody_writes_before_all_readers_have_closed(store: Path, copies: Path) -> None:
    one, other = EdgeClient(store, read_only=True), EdgeClient(store, read_only=True)
    assert one.count("docs").count == 448  # the other has loaded nothing yet
    one.close()
    with pytest.raises(EngineError, match="open for reading in another EdgeClient"):
        EdgeClient(store)
    assert other.count("docs").count == 448
    other.close()
    with EdgeClient(store) as writer:
        with pytest.raises(EngineError, match=rf"process {os.getpid()}.*read_only=True"):
            EdgeClient(store, read_only=True)
        WRITES["delete"](writer)
    with EdgeClient(store, read_only=True) as reader:
        assert reader.count("docs").count == 447


def test_a_forked_child_does_not_keep_writers_out(store: Path, copies: Path) -> None:
    reader = EdgeClient(store, read_only=True)
    ready, go = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        os.write(ready[1], b".")
        os.read(go[0], 1)
        os._exit(0)
    os.read(ready[0], 1)
    with pytest.raises(EngineError, match="open for reading"):  # the child let go of nothing else
        EdgeClient(store)
    reader.close()
    EdgeClient(store).close()
    os.write(go[1], b".")
    os.waitpid(child, 0)


def test_reading_makes_no_store_and_is_for_paths_alone(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="no such folder"):
        connect(path=tmp_path / "none", read_only=True)
    assert list(tmp_path.iterdir()) == []
    for place in ({"url": "http://localhost:6333"}, {"location": ":memory:"}):
        with pytest.raises(ConfigurationError, match="read_only=True, which is for path="):
            connect(**place, read_only=True)


def test_both_adapters_search_a_store_beside_each_other(tmp_path: Path, copies: Path) -> None:
    embedding = DeterministicFakeEmbedding(size=32)
    options: dict[str, Any] = {"embedding": embedding, "collection_name": "docs"}
    path = str(tmp_path / "store")
    made = MatryoshkaVectorStore.from_texts(["a", "b"], **options, path=path)
    made.client.close()
    one = MatryoshkaVectorStore.from_existing_collection(**options, path=path, read_only=True)
    with connect(path=path, read_only=True) as client:
        other = LlamaIndexStore("docs", client)
        query = VectorStoreQuery(embedding.embed_query("a"), similarity_top_k=1)
        assert one.similarity_search("a", 1)[0].page_content == "a"
        found = other.query(query).nodes
        assert found is not None
        assert found[0].get_content() == "a"
        with pytest.raises(EngineError, match="with read_only=True"):
            one.add_texts(["c"])
    one.client.close()


@pytest.fixture
def local_mode(tmp_path: Path) -> Path:
    client = QdrantClient(path=str(tmp_path / "local"))
    client.create_collection("docs", models.VectorParams(size=2, distance="Dot"))
    client.close()
    return tmp_path / "local"


def test_local_mode_which_must_write_says_so(local_mode: Path, seal: Seal) -> None:
    seal(local_mode)
    with pytest.raises(EngineError, match="is read-only, and qdrant-client's local mode writes"):
        connect(location=local_mode)


def test_a_copy_holds_what_its_original_does(tmp_path: Path, copies: Path) -> None:
    shard = tmp_path / "docs" / "shard"
    shard.mkdir(parents=True)
    rows = np.random.default_rng(0)
    for number, size in enumerate([0, 1, 65535, 65536, 65537, 300_000]):
        content = rows.bytes(size // 2).ljust(size, b"\0") if number % 2 else bytes(size)
        (shard / f"{number}").write_bytes(content)
    (tmp_path / "docs" / "notes.txt").write_text("not ours")
    copy = read_only.ReadingCopy(tmp_path / "docs", kept=False)
    made = {each.name: each.read_bytes() for each in copy.folder.rglob("*") if each.is_file()}
    assert made == {each.name: each.read_bytes() for each in shard.iterdir()}
    copy.remove()
    copy.remove()
    assert list(copies.iterdir()) == []
