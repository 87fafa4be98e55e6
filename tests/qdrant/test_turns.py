"""The order of one client's operations: a cancelled one has happened, or never does."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qdrant_client import QdrantClient

from mrl_adapters.qdrant import CollectionLayout, Driver, EdgeClient, MatryoshkaCollection, reading
from mrl_adapters.qdrant.driver import Client, turns_of
from mrl_adapters.qdrant.flow import Change, Flow, ask, change
from mrl_adapters.qdrant.turns import Turns
from mrl_adapters.waiting import Attempt

DIMENSIONS = 16
LAYOUT = CollectionLayout(DIMENSIONS, (4,))


@pytest.fixture(params=["edge", "local"])
def embedded(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Client]:
    if request.param == "edge":
        with EdgeClient(str(tmp_path / "vectors")) as client:
            yield client
    else:
        local = QdrantClient(":memory:")
        yield local
        local.close()


def note(
    said: list[str],
    word: str,
    *,
    begun: threading.Event | None = None,
    end: threading.Event | None = None,
) -> Flow[None]:
    """An operation of one request that says a word: where it says it has begun, after a while.

    The while is as long as it takes until ``end``, where that is given.
    """

    def say(_: object) -> None:
        if begun is not None:
            begun.set()
            if end is None:
                time.sleep(0.05)
            else:
                end.wait(60)
        said.append(word)

    yield from ask(say)


def add(docs: MatryoshkaCollection, ids: list[str]) -> Flow[int]:
    vectors = np.random.default_rng(0).normal(size=(len(ids), DIMENSIONS)).astype(np.float32)
    return docs.add(ids, vectors, [{} for _ in ids])


# Cancelled operations


class Halt:
    """Holds an operation up within one of its requests: before it is carried out, or after."""

    def __init__(self, at: int, moment: str) -> None:
        self.at = at
        self.reached = threading.Event()
        self.go_on = threading.Event()
        self.ended = threading.Event()
        self.writes = False
        self._after = moment == "after"

    def within(self, flow: Flow[Any]) -> Flow[Any]:
        """Pass an operation on, request by request."""
        value, requests = None, 0
        try:
            while True:
                step = flow.send(value)
                if isinstance(step, Attempt):
                    if requests == self.at:
                        step = replace(step, request=self._held(step.request))
                    requests += 1
                value = yield step
        except StopIteration as end:
            return end.value
        finally:
            self.ended.set()
            self.reached.set()

    def _held(self, request: Any) -> Any:
        changing = isinstance(request, Change)

        def carry_out(client: Any) -> Any:
            if self._after:
                result = request(client)
            self.writes = changing
            self.reached.set()
            assert self.go_on.wait(60)
            return result if self._after else request(client)

        return Change(carry_out) if changing else carry_out


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("awaited", [True, False], ids=["awaited", "not awaited"])
async def test_a_cancelled_add_does_not_land_after_a_delete(
    embedded: Client, awaited: bool, moment: str
) -> None:
    # Each operation through a store of its own, as a web application has them.
    async def run(make: Callable[[MatryoshkaCollection], Flow[Any]]) -> Any:
        docs = MatryoshkaCollection("docs", layout=LAYOUT)
        return await Driver(embedded).arun(make(docs))

    await run(lambda docs: add(docs, ["seed"]))
    written = []
    for at in range(100):  # every request of an add, one after another
        halt, ids = Halt(at, moment), [f"{at}-{row}" for row in range(100)]
        adding = asyncio.create_task(
            run(lambda docs, halt=halt, ids=ids: halt.within(add(docs, ids)))
        )
        await asyncio.to_thread(halt.reached.wait, 60)
        if halt.ended.is_set():  # it has no such request
            await adding
            break
        adding.cancel()
        deleting = asyncio.create_task(run(lambda docs, ids=ids: docs.delete(ids)))
        if awaited:  # the add is told so before it goes on
            await asyncio.gather(adding, return_exceptions=True)
        halt.go_on.set()
        await deleting
        left = await run(lambda docs, ids=ids: docs.get(ids))
        assert halt.ended.is_set()
        assert left == []
        await asyncio.gather(adding, return_exceptions=True)
        assert adding.cancelled()
        written.append(halt.writes)
    assert written.count(True) == 1
    assert written[0] is False
    assert embedded.count("docs").count == 101  # the last add's, and the seed


async def test_what_was_cancelled_before_its_turn_never_runs(embedded: Client) -> None:
    driver, said, begun = Driver(embedded), list[str](), threading.Event()
    first = asyncio.create_task(driver.arun(note(said, "first", begun=begun)))
    await asyncio.to_thread(begun.wait)
    waiting = [asyncio.create_task(driver.arun(note(said, "never"))) for _ in range(3)]
    last = asyncio.create_task(driver.arun(note(said, "last")))
    await asyncio.sleep(0)
    for each in waiting:
        each.cancel()
    await asyncio.gather(first, last, *waiting, return_exceptions=True)
    assert said == ["first", "last"]
    assert all(each.cancelled() for each in waiting)


@pytest.mark.parametrize(("first", "expected"), [(ask, ["a"]), (change, ["a", "b"])])
async def test_what_was_cancelled_is_carried_through_only_if_it_has_changed_something(
    embedded: Client, first: Callable[[Any], Flow[Any]], expected: list[str]
) -> None:
    driver, said, begun = Driver(embedded), list[str](), threading.Event()

    def slow(_: object) -> None:
        begun.set()
        time.sleep(0.05)
        said.append("a")

    def both() -> Flow[None]:
        yield from first(slow)
        yield from change(lambda _: said.append("b"))

    running = asyncio.create_task(driver.arun(both()))
    await asyncio.to_thread(begun.wait)
    running.cancel()
    # Handed in by another store, and by a thread, before the cancellation arrives.
    await Driver(embedded).arun(note(said, "next"))
    Driver(embedded).run(note(said, "last"))
    assert said == [*expected, "next", "last"]
    assert running.cancelled()


async def test_an_error_reaches_the_one_who_waits_and_the_next_one_goes_on(
    embedded: Client,
) -> None:
    driver, said = Driver(embedded), list[str]()

    class PanicError(BaseException):
        """As the engine's own: no Exception."""

    def fail(error: BaseException) -> Flow[None]:
        def raising(_: object) -> None:
            raise error

        yield from ask(raising)

    for error in (KeyError("x"), PanicError("y"), StopIteration()):
        with pytest.raises((KeyError, PanicError, RuntimeError)):
            await driver.arun(fail(error))
        with pytest.raises((KeyError, PanicError, RuntimeError)):
            driver.run(fail(error))
    driver.run(note(said, "sync"))
    await driver.arun(note(said, "async"))
    assert said == ["sync", "async"]


