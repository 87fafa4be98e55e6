"""A server that stores no more says why, once; the same call completes it afterwards."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from batched import stored
from faulty_server import Server, gives
from grpc import StatusCode
from grpc_proxy import faulty_grpc
from grpc_proxy import gives as gives_by_grpc
from qdrant_client import QdrantClient, models
from qdrant_client.http.exceptions import UnexpectedResponse
from real_server import grpc_address, new_space, server_address

from mrl_adapters.errors import QuotaError
from mrl_adapters.qdrant import CollectionLayout, Driver, MatryoshkaCollection, connect
from mrl_adapters.qdrant.flow import Flow
from mrl_adapters.qdrant.loading import Load
from mrl_adapters.qdrant.query import Search

pytestmark = pytest.mark.filterwarnings("ignore:Api key is used with an insecure connection")

BATCHES, BATCH = 60, 50
ROWS = np.random.default_rng(0).standard_normal((BATCHES * BATCH, 8), dtype=np.float32)
IDS = [f"d{row}" for row in range(len(ROWS))]
LAYOUT = CollectionLayout(8, (4,))
FULL = b'{"status": {"error": "No space left on device"}, "time": 0.1}'
QUOTAS = {
    "Max points count limit of 250 reached": {"max_points_count": 250},
    "Max vector storage size limit of": {"max_collection_vector_size_bytes": 10_000},
    "Max payload storage size limit of": {"max_collection_payload_size_bytes": 10_000},
}


def runs(colour: str, driver: Driver) -> Callable[[Flow[Any]], Any]:
    return driver.run if colour == "sync" else lambda flow: asyncio.run(driver.arun(flow))


@pytest.fixture(params=[server_address, grpc_address], ids=["rest", "grpc"])
def client(request: pytest.FixtureRequest) -> Iterator[QdrantClient]:
    opened: Any = connect(**request.param())
    yield opened
    opened.close()


@pytest.mark.server
@pytest.mark.parametrize("colour", ["sync", "async"])
@pytest.mark.parametrize("reason", QUOTAS)
def test_a_quota_ends_a_load_and_says_so(client: QdrantClient, reason: str, colour: str) -> None:
    docs = MatryoshkaCollection(new_space(), layout=LAYOUT)
    run = runs(colour, Driver(client))
    run(docs.add(IDS[:1], ROWS[:1], [{"n": 0}]))
    strict = models.StrictModeConfig(enabled=True, **QUOTAS[reason])
    client.update_collection(docs.name, strict_mode_config=strict)
    with pytest.raises(
        QuotaError, match=f"stores no more.*{reason}.*the same call again"
    ) as caught:
        run(stored(Load(docs), IDS, ROWS, BATCH))
    there = {int(each.payload["n"]) for each in run(docs.scroll())}
    told: Any = caught.value
    assert {int(each[1:]) for each in told.stored_ids} == there < {*range(len(IDS))}
    assert [*told.stored_ids, *told.missing_ids] == told.ids

    off = models.StrictModeConfig(enabled=False)
    client.update_collection(docs.name, strict_mode_config=off)
    run(stored(Load(docs), IDS, ROWS, BATCH))
    assert run(docs.count()) == len(IDS)
    run(docs.drop())


@pytest.mark.parametrize("colour", ["sync", "async"])
def test_a_full_disk_is_told_once(faulty_server: Server, colour: str) -> None:
    url = f"http://127.0.0.1:{faulty_server.server_port}"
    client = QdrantClient(url=url, timeout=20, check_compatibility=False)
    docs, run = MatryoshkaCollection("docs", layout=LAYOUT), runs(colour, Driver(client))
    run(docs.add(IDS[:1], ROWS[:1], [{"n": 0}]))
    faulty_server.seen.clear()
    faulty_server.fail("points", gives(FULL, 507))
    with pytest.raises(QuotaError, match="stores no more: No space left on device") as caught:
        run(docs.add(IDS[:2], ROWS[:2], [{"n": 0}, {"n": 1}]))
    assert isinstance(caught.value.__cause__, UnexpectedResponse)
    asked = ["/collections/docs", "/collections/docs/points"]
    assert [path for path in faulty_server.seen if "rotation" not in path] == asked
    assert run(docs.count()) == 1
    client.close()


@pytest.mark.server
@pytest.mark.parametrize("colour", ["sync", "async"])
def test_so_is_one_by_grpc(colour: str) -> None:
    address = grpc_address()
    full = gives_by_grpc(
        StatusCode.RESOURCE_EXHAUSTED, "No space left", qdrant_insufficient_storage="1"
    )
    with faulty_grpc(address["grpc_port"], address["api_key"]) as (calls, wire):
        client = QdrantClient(
            host="127.0.0.1", grpc_port=wire.port, prefer_grpc=True, check_compatibility=False
        )
        docs, run = MatryoshkaCollection(new_space(), layout=LAYOUT), runs(colour, Driver(client))
        run(docs.add(IDS[:1], ROWS[:1], [{"n": 0}]))
        calls.seen.clear()
        calls.fail("Upsert", full)
        with pytest.raises(QuotaError, match="stores no more: No space left"):
            run(docs.add(IDS[:2], ROWS[:2], [{"n": 0}, {"n": 1}]))
        assert calls.seen == ["Get", "Upsert"]
        assert run(docs.count()) == 1
        run(docs.drop())
        client.close()


@pytest.mark.parametrize("colour", ["sync", "async"])
def test_a_refusal_is_not_hidden_by_another_one(faulty_server: Server, colour: str) -> None:
    url = f"http://127.0.0.1:{faulty_server.server_port}"
    client = QdrantClient(url=url, timeout=20, check_compatibility=False)
    docs, run = MatryoshkaCollection("docs", layout=LAYOUT), runs(colour, Driver(client))
    run(docs.add(IDS[:1], ROWS[:1], [{"n": 0}]))
    faulty_server.fail("query", gives(b'{"status": {"error": "the first"}}', 400))
    faulty_server.fail("", *[gives(b'{"status": {"error": "not yours"}}', 403)] * 9)
    with pytest.raises(UnexpectedResponse, match="the first"):
        run(docs.search([Search(ROWS[0], 1)]))
    faulty_server.faults.clear()
    client.close()
