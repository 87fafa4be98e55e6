"""Stores on both in-process engines, and a real embedding that counts what it is asked."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.embeddings import Embeddings
from qdrant_client import models
from reference import record_requests

from mrl_adapters.embeddings import WordLlamaEmbedder
from mrl_adapters.langchain import MatryoshkaVectorStore
from mrl_adapters.qdrant import CollectionLayout, EdgeClient, connect
from mrl_adapters.qdrant.driver import Client

TEXTS = [
    "Copy a directory tree to another place.",
    "Delete a file from the disk.",
    "Parse a date from a string.",
    "Open a network socket and listen.",
    "Sort a list of numbers in place.",
    "Compress data with gzip.",
]


class CountingEmbeddings(Embeddings):
    """wordllama, with a list of every text that was embedded."""

    def __init__(self) -> None:
        self._inner = WordLlamaEmbedder()
        self.model = self._inner.model
        self.documents: list[str] = []
        self.queries: list[str] = []

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        self.documents += texts
        return [list(vector) for vector in self._inner.embed_documents(texts)]

    def embed_query(self, text: str) -> list[float]:
        self.queries.append(text)
        return list(self._inner.embed_query(text))


@pytest.fixture
def embeddings() -> CountingEmbeddings:
    return CountingEmbeddings()


@pytest.fixture(params=["edge", "local"])
def client(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Client]:
    opened: Client = (
        connect(path=str(tmp_path / "vectors"))
        if request.param == "edge"
        else connect(location=":memory:")
    )
    yield opened
    opened.close()


@pytest.fixture
def exactly(client: Client) -> Callable[[Any], Any]:
    """What two calls have alike: all of it, but on local mode without the last digits.

    NumPy's products there depend on where in memory a vector happens to lie.
    """
    if isinstance(client, EdgeClient):
        return lambda found: found

    def rounded(found: Any) -> Any:
        text = json.dumps(found, default=lambda document: document.model_dump())
        return json.loads(text, parse_float=lambda digits: round(float(digits), 6))

    return rounded


@pytest.fixture
def requests(client: Client, monkeypatch: pytest.MonkeyPatch) -> list[models.QueryRequest]:
    """Every search request that the client gets from here on."""
    return record_requests(client, monkeypatch)


@pytest.fixture(scope="session")
def vectors() -> dict[str, list[float]]:
    """The full vectors of the store's documents, by their ids."""
    found = WordLlamaEmbedder().embed_documents(TEXTS)
    return {name: list(vector) for name, vector in zip("abcdef", found, strict=True)}


@pytest.fixture
def new_store(
    client: Client, embeddings: CountingEmbeddings
) -> Callable[..., MatryoshkaVectorStore]:
    def make(collection_name: str = "docs", **layout: object) -> MatryoshkaVectorStore:
        chosen = CollectionLayout(256, (64,), **layout) if layout else None  # type: ignore[arg-type] # a test's own options
        return MatryoshkaVectorStore(client, collection_name, embeddings, layout=chosen)

    return make


@pytest.fixture
def store(new_store: Callable[..., MatryoshkaVectorStore]) -> MatryoshkaVectorStore:
    """A store of six documents about files, dates, sockets, lists and archives."""
    made = new_store()
    made.add_texts(
        TEXTS, [{"n": number, "even": number % 2 == 0} for number in range(6)], ids=list("abcdef")
    )
    return made
