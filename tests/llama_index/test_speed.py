"""What the adapter costs, against the stock store on the same client of the local mode."""

import time
import uuid
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from llama_index.core.schema import TextNode
from llama_index.core.vector_stores import VectorStoreQuery
from qdrant_client import QdrantClient

from mrl_adapters.llama_index import MatryoshkaVectorStore
from mrl_adapters.qdrant import CollectionLayout

qdrant = pytest.importorskip("llama_index.vector_stores.qdrant")

pytestmark = pytest.mark.benchmark_target

DIMENSIONS = 1536
RNG = np.random.default_rng(0)
VECTORS = RNG.normal(size=(200, DIMENSIONS)).tolist()
NODES = [
    TextNode(
        id_=str(uuid.UUID(int=place)),
        text="word " * 100,
        metadata={"n": place, "file": f"file {place % 7}"},
        embedding=vector,
    )
    for place, vector in enumerate(VECTORS)
]


@pytest.fixture
def client() -> Iterator[QdrantClient]:
    opened = QdrantClient(":memory:")
    yield opened
    opened.close()


def stock(client: QdrantClient, name: str) -> Any:
    return qdrant.QdrantVectorStore(name, client)


def ours(client: QdrantClient, name: str) -> MatryoshkaVectorStore:
    layout = CollectionLayout(DIMENSIONS, (256,))
    return MatryoshkaVectorStore(name, client, layout=layout)


def fastest(*contestants: Callable[[int], object], rounds: int = 9) -> list[float]:
    """Time contestants in turn, so that a loaded machine slows all of them; take each's best."""
    best = [float("inf")] * len(contestants)
    for turn in range(rounds):
        for place, run in enumerate(contestants):
            started = time.perf_counter()
            run(turn)
            best[place] = min(best[place], time.perf_counter() - started)
    return best


def test_adding_is_1_3_times_as_fast_as_the_stock_store(client):
    def add(make: Callable[[QdrantClient, str], Any]) -> Callable[[int], object]:
        return lambda turn: make(client, f"{make.__name__} {turn}").add(NODES)

    with warnings.catch_warnings():
        # The stock store creates an index, of which the local mode says that it has no effect.
        warnings.simplefilter("ignore")
        theirs, own = fastest(add(stock), add(ours))
    assert theirs / own >= 1.3, f"stock {theirs:.4f} s, ours {own:.4f} s for {len(NODES)} nodes"


def test_an_exact_query_costs_little_more_than_the_stock_stores(client):
    """Same work, one comparison with every vector; what is added are spans, an event and checks."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        stores = stock(client, "stock"), ours(client, "ours")
        for store in stores:
            store.add(NODES)
    query = VectorStoreQuery(VECTORS[7], similarity_top_k=10)
    theirs, own = fastest(
        lambda _: stores[0].query(query),
        lambda _: stores[1].query(query, exact=True),
        rounds=200,
    )
    assert own - theirs < 0.0005, f"stock {theirs * 1e3:.3f} ms, ours {own * 1e3:.3f} ms"
