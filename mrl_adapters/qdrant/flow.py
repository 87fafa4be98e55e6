"""Conversations with Qdrant, written once and driven in both colours.

A flow is a generator that yields requests (functions of a client) and receives their answers.
:func:`run` drives it with a blocking client, :func:`arun` with an asynchronous one; they differ by
their awaits. The pattern is that of httpx's ``auth_flow``.
"""

import asyncio
import inspect
import time
from collections.abc import Callable, Coroutine, Generator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, TypeVar

from qdrant_client import QdrantClient
from qdrant_client.common.client_exceptions import ResourceExhaustedResponse
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

T = TypeVar("T")
R = TypeVar("R")

Request: TypeAlias = Callable[[QdrantClient], Any]


@dataclass(frozen=True)
class Pause:
    """Ask the driver to wait, seconds."""

    delay_s: float


@dataclass(frozen=True)
class Rest:
    """Let the operations of others go first, where they go one at a time: between two pages."""


@dataclass(frozen=True)
class Change:
    """A request that writes: from here on a cancelled operation is carried through."""

    request: Request

    def __call__(self, client: QdrantClient) -> Any:
        """Carry it out as any request."""
        return self.request(client)


Flow: TypeAlias = Generator[Request | Pause | Rest, Any, T]


class Landing(Protocol):
    """Sees to it that what has begun to write is carried through."""

    async def carry_through(self, rest: Coroutine[Any, Any, T]) -> T:
        """Await the rest of an operation, whatever becomes of the one who waits."""
        ...


class Interrupt(Protocol):
    """Stops an operation before a request, by raising."""

    def __call__(self, request: Request | Pause) -> None:
        """Raise if the operation is not to go on."""
        ...


CLIENT: ContextVar[object] = ContextVar("CLIENT", default=None)
"""The client that the running flow speaks to, for messages that say where a collection is."""

_ATTEMPTS = 5
_FIRST_DELAY_S = 0.2
_LONGEST_PAUSE_S = 60.0
_TRANSIENT_STATUS = frozenset({408, 500, 502, 503, 504})
# INTERNAL is what a server's REST side calls 500.
_TRANSIENT_GRPC = frozenset({"UNAVAILABLE", "DEADLINE_EXCEEDED", "INTERNAL"})


def ask(request: Callable[[QdrantClient], R]) -> Flow[R]:
    """Ask the client for something, again after a pause where the failure is a passing one.

    Every request of this package may be repeated: points have fixed ids, so that writing one
    twice leaves it as writing it once.

    Args:
        request: A function of the client that makes one call.

    Returns:
        The call's answer.
    """
    for attempt in range(_ATTEMPTS - 1):
        try:
            answer: R = yield request
        except Exception as error:
            delay_s = retry_delay(error, attempt)
            if delay_s is None:
                raise
            yield Pause(delay_s)
        else:
            return answer
    last: R = yield request
    return last


def change(request: Callable[[QdrantClient], R]) -> Flow[R]:
    """Ask the client for something that writes, as :func:`ask` does.

    Args:
        request: A function of the client that makes one call.

    Returns:
        The call's answer.
    """
    answer: R = yield from ask(Change(request))
    return answer


def retry_delay(error: Exception, attempt: int) -> float | None:
    """Say how long to wait before the same request is made again.

    Args:
        error: What the request raised.
        attempt: How many times it failed before.

    Returns:
        Seconds, or None if repeating it cannot help: refusals (4xx), and a rate limit that does
        not say when to come back (the request costs more than the whole budget).
    """
    if isinstance(error, ResourceExhaustedResponse):
        return min(float(error.retry_after_s), _LONGEST_PAUSE_S)
    passing = (
        # The client wraps answers that it cannot read in the same class: those stay as they are.
        (isinstance(error, ResponseHandlingException) and not isinstance(error.source, ValueError))
        or (isinstance(error, UnexpectedResponse) and error.status_code in _TRANSIENT_STATUS)
        or _grpc_code(error) in _TRANSIENT_GRPC
    )
    return _FIRST_DELAY_S * 2**attempt if passing else None


def _grpc_code(error: Exception) -> str | None:
    # grpc costs 0.1 s to import and is not needed to name its status.
    code = getattr(error, "code", None)
    return str(getattr(code(), "name", None)) if callable(code) else None


def run(flow: Flow[T], client: QdrantClient, rest: Callable[[], None] | None = None) -> T:
    """Drive a flow with a blocking client.

    Args:
        flow: What to do.
        client: The client that does it.
        rest: Lets others go first.
    """
    while isinstance(result := proceed(flow, client), Rest):
        if rest is not None:
            rest()
    return result


def proceed(flow: Flow[T], client: QdrantClient, interrupt: Interrupt | None = None) -> T | Rest:
    """Drive a flow with a blocking client until it ends, or rests.

    Args:
        flow: What to do; one that has rested goes on.
        client: The client that does it.
        interrupt: Asked before each request.

    Returns:
        The flow's result, or that it rests.
    """
    before = CLIENT.set(client)
    try:
        request = next(flow)
        while not isinstance(request, Rest):
            if interrupt is not None:
                interrupt(request)
            try:
                value = _carry_out(request, client, time.sleep)
            except Exception as error:  # noqa: BLE001 - the flow decides
                request = flow.throw(error)
            else:
                request = flow.send(value)
    except StopIteration as end:  # the flow's own: one from a call was thrown into it
        result: T = end.value
        return result
    finally:
        CLIENT.reset(before)
    return request


async def arun(flow: Flow[T], client: QdrantClient, landing: Landing | None = None) -> T:
    """Drive a flow with an asynchronous client.

    Args:
        flow: What to do.
        client: The client that does it, passed under the blocking one's type: a test compares
            every method that flows use.
        landing: Carries it through from its first change on; None leaves it to the caller.
    """
    before = CLIENT.set(client)
    try:
        request = next(flow)
        return await _arun_from(request, flow, client, landing)
    except StopIteration as end:
        result: T = end.value
        return result
    finally:
        CLIENT.reset(before)


async def _arun_from(
    request: Request | Pause | Rest, flow: Flow[T], client: QdrantClient, landing: Landing | None
) -> T:
    try:
        while True:
            if landing is not None and isinstance(request, Change):
                return await landing.carry_through(_arun_from(request, flow, client, None))
            if isinstance(request, Rest):
                request = next(flow)
                continue
            try:
                value = _carry_out(request, client, asyncio.sleep)
                if inspect.isawaitable(value):
                    value = await value
            except Exception as error:  # noqa: BLE001 - the flow decides
                request = flow.throw(error)
            else:
                request = flow.send(value)
    except StopIteration as end:  # the flow's own: one from a call was thrown into it
        result: T = end.value
        return result


def _carry_out(
    request: Request | Pause, client: QdrantClient, sleep: Callable[[float], Any]
) -> Any:
    """Do what a flow asks for; with asynchronous means the answer is to be awaited."""
    return sleep(request.delay_s) if isinstance(request, Pause) else request(client)
