"""Clients: closed with their store, one a process and an event loop, refused when closed."""

import asyncio
import gc
import os
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from faulty_server import Server
from langchain_core.embeddings import DeterministicFakeEmbedding
from llama_index.core.schema import TextNode
from llama_index.core.vector_stores.types import VectorStoreQuery
from qdrant_client import QdrantClient

from mrl_adapters.errors import EngineError
from mrl_adapters.langchain import MatryoshkaVectorStore
from mrl_adapters.llama_index import MatryoshkaVectorStore as LlamaStore
from mrl_adapters.qdrant import connect
from mrl_adapters.qdrant.clients import of_this_process

SIZE = 16
QUICK_S = 1.0  # a request to a closed client was repeated for three seconds
EMBEDDING = DeterministicFakeEmbedding(size=SIZE)


@pytest.fixture
def client(faulty_server: Server) -> Iterator[QdrantClient]:
    url = f"http://127.0.0.1:{faulty_server.server_port}"
    client = QdrantClient(url=url, check_compatibility=False)
    yield client
    client.close()


def langchain_store(client: Any) -> Any:
    store = MatryoshkaVectorStore(client, "docs", EMBEDDING)
    store.add_texts(["a", "b"], ids=["1", "2"])
    return store


def llama_index_store(client: Any) -> Any:
    store = LlamaStore("docs", client)
    store.add([TextNode(id_="1", text="a", embedding=EMBEDDING.embed_query("a"))])
    return store


def search(store: Any) -> Any:
    if isinstance(store, LlamaStore):
        query = VectorStoreQuery(EMBEDDING.embed_query("a"), similarity_top_k=1)
        return store.query(query).nodes
    return store.similarity_search("a", k=1)


async def asearch(store: Any) -> Any:
    if isinstance(store, LlamaStore):
        query = VectorStoreQuery(EMBEDDING.embed_query("a"), similarity_top_k=1)
        return (await store.aquery(query)).nodes
    return await store.asimilarity_search("a", k=1)


stores = pytest.mark.parametrize("make", [langchain_store, llama_index_store])


@stores
def test_a_stores_block_frees_the_folder(make: Any, tmp_path: Path) -> None:
    with make(connect(path=tmp_path / "vectors")) as store:
        assert search(store)
    with connect(path=tmp_path / "vectors") as client:  # its lock is free
        assert client.count("docs").count
    with pytest.raises(EngineError, match="is closed"):
        search(store)


@stores
async def test_an_async_block_frees_the_folder_too(make: Any, tmp_path: Path) -> None:
    async with make(connect(path=tmp_path / "vectors")) as store:
        assert await asearch(store)
    with connect(path=tmp_path / "vectors") as client:
        assert client.count("docs").count


@stores
def test_a_closed_servers_client_is_said_to_be_closed_at_once(
    make: Any, client: QdrantClient
) -> None:
    store = make(client)
    assert asyncio.run(asearch(store))
    store.close()
    began = time.monotonic()
    with pytest.raises(EngineError, match=r"QdrantClient is closed. Connect again: connect\(url"):
        search(store)
    with pytest.raises(EngineError, match="QdrantClient is closed"):
        asyncio.run(asearch(store))
    assert time.monotonic() - began < QUICK_S


@stores
def test_loops_that_end_leave_no_connection_open(make: Any, client: QdrantClient) -> None:
    store = make(client)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(20):
            assert asyncio.run(asearch(store))
        gc.collect()


async def test_closing_from_a_coroutine_closes_its_loops_client(client: QdrantClient) -> None:
    store = await asyncio.to_thread(langchain_store, client)
    twins = []
    async with store:
        await asearch(store)
        await store.driver.arun(_kept(twins))
    assert twins[0]._client.closed
    assert client._client.closed


def _kept(twins: list[Any]) -> Any:
    from mrl_adapters.qdrant.flow import CLIENT

    twins.append(CLIENT.get())
    return
    yield


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows does not fork")
@pytest.mark.filterwarnings("ignore:This process.*is multi-threaded:DeprecationWarning")
def test_forked_processes_get_their_own_answers_over_kept_connections(
    faulty_server: Server,
) -> None:
    """As for every host but localhost: connections are kept, and would be shared after a fork."""
    url = f"http://127.0.0.1:{faulty_server.server_port}"
    client = QdrantClient(url=url, check_compatibility=False, limits=httpx.Limits())
    store = langchain_store(client)
    search(store)
    children = []
    for _ in range(2):
        child = os.fork()
        if not child:
            wrong = 1
            try:
                wrong = int(of_this_process(client) is client)
                for text in np.random.default_rng(os.getpid()).choice(["a", "b"], 30):
                    wrong += store.similarity_search(str(text), k=1)[0].page_content != text
            finally:
                os._exit(min(wrong, 100))
        children.append(child)
    for text in ["a", "b"] * 15:
        assert store.similarity_search(text, k=1)[0].page_content == text
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]
    assert of_this_process(client) is client
    client.close()
