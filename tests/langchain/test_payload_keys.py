"""Texts and metadata under other payload keys: read, written and filtered, also by stock stores."""

import asyncio
import inspect
import uuid
import warnings
from contextlib import closing
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from langchain_qdrant import QdrantVectorStore
from qdrant_client import models

from mrl_adapters.embeddings import WordLlamaEmbedder
from mrl_adapters.errors import CollectionMismatchError, ConfigurationError
from mrl_adapters.langchain import MatryoshkaEmbeddings, MatryoshkaVectorStore
from mrl_adapters.qdrant import UnreadableContentWarning, audit, connect, migrate
from mrl_adapters.qdrant.payload_keys import STORES_OWN, PayloadKeys

TEXTS = ["gzip opens a compressed file", "shutil copies a directory tree"]
METADATAS = [{"page": 3, "by": {"name": "Ada"}}, {"page": 4, "by": {"name": "Bob"}}]
PAIRS = [
    ("text", "meta"),
    ("content", "metadata"),
    ("page_content", "meta"),
    ("the text", "the metadata"),
    ("a.b", "c.d.e"),
    ("текст", "数据"),
    ("a[0]", "b[]"),
    ("a/b", "c:d@e"),
    ("it's", "{}"),
    ("metadata", "page_content"),
    ("$text", " "),
    ("'a'", "\n"),
]
names = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters='"\\'), min_size=1, max_size=6
).filter(lambda name: name not in STORES_OWN)


def run(result: Any) -> Any:
    return asyncio.run(result) if inspect.isawaitable(result) else result


def keys_of(content: str, metadata: str) -> dict[str, str]:
    return {"content_payload_key": content, "metadata_payload_key": metadata}


@pytest.fixture(scope="module")
def short() -> MatryoshkaEmbeddings:
    return MatryoshkaEmbeddings(WordLlamaEmbedder(), 128)


def stock(client, embeddings, keys, name="docs", vector_name="full") -> QdrantVectorStore:
    return QdrantVectorStore(
        client,
        name,
        embeddings,
        vector_name=vector_name,
        validate_embeddings=False,
        validate_collection_config=False,
        **keys,
    )


def foreign(client, embeddings, keys, metadatas=METADATAS, name="docs") -> None:
    """Have the stock store make a collection, and give it short vectors."""
    config = models.VectorParams(size=128, distance=models.Distance.COSINE)
    client.create_collection(name, vectors_config=config)
    stock(client, embeddings, keys, name, "").add_texts(TEXTS, metadatas)
    migrate(client, name, stages=(64,), model=embeddings.model)


def contents(documents) -> list[tuple[str, dict[str, Any]]]:
    plain = [
        {key: value for key, value in each.metadata.items() if not key.startswith("_")}
        for each in documents
    ]
    return sorted(zip([each.page_content for each in documents], plain, strict=True), key=repr)


def check_both_ways(client, embeddings, keys, given, colour="", name="docs") -> None:
    """Read what the stock store wrote, write beside it, and have the stock store read all."""
    store = MatryoshkaVectorStore(client, name, embeddings, **given)

    def do(method: str, *args: Any, **options: Any) -> Any:
        return run(getattr(store, colour + method)(*args, **options))

    assert contents(do("similarity_search", "gzip", k=9)) == contents_of(METADATAS)
    assert store.collection.keys == PayloadKeys(*keys.values())
    [added] = do("add_texts", ["zlib deflates bytes"], [{"page": 5, "by": {"name": "Cy"}}])
    [found] = do("similarity_search", "gzip", k=9, filter={"page": {"$gt": 4}})
    assert (found.id, found.page_content) == (added, "zlib deflates bytes")
    assert [each.metadata["page"] for each in do("get_by_ids", [added])] == [5]
    nested = do("similarity_search", "gzip", k=9, filter={"by.name": {"$in": ["Ada", "Cy"]}})
    assert {each.metadata["page"] for each in nested} == {3, 5}
    read = stock(client, embeddings, keys, name, store.collection.layout.full_name)
    assert contents(read.similarity_search("gzip", k=9)) == contents(
        do("similarity_search", "gzip", k=9)
    )
    do("delete", filter={"page": 5})
    assert len(do("similarity_search", "gzip", k=9)) == 2
    assert audit(client, name).unreadable == 0


