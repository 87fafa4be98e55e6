"""A text index for a collection that exists: made, replaced, refused, and found by searches."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from five_texts import SIZE, TEXTS, documents, nodes, vectors
from hypothesis import given
from hypothesis import strategies as st
from qdrant_client import QdrantClient, models
from rest_gateway import Gateway

from mrl_adapters.errors import ConfigurationError, MigrationError
from mrl_adapters.qdrant import (
    CollectionLayout,
    CopyTarget,
    Driver,
    EdgeClient,
    MatryoshkaCollection,
    Search,
    TextIndex,
    UnmetLayoutWarning,
    migrate,
    plan_migration,
)


@pytest.fixture
def client(tmp_path: Path) -> Iterator[EdgeClient]:
    with EdgeClient(str(tmp_path / "v")) as client:
        yield client


def fill(
    client: Any, payloads: list[dict[str, Any]], layout: CollectionLayout | None = None
) -> None:
    docs = MatryoshkaCollection("docs", layout=layout or CollectionLayout(SIZE, (8,)))
    Driver(client).run(docs.add([*range(len(payloads))], vectors(len(payloads)), payloads))


def found(client: Any, text: str, name: str = "docs", hybrid: str = "lexical") -> set[Any]:
    search = Search(vectors()[0], 10, text=text)
    [hits] = Driver(client).run(MatryoshkaCollection(name).search([search], {"hybrid": hybrid}))
    return {hit.id for hit in hits}


INDEXES = st.builds(
    TextIndex,
    language=st.sampled_from([None, "english", "german", "armenian", "hebrew"]),
    stemmer=st.booleans(),
    stopwords=st.none() | st.lists(st.sampled_from(["a", "the"]), unique=True).map(tuple),
    tokenizer=st.sampled_from(["word", "whitespace", "prefix", "multilingual", "code"]),
    ascii_folding=st.booleans(),
    field=st.just("page_content"),
)


@given(INDEXES)
def test_an_index_is_read_as_it_was_made(index: TextIndex) -> None:
    read = TextIndex.of("page_content", index.params())
    assert read is not None
    assert read.params() == index.params()
    assert TextIndex.from_stored(json.loads(json.dumps(index.described()))) == index


@pytest.mark.parametrize(
    "wrong",
    [{"language": "klingon"}, {"tokenizer": "words"}, {"stopwords": "the"}, {"stemmer": "english"}],
)
def test_an_index_that_no_engine_has_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=f"TextIndex.{next(iter(wrong))}=.*expected"):
        TextIndex(**wrong)


@pytest.mark.parametrize("payloads", [documents(), nodes()], ids=["documents", "nodes"])
def test_words_are_found_after_a_migration_that_leaves_vectors_alone(
    client: EdgeClient, payloads: list[dict[str, Any]]
) -> None:
    fill(client, payloads)
    before = client.get_collection("docs").config.params
    told = plan_migration(client, "docs", text_index=TextIndex())
    assert any("BM25" in step for step in told.steps)
    assert client.get_collection("docs").payload_schema == {}
    done = migrate(client, "docs", text_index=TextIndex())
    assert done.stages == (8,)
    assert done.written == told.points_to_write == (len(TEXTS) if payloads == nodes() else 0)
    assert client.get_collection("docs").config.params == before
    assert found(client, "run") == {0, 2}
    assert found(client, "the fox", hybrid="rescore") == {*range(len(TEXTS))}
    assert plan_migration(client, "docs", text_index=TextIndex()).steps == ()
    assert migrate(client, "docs", text_index=TextIndex()).written == 0
    # What is added from here on is found as well.
    docs = MatryoshkaCollection("docs")
    Driver(client).run(docs.add([77], vectors(1), [payloads[0]]))
    assert found(client, "run") == {0, 2, 77}


def test_another_language_takes_the_place_of_the_first(client: EdgeClient) -> None:
    fill(client, documents(), CollectionLayout(SIZE, (8,), text_index=TextIndex(language=None)))
    assert found(client, "run") == set()
    wanted = CollectionLayout(SIZE, (8,), text_index=TextIndex())
    with pytest.warns(UnmetLayoutWarning, match=r"text_index is .*migrate\(client, 'docs'"):
        Driver(client).run(MatryoshkaCollection("docs", layout=wanted).open())
    migrate(client, "docs", text_index=TextIndex())
    assert found(client, "run") == {0, 2}
    Driver(client).run(MatryoshkaCollection("docs", layout=wanted).open())


def test_a_text_index_of_filters_begins_to_rank(client: EdgeClient) -> None:
    fill(client, documents())
    client.create_payload_index("docs", "page_content", models.PayloadSchemaType.TEXT)
    migrate(client, "docs", text_index=TextIndex())
    assert found(client, "run") == {0, 2}


def test_an_index_of_another_type_is_not_deleted(client: EdgeClient) -> None:
    fill(client, documents())
    client.create_payload_index("docs", "page_content", models.PayloadSchemaType.KEYWORD)
    with pytest.raises(MigrationError, match=r"index of type keyword.*Delete it first"):
        migrate(client, "docs", text_index=TextIndex())


def test_opening_makes_an_index_that_was_asked_for_or_lost(client: EdgeClient) -> None:
    fill(client, documents())
    layout = CollectionLayout(SIZE, (8,), text_index=TextIndex())
    docs = MatryoshkaCollection("docs", layout=layout)
    opened = Driver(client).run(docs.open())
    assert opened is not None
    assert opened.text_index == TextIndex(field="page_content")
    migrate(client, "docs", text_index=TextIndex())
    client.delete_payload_index("docs", "page_content")
    assert found(client, "run") == {0, 2}


def test_stages_and_words_come_in_one_migration(client: EdgeClient) -> None:
    client.create_collection(
        "docs", models.VectorParams(size=SIZE, distance=models.Distance.COSINE)
    )
    points = [
        models.PointStruct(id=n, vector=vectors()[n].tolist(), payload=documents()[n])
        for n in range(len(TEXTS))
    ]
    client.upsert("docs", points)
    target = CopyTarget("copied")
    for name, options in (("copied", {"mode": "copy", "target": target}), ("docs", {})):
        done = migrate(client, "docs", stages=(4,), text_index=TextIndex(), **options)
        assert (done.stages, done.text_index, done.settled) == ((4,), "page_content", True)
        assert found(client, "run", name) == {0, 2}


def test_somebody_elses_collection_is_searched_by_words_too(client: EdgeClient) -> None:
    client.create_collection(
        "docs", models.VectorParams(size=SIZE, distance=models.Distance.COSINE)
    )
    payload = {"text": "a running fox", "n": 1}
    client.upsert("docs", [models.PointStruct(id=1, vector=[1.0] * SIZE, payload=payload)])
    migrate(client, "docs", text_index=TextIndex())
    assert [*client.get_collection("docs").payload_schema] == ["text"]
    assert client.get_collection("docs").config.params.vectors.size == SIZE  # type: ignore[union-attr] # unnamed
    with pytest.warns(UserWarning, match="no short vectors"):
        assert found(client, "run") == {1}


def test_engines_that_rank_no_texts_say_what_does(client: EdgeClient) -> None:
    local = QdrantClient(":memory:")
    old = QdrantClient(
        url="http://gateway", transport=Gateway(client, None), check_compatibility=False
    )
    ways = "embedded engine .*1.20 or later, found (qdrant-client's local mode|a server of 1.19.0)"
    for each in (local, old):
        with pytest.raises(ConfigurationError, match=ways):
            fill(each, documents(), CollectionLayout(SIZE, (8,), text_index=TextIndex()))
        assert not each.collection_exists("docs")
        fill(each, documents())
        with pytest.raises(ConfigurationError, match=ways):
            migrate(each, "docs", text_index=TextIndex())
        each.close()
