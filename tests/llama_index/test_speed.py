"""What the adapter costs, against the stock store on the same client of the local mode.

Both stores compare the query with every full vector: the local mode has no graph, and searching
short vectors first would only add a scan (see SearchPlan.stages).
"""

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

DIMENSIONS = 768
QUESTIONS = 20


def vectors(count: int, seed: int = 0) -> list[list[float]]:
    made: list[list[float]] = np.random.default_rng(seed).normal(size=(count, DIMENSIONS)).tolist()
    return made


def nodes(count: int) -> list[TextNode]:
    return [
        TextNode(
            id_=str(uuid.UUID(int=place)),
            text="word " * 100,
            metadata={"n": place, "file": f"file {place % 7}"},
            embedding=vector,
        )
        for place, vector in enumerate(vectors(count))
    ]


@pytest.fixture
def client() -> Iterator[QdrantClient]:
    opened = QdrantClient(":memory:")
    with warnings.catch_warnings():
        # The stock store creates an index, of which the local mode says that it has no effect.
        warnings.simplefilter("ignore")
        yield opened
    opened.close()


def stock(client: QdrantClient, name: str) -> Any:
    return qdrant.QdrantVectorStore(name, client)


def ours(client: QdrantClient, name: str) -> MatryoshkaVectorStore:
    layout = CollectionLayout(DIMENSIONS, (256,))
    return MatryoshkaVectorStore(name, client, layout=layout)


def fastest(*contestants: Callable[[int], object], rounds: int) -> list[float]:
    """Time contestants in turn, so that a loaded machine slows all of them; take each's best.

    Every other round goes backwards: each follows itself as often as another, which has left its
    own vectors in the processor's cache.
    """
    best = [float("inf")] * len(contestants)
    for turn in range(rounds):
        for place in range(len(contestants))[:: 1 if turn % 2 else -1]:
            started = time.perf_counter()
            contestants[place](turn)
            best[place] = min(best[place], time.perf_counter() - started)
    return best


def test_adding_is_1_3_times_as_fast_as_the_stock_store(client):
    given = nodes(500)

    def add(make: Callable[[QdrantClient, str], Any]) -> Callable[[int], object]:
        return lambda turn: make(client, f"{make.__name__} {turn}").add(given)

    theirs, own = fastest(add(stock), add(ours), rounds=8)
    assert theirs / own >= 1.3, f"stock {theirs:.4f} s, ours {own:.4f} s for {len(given)} nodes"


@pytest.mark.parametrize(("count", "rounds"), [(1_000, 300), (10_000, 60)])
def test_a_query_is_1_3_times_as_fast_as_the_stock_stores(client, count, rounds):
    stores = stock(client, "stock"), ours(client, "ours")
    for store in stores:
        store.add(nodes(count))
    asked = [VectorStoreQuery(each, similarity_top_k=10) for each in vectors(QUESTIONS, seed=1)]
    answers = [[store.query(query).ids for query in asked] for store in stores]
    assert answers[0] == answers[1]
    theirs, own = fastest(
        lambda turn: stores[0].query(asked[turn % QUESTIONS]),
        lambda turn: stores[1].query(asked[turn % QUESTIONS]),
        rounds=rounds,
    )
    assert theirs / own >= 1.3, f"stock {theirs * 1e3:.3f} ms, ours {own * 1e3:.3f} ms"