def contents_of(metadatas) -> list[tuple[str, dict[str, Any]]]:
    return sorted(zip(TEXTS, metadatas, strict=True), key=repr)


@pytest.mark.parametrize(("pair", "colour"), [*zip(PAIRS, ["", "a"] * 6, strict=True)], ids=str)
def test_a_stock_collection_of_other_keys_is_read_written_and_read_by_the_stock_store(
    client, short, pair, colour
):
    keys = keys_of(*pair)
    foreign(client, short, keys)
    check_both_ways(client, short, keys, {} if colour else keys, colour)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(names, names, st.booleans())
def test_whatever_the_keys_are_they_are_found_out_and_kept(short, content, metadata, given):
    assume(content != metadata)
    with closing(connect(location=":memory:")) as client:
        keys = keys_of(content, metadata)
        foreign(client, short, keys)
        check_both_ways(client, short, keys, keys if given else {})


@pytest.mark.parametrize("pair", [('say "it"', "meta"), ("text", "a\\b"), ("text", 'say "it"')])
def test_keys_that_no_filter_can_name_are_read_and_written_and_filters_say_so(client, short, pair):
    keys = keys_of(*pair)
    foreign(client, short, keys)
    store = MatryoshkaVectorStore(client, "docs", short)
    store.add_texts(["zlib deflates bytes"], [{"page": 5}])
    texts = {
        each.page_content
        for each in stock(client, short, keys, vector_name="").similarity_search("g", k=9)
    }
    assert texts == {*TEXTS, "zlib deflates bytes"}
    assert {each.page_content for each in store.similarity_search("gzip", k=9)} == texts
    assert audit(client, "docs").unreadable == 0
    if pair[1] == "meta":
        assert len(store.similarity_search("gzip", filter={"page": 5})) == 1
    else:
        with pytest.raises(ConfigurationError, match="no filter can name it"):
            store.similarity_search("gzip", filter={"page": 5})
        with pytest.raises(ConfigurationError, match="no filter can name it"):
            store.delete(filter={"page": 5})


def test_a_stock_collection_without_metadata_is_read_and_written(client, short):
    keys = keys_of("inhalt", "angaben")
    foreign(client, short, keys, None)
    store = MatryoshkaVectorStore(client, "docs", short)
    assert contents(store.similarity_search("gzip")) == contents_of([{}, {}])
    store.add_texts(["zlib"], [{"page": 5}])
    [found] = stock(client, short, keys, vector_name="").similarity_search("zlib", k=1)
    assert (found.page_content, found.metadata["page"]) == ("zlib", 5)


# A new collection of one's own keys


@pytest.mark.parametrize("colour", ["", "a"])
@pytest.mark.parametrize("pair", PAIRS[3:6], ids=str)
def test_a_new_collection_keeps_its_keys_and_refuses_others(client, embeddings, pair, colour):
    keys = keys_of(*pair)
    make = getattr(MatryoshkaVectorStore, f"{colour}from_texts")
    opening = getattr(MatryoshkaVectorStore, f"{colour}from_existing_collection")
    place = {"client": client, "collection_name": "docs"}
    run(make(TEXTS, embeddings, METADATAS, ids=["a", "b"], **place, **keys))
    for said in ({}, keys, keys_of(pair[0], pair[1]), {"content_payload_key": pair[0]}):
        store = run(opening(embedding=embeddings, **place, **said))
        assert contents(store.similarity_search("gzip")) == contents_of(METADATAS)
        assert store.as_retriever(k=1, filter={"page": 4}).invoke("x")[0].id == "b"
    read = stock(client, embeddings, keys).similarity_search("gzip", k=9)
    assert contents(read) == contents_of(METADATAS)
    for wrong in ({"content_payload_key": "other"}, {"metadata_payload_key": "other"}):
        with pytest.raises(CollectionMismatchError, match="asked for 'other'"):
            run(opening(embedding=embeddings, **place, **wrong))
        with pytest.raises(CollectionMismatchError, match="asked for 'other'"):
            run(make(["c"], embeddings, **place, **wrong))
    assert client.count("docs").count == 2


