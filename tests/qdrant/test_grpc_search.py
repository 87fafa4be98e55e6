"""Searches by gRPC find what searches by REST find, alone and in one request."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from qdrant_client import QdrantClient, models
from real_server import grpc_address, new_space, server_address

from mrl_adapters.qdrant import CollectionLayout, Driver, MatryoshkaCollection, SearchPlan, connect
from mrl_adapters.qdrant.query import Search

pytestmark = [
    pytest.mark.server,
    pytest.mark.filterwarnings("ignore:Api key is used with an insecure connection"),
]

ROWS = np.random.default_rng(0).standard_normal((200, 64), dtype=np.float32)
OF_A_THIRD = models.Filter(
    must=[models.FieldCondition(key="group", match=models.MatchValue(value=1))]
)
SEARCHES = {
    "usual": Search(ROWS[0], 10),
    "filtered": Search(ROWS[1], 10, query_filter=OF_A_THIRD),
    "from a later page": Search(ROWS[2], 5, offset=5),
    "above a score": Search(ROWS[3], 10, score_threshold=0.2),
    "without payload": Search(ROWS[4], 3, with_payload=False),
    "some payload": Search(ROWS[5], 3, with_payload=["group"]),
    "with a vector": Search(ROWS[6], 3, with_vectors=["short_16"]),
    "with every vector": Search(ROWS[7], 3, with_vectors=True),
    "diverse": Search(ROWS[8], 5, mmr_lambda=0.5),
}
PLANS = {
    "usual": SearchPlan(),
    "exact": SearchPlan(exact=True),
    "a funnel": SearchPlan(stages=(16, 32)),
    "all replicas": SearchPlan(consistency="all", timeout_s=20),
    "two replicas": SearchPlan(consistency=2),
}


def read(hits: list[list[models.ScoredPoint]]) -> tuple[list[Any], Any]:
    """Split hits into what is told exactly, and numbers: JSON writes those as short as it can."""
    each = [hit for some in hits for hit in some]
    numbers = [hit.score for hit in each]
    for hit in each:
        vectors: Any = hit.vector or {}
        numbers += [number for name in sorted(vectors) for number in vectors[name]]
    exactly = [(hit.id, hit.payload, sorted(hit.vector or {})) for hit in each]
    return [[len(some) for some in hits], exactly], numbers


@pytest.fixture(scope="module")
def clients() -> Iterator[tuple[QdrantClient, QdrantClient]]:
    opened: Any = [connect(**server_address()), connect(**grpc_address())]
    yield tuple(opened)
    for each in opened:
        each.close()


@pytest.fixture(scope="module")
def docs(clients: tuple[QdrantClient, QdrantClient]) -> Iterator[MatryoshkaCollection]:
    made = MatryoshkaCollection(new_space(), layout=CollectionLayout(64, (16, 32)))
    payloads = [{"page_content": f"passage {row}", "group": row % 3} for row in range(len(ROWS))]
    driver = Driver(clients[0])
    driver.run(made.add([str(row) for row in range(len(ROWS))], ROWS, payloads))
    yield made
    driver.run(made.drop())


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
@pytest.mark.parametrize("search", SEARCHES.values(), ids=SEARCHES)
def test_a_search_finds_the_same_by_both(
    clients: tuple[QdrantClient, QdrantClient],
    docs: MatryoshkaCollection,
    search: Search,
    plan: SearchPlan,
) -> None:
    by_rest, by_grpc = (Driver(each).run(docs.search([search], plan)) for each in clients)
    (exactly, numbers), (expected, expected_numbers) = read(by_grpc), read(by_rest)
    assert exactly == expected
    assert numbers == pytest.approx(expected_numbers, abs=1e-6)
    assert by_grpc[0]


async def test_a_batch_of_coroutines_finds_the_same_by_both(
    clients: tuple[QdrantClient, QdrantClient], docs: MatryoshkaCollection
) -> None:
    rest, grpc = map(Driver, clients)
    searches = [*SEARCHES.values()]
    by_rest = await rest.arun(docs.search(searches))
    by_grpc = await grpc.arun(docs.search(searches))
    (exactly, numbers), (expected, expected_numbers) = read(by_grpc), read(by_rest)
    assert exactly == expected
    assert numbers == pytest.approx(expected_numbers, abs=1e-6)
    assert all(by_grpc)
