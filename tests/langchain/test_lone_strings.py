"""Every door of the LangChain adapter refuses one string, dict or document for a list of them."""

import inspect
from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from llama_index.core.schema import TextNode

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


OTHERS: list[Any] = ["x", None, 7, {"page_content": "x"}, b"x", ("x", {}), TextNode(text="x")]


@pytest.mark.parametrize("colour", ["", "a"], ids=["sync", "async"])
@pytest.mark.parametrize("other", OTHERS, ids=lambda each: type(each).__name__)
async def test_what_is_no_document_is_refused_in_words_and_nothing_is_written(
    client: Client, embeddings: Embeddings, colour: str, other: Any
) -> None:
    good = Document(page_content="x")
    store = MatryoshkaVectorStore(client, "new", embeddings)
    options = {"embedding": embeddings, "client": client, "collection_name": "new"}
    for given in ([other], [good, other], (good, other), iter([good, other])):
        message = r"documents\[[01]\] is .*, expected a Document\. Pass texts to add_texts"
        for owner, door, more in (
            (store, "add_documents", {}),
            (MatryoshkaVectorStore, "from_documents", options),
        ):
            again = iter([good, other]) if isinstance(given, Iterator) else given
            with pytest.raises(ConfigurationError, match=message):
                await answer(owner, f"{colour}{door}", again, **more)
    assert not client.collection_exists("new")
