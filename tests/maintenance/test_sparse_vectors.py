"""Sparse vectors for a collection that exists: added, replaced, completed, audited, repaired."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from five_texts import SIZE, TEXTS, documents, nodes, vectors
from qdrant_client import QdrantClient, models
from real_server import server_client

from mrl_adapters.errors import MigrationError
from mrl_adapters.qdrant import (
    CollectionLayout,
    CopyTarget,
    Driver,
    EdgeClient,
    MatryoshkaCollection,
    MissingShortVectorsWarning,
    Search,
    SparseVectors,
    TextIndex,
    UnmetLayoutWarning,
    audit,
    migrate,
    plan_migration,
    repair,
)

ENGINES = ["edge", "local", pytest.param("server", marks=pytest.mark.server)]


@pytest.fixture(params=ENGINES)
def client(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    if request.param == "server":
        with server_client() as server:
            yield server
        return
    local = request.param == "local"
    opened: Any = QdrantClient(":memory:") if local else EdgeClient(str(tmp_path / "v"))
    yield opened
    opened.close()


def fill(client: Any, payloads: list[dict[str, Any]], **options: Any) -> None:
    docs = MatryoshkaCollection("docs", layout=CollectionLayout(SIZE, (8,), **options))
    Driver(client).run(docs.add([*range(len(payloads))], vectors(len(payloads)), payloads))


def found(client: Any, text: str, name: str = "docs", **options: Any) -> set[Any]:
    search = Search(vectors()[0], 10, text=text)
    docs = MatryoshkaCollection(name, **options)
    [hits] = Driver(client).run(docs.search([search], {"hybrid": "lexical"}))
    return {hit.id for hit in hits}


@pytest.mark.parametrize("payloads", [documents(), nodes()], ids=["documents", "nodes"])
def test_a_collection_gets_sparse_vectors_from_its_texts(
    client: Any, payloads: list[dict[str, Any]]
) -> None:
    fill(client, payloads)
    plan = plan_migration(client, "docs", sparse=SparseVectors())
    assert plan.steps == ("weigh the words of 5 texts by qdrant/bm25, as vector 'sparse'",)
    done = migrate(client, "docs", sparse=SparseVectors())
    assert (done.sparse, done.written, done.settled, done.stages) == ("sparse", 5, True, (8,))
    assert found(client, "a dog") == {1, 2, 4}
    again = migrate(client, "docs", sparse=SparseVectors())
    assert (again.written, again.resumed) == (0, True)
    assert plan_migration(client, "docs", sparse=SparseVectors()).steps == ()


def test_stages_and_words_are_added_together(client: Any) -> None:
    vector = models.VectorParams(size=SIZE, distance=models.Distance.COSINE)
    client.create_collection("docs", vectors_config={"full": vector})
    points = [
        models.PointStruct(id=n, vector={"full": row.tolist()}, payload=payload)
        for n, (row, payload) in enumerate(zip(vectors(), documents(), strict=True))
    ]
    client.upsert("docs", points)
    done = migrate(client, "docs", stages=[8], sparse=SparseVectors())
    assert (done.stages, done.sparse) == ((8,), "sparse")
    assert found(client, "stone") == {3, 4}
    copied = migrate(
        client, "docs", stages=[4], mode="copy", target=CopyTarget("copy"), sparse=SparseVectors()
    )
    assert copied.sparse == "sparse"
    assert found(client, "stone", "copy") == {3, 4}


def test_a_copy_is_made_with_the_vector_that_its_source_lacks(client: Any) -> None:
    fill(client, documents())
    migrate(client, "docs", mode="copy", target="copy", stages=[8], sparse=SparseVectors("german"))
    assert found(client, "stones", "copy") == {3, 4}
    assert "sparse" not in (client.get_collection("docs").config.params.sparse_vectors or {})


def test_other_rules_take_the_place_of_those_that_are_there(client: Any) -> None:
    fill(client, documents(), sparse=SparseVectors())
    assert found(client, "running") == {0, 2}
    layout = CollectionLayout(SIZE, (8,), sparse=SparseVectors(stemmer=False))
    with pytest.warns(UnmetLayoutWarning, match="migrate.client, 'docs', sparse="):
        Driver(client).run(MatryoshkaCollection("docs", layout=layout).open())
    assert migrate(client, "docs", sparse=SparseVectors(stemmer=False)).written == len(TEXTS)
    assert found(client, "running") == {0}
    Driver(client).run(MatryoshkaCollection("docs", layout=layout).open())


def test_what_another_program_wrote_is_not_replaced(client: Any) -> None:
    vector = models.VectorParams(size=SIZE, distance=models.Distance.COSINE)
    words = {"words": models.SparseVectorParams()}
    client.create_collection("docs", vectors_config={"full": vector}, sparse_vectors_config=words)
    with pytest.raises(MigrationError, match="does not say what it is of"):
        migrate(client, "docs", sparse=SparseVectors(name="words"))


def test_points_that_lack_it_are_told_of_counted_and_repaired(client: Any) -> None:
    fill(client, documents(), sparse=SparseVectors())
    row, short = vectors()[0].tolist(), vectors()[0][:8].tolist()
    # As a program writes that knows nothing of sparse vectors.
    changed = models.PointStruct(
        id=1, vector={"full": row, "short_8": short}, payload={"page_content": "a zebra"}
    )
    client.upsert("docs", [changed], wait=True)
    with pytest.warns(MissingShortVectorsWarning, match="1 points lack the sparse vector 'sparse'"):
        assert found(client, "zebra") == set()
    report = audit(client, "docs")
    assert (report.without_sparse, report.missing, report.ok) == (1, 0, False)
    assert report.examples["without_sparse"] == [1]
    done = repair(client, "docs")
    assert (done.sparse_filled, done.settled) == (1, True)
    assert found(client, "zebra") == {1}
    assert audit(client, "docs").ok


def test_a_models_vectors_are_completed_with_the_model(client: Any) -> None:
    class Lengths:
        model_name = "lengths"

        def embed_documents(self, texts: list[str]) -> list[models.SparseVector]:
            return [self.embed_query(text) for text in texts]

        def embed_query(self, text: str) -> models.SparseVector:
            lengths = sorted({len(word) for word in text.split()})
            return models.SparseVector(indices=lengths, values=[1.0] * len(lengths))

    fill(client, documents())
    wanted = SparseVectors(encoder=Lengths())
    assert migrate(client, "docs", sparse=wanted).written == len(TEXTS)
    layout = CollectionLayout(SIZE, (8,), sparse=wanted)
    assert found(client, "sevenxx", layout=layout) == {0}
    client.delete_vectors("docs", vectors=["sparse"], points=[0], wait=True)
    assert repair(client, "docs").sparse_filled == 0  # it is not at hand
    assert audit(client, "docs").without_sparse == 1
    assert migrate(client, "docs", sparse=wanted).written == 1
    assert audit(client, "docs").ok


@pytest.mark.parametrize("client", ["edge"], indirect=True)
def test_sparse_vectors_go_before_a_text_index(client: Any) -> None:
    fill(client, documents())
    done = migrate(client, "docs", text_index=TextIndex(), sparse=SparseVectors(stemmer=False))
    assert (done.text_index, done.sparse) == ("page_content", "sparse")
    assert found(client, "running") == {0}
