"""Every door of the LlamaIndex adapter refuses one string, node or query for a list of them."""

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.documents import Document as LangChainDocument
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.schema import TextNode
from llama_index.core.vector_stores import VectorStoreQuery

from mrl_adapters.embeddings import WordLlamaEmbedder
from mrl_adapters.errors import ConfigurationError
from mrl_adapters.llama_index import MatryoshkaRetriever, MatryoshkaVectorStore
from mrl_adapters.llama_index.embedder import EmbedderEmbedding

EMBEDDING = [1.0] * 256
DOORS: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("add", (TextNode(text="x", embedding=EMBEDDING),), {}),
    ("add", ("x",), {}),
    ("get_nodes", ("a",), {}),
    ("get_nodes", (), {"node_ids": 7}),
    ("delete_nodes", ("a",), {}),
    ("delete_nodes", (), {"node_ids": 7}),
    ("query", (VectorStoreQuery(query_embedding=EMBEDDING, node_ids="a"),), {}),  # type: ignore[arg-type] # what the test is about
    ("query", (VectorStoreQuery(query_embedding=EMBEDDING, doc_ids="a"),), {}),  # type: ignore[arg-type] # what the test is about
    ("query_batch", (VectorStoreQuery(query_embedding=EMBEDDING),), {}),
    ("query_batch", ("question",), {}),
]


@pytest.mark.parametrize(("method", "args", "kwargs"), DOORS)
def test_a_store_refuses_it_and_stays_as_it_is(
    store: MatryoshkaVectorStore, call: Callable[..., Any], method: str, args: Any, kwargs: Any
) -> None:
    with pytest.raises(ConfigurationError, match="pass a list"):
        call(store, method, *args, **kwargs)
    assert len(store.get_nodes()) == 6


def test_a_retriever_refuses_it(
    store: MatryoshkaVectorStore, embed_model: BaseEmbedding, call: Callable[..., Any]
) -> None:
    retriever = MatryoshkaRetriever(store, embed_model)
    with pytest.raises(ConfigurationError, match="pass a list"):
        call(retriever, "retrieve_batch", "one question")


async def answer(owner: Any, method: str, text: str) -> Any:
    found = getattr(owner, method)(text)
    return await found if inspect.isawaitable(found) else found


@pytest.mark.parametrize("colour", ["", "a"], ids=["sync", "async"])
@pytest.mark.parametrize("method", ["get_text_embedding_batch", "get_agg_embedding_from_queries"])
async def test_an_embed_model_refuses_it(
    embed_model: BaseEmbedding, colour: str, method: str
) -> None:
    for model in (embed_model, EmbedderEmbedding(WordLlamaEmbedder())):
        with pytest.raises(ConfigurationError, match="pass a list"):
            await answer(model, f"{colour}{method}", "one text")


def test_an_embed_model_still_takes_lists(embed_model: BaseEmbedding) -> None:
    both = embed_model.get_text_embedding_batch(["one", "two"])
    assert both == asyncio.run(embed_model.aget_text_embedding_batch(["one", "two"]))


OTHERS: list[Any] = ["x", None, 7, {"text": "x"}, b"x", LangChainDocument(page_content="x")]


@pytest.mark.parametrize("other", OTHERS, ids=lambda each: type(each).__name__)
def test_what_is_no_node_is_refused_in_words_and_nothing_is_written(
    new_store: Callable[..., MatryoshkaVectorStore], call: Callable[..., Any], other: Any
) -> None:
    store = new_store()
    good = TextNode(text="x", embedding=EMBEDDING)
    for given in ([other], [good, other], (good, other)):
        place = len(given) - 1
        with pytest.raises(ConfigurationError, match=rf"nodes\[{place}\] is .*expected a BaseNode"):
            call(store, "add", given)
    assert store.get_nodes() == []


@pytest.mark.parametrize("wrong", [None, 1.5, True, b"a", ["a"], {"a": 1}, "\ud83d"])
def test_what_is_no_id_of_a_document_is_refused_in_words(
    store: MatryoshkaVectorStore, call: Callable[..., Any], wrong: Any
) -> None:
    with pytest.raises(ConfigurationError, match="A document's id is "):
        call(store, "delete", wrong)
    asked = VectorStoreQuery(query_embedding=EMBEDDING)
    asked.doc_ids = ["a", wrong]
    with pytest.raises(ConfigurationError, match="A document's id is "):
        call(store, "query", asked)
    assert len(store.get_nodes()) == 6


def test_a_document_is_back_where_its_new_form_holds_what_is_no_node(
    store: MatryoshkaVectorStore, call: Callable[..., Any]
) -> None:
    call(store, "delete", "a")
    new: list[Any] = [TextNode(id_="a", text="new", embedding=EMBEDDING), "x"]
    with pytest.raises(ConfigurationError, match=r"nodes\[1\] is 'x' \(str\)"):
        call(store, "add", new)
    assert [node.text for node in store.get_nodes(["a"])] == [
        "Copy a directory tree to another place."
    ]
