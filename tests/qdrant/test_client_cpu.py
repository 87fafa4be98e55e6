"""What a search on a server costs its client, against the same request by the client alone."""

import asyncio
import time
from collections.abc import Callable, Iterator
from statistics import median
from typing import Any

import numpy as np
import pytest
from qdrant_client import AsyncQdrantClient, QdrantClient, models
from real_server import grpc_address, new_space, server_address

from mrl_adapters.qdrant import CollectionLayout, Driver, MatryoshkaCollection, connect
from mrl_adapters.qdrant.query import Search

pytestmark = [
    pytest.mark.server,
    pytest.mark.benchmark_target,
    pytest.mark.filterwarnings("ignore:Api key is used with an insecure connection"),
]

DIMENSIONS, STAGE, K, CALLS, ROUNDS = 1536, 256, 10, 150, 9
BATCH, BATCHES = 16, 12
ROWS = np.random.default_rng(0).standard_normal((1000, DIMENSIONS), dtype=np.float32)


@pytest.fixture(params=[server_address, grpc_address], ids=["rest", "grpc"])
def client(request: pytest.FixtureRequest) -> Iterator[QdrantClient]:
    opened: Any = connect(**request.param())
    yield opened
    opened.close()


@pytest.fixture
def docs(client: QdrantClient) -> Iterator[MatryoshkaCollection]:
    made = MatryoshkaCollection(new_space(), layout=CollectionLayout(DIMENSIONS, (STAGE,)))
    ids = [str(row) for row in range(len(ROWS))]
    driver = Driver(client)
    driver.run(made.add(ids, ROWS, [{"page_content": f"passage {each}"} for each in ids]))
    yield made
    driver.run(made.drop())


def fields_of(row: np.ndarray) -> dict[str, Any]:
    """What a program that knows Qdrant would write."""
    short = row[:STAGE] / np.linalg.norm(row[:STAGE])
    stage = models.Prefetch(
        query=short.tolist(),
        using=f"short_{STAGE}",
        limit=100,
        params=models.SearchParams(
            hnsw_ef=128, quantization=models.QuantizationSearchParams(rescore=False)
        ),
    )
    return {"prefetch": stage, "query": row.tolist(), "using": "full", "limit": K}


def request_of(docs: MatryoshkaCollection, row: np.ndarray) -> dict[str, Any]:
    return {"collection_name": docs.name, "with_payload": True, **fields_of(row)}


def batch_of(row: int) -> list[models.QueryRequest]:
    rows = ROWS[row : row + BATCH]
    return [models.QueryRequest(with_payload=True, **fields_of(each)) for each in rows]


def cpu_s(work: Callable[[int], object], calls: int = CALLS) -> float:
    began = time.process_time()
    for row in range(calls):
        work(row)
    return time.process_time() - began


async def acpu_s(work: Callable[[int], Any], calls: int = CALLS) -> float:
    began = time.process_time()
    for row in range(calls):
        await work(row)
    return time.process_time() - began


def test_a_blocking_search_costs_little_more_than_the_client(
    client: QdrantClient, docs: MatryoshkaCollection
) -> None:
    driver = Driver(client)

    def ours(row: int) -> object:
        return driver.run(docs.search([Search(ROWS[row], K)]))

    def bare(row: int) -> object:
        return client.query_points(**request_of(docs, ROWS[row]))

    ours(0), bare(0)
    ratio = median(cpu_s(ours) / cpu_s(bare) for _ in range(ROUNDS))
    assert ratio <= 1.15, ratio


def test_a_coroutines_search_costs_little_more_than_the_client(
    client: QdrantClient, docs: MatryoshkaCollection
) -> None:
    async def measure() -> float:
        driver = Driver(client)
        plain = AsyncQdrantClient(**client.init_options)

        async def ours(row: int) -> object:
            return await driver.arun(docs.search([Search(ROWS[row], K)]))

        async def bare(row: int) -> object:
            return await plain.query_points(**request_of(docs, ROWS[row]))

        await ours(0), await bare(0)
        ratios = [await acpu_s(ours) / await acpu_s(bare) for _ in range(ROUNDS)]
        await plain.close()
        return median(ratios)

    ratio = asyncio.run(measure())
    assert ratio <= 1.15, ratio


def test_a_batch_costs_no_more_than_by_the_client(
    client: QdrantClient, docs: MatryoshkaCollection
) -> None:
    driver = Driver(client)

    def ours(row: int) -> object:
        return driver.run(docs.search([Search(each, K) for each in ROWS[row : row + BATCH]]))

    def bare(row: int) -> object:
        return client.query_batch_points(docs.name, batch_of(row))

    ours(0), bare(0)
    ratio = median(cpu_s(ours, BATCHES) / cpu_s(bare, BATCHES) for _ in range(ROUNDS))
    assert ratio <= 1.0, ratio


def test_a_coroutines_batch_costs_no_more_than_by_the_client(
    client: QdrantClient, docs: MatryoshkaCollection
) -> None:
    async def measure() -> float:
        driver = Driver(client)
        plain = AsyncQdrantClient(**client.init_options)

        async def ours(row: int) -> object:
            searches = [Search(each, K) for each in ROWS[row : row + BATCH]]
            return await driver.arun(docs.search(searches))

        async def bare(row: int) -> object:
            return await plain.query_batch_points(docs.name, batch_of(row))

        await ours(0), await bare(0)
        ratios = [await acpu_s(ours, BATCHES) / await acpu_s(bare, BATCHES) for _ in range(ROUNDS)]
        await plain.close()
        return median(ratios)

    ratio = asyncio.run(measure())
    assert ratio <= 1.0, ratio
