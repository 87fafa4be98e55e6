"""Folders of qdrant-client's local mode, as the stock stores of both frameworks leave them."""

import gc
import hashlib
import json
import os
import re
import shlex
import signal
import sqlite3
import subprocess
import sys
import uuid
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from langchain_core.embeddings import Embeddings
from langchain_qdrant import QdrantVectorStore, RetrievalMode, SparseEmbeddings, SparseVector
from llama_index.core.schema import TextNode
from llama_index.core.vector_stores import VectorStoreQuery
from llama_index.vector_stores.qdrant import QdrantVectorStore as LlamaQdrantVectorStore
from qdrant_client import QdrantClient, models
from typer.testing import CliRunner, Result

from mrl_adapters.cli.app import app
from mrl_adapters.errors import EngineError, MigrationError
from mrl_adapters.langchain import MatryoshkaVectorStore
from mrl_adapters.llama_index import MatryoshkaVectorStore as LlamaMatryoshkaVectorStore
from mrl_adapters.qdrant import CopyTarget, audit, connect, migrate, repair
from mrl_adapters.qdrant.local_folder import reading_copy

# qdrant-client leaves the databases of deleted collections unclosed, and one that it looks at.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Payload indexes have no effect"),
    pytest.mark.filterwarnings("ignore:unclosed database:ResourceWarning"),
]

TEXTS = [f"text number {number} of the library" for number in range(40)]
IDS = [str(uuid.UUID(int=number)) for number in range(40)]