# Order


async def test_operations_go_in_the_order_in_which_they_were_handed_in(embedded: Client) -> None:
    said, begun, end = list[str](), threading.Event(), threading.Event()
    expected = ["held"]
    with ThreadPoolExecutor(20) as pool:
        held = pool.submit(Driver(embedded).run, note(said, "held", begun=begun, end=end))
        begun.wait()
        handed = [held]
        coroutines = []
        for number in range(20):
            expected.append(str(number))
            if number % 2:
                flow = Driver(embedded).arun(note(said, str(number)))
                coroutines.append(asyncio.create_task(flow))
                await asyncio.sleep(0)
            else:
                waiting = len(turns_of(embedded)._waiting)
                handed.append(pool.submit(Driver(embedded).run, note(said, str(number))))
                while len(turns_of(embedded)._waiting) == waiting:  # noqa: ASYNC110 - nothing tells
                    await asyncio.sleep(0.0001)
        end.set()
        await asyncio.gather(*coroutines)
        for each in handed:
            each.result()
    assert said == expected


@pytest.mark.parametrize("limit", [None, 350])
async def test_a_long_read_lets_others_go_between_its_pages(
    embedded: Client, monkeypatch: pytest.MonkeyPatch, limit: int | None
) -> None:
    monkeypatch.setattr(reading, "_POINTS_PER_PAGE", 10)
    driver, docs = Driver(embedded), MatryoshkaCollection("docs", layout=LAYOUT)
    await driver.arun(add(docs, [str(row) for row in range(400)]))
    said: list[str] = []
    turns = turns_of(embedded)
    assert turns is not None

    async def read(drive: Callable[[Flow[Any]], Any]) -> None:
        assert len(await drive(docs.scroll(limit=limit))) == (limit or 400)
        said.append("read")

    for drive in (driver.arun, lambda flow: asyncio.to_thread(driver.run, flow)):
        said.clear()
        with turns:
            work = [asyncio.create_task(read(drive))]
            while not turns._waiting:  # noqa: ASYNC110 - nothing tells when it waits
                await asyncio.sleep(0.0001)
            work += [asyncio.create_task(driver.arun(note(said, "asked"))) for _ in range(5)]
            await asyncio.sleep(0)
        await asyncio.gather(*work)
        assert said == [*["asked"] * 5, "read"]


# No deadlock


async def test_a_full_thread_pool_blocks_nobody(embedded: Client) -> None:
    said: list[str] = []
    driver = Driver(embedded)
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(2))
    work = [
        driver.arun(note(said, "async"))
        if number % 3 == 0
        else asyncio.to_thread(driver.run, note(said, "sync"))
        for number in range(60)
    ]
    await asyncio.wait_for(asyncio.gather(*work), 30)
    assert len(said) == 60


def test_several_event_loops_and_threads_share_a_client(embedded: Client) -> None:
    def loop(number: int) -> int:
        async def go() -> int:
            driver, docs = Driver(embedded), MatryoshkaCollection("docs", layout=LAYOUT)
            for row in range(5):
                driver.run(add(docs, [f"{number}-{row}-sync"]))
                await asyncio.gather(
                    *(driver.arun(add(docs, [f"{number}-{row}-{each}"])) for each in range(3))
                )
            return await driver.arun(docs.count())

        return asyncio.run(asyncio.wait_for(go(), 60))

    with ThreadPoolExecutor(4) as pool:
        assert max(pool.map(loop, range(4))) == 4 * 5 * 4


def test_a_flow_may_use_the_client_that_carries_it_out(embedded: Client) -> None:
    driver, said = Driver(embedded), list[str]()

    def nested() -> Flow[None]:
        yield from ask(lambda _: Driver(embedded).run(note(said, "inner")))
        yield from note(said, "outer")

    driver.run(nested())
    asyncio.run(driver.arun(nested()))
    assert said == ["inner", "outer"] * 2


def test_who_gives_up_waiting_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    turns, said = Turns(), list[str]()

    def interrupted(self: threading.Event, timeout: float | None = None) -> bool:
        raise KeyboardInterrupt

    with turns, monkeypatch.context() as patched, ThreadPoolExecutor(1) as pool:
        pool.submit(int).result()  # a thread's start is waited for as well
        patched.setattr(threading.Event, "wait", interrupted)
        waiting = pool.submit(turns.__enter__)
        with pytest.raises(KeyboardInterrupt):
            waiting.result()
    with turns:
        said.append("next")
    assert said == ["next"]


def test_a_forked_process_begins_anew() -> None:
    turns = Turns()
    turns.__enter__()  # by a thread that the child does not have
    turns.forget()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(turns.__enter__).result(timeout=10)
