"""Whatever goes wrong on the way to a server: what was acknowledged is there, and nothing leaks."""

import asyncio
import random
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import psutil
import pytest
from batched import stored
from faulty_server import Fault, Server, gives, lose_the_answer, reset_in_the_body
from qdrant_client import QdrantClient

from mrl_adapters.qdrant import CollectionLayout, Driver, MatryoshkaCollection
from mrl_adapters.qdrant.flow import Flow
from mrl_adapters.qdrant.loading import Load
from mrl_adapters.qdrant.query import Search

DIMENSIONS, BATCHES, BATCH = 8, 6, 20
ROWS = np.random.default_rng(0).standard_normal((BATCHES * BATCH, DIMENSIONS), dtype=np.float32)
IDS = [f"d{row}" for row in range(len(ROWS))]
# Those after which a request may be made again at once, and those that end a call.
PASSING: dict[str, list[Fault]] = {
    "the answer is lost": [lose_the_answer],
    "reset in the body": [reset_in_the_body],
    "a burst of 503": [gives(b"", 503)] * 3,
    "a burst of 500": [gives(b"", 500)] * 2,
    "rate limited": [gives(b"{}", 429, Retry_After="0.2")],
}
LASTING: dict[str, list[Fault]] = {
    "a page": [gives(b"<html>proxy</html>")],
    "cut off": [gives(b'{"result": {"opera')],
    "refused": [gives(b'{"status": {"error": "no such thing"}}', 400)],
    "a limit without an end": [gives(b"{}", 429, Retry_After="3600")],
}


@pytest.fixture
def connected(faulty_server: Server) -> Any:
    url = f"http://127.0.0.1:{faulty_server.server_port}"
    client = QdrantClient(url=url, timeout=20, check_compatibility=False)
    yield Driver(client)
    client.close()


@pytest.fixture(params=["sync", "async"])
def run(request: pytest.FixtureRequest, connected: Driver) -> Callable[[Flow[Any]], Any]:
    if request.param == "sync":
        return connected.run
    return lambda flow: asyncio.run(connected.arun(flow))


def numbers(records: list[Any]) -> set[int]:
    return {record.payload["n"] for record in records}


@pytest.mark.parametrize("seed", range(3))
def test_faults_that_pass_lose_nothing(
    faulty_server: Server, connected: Driver, run: Callable[[Flow[Any]], Any], seed: int
) -> None:
    docs = MatryoshkaCollection("docs", layout=CollectionLayout(DIMENSIONS, (4,)))
    connected.run(docs.ensure(DIMENSIONS))
    chance = random.Random(seed)
    for name in chance.sample(sorted(PASSING), 3):
        faulty_server.fail(chance.choice(["points", "docs", ""]), *PASSING[name])
    run(stored(Load(docs), IDS, ROWS, BATCH))
    assert not faulty_server.faults
    assert numbers(connected.run(docs.scroll())) == {*range(len(IDS))}
    [hits] = run(docs.search([Search(ROWS[7], 1)]))
    assert hits[0].payload["n"] == 7


@pytest.mark.parametrize("name", sorted(LASTING))
def test_a_fault_that_lasts_says_what_is_stored_and_the_same_call_completes_it(
    faulty_server: Server, connected: Driver, run: Callable[[Flow[Any]], Any], name: str
) -> None:
    docs = MatryoshkaCollection("docs", layout=CollectionLayout(DIMENSIONS, (4,)))
    connected.run(docs.add(IDS[:1], ROWS[:1], [{"n": 0}]))
    begun = threading.Event()
    after = iter([False] * 2)  # the first two batches go through

    def later() -> bool:
        return next(after, True) and not begun.is_set()

    def fault(handler: Any, content: bytes) -> None:
        begun.set()
        LASTING[name][0](handler, content)

    faulty_server.seen.clear()
    faulty_server.fail_while(lambda: faulty_server.seen[-1].endswith("points") and later(), fault)
    with pytest.raises(Exception, match=r".") as caught:
        run(stored(Load(docs), IDS, ROWS, BATCH))
    there = numbers(connected.run(docs.scroll()))
    assert {int(each[1:]) for each in caught.value.stored_ids} <= there
    assert {*caught.value.stored_ids, *caught.value.missing_ids} == {*caught.value.ids}
    assert begun.is_set()
    run(stored(Load(docs), IDS, ROWS, BATCH))
    assert numbers(connected.run(docs.scroll())) == {*range(len(IDS))}


@pytest.mark.parametrize(
    "seconds", [2.0, pytest.param(60.0, marks=pytest.mark.slow)], ids="{:.0f} s".format
)
async def test_searches_side_by_side_and_a_load_leave_nothing_open(
    faulty_server: Server, connected: Driver, seconds: float
) -> None:
    docs = MatryoshkaCollection("docs", layout=CollectionLayout(DIMENSIONS, (4,)))
    await connected.arun(docs.add(IDS, ROWS, [{"n": row} for row in range(len(IDS))]))
    process = psutil.Process()
    end = time.monotonic() + seconds

    async def searching(row: int) -> int:
        done = 0
        while time.monotonic() < end:
            [hits] = await connected.arun(docs.search([Search(ROWS[row], 1)]))
            assert hits[0].payload["n"] == row
            done += 1
        return done

    async def loading() -> int:
        done = 0
        while time.monotonic() < end:
            await connected.arun(stored(Load(docs), IDS, ROWS, BATCH))
            done += 1
        return done

    async def everything() -> list[int]:
        return await asyncio.gather(loading(), *(searching(row) for row in range(64)))

    assert all(await everything())
    tasks, files = len(asyncio.all_tasks()), process.num_fds()
    threads = {each for each in threading.enumerate() if "process_request" not in each.name}
    end = time.monotonic() + seconds
    assert all(await everything())
    assert len(asyncio.all_tasks()) == tasks
    # Connections that both sides hold open are used again, on either side of the same process.
    assert process.num_fds() <= files + 8
    now = {each for each in threading.enumerate() if "process_request" not in each.name}
    assert now <= threads
