"""Text operators on servers: by a text index, made where the collection is ours, else asked for."""

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding
from llama_index.core.schema import TextNode
from llama_index.core.vector_stores.types import (
    FilterCondition,
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
    VectorStoreQuery,
)
from qdrant_client import QdrantClient, models

from mrl_adapters.errors import CollectionMismatchError
from mrl_adapters.langchain import MatryoshkaVectorStore
from mrl_adapters.llama_index import MatryoshkaVectorStore as LlamaStore
from mrl_adapters.qdrant.filters.fields import MatchText
from mrl_adapters.qdrant.text_indexes import text_fields

SIZE = 16
EMBEDDING = DeterministicFakeEmbedding(size=SIZE)
TITLES = ["Red Wine", "white wine", "Winery"]


@pytest.fixture
def client(gateway: httpx.MockTransport) -> Iterator[QdrantClient]:
    """A server's client; what is behind it cannot tell an index's absence, so indexes are read."""
    gateway._contract = None  # type: ignore[attr-defined]
    client = QdrantClient(url="http://gateway", transport=gateway, check_compatibility=False)
    yield client
    client.close()


def indexes(client: QdrantClient, name: str = "docs") -> dict[str, str]:
    schema = client.get_collection(name).payload_schema or {}
    return {field: index.data_type.value for field, index in schema.items()}


@pytest.fixture
def store(client: QdrantClient) -> MatryoshkaVectorStore:
    store = MatryoshkaVectorStore(client, "docs", EMBEDDING)
    metadatas = [{"title": title, "more": {"note": title}} for title in TITLES]
    store.add_texts(TITLES, metadatas, ids=["1", "2", "3"])
    return store


@pytest.mark.parametrize("operator", ["$text", "$contains"])
@pytest.mark.parametrize("way", ["sync", "async"])
def test_langchains_operators_make_the_index_and_find_whole_words(
    store: MatryoshkaVectorStore, client: QdrantClient, operator: str, way: str
) -> None:
    def found(given: dict[str, Any]) -> set[str]:
        if way == "sync":
            documents = store.similarity_search("x", k=5, filter=given)
        else:
            documents = asyncio.run(store.asimilarity_search("x", k=5, filter=given))
        return {document.page_content for document in documents}

    assert indexes(client) == {}
    assert found({"title": {operator: "wine"}}) == {"Red Wine", "white wine"}
    assert indexes(client)["metadata.title"] == "text"
    assert found({"title": {operator: "wine"}}) == {"Red Wine", "white wine"}
    assert found({"more.note": {operator: "wine"}}) == {"Red Wine", "white wine"}
    assert indexes(client)["metadata.more.note"] == "text"


def test_a_delete_makes_it_before_anything_is_deleted(
    store: MatryoshkaVectorStore, client: QdrantClient
) -> None:
    store.delete(filter={"title": {"$text": "wine"}})
    assert indexes(client)["metadata.title"] == "text"
    assert client.count("docs").count == 1


@pytest.mark.parametrize(
    "operator",
    [
        FilterOperator.TEXT_MATCH,
        FilterOperator.TEXT_MATCH_INSENSITIVE,
        FilterOperator.CONTAINS,
        FilterOperator.ANY,
        FilterOperator.ALL,
    ],
)
def test_llama_indexs_operators_make_it(client: QdrantClient, operator: FilterOperator) -> None:
    store = LlamaStore("docs", client)
    nodes = [
        TextNode(id_=str(n), text=title, metadata={"title": title}, embedding=[1.0, n] * 8)
        for n, title in enumerate(TITLES)
    ]
    store.add(nodes)
    several = operator in {FilterOperator.ANY, FilterOperator.ALL}
    one = MetadataFilter(key="title", operator=operator, value=["wine"] if several else "wine")
    filters = MetadataFilters(filters=[one], condition=FilterCondition.AND)
    query = VectorStoreQuery([1.0] * SIZE, similarity_top_k=5, filters=filters)
    assert {node.text for node in store.query(query).nodes or []} == {"Red Wine", "white wine"}
    assert indexes(client)["title"] == "text"


@pytest.fixture
def stock(client: QdrantClient) -> QdrantClient:
    """Somebody else's collection of one vector."""
    vectors = models.VectorParams(size=SIZE, distance=models.Distance.COSINE)
    client.create_collection("stock", vectors_config=vectors)
    payload = {"page_content": "Red Wine", "metadata": {"title": "Red Wine"}}
    client.upsert("stock", [models.PointStruct(id=1, vector=[1.0] * SIZE, payload=payload)])
    return client


def open_stock(client: QdrantClient) -> MatryoshkaVectorStore:
    store = MatryoshkaVectorStore(client, "stock", EMBEDDING, vector_name="")
    with pytest.warns(UserWarning, match="one stage"):
        store.similarity_search("x")
    return store


def test_in_somebody_elses_collection_the_index_is_asked_for(stock: QdrantClient) -> None:
    store = open_stock(stock)
    with pytest.raises(
        CollectionMismatchError, match=r"no text index on 'metadata\.title'"
    ) as told:
        store.similarity_search("x", filter={"title": {"$text": "wine"}})
    assert indexes(stock, "stock") == {}
    line = str(told.value).split("Make the index first: ")[1]
    eval(line, {"client": stock, "models": models})  # noqa: S307 - it is printed to be run
    assert indexes(stock, "stock") == {"metadata.title": "text"}
    [found] = open_stock(stock).similarity_search("x", filter={"title": {"$text": "wine"}})
    assert found.page_content == "Red Wine"


def test_an_index_of_another_type_is_said(
    store: MatryoshkaVectorStore, client: QdrantClient
) -> None:
    client.create_payload_index("docs", "metadata.title", models.PayloadSchemaType.KEYWORD)
    with pytest.raises(CollectionMismatchError, match=r"an index of type keyword.*delete_payload"):
        MatryoshkaVectorStore(client, "docs", EMBEDDING).similarity_search(
            "x", filter={"title": {"$text": "wine"}}
        )


def test_filters_that_callers_build_mean_what_qdrant_says(stock: QdrantClient) -> None:
    match = models.MatchText(text="wine")
    given = models.Filter(must=[models.FieldCondition(key="metadata.title", match=match)])
    assert open_stock(stock).similarity_search("x", filter=given)
    assert indexes(stock, "stock") == {}


def test_every_place_of_a_filter_is_looked_into() -> None:
    def words(key: str) -> models.FieldCondition:
        return models.FieldCondition(key=key, match=MatchText(text="w"))

    inner = models.Filter(should=[words("b"), words("c")], must_not=words("d"))
    nested = models.Nested(key="list", filter=models.Filter(must=[words("e")]))
    given = models.Filter(
        must=[words("a"), inner],
        min_should=models.MinShould(conditions=[words("f"), words("a")], min_count=1),
        must_not=[models.NestedCondition(nested=nested), models.HasIdCondition(has_id=[1])],
    )
    assert sorted(text_fields(given)) == ["a", "b", "c", "d", "f", "list[].e"]
    assert text_fields(None) == []