class Hashes(Embeddings):
    """Vectors that are drawn by the text."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self.embed_query(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        seed = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")
        return np.random.default_rng(seed).standard_normal(32).tolist()


class Words(SparseEmbeddings):
    """Sparse vectors of words."""

    def embed_documents(self, texts: list[str]) -> list[SparseVector]:
        return [self.embed_query(text) for text in texts]

    def embed_query(self, text: str) -> SparseVector:
        places = sorted({sum(map(ord, word)) for word in text.split()})
        return SparseVector(indices=places, values=[1.0] * len(places))


def sparse(texts: list[str]) -> tuple[list[list[int]], list[list[float]]]:
    vectors = Words().embed_documents(texts)
    return [each.indices for each in vectors], [each.values for each in vectors]


EMBEDDING = Hashes()
LANGCHAIN: dict[str, dict[str, Any]] = {
    "langchain": {},
    "langchain, named": {"vector_name": "mine"},
    "langchain, other keys": {"content_payload_key": "body", "metadata_payload_key": "about"},
    "langchain, hybrid": {"sparse_embedding": Words(), "retrieval_mode": RetrievalMode.HYBRID},
}
LLAMA_INDEX: dict[str, dict[str, Any]] = {
    "llama-index": {},
    "llama-index, hybrid": {
        "enable_hybrid": True,
        "sparse_doc_fn": sparse,
        "sparse_query_fn": sparse,
    },
}


def write(kind: str, client: QdrantClient, name: str = "docs") -> None:
    """Fill a collection by a stock store."""
    about = [{"n": number, "deep": {"list": [number, None, "x"]}} for number in range(len(TEXTS))]
    if (options := LANGCHAIN.get(kind)) is not None:
        vector = options.get("vector_name", "")
        params = models.VectorParams(size=32, distance=models.Distance.COSINE)
        client.create_collection(
            name,
            {vector: params} if vector else params,
            sparse_vectors_config={"langchain-sparse": models.SparseVectorParams()},
        )
        store = QdrantVectorStore(client, name, EMBEDDING, **options)
        store.add_texts(TEXTS, about, ids=IDS)
        return
    embedded = EMBEDDING.embed_documents(TEXTS)
    nodes = [
        TextNode(id_=point, text=text, metadata={"n": number}, embedding=vector)
        for number, (point, text, vector) in enumerate(zip(IDS, TEXTS, embedded, strict=True))
    ]
    LlamaQdrantVectorStore(name, client=client, **LLAMA_INDEX[kind]).add(nodes)


def ask(kind: str, client: Any, question: str, name: str = "docs") -> list[Any]:
    """Search by the stock store, told nothing that its program did not say before."""
    if (options := LANGCHAIN.get(kind)) is not None:
        store = QdrantVectorStore(client, name, EMBEDDING, **options)
        return [each.metadata["n"] for each in store.similarity_search(question, k=5)]
    query = VectorStoreQuery(query_embedding=EMBEDDING.embed_query(question), similarity_top_k=5)
    store = LlamaQdrantVectorStore(name, client=client, **LLAMA_INDEX[kind])
    return [node.metadata["n"] for node in store.query(query).nodes]


def local(path: Path, fill: Callable[[QdrantClient], None]) -> Path:
    """Make a folder of local mode, closed."""
    client = QdrantClient(path=str(path))
    fill(client)
    client.close()
    return path


def plain(client: QdrantClient, name: str = "docs", count: int = 200) -> None:
    """Fill a collection with integer ids."""
    client.create_collection(name, models.VectorParams(size=32, distance="Cosine"))
    # One commit a point is what the local mode takes its time for.
    database = client._client.collections[name].storage.storage
    database.execute("PRAGMA synchronous = OFF")
    rows = np.random.default_rng(0).standard_normal((count, 32))
    client.upsert(
        name,
        [
            models.PointStruct(id=number, vector=row.tolist(), payload={"n": number})
            for number, row in enumerate(rows)
        ],
    )


def contents(folder: Path) -> dict[str, str]:
    """Digests of all files below a folder."""
    return {
        str(each.relative_to(folder)): hashlib.sha256(each.read_bytes()).hexdigest()
        for each in folder.rglob("*")
        if each.is_file()
    }


def points(client: Any, name: str = "docs") -> dict[Any, models.Record]:
    records, _ = client.scroll(name, limit=10_000, with_payload=True, with_vectors=True)
    return {record.id: record for record in records}


def weights(vector: models.SparseVector) -> dict[int, float]:
    return dict(zip(vector.indices, vector.values, strict=True))


def run(*arguments: object) -> Result:
    result = CliRunner().invoke(app, [str(each) for each in arguments], env={"COLUMNS": "200"})
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def told(result: Result) -> str:
    return " ".join((result.output + result.stderr).split())


@pytest.mark.parametrize("kind", [*LANGCHAIN, *LLAMA_INDEX])
def test_what_a_stock_store_wrote_moves_and_is_read_by_both_as_before(
    tmp_path: Path, kind: str
) -> None:
    folder = local(tmp_path / "old", lambda client: write(kind, client))
    before = contents(folder)

    result = run(
        "migrate", "docs", "--from-local", folder, "--path", tmp_path / "new", "--stages", "8"
    )

    assert result.exit_code == 0, told(result)
    assert "docs: 40 points have short vectors (8), 40 of them from this run" in told(result)
    assert contents(folder) == before
    with closing(QdrantClient(path=str(folder))) as client, connect(path=tmp_path / "new") as there:
        assert audit(there, "docs").ok
        old, new = points(client), points(there)
        assert new.keys() == old.keys()
        for point, record in old.items():
            assert new[point].payload == record.payload
            was = record.vector if isinstance(record.vector, dict) else {"": record.vector}
            assert {*new[point].vector} == {*was, "short_8"}
            for name, vector in was.items():
                if isinstance(vector, models.SparseVector):
                    assert weights(new[point].vector[name]) == weights(vector)
                else:
                    unit = np.array(vector) / np.linalg.norm(vector)  # engines keep it so
                    assert np.allclose(new[point].vector[name], unit, atol=1e-3)
        for question in TEXTS[:3]:
            assert ask(kind, there, question)[0] == TEXTS.index(question)
            ours = MatryoshkaVectorStore.from_existing_collection("docs", EMBEDDING, client=there)
            [first, *_] = ours.similarity_search(question)
            assert (first.page_content, first.metadata["n"]) == (question, TEXTS.index(question))
            query = VectorStoreQuery(
                query_embedding=EMBEDDING.embed_query(question), similarity_top_k=3
            )
            [node, *_] = LlamaMatryoshkaVectorStore("docs", there).query(query).nodes
            assert node.text == question


def test_collections_move_one_by_one_by_name_or_alias_and_integer_ids_stay(tmp_path: Path) -> None:
    def fill(client: QdrantClient) -> None:
        plain(client, count=60)
        plain(client, "notes", count=30)
        alias = models.CreateAlias(collection_name="notes", alias_name="live")
        client.update_collection_aliases([models.CreateAliasOperation(create_alias=alias)])

    folder, new = local(tmp_path / "old", fill), tmp_path / "new"
    before = contents(folder)

    for name in ("docs", "live"):
        result = run("migrate", name, "--from-local", folder, "--path", new, "--stages", "8")
        assert result.exit_code == 0, told(result)

    assert contents(folder) == before
    with connect(path=new) as client:
        assert {each.name for each in client.get_collections().collections} == {"docs", "notes"}
        assert [*points(client)] == [*range(60)]
        assert [*points(client, "notes")] == [*range(30)]


def test_a_rotated_collection_moves_with_its_rotation(tmp_path: Path) -> None:
    def fill(client: QdrantClient) -> None:
        plain(client)
        migrate(client, "docs", stages=(8,), rotation="auto")

    folder = local(tmp_path / "old", fill)
    run("migrate", "docs", "--from-local", folder, "--path", tmp_path / "new", "--stages", "8")
    with connect(path=tmp_path / "new") as client:
        assert audit(client, "docs").ok
        assert client.collection_exists("docs__rotation")


KILLED = """
import os, signal, sys
from mrl_adapters.cli.app import app
from mrl_adapters.maintenance import client as client_module, copy, point_copies