def test_an_empty_collection_knows_its_keys(client, embeddings):
    store = MatryoshkaVectorStore(client, "docs", embeddings, content_payload_key="text")
    store.delete(store.add_texts(["one"]))
    with pytest.raises(CollectionMismatchError, match="keeps its texts under 'text', asked for"):
        MatryoshkaVectorStore(
            client, "docs", embeddings, content_payload_key="page_content"
        ).add_texts(["two"])
    assert MatryoshkaVectorStore(client, "docs", embeddings).add_texts(["two"])
    assert client.scroll("docs")[0][0].payload["text"] == "two"


@pytest.mark.parametrize("wrong", ["", 5, ["text"], "_node_content", "doc_id", "\udfff"], ids=repr)
@pytest.mark.parametrize("option", ["content_payload_key", "metadata_payload_key"])
def test_what_can_be_no_key_is_refused_at_once(client, embeddings, option, wrong):
    with pytest.raises(ConfigurationError, match=r"^The payload key of (texts|metadata) is "):
        MatryoshkaVectorStore(client, "docs", embeddings, **{option: wrong})
    with pytest.raises(ConfigurationError, match=r"^The payload key of (texts|metadata) is "):
        MatryoshkaVectorStore.from_texts(
            ["one"], embeddings, client=client, collection_name="docs", **{option: wrong}
        )
    assert not client.collection_exists("docs")


def test_one_key_for_both_is_refused_before_anything_is_written(client, embeddings):
    with pytest.raises(ConfigurationError, match="are both 'text'"):
        MatryoshkaVectorStore(client, "docs", embeddings, **keys_of("text", "text"))
    store = MatryoshkaVectorStore(client, "docs", embeddings, content_payload_key="metadata")
    with pytest.raises(ConfigurationError, match="are both 'metadata'"):
        store.add_texts(["one"])
    assert not client.collection_exists("docs")


# Other programs' points: metadata beside the text


def others(client, embeddings, payloads) -> None:
    config = models.VectorParams(size=128, distance=models.Distance.COSINE)
    client.create_collection("docs", vectors_config=config)
    points = [
        models.PointStruct(id=str(uuid.uuid4()), vector=embeddings.embed_query(text), payload=each)
        for text, each in zip(TEXTS, payloads, strict=True)
    ]
    client.upsert("docs", points=points)
    migrate(client, "docs", stages=(64,), model=embeddings.model)


@pytest.mark.parametrize("colour", ["", "a"])
def test_metadata_beside_the_text_are_read_written_and_filtered(client, short, colour):
    others(client, short, [{"text": each, "page": row} for row, each in enumerate(TEXTS)])
    store = MatryoshkaVectorStore(client, "docs", short)

    def do(method: str, *args: Any, **options: Any) -> Any:
        return run(getattr(store, colour + method)(*args, **options))

    do("add_texts", ["zlib"], [{"page": 1, "metadata": {"a": None}, "gone": None}], ids=["z"])
    [read] = do("get_by_ids", ["z"])
    assert read.metadata == {"page": 1, "metadata": {"a": None}, "gone": None}
    found = do("similarity_search", "zlib", k=9, filter={"page": 1})
    assert {each.page_content for each in found} == {TEXTS[1], "zlib"}
    for taken in ({"text": "x"}, {"_mrl_id": 1}, {"doc_id": "x"}):
        with pytest.raises(ConfigurationError, match=r"Document 0: metadata .* Choose another nam"):
            do("add_texts", ["one"], [taken])
    do("delete", filter={"page": 1})
    assert [each.page_content for each in do("similarity_search", "zlib", k=9)] == TEXTS[:1]


@pytest.mark.parametrize(
    "rest", [{"title": "t"}, {"text": "t", "content": "c"}, {"text": 7, "n": 1}, {}], ids=str
)
def test_a_hit_without_text_is_told_of_with_what_to_pass(client, short, rest):
    others(client, short, [{"body text": each, **rest, "n": 1} for each in TEXTS])
    store = MatryoshkaVectorStore(client, "docs", short)
    with pytest.warns(UnreadableContentWarning, match="'docs': point .* content_payload_key"):
        found = store.similarity_search("gzip", k=2)
    assert all(each.metadata["n"] == 1 for each in found)
    assert audit(client, "docs").unreadable == 2
    store = MatryoshkaVectorStore(client, "docs", short, content_payload_key="body text")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = store.similarity_search("gzip", k=2)
    assert {each.page_content for each in found} == set(TEXTS)
    assert found[0].metadata == {**rest, "n": 1}
