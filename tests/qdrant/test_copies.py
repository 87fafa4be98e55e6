"""Copies of stores share their client; what cannot go into another process says so."""

import asyncio
import copy
import pickle
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from llama_index.core import MockEmbedding
from qdrant_client import AsyncQdrantClient, QdrantClient

from mrl_adapters import langchain, llama_index
from mrl_adapters.embeddings import WordLlamaEmbedder
from mrl_adapters.errors import ConfigurationError
from mrl_adapters.qdrant import clients, connect


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


@pytest.mark.parametrize("copier", [copy.copy, copy.deepcopy])
def test_a_copy_of_the_embedded_client_is_itself_and_it_is_not_pickled(
    tmp_path: Path, copier: Any
) -> None:
    with connect(path=str(tmp_path)) as client:
        assert copier({"client": client})["client"] is client
        with pytest.raises(ConfigurationError, match=r"cannot be pickled.*connect\(path="):
            pickle.dumps(client)
        assert client.get_collections().collections == []


def test_threads_that_ask_at_once_get_one_twin_a_loop_made_one_after_the_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    making: list[int] = []

    class Slow(AsyncQdrantClient):
        def __init__(self, **options: Any) -> None:
            making.append(1)
            time.sleep(0.005)
            super().__init__(**options)
            assert making == [1]
            making.clear()

    monkeypatch.setattr(clients, "AsyncQdrantClient", Slow)
    client = QdrantClient(url="http://localhost:1", check_compatibility=False)
    begin = threading.Barrier(8)

    async def ask() -> tuple[AsyncQdrantClient, AsyncQdrantClient]:
        begin.wait()
        return await clients.twin_of(client), await clients.twin_of(client)

    with ThreadPoolExecutor(8) as pool:
        pairs = list(pool.map(lambda _: asyncio.run(ask()), range(8)))
    client.close()
    assert all(first is second for first, second in pairs)
    assert len({id(first) for first, _ in pairs}) == 8
