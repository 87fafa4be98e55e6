"""Flows: what is asked again and after how long, and that both drivers do the same."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

import grpc
import httpx
import pytest
from grpc.aio import AioRpcError, Metadata
from qdrant_client.common.client_exceptions import ResourceExhaustedResponse
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

from mrl_adapters.qdrant import Driver
from mrl_adapters.qdrant.flow import Flow, Pause, ask, pause_after

BACKOFF_S = [0.2, 0.4, 0.8, 1.6]


def status(code: int) -> Exception:
    return UnexpectedResponse(code, "reason", b"{}", httpx.Headers())


def rpc(code: grpc.StatusCode) -> Exception:
    return AioRpcError(code, Metadata(), Metadata())


PASSING = [
    *map(status, (408, 500, 502, 503, 504)),
    ResponseHandlingException(httpx.ConnectError("refused")),
    ResponseHandlingException(httpx.ReadTimeout("late")),
    ResponseHandlingException(httpx.RemoteProtocolError("cut off")),
    rpc(grpc.StatusCode.UNAVAILABLE),
    rpc(grpc.StatusCode.DEADLINE_EXCEEDED),
    rpc(grpc.StatusCode.INTERNAL),
]
FINAL = [
    # A 429 that does not say when to come back costs more than the whole budget.
    *map(status, (400, 401, 403, 404, 409, 413, 422, 429, 501, 507)),
    rpc(grpc.StatusCode.INVALID_ARGUMENT),
    rpc(grpc.StatusCode.NOT_FOUND),
    rpc(grpc.StatusCode.ALREADY_EXISTS),
    rpc(grpc.StatusCode.PERMISSION_DENIED),
    rpc(grpc.StatusCode.RESOURCE_EXHAUSTED),
    ValueError("bad argument"),
    KeyError("collection"),
]


def label(error: object) -> str:
    if isinstance(error, UnexpectedResponse):
        return str(error.status_code)
    if isinstance(error, AioRpcError):
        return str(error.code().name)
    source = error.source if isinstance(error, ResponseHandlingException) else error
    return type(source).__name__


@pytest.mark.parametrize("error", PASSING, ids=label)
def test_passing_failures_are_asked_again_after_twice_the_pause(error: Exception) -> None:
    assert [pause_after(error, attempt) for attempt in range(4)] == [*map(Pause, BACKOFF_S)]


@pytest.mark.parametrize("error", FINAL, ids=label)
def test_refusals_are_not_asked_again(error: Exception) -> None:
    assert pause_after(error, 0) is None


@pytest.mark.parametrize("asked_s", [7, 3600])
def test_a_rate_limit_is_waited_for_as_long_as_it_says(asked_s: int) -> None:
    error = ResourceExhaustedResponse("slow down", asked_s)
    assert pause_after(error, 3) == Pause(asked_s, asked=True)


@pytest.mark.parametrize("asked_s", [0, -5])
def test_a_rate_limit_that_is_over_is_not_asked_against_at_once(asked_s: int) -> None:
    assert pause_after(ResourceExhaustedResponse("slow down", asked_s), 3) == Pause(1.6)


class Scripted:
    """A client whose one call raises or returns what the script says."""

    def __init__(self, *script: object) -> None:
        self.script = list(script)
        self.calls = 0

    def step(self) -> object:
        self.calls += 1
        each = self.script.pop(0)
        if isinstance(each, Exception):
            raise each
        return each


class AsyncScripted(Scripted):
    """The same, awaited."""

    async def step(self) -> object:
        return super().step()


class Colour:
    """One of the two drivers, with a client to match and the pauses that it made."""

    def __init__(self, colour: str) -> None:
        self.asynchronous = colour == "async"
        self.pauses: list[float] = []

    def client(self, *script: object) -> Scripted:
        return AsyncScripted(*script) if self.asynchronous else Scripted(*script)

    def drive(self, running: Flow[Any], client: object) -> Any:
        if self.asynchronous:
            return asyncio.run(Driver(async_client=client).arun(running))
        return Driver(client).run(running)


@pytest.fixture(params=["sync", "async"])
def colour(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Colour:
    made = Colour(request.param)

    async def sleep(delay_s: float) -> None:
        made.pauses.append(delay_s)

    monkeypatch.setattr(time, "sleep", made.pauses.append)
    monkeypatch.setattr(asyncio, "sleep", sleep)
    return made


def step(client: Any) -> Any:
    return client.step()


def test_an_answer_comes_back_at_once(colour: Colour) -> None:
    client = colour.client("answer")
    assert colour.drive(ask(step), client) == "answer"
    assert (client.calls, colour.pauses) == (1, [])


def test_a_passing_failure_is_asked_again_until_it_passes(colour: Colour) -> None:
    client = colour.client(status(503), status(502), "answer")
    assert colour.drive(ask(step), client) == "answer"
    assert (client.calls, colour.pauses) == (3, BACKOFF_S[:2])


def test_the_fifth_attempt_still_counts(colour: Colour) -> None:
    client = colour.client(*(status(503) for _ in range(4)), "answer")
    assert colour.drive(ask(step), client) == "answer"
    assert colour.pauses == BACKOFF_S


def test_a_failure_that_stays_is_raised_after_five_attempts(colour: Colour) -> None:
    errors = [status(500) for _ in range(6)]
    client = colour.client(*errors)
    with pytest.raises(UnexpectedResponse) as caught:
        colour.drive(ask(step), client)
    assert caught.value is errors[4]
    assert (client.calls, colour.pauses) == (5, BACKOFF_S)


def test_a_refusal_is_raised_unwrapped_at_once(colour: Colour) -> None:
    error = status(422)
    client = colour.client(error, "never")
    with pytest.raises(UnexpectedResponse) as caught:
        colour.drive(ask(step), client)
    assert caught.value is error
    assert (client.calls, colour.pauses) == (1, [])


def test_a_rate_limit_is_waited_for(colour: Colour) -> None:
    client = colour.client(ResourceExhaustedResponse("slow down", 9), "answer")
    assert colour.drive(ask(step), client) == "answer"
    assert colour.pauses == [9]


def test_the_answers_of_one_flow_reach_the_next_request(colour: Colour) -> None:
    def both() -> Flow[list[object]]:
        first = yield from ask(step)
        second = yield from ask(step)
        return [first, second]

    assert colour.drive(both(), colour.client(1, 2)) == [1, 2]


def test_a_flow_may_answer_without_asking(colour: Colour) -> None:
    def silent() -> Flow[int]:
        return 7
        yield from ask(step)

    assert colour.drive(silent(), colour.client()) == 7


def test_a_flow_may_recover_from_what_its_request_raised(colour: Colour) -> None:
    def forgiving() -> Flow[str]:
        try:
            yield from ask(step)
        except KeyError:
            return "recovered"
        return "nothing raised"

    assert colour.drive(forgiving(), colour.client(KeyError("x"))) == "recovered"


def test_an_error_of_the_flow_itself_is_raised(colour: Colour) -> None:
    def failing() -> Flow[None]:
        yield from ask(step)
        raise LookupError

    with pytest.raises(LookupError):
        colour.drive(failing(), colour.client(1))


def test_a_clients_stop_iteration_does_not_end_the_flow_with_none(colour: Colour) -> None:
    # Thrown into the generator it would look like the flow's own end; as an error it must show.
    client = colour.client(StopIteration("from the client"))
    with pytest.raises(RuntimeError, match="StopIteration"):
        colour.drive(ask(step), client)


def test_a_flow_can_ask_for_a_pause(colour: Colour) -> None:
    def waiting() -> Flow[str]:
        yield Pause(0.5)
        return "rested"

    assert colour.drive(waiting(), colour.client()) == "rested"
    assert colour.pauses == [0.5]


async def test_pauses_do_not_block_the_event_loop() -> None:
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0.001)

    def waiting() -> Flow[None]:
        yield Pause(0.05)

    ticking = asyncio.ensure_future(tick())
    await Driver(async_client=AsyncScripted()).arun(waiting())
    ticking.cancel()
    assert ticks > 5


async def test_cancelling_reaches_the_request() -> None:
    started = asyncio.Event()

    class Slow:
        async def step(self) -> None:
            started.set()
            await asyncio.sleep(60)

    running = asyncio.ensure_future(Driver(async_client=Slow()).arun(ask(step)))
    await started.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_a_plain_answer_needs_no_awaiting() -> None:
    plain: Callable[[Any], int] = lambda _: 3  # noqa: E731 - what flows yield
    work: Coroutine[Any, Any, int] = Driver(async_client=AsyncScripted()).arun(ask(plain))
    assert await work == 3
