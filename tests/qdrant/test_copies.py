"""Copies of stores share their client; what cannot go into another process says so."""

import copy
import pickle
from typing import Any

import pytest
from llama_index.core import MockEmbedding

from mrl_adapters import langchain, llama_index
from mrl_adapters.embeddings import WordLlamaEmbedder
from mrl_adapters.errors import ConfigurationError
from mrl_adapters.qdrant import connect


def made(kind: str) -> Any:
    client = connect(location=":memory:")
    if kind.startswith("langchain"):
        store = langchain.MatryoshkaVectorStore(client, "docs", WordLlamaEmbedder())
        store.add_texts(["a file"])
        own = {"langchain retriever": langchain.MatryoshkaRetriever(vectorstore=store)}
        return {**own, "langchain as_retriever": store.as_retriever()}.get(kind, store)
    nodes = llama_index.MatryoshkaVectorStore("docs", client)
    if kind == "llama_index retriever":
        return llama_index.MatryoshkaRetriever(nodes, MockEmbedding(8))
    return nodes


KINDS = [
    "langchain store",
    "langchain retriever",
    "langchain as_retriever",
    "llama_index store",
    "llama_index retriever",
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("copier", [copy.copy, copy.deepcopy])
def test_a_copy_works_on_the_same_client(kind: str, copier: Any) -> None:
    thing = copier(made(kind))
    found = {
        "langchain store": lambda: thing.similarity_search("a file"),
        "llama_index store": lambda: [*thing.get_nodes(), 1],
        "llama_index retriever": lambda: [*thing.retrieve("a file"), 1],
    }.get(kind, lambda: thing.invoke("a file"))()
    assert len(found) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_pickling_is_refused_in_words(kind: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot be pickled"):
        pickle.dumps(made(kind))
