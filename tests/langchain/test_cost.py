"""What the adapter adds to the engine's own answer."""

import statistics
import time
from pathlib import Path

import numpy as np
import pytest

from mrl_adapters.langchain import MatryoshkaRetriever, MatryoshkaVectorStore
from mrl_adapters.qdrant import CollectionLayout, connect
from mrl_adapters.qdrant.edge import reading

ADDED_LIMIT_S = 250e-6


class Ready:
    """Vectors that are there already: embedding costs nothing."""

    def __init__(self, dimensions: int) -> None:
        self._random = np.random.default_rng(0)
        self._query = self._random.normal(size=dimensions).tolist()
        self._dimensions = dimensions

    def embed_documents(self, texts):
        return self._random.normal(size=(len(texts), self._dimensions)).tolist()

    def embed_query(self, text):
        return self._query

    async def aembed_documents(self, texts):
        return self.embed_documents(texts)

    async def aembed_query(self, text):
        return self._query


@pytest.mark.benchmark_target
def test_invoke_adds_under_250_microseconds_to_the_raw_query(tmp_path: Path, monkeypatch):
    with connect(path=str(tmp_path / "vectors")) as client:
        store = MatryoshkaVectorStore(
            client, "docs", Ready(768), layout=CollectionLayout(768, (128,))
        )
        store.add_texts([f"text {number}" for number in range(5_000)], [{"source": "x"}] * 5_000)
        retriever = MatryoshkaRetriever(vectorstore=store, k=10)
        requests = []
        build = reading.edge_request
        monkeypatch.setattr(
            reading, "edge_request", lambda *args: requests.append(build(*args)) or requests[-1]
        )
        retriever.invoke("question")
        monkeypatch.undo()
        with client._collection("docs").engine() as shard:
            raw, whole = [], []
            for _ in range(2_000):
                started = time.perf_counter()
                shard.query(requests[0])
                between = time.perf_counter()
                retriever.invoke("question")
                raw.append(between - started)
                whole.append(time.perf_counter() - between)
    added = statistics.median(whole) - statistics.median(raw)
    assert added < ADDED_LIMIT_S, f"{added * 1e6:.0f} microseconds"
