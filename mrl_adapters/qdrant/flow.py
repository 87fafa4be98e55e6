"""Conversations with Qdrant, written once and driven in both colours.

A flow is a generator that yields requests (functions of a client) and receives their answers.
:func:`run` drives it with a blocking client, :func:`arun` with an asynchronous one; they differ by
their awaits. The pattern is that of httpx's ``auth_flow``.
"""

from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from typing import Any, Protocol, TypeVar

from qdrant_client import QdrantClient
from qdrant_client.common.client_exceptions import ResourceExhaustedResponse
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

from mrl_adapters.errors import AnswerError, DeadlineError
from mrl_adapters.qdrant.line import Line, NotAppliedError
from mrl_adapters.qdrant.steps import Bound, Change, Flow, Limit, Rest, Step, changes
from mrl_adapters.waiting import Pause, attempts, backoff_s, retry_after_s

__all__ = [
    "CLIENT",
    "Bound",
    "Change",
    "Flow",
    "Pause",
    "Rest",
    "arun",
    "ask",
    "bound",
    "change",
    "is_refusal",
    "pause_after",
    "proceed",
    "run",
]

T = TypeVar("T")
R = TypeVar("R")


class Landing(Protocol):
    """Sees to it that what has begun to write is carried through."""

    async def carry_through(self, rest: Coroutine[Any, Any, T]) -> T:
        """Await the rest of an operation, whatever becomes of the one who waits."""
        ...


class Interrupt(Protocol):
    """Stops an operation before a step, by raising."""

    def __call__(self, step: Step) -> None:
        """Raise if the operation is not to go on."""
        ...


CLIENT: ContextVar[object] = ContextVar("CLIENT", default=None)
"""The client that the running flow speaks to, for messages that say where a collection is."""

_RETRIES = 4
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

    Raises:
        DeadlineError: A server has not answered in time.
        AnswerError: A server's answer cannot be read.
    """
    deadline = yield Limit(changes=isinstance(request, Change))
    answer: R = yield from attempts(request, deadline, _RETRIES, pause_after)
    return answer


def change(request: Callable[[QdrantClient], R]) -> Flow[R]:
    """Ask the client for something that writes, as :func:`ask` does.

    Args:
        request: A function of the client that makes one call.

    Returns:
        The call's answer; one that says that the change is not applied yet is asked for again.
    """
    answer: R = yield from ask(Change(request))
    return answer


def bound(limit_s: float | None) -> Flow[None]:
    """Limit the whole operation, where a server carries it out; the last limit counts.

    Args:
        limit_s: Seconds since it began; None takes the client's limit for one request.
    """
    yield Bound(limit_s)


def pause_after(error: Exception, attempt: int) -> Pause | None:
    """Say how long to wait before the same request is made again.

    Args:
        error: What the request raised.
        attempt: How many times it failed before.

    Returns:
        The pause, or None if repeating it cannot help: refusals (4xx), and a rate limit that does
        not say when to come back (the request costs more than the whole budget).
    """
    asked_s: float | None = None
    if isinstance(error, ResourceExhaustedResponse):
        passing, asked_s = True, error.retry_after_s
    elif isinstance(error, UnexpectedResponse):
        passing = error.status_code in _TRANSIENT_STATUS
        asked_s = retry_after_s(error.headers.get("retry-after"))
    else:
        passing = (
            isinstance(error, ResponseHandlingException | NotAppliedError)
            or _grpc_code(error) in _TRANSIENT_GRPC
        )
    if not passing:
        return None
    # What is past, or none at all, says nothing of when to come back.
    if asked_s is not None and asked_s > 0:
        return Pause(asked_s, asked=True)
    return Pause(backoff_s(attempt))


def is_refusal(error: Exception) -> bool:
    """Tell whether a server has understood a request, and does not carry it out.

    Args:
        error: What the request raised.
    """
    silent = isinstance(error, DeadlineError | AnswerError)
    return not silent and pause_after(error, 0) is None


def _grpc_code(error: Exception) -> str | None:
    # grpc costs 0.1 s to import and is not needed to name its status.
    code = getattr(error, "code", None)
    return str(getattr(code(), "name", None)) if callable(code) else None


def run(
    flow: Flow[T],
    client: QdrantClient,
    rest: Callable[[], None] | None = None,
    line: Line | None = None,
) -> T:
    """Drive a flow with a blocking client.

    Args:
        flow: What to do.
        client: The client that does it.
        rest: Lets others go first.
        line: Carries out the steps; None is the line to an engine in this process.
    """
    line = line or Line()
    while isinstance(result := proceed(flow, client, line), Rest):
        if rest is not None:
            rest()
    return result


def proceed(
    flow: Flow[T], client: QdrantClient, line: Line, interrupt: Interrupt | None = None
) -> T | Rest:
    """Drive a flow with a blocking client until it ends, or rests.

    Args:
        flow: What to do; one that has rested goes on.
        client: The client that does it.
        line: Carries out the steps.
        interrupt: Asked before each step.

    Returns:
        The flow's result, or that it rests.
    """
    before = CLIENT.set(client)
    try:
        step = next(flow)
        while not isinstance(step, Rest):
            if interrupt is not None:
                interrupt(step)
            try:
                value = line.carry_out(step, client)
            except Exception as error:  # noqa: BLE001 - the flow decides
                step = flow.throw(error)
            else:
                step = flow.send(value)
    except StopIteration as end:  # the flow's own: one from a call was thrown into it
        result: T = end.value
        return result
    finally:
        CLIENT.reset(before)
    return step


async def arun(
    flow: Flow[T],
    client: QdrantClient,
    landing: Landing | None = None,
    line: Line | None = None,
) -> T:
    """Drive a flow with an asynchronous client.

    Args:
        flow: What to do.
        client: The client that does it, passed under the blocking one's type: a test compares
            every method that flows use.
        landing: Carries it through from its first change on; None leaves it to the caller.
        line: Carries out the steps; None is the line to an engine in this process.
    """
    before = CLIENT.set(client)
    try:
        step = next(flow)
        return await _arun_from(step, flow, client, landing, line or Line())
    except StopIteration as end:
        result: T = end.value
        return result
    finally:
        CLIENT.reset(before)


async def _arun_from(
    step: Step, flow: Flow[T], client: QdrantClient, landing: Landing | None, line: Line
) -> T:
    try:
        while True:
            if landing is not None and changes(step):
                return await landing.carry_through(_arun_from(step, flow, client, None, line))
            if isinstance(step, Rest):
                step = next(flow)
                continue
            try:
                value = await line.acarry_out(step, client)
            except Exception as error:  # noqa: BLE001 - the flow decides
                step = flow.throw(error)
            else:
                step = flow.send(value)
    except StopIteration as end:  # the flow's own: one from a call was thrown into it
        result: T = end.value
        return result
