"""One collection, written by stores of both frameworks: filters reach all of their metadata."""

from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_qdrant import QdrantVectorStore as StockLangChain
from llama_index.core.schema import TextNode
from llama_index.core.vector_stores.types import (
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
    VectorStoreQuery,
)
from llama_index.vector_stores.qdrant import QdrantVectorStore as StockLlamaIndex
from qdrant_client import models

from mrl_adapters.langchain import MatryoshkaVectorStore as LangChainStore
from mrl_adapters.llama_index import MatryoshkaVectorStore as LlamaIndexStore
from mrl_adapters.qdrant.driver import Client

SIZE = 16
EMBEDDING = DeterministicFakeEmbedding(size=SIZE)
SOURCES = ["a", "b", "a", "b", "a"]

pytestmark = [
    pytest.mark.filterwarnings("ignore::mrl_adapters.qdrant.mismatches.OneStageWarning"),
    pytest.mark.filterwarnings("ignore:Payload indexes have no effect in the local Qdrant"),
]


def langchain_writes(store: Any, begin: int) -> None:
    texts = [f"document {n}" for n in range(begin, begin + 5)]
    metadatas = [{"n": begin + n, "src": src} for n, src in enumerate(SOURCES)]
    store.add_texts(texts, metadatas, ids=[*range(begin, begin + 5)])


def llama_index_writes(store: Any, begin: int) -> None:
    nodes = []
    for n, src in enumerate(SOURCES):
        text = f"node {begin + n}"
        metadata = {"n": begin + n, "src": src}
        embedding = EMBEDDING.embed_query(text)
        id_ = f"00000000-0000-0000-0000-{begin + n:012d}"
        nodes.append(TextNode(id_=id_, text=text, metadata=metadata, embedding=embedding))
    store.add(nodes)


def by_langchain(client: Client, name: str, begin: int = 1) -> None:
    langchain_writes(LangChainStore(client, name, EMBEDDING), begin)


def by_llama_index(client: Client, name: str, begin: int = 1) -> None:
    llama_index_writes(LlamaIndexStore(name, client), begin)


def by_stock_langchain(client: Any, name: str) -> None:
    vectors = models.VectorParams(size=SIZE, distance=models.Distance.COSINE)
    client.create_collection(name, vectors_config=vectors)
    langchain_writes(StockLangChain(client, name, EMBEDDING), 1)


def by_stock_llama_index(client: Any, name: str) -> None:
    llama_index_writes(StockLlamaIndex(name, client=client), 1)


OURS = [by_langchain, by_llama_index]
STOCK = [by_stock_langchain, by_stock_llama_index]
Write = Callable[[Client, str], None]


def numbers(documents: Any) -> list[int]:
    return sorted(document.metadata["n"] for document in documents)


def langchain_finds(client: Client, name: str, given: Any) -> list[int]:
    return numbers(LangChainStore(client, name, EMBEDDING).similarity_search("x", 20, filter=given))


def llama_index_finds(client: Client, name: str, operator: str, value: Any) -> list[int]:
    one = MetadataFilter(key="src", value=value, operator=FilterOperator(operator))
    query = VectorStoreQuery([1.0] * SIZE, 20, filters=MetadataFilters(filters=[one]))
    return numbers(LlamaIndexStore(name, client).query(query).nodes)


def check_filters(client: Client, name: str, of_a: list[int], of_b: list[int]) -> None:
    assert langchain_finds(client, name, {"src": "a"}) == of_a
    assert langchain_finds(client, name, {"src": {"$ne": "a"}}) == of_b
    assert langchain_finds(client, name, {"src": {"$nin": ["a", "c"]}}) == of_b
    assert langchain_finds(client, name, {"$not": {"src": "a"}}) == of_b
    assert langchain_finds(client, name, {"src": None}) == []
    assert langchain_finds(client, name, {"n": {"$gt": 3}}) == sorted(
        n for n in of_a + of_b if n > 3
    )
    assert llama_index_finds(client, name, "==", "a") == of_a
    assert llama_index_finds(client, name, "!=", "a") == of_b
    assert llama_index_finds(client, name, "nin", ["a"]) == of_b
    assert llama_index_finds(client, name, "in", ["b", "c"]) == of_b


@pytest.mark.parametrize("write", OURS)
def test_filters_reach_what_the_other_framework_wrote(
    client: Client, name: str, write: Write
) -> None:
    write(client, name)
    check_filters(client, name, [1, 3, 5], [2, 4])


@pytest.mark.parametrize("write", STOCK)
def test_and_what_the_stock_stores_wrote(local: Client, name: str, write: Write) -> None:
    write(local, name)
    check_filters(local, name, [1, 3, 5], [2, 4])


@pytest.mark.parametrize("first", [0, 1])
def test_and_what_both_wrote(client: Client, name: str, first: int) -> None:
    for write, begin in zip([OURS[first], OURS[1 - first]], [1, 6], strict=True):
        write(client, name, begin)  # type: ignore[call-arg]
    check_filters(client, name, [1, 3, 5, 6, 8, 10], [2, 4, 7, 9])


@pytest.mark.parametrize("write", [*OURS, *STOCK])
def test_deleting_what_is_not_equal_leaves_what_is(local: Client, name: str, write: Write) -> None:
    write(local, name)
    LangChainStore(local, name, EMBEDDING).delete(filter={"src": {"$ne": "a"}})
    assert local.count(name).count == 3
    one = MetadataFilter(key="src", value="b", operator=FilterOperator.NE)
    LlamaIndexStore(name, local).delete_nodes(filters=MetadataFilters(filters=[one]))
    assert local.count(name).count == 0


@pytest.mark.parametrize("write", [by_llama_index, by_stock_llama_index])
def test_documents_added_to_nodes_are_read_by_llama_indexs_own_store(
    local: Any, name: str, write: Write
) -> None:
    write(local, name)
    store = LangChainStore(local, name, EMBEDDING)
    store.add_texts(["from LangChain"], [{"n": 9, "src": "c"}], ids=[99])
    [own] = store.similarity_search("x", 20, filter={"src": "c"})
    assert (own.page_content, own.metadata) == ("from LangChain", {"n": 9, "src": "c"})
    assert llama_index_finds(local, name, "==", "c") == [9]
    dense = "full" if write is by_llama_index else ""
    stock = StockLlamaIndex(name, client=local, dense_vector_name=dense)
    found = stock.query(VectorStoreQuery(EMBEDDING.embed_query("from LangChain"), 20)).nodes
    assert "from LangChain" in [node.get_content() for node in found or []]


@pytest.fixture
def local() -> Any:
    from qdrant_client import QdrantClient

    client = QdrantClient(":memory:")
    yield client
    client.close()
