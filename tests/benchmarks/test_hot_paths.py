"""What every search and every write pays, as multiples of a yardstick measured in the same run.

    python -m pytest -m benchmark_target tests/benchmarks
    UPDATE_BASELINE=1 python -m pytest -m benchmark_target tests/benchmarks   # on an idle machine

Absolute times differ from machine to machine and from minute to minute; how often a piece of
ordinary Python fits into a path does so far less. The stored multiples are in ``baseline.json``.
"""

import json
import os
import timeit
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.schema import TextNode

from mrl_adapters.langchain import MatryoshkaRetriever, MatryoshkaVectorStore
from mrl_adapters.langchain.points import to_document
from mrl_adapters.llama_index import MatryoshkaRetriever as LlamaRetriever
from mrl_adapters.llama_index import MatryoshkaVectorStore as LlamaStore
from mrl_adapters.llama_index.points import to_node
from mrl_adapters.qdrant import CollectionLayout, SearchPlan, connect
from mrl_adapters.qdrant.contents import Contents
from mrl_adapters.qdrant.engine import EDGE
from mrl_adapters.qdrant.points import PointBatch, columns
from mrl_adapters.qdrant.query import Search, search_request

pytestmark = pytest.mark.benchmark_target

BASELINE = Path(__file__).with_name("baseline.json")
WORSE = 1.4  # times the stored multiple: beyond what a busy machine explains
DIMENSIONS, STAGE, POINTS, K = 1536, 256, 2000, 10
HotPath = Callable[[], object]


class Ready(BaseEmbedding):
    """Vectors that are there already, for both frameworks."""

    vector: list[float]

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        rng = np.random.default_rng(0)
        return rng.normal(size=(len(texts), DIMENSIONS)).tolist()

    def embed_query(self, text: str) -> list[float]:
        return self.vector

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        return self.embed_documents(texts)

    async def aembed_query(self, text: str) -> list[float]:
        return self.vector

    def _get_query_embedding(self, query: str) -> list[float]:
        return self.vector

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self.vector

    def _get_text_embedding(self, text: str) -> list[float]:
        return self.vector


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, HotPath]]:
    """The hot paths by name, over one collection."""
    rng = np.random.default_rng(1)
    ready = Ready(vector=rng.normal(size=DIMENSIONS).tolist())
    query = np.asarray(ready.vector, dtype=np.float32)
    layout = CollectionLayout(DIMENSIONS, (STAGE,))
    plan = SearchPlan()
    full = rng.normal(size=(256, DIMENSIONS)).astype(np.float32)
    ids = [f"document {row}" for row in range(len(full))]
    payloads: list[dict[str, Any]] = [{"page_content": name, "metadata": {}} for name in ids]

    def build_points() -> object:
        return PointBatch(ids, columns(full, layout, ids), payloads).requests(EDGE)

    with connect(path=str(tmp_path_factory.mktemp("hot"))) as client:
        store = MatryoshkaVectorStore(client, "docs", ready, layout=layout)
        texts = [f"passage {row} about nothing much" for row in range(POINTS)]
        store.add_texts(texts, [{"source": "here", "page": row} for row in range(POINTS)])
        nodes = LlamaStore("nodes", client=client, layout=layout)
        vectors = rng.normal(size=(POINTS, DIMENSIONS)).tolist()
        nodes.add(
            [
                TextNode(text=text, metadata={"page": page}, embedding=vector)
                for page, (text, vector) in enumerate(zip(texts, vectors, strict=True))
            ]
        )
        retriever = MatryoshkaRetriever(vectorstore=store, k=K)
        other = LlamaRetriever(nodes, ready, similarity_top_k=K)
        search = [Search(query, K)]
        documents = store.driver.run(store.collection.search(search))[0]
        written = nodes.driver.run(nodes.collection.search(search))[0]
        yield {
            "build a search request": lambda: search_request(Search(query, K), layout, plan, EDGE),
            "build 256 points": build_points,
            "read 10 documents": lambda: [to_document(point, Contents("n")) for point in documents],
            "read 10 nodes": lambda: [to_node(point, Contents("n")) for point in written],
            "invoke LangChain's retriever": lambda: retriever.invoke("question"),
            "invoke LlamaIndex's retriever": lambda: other.retrieve("question"),
        }


def yardstick() -> object:
    """Do what the paths are made of: objects, dictionaries, strings, a little NumPy."""
    rows = [{"name": f"row {row}", "values": list(range(row % 7))} for row in range(200)]
    text = json.dumps(rows)
    return np.linalg.norm(np.frombuffer(text.encode()[:4096], dtype=np.uint8).astype(np.float32))


def yardstick_s() -> float:
    return min(timeit.repeat(yardstick, number=5, repeat=40)) / 5


NAMES = (
    "build a search request",
    "build 256 points",
    "read 10 documents",
    "read 10 nodes",
    "invoke LangChain's retriever",
    "invoke LlamaIndex's retriever",
)


@pytest.mark.parametrize("name", NAMES)
def test_a_hot_path_takes_no_more_than_it_did(
    name: str, paths: dict[str, HotPath], benchmark: Any
) -> None:
    before = yardstick_s()
    benchmark(paths[name])
    # The least time of many is what the code itself takes; the rest is the machine's.
    multiple = benchmark.stats.stats.min / min(before, yardstick_s())
    benchmark.extra_info["multiple of the yardstick"] = multiple
    stored = json.loads(BASELINE.read_text())
    if os.environ.get("UPDATE_BASELINE"):
        BASELINE.write_text(json.dumps({**stored, name: round(multiple, 3)}, indent=2) + "\n")
        return
    assert multiple <= WORSE * stored[name], f"{multiple:.3f}, stored {stored[name]}"


def test_every_path_has_a_baseline(paths: dict[str, HotPath]) -> None:
    assert set(paths) == set(NAMES) == set(json.loads(BASELINE.read_text()))
