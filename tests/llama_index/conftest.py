"""Stores on every engine, driven in both colours, and an embed_model that counts its calls."""

import asyncio
import inspect
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.schema import TextNode
from qdrant_client import QdrantClient, models
from real_server import server_client
from reference import record_requests

from mrl_adapters.embeddings import WordLlamaEmbedder
from mrl_adapters.llama_index import MatryoshkaEmbedding, MatryoshkaVectorStore
from mrl_adapters.qdrant import CollectionLayout, connect
from mrl_adapters.qdrant.driver import Client

TEXTS = [
    "Copy a directory tree to another place.",
    "Delete a file from the disk.",
    "Parse a date from a string.",
    "Open a network socket and listen.",
    "Sort a list of numbers in place.",
    "Compress data with gzip.",
]

NewStore = Callable[..., MatryoshkaVectorStore]


@pytest.fixture(scope="session")
def embed_model() -> BaseEmbedding:
    """wordllama at its full size: 256 numbers, no network."""
    return MatryoshkaEmbedding(WordLlamaEmbedder(), 256)


@pytest.fixture(scope="session")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with connect(path=str(tmp_path_factory.mktemp("edge"))) as opened:
        yield opened


@pytest.fixture(scope="session")
def server() -> Iterator[Client]:
    with server_client() as opened:
        yield opened


@pytest.fixture(scope="session")
def local() -> Iterator[Client]:
    opened = QdrantClient(":memory:")
    yield opened
    opened.close()


@pytest.fixture(
    params=[
        pytest.param("edge", id="edge"),
        pytest.param("local", id="local"),
        pytest.param("server", id="server", marks=pytest.mark.server),
    ]
)
def client(request: pytest.FixtureRequest, name: str) -> Iterator[Client]:
    """A client of each engine, the same for all tests; each test has a collection of its own."""
    shared: Client = request.getfixturevalue(request.param)
    yield shared
    shared.delete_collection(name)


@pytest.fixture
def name() -> str:
    """A collection's name that no other test uses, also on a shared server."""
    return f"mrl_test_{uuid.uuid4().hex[:12]}"


@pytest.fixture
def new_store(client: Client, name: str) -> NewStore:
    def make(**options: Any) -> MatryoshkaVectorStore:
        options.setdefault("layout", CollectionLayout(256, (64,)))
        return MatryoshkaVectorStore(name, client, **options)

    return make


@pytest.fixture
def requests(client: Client, monkeypatch: pytest.MonkeyPatch) -> list[models.QueryRequest]:
    """Every search request that the client gets from here on."""
    return record_requests(client, monkeypatch)


@pytest.fixture
def nodes(embed_model: BaseEmbedding) -> list[TextNode]:
    """Six nodes a to f, from two documents, with metadata of every kind."""
    made = [
        TextNode(
            id_=letter,
            text=text,
            metadata={"n": place, "even": place % 2 == 0, "tags": ["all", f"t{place}"]},
        )
        for place, (letter, text) in enumerate(zip("abcdef", TEXTS, strict=True))
    ]
    return embed_model(made)  # type: ignore[return-value] # the same nodes


@pytest.fixture
def store(new_store: NewStore, nodes: list[TextNode]) -> MatryoshkaVectorStore:
    made = new_store()
    made.add(nodes)
    return made


@pytest.fixture(params=["sync", "async"])
def call(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Call a method of a store or retriever, or its async twin, by the blocking name."""

    def do(owner: object, method: str, *args: Any, **kwargs: Any) -> Any:
        if request.param == "sync":
            return getattr(owner, method)(*args, **kwargs)
        twin = getattr(owner, "async_add" if method == "add" else f"a{method}")

        async def run() -> Any:
            answer = twin(*args, **kwargs)
            assert inspect.isawaitable(answer)
            return await answer

        return asyncio.run(run())

    return do