client_module._POINTS_PER_PAGE = 10
copy._PAGES_PER_CHECKPOINT = 2
left = int(sys.argv[1])
write = point_copies.PointCopies.write

def counted(self, records):
    global left
    write(self, records)
    left -= 1
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)

point_copies.PointCopies.write = counted
app(sys.argv[2:])
"""


@pytest.mark.parametrize("pages", [1, 5, 19])
def test_a_killed_move_is_finished_by_running_it_again(tmp_path: Path, pages: int) -> None:
    folder, new = local(tmp_path / "old", plain), tmp_path / "new"
    before = contents(folder)
    line = ["migrate", "docs", "--from-local", str(folder), "--path", str(new), "--stages", "8"]
    child = subprocess.run(  # noqa: S603 - this interpreter, this file's own script
        [sys.executable, "-c", KILLED, str(pages), *line],
        check=False,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert child.returncode == -signal.SIGKILL
    planned = run(*line, "--dry-run")

    result = run(*line, "--json")

    assert "goes on where an earlier run stopped" in told(planned)
    done = json.loads(result.stdout)
    assert (done["resumed"], done["points"], done["settled"]) == (True, 200, True)
    assert done["written"] == 200 - 10 * (pages // 2 * 2)
    assert contents(folder) == before
    with connect(path=new) as client:
        assert audit(client, "docs").ok
        assert [(key, each.payload) for key, each in points(client).items()] == [
            (number, {"n": number}) for number in range(200)
        ]


def test_a_dry_run_tells_and_makes_no_folder(tmp_path: Path) -> None:
    folder = local(tmp_path / "old", plain)
    before = contents(folder)

    result = run(
        *("migrate", "docs", "--from-local", folder, "--path", tmp_path / "new"),
        *("--stages", "8", "--dry-run"),
    )

    assert "create collection 'docs' with 'short_8'" in told(result)
    assert "200 points to write" in told(result)
    assert "Nothing was written" in told(result)
    assert not (tmp_path / "new").exists()
    assert contents(folder) == before


def test_a_folder_in_use_is_one_line(tmp_path: Path) -> None:
    folder = local(tmp_path / "old", plain)
    client = QdrantClient(path=str(folder))
    line = ["migrate", "docs", "--from-local", folder, "--path", tmp_path / "new", "--stages", "8"]

    result = run(*line)

    assert (result.exit_code, result.stdout) == (1, "")
    assert f"{folder} is in use: another client" in told(result)
    assert not (tmp_path / "new").exists()
    client.upsert("docs", [models.PointStruct(id=999, vector=[1.0] * 32)])  # it was not disturbed
    client.close()
    assert run(*line).exit_code == 0
    with connect(path=tmp_path / "new") as there:
        assert there.count("docs").count == 201


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_while_it_is_read_nobody_opens_the_folder(tmp_path: Path) -> None:
    folder = local(tmp_path / "old", plain)
    with reading_copy(folder, "docs") as client:
        assert client.count("docs").count == 200
        with pytest.raises(RuntimeError, match="already accessed"):
            QdrantClient(path=str(folder))
    gc.collect()  # the refused client leaves its lock file open
    QdrantClient(path=str(folder)).close()


def test_a_wrong_place_or_name_is_told_with_what_is_there(tmp_path: Path) -> None:
    def fill(client: QdrantClient) -> None:
        plain(client, count=3)
        plain(client, "notes", count=3)

    folder = local(tmp_path / "here" / "old", fill)
    connect(path=tmp_path / "edge").close()
    (tmp_path / "file").touch()
    for place, name, expected in (
        (folder, "typo", r"has no collection 'typo'. It holds 'docs', 'notes'\."),
        (tmp_path / "typo", "docs", r"typo does not exist. Pass the folder that"),
        (tmp_path / "edge", "docs", r"edge is no folder of qdrant-client's local mode"),
        (tmp_path / "file", "docs", r"file is no folder of qdrant-client's local mode"),
        (folder.parent, "docs", rf"near one. Pass {folder}\."),
        (folder / "collection" / "docs", "docs", rf"near one. Pass {folder}\."),
    ):
        result = run("migrate", name, "--from-local", place, "--path", tmp_path / "new")
        assert result.exit_code == 1
        assert re.search(expected, told(result)), told(result)
        with pytest.raises((EngineError, MigrationError)), reading_copy(place, name):
            pass
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("options", [["--delete-source"], ["--to-path", "x"], ["--to-url", "x"]])
def test_what_belongs_to_other_copies_is_refused(tmp_path: Path, options: list[str]) -> None:
    folder = local(tmp_path / "old", lambda client: plain(client, count=3))
    result = run("migrate", "docs", "--from-local", folder, *options)
    assert result.exit_code == 2
    assert "leave this out" in told(result)


def test_a_copy_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    folder = local(tmp_path / "old", lambda client: plain(client, count=3))
    (folder / "collection" / "docs" / "storage.sqlite").write_bytes(b"no database" * 1000)
    result = run("migrate", "docs", "--from-local", folder, "--path", tmp_path / "new")
    assert result.exit_code == 1
    assert "cannot be read from a copy" in told(result)


DOORS: dict[str, Callable[[Path], object]] = {
    "connect": lambda path: connect(path=path),
    "langchain": lambda path: MatryoshkaVectorStore.from_existing_collection(
        "docs", EMBEDDING, path=str(path)
    ),
    "llama-index": lambda path: LlamaMatryoshkaVectorStore(
        "docs", client_kwargs={"path": str(path)}
    ),
    "langchain, new": lambda path: MatryoshkaVectorStore.from_texts(
        ["a"], EMBEDDING, collection_name="docs", path=str(path)
    ),
}


@pytest.mark.parametrize("door", DOORS)
def test_given_as_a_path_it_is_refused_with_the_command_that_moves_it(
    tmp_path: Path, door: str
) -> None:
    folder = local(tmp_path / "my docs", plain)
    before = contents(folder)
    with pytest.raises(EngineError, match="is a folder of qdrant-client's local mode") as refused:
        DOORS[door](folder)
    assert contents(folder) == before
    assert f"location={str(folder)!r}" in str(refused.value)
    [line] = re.findall(r"mrl-adapters (migrate .*)$", str(refused.value))

    assert run(*shlex.split(line)).exit_code == 0

    with connect(path=f"{folder}_two_stage") as client:
        assert audit(client, "docs").ok


def test_the_command_line_refuses_it_in_the_same_words(tmp_path: Path) -> None:
    folder = local(tmp_path / "old", plain)
    for command in (["audit", "docs"], ["migrate", "docs"], ["search", "docs", "what"]):
        result = run(*command, "--path", folder)
        assert result.exit_code == 1
        assert f"migrate docs --stages 16 --from-local {folder}" in told(result)


def journal_mode(database: Path) -> str:
    with closing(sqlite3.connect(database)) as connection:
        return str(connection.execute("PRAGMA journal_mode").fetchone()[0])


def test_in_place_a_folder_is_written_through_a_log_and_left_as_it_was(tmp_path: Path) -> None:
    folder = local(tmp_path / "old", plain)
    database = folder / "collection" / "docs" / "storage.sqlite"
    client = QdrantClient(path=str(folder))
    seen = set()

    def look(_: object) -> None:
        seen.add(journal_mode(database))

    migrate(client, "docs", stages=(8,), progress=look)
    repair(client, "docs", progress=look)
    client.close()

    assert seen == {"wal"}
    assert journal_mode(database) == "delete"
    assert {each.name for each in database.parent.iterdir()} == {"storage.sqlite"}
    again = QdrantClient(path=str(folder))
    assert audit(again, "docs").ok
    again.close()


KILLED_IN_PLACE = """
import os, signal, sys
from qdrant_client import QdrantClient
from mrl_adapters.qdrant import migrate

def kill(progress):
    if progress.done >= 100:
        os.kill(os.getpid(), signal.SIGKILL)

migrate(QdrantClient(path=sys.argv[1]), "docs", stages=(8,), progress=kill)
"""


def test_a_kill_in_place_loses_nothing(tmp_path: Path) -> None:
    folder = local(tmp_path / "old", plain)
    child = subprocess.run(  # noqa: S603 - this interpreter, this file's own script
        [sys.executable, "-c", KILLED_IN_PLACE, str(folder)], check=False
    )
    assert child.returncode == -signal.SIGKILL
    client = QdrantClient(path=str(folder))
    assert len(points(client)) == 200
    result = migrate(client, "docs", stages=(8,))
    assert (result.resumed, result.points, audit(client, "docs").ok) == (True, 200, True)
    client.close()
    with reading_copy(folder, "docs") as copied, connect(path=tmp_path / "new") as there:
        target = CopyTarget(client=there)
        migrate(copied, "docs", stages=(8,), mode="copy", target=target)
        assert audit(there, "docs").ok
