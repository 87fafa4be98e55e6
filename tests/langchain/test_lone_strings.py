"""Every door of the LangChain adapter refuses one string, dict or document for a list of them."""

import inspect
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings

from mrl_adapters.errors import ConfigurationError
from mrl_adapters.langchain import MatryoshkaEmbeddings, MatryoshkaVectorStore
from mrl_adapters.qdrant.driver import Client

DOORS: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("add_texts", ("hello world",), {}),
    ("add_texts", (b"hello",), {}),
    ("add_texts", (["a", "b", "c"],), {"ids": "xyz"}),
    ("add_texts", (["a"],), {"ids": 7}),
    ("add_texts", (["a"], {"page": 1}), {}),
    ("add_texts", (["a"], "page"), {}),
    ("add_documents", (Document(page_content="x"),), {}),
    ("add_documents", ("x",), {}),
    ("add_documents", ([Document(page_content="x")],), {"ids": "x"}),
    ("get_by_ids", ("a",), {}),
    ("get_by_ids", (7,), {}),
    ("delete", ("a",), {}),
    ("delete", (7,), {}),
    ("delete", (), {"ids": "a"}),
]
MAKERS: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("from_texts", ("hello",), {}),
    ("from_texts", (["a"],), {"ids": "x"}),
    ("from_texts", (["a"],), {"metadatas": {"page": 1}}),
    ("from_documents", (Document(page_content="x"),), {}),
]


async def answer(owner: Any, method: str, *args: Any, **kwargs: Any) -> Any:
    found = getattr(owner, method)(*args, **kwargs)
    return await found if inspect.isawaitable(found) else found


@pytest.mark.parametrize("colour", ["", "a"], ids=["sync", "async"])
@pytest.mark.parametrize(("method", "args", "kwargs"), DOORS)
async def test_a_store_refuses_it_and_stays_as_it_is(
    store: MatryoshkaVectorStore, colour: str, method: str, args: Any, kwargs: Any
) -> None:
    with pytest.raises(ConfigurationError, match="pass a list"):
        await answer(store, f"{colour}{method}", *args, **kwargs)
    assert len(store.similarity_search("file", k=20)) == 6


@pytest.mark.parametrize("colour", ["", "a"], ids=["sync", "async"])
@pytest.mark.parametrize(("method", "args", "kwargs"), MAKERS)
async def test_a_store_is_not_made_of_it(
    client: Client, embeddings: Embeddings, colour: str, method: str, args: Any, kwargs: Any
) -> None:
    options = {"embedding": embeddings, "client": client, "collection_name": "new", **kwargs}
    with pytest.raises(ConfigurationError, match="pass a list"):
        await answer(MatryoshkaVectorStore, f"{colour}{method}", *args, **options)
    assert not client.collection_exists("new")


@pytest.mark.parametrize("text", ["hello", ""])
@pytest.mark.parametrize("method", ["embed_documents", "embed_array"])
@pytest.mark.parametrize("colour", ["", "a"], ids=["sync", "async"])
async def test_embeddings_refuse_it(
    embeddings: Embeddings, colour: str, method: str, text: str
) -> None:
    wrapped = MatryoshkaEmbeddings(embeddings, 64)
    with pytest.raises(ConfigurationError, match="pass a list"):
        await answer(wrapped, f"{colour}{method}", text)


def test_from_documents_keeps_the_documents_own_ids(client: Client, embeddings: Embeddings) -> None:
    documents = [Document(page_content="a file", id="mine", metadata={"page": 1})]
    made = MatryoshkaVectorStore.from_documents(
        documents, embeddings, client=client, collection_name="new"
    )
    assert made.get_by_ids(["mine"]) == documents


async def test_afrom_documents_keeps_the_documents_own_ids(
    client: Client, embeddings: Embeddings
) -> None:
    documents = [Document(page_content="a file", id="mine", metadata={"page": 1})]
    made = await MatryoshkaVectorStore.afrom_documents(
        documents, embeddings, client=client, collection_name="new"
    )
    assert made.get_by_ids(["mine"]) == documents
