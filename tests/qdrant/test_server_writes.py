"""Cancelled writes to a server: landed before the cancellation and the next operation go on."""

import asyncio
import time
from typing import Any

import pytest

from mrl_adapters.qdrant import Driver
from mrl_adapters.qdrant import server as server_side
from mrl_adapters.qdrant.flow import Flow, ask, change

SLOW_S = 0.05


class Server:
    """An asynchronous client whose calls take a while, and end in the order that they ended in."""

    def __init__(self) -> None:
        self.done: list[str] = []

    async def call(self, word: str, duration_s: float = SLOW_S) -> str:
        await asyncio.sleep(duration_s)
        self.done.append(word)
        return word


def write(*words: str, duration_s: float = SLOW_S) -> Flow[None]:
    for word in words:
        yield from change(lambda c, word=word: c.call(word, duration_s))


def read(word: str, duration_s: float = 0) -> Flow[str]:
    return (yield from ask(lambda c: c.call(word, duration_s)))


def driver_of(server: Any) -> Driver:
    return Driver(async_client=server)


async def begun(flow: Flow[Any], server: Server) -> "asyncio.Task[Any]":
    task = asyncio.create_task(driver_of(server).arun(flow))
    await asyncio.sleep(SLOW_S / 5)
    return task


@pytest.mark.parametrize("awaited", [True, False], ids=["awaited", "not awaited"])
async def test_the_next_operation_begins_when_a_cancelled_write_has_landed(awaited: bool) -> None:
    server = Server()
    writing = await begun(write("added", "tidied"), server)
    writing.cancel()
    if awaited:
        with pytest.raises(asyncio.CancelledError):
            await writing
        assert server.done == ["added", "tidied"]
    await driver_of(server).arun(write("deleted", duration_s=0))
    await driver_of(server).arun(read("read"))
    assert server.done == ["added", "tidied", "deleted", "read"]
    assert (await asyncio.gather(writing, return_exceptions=True))[0].__class__ is (
        asyncio.CancelledError
    )


async def test_a_cancelled_read_is_let_go_at_once() -> None:
    server = Server()
    reading = await begun(read("late", 60), server)
    began_s = time.monotonic()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert time.monotonic() - began_s < 1
    assert server.done == []


async def test_writes_that_nobody_cancels_go_side_by_side() -> None:
    server = Server()
    began_s = time.monotonic()
    await asyncio.gather(*(driver_of(server).arun(write(str(each))) for each in range(20)))
    assert time.monotonic() - began_s < 20 * SLOW_S / 2
    assert len(server.done) == 20


async def test_a_server_that_does_not_answer_is_not_waited_for_without_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server_side, "_LONGEST_WAIT_S", 0.1)
    server = Server()
    writing = await begun(write("never", duration_s=60), server)
    began_s = time.monotonic()
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert await driver_of(server).arun(read("next")) == "next"
    assert time.monotonic() - began_s < 5


async def test_the_error_of_a_cancelled_write_disturbs_nobody() -> None:
    server = Server()

    async def fail() -> None:
        await asyncio.sleep(SLOW_S)
        raise KeyError

    def failing() -> Flow[None]:
        yield from change(lambda _: fail())

    writing = await begun(failing(), server)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    with pytest.raises(KeyError):
        await driver_of(server).arun(failing())


async def test_cancelling_twice_waits_no_longer_and_the_next_operation_still_does() -> None:
    server = Server()
    writing = await begun(write("added"), server)
    for _ in range(2):
        writing.cancel()
        await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError):
        await writing
    await driver_of(server).arun(read("read"))
    assert server.done == ["added", "read"]
