"""Conversations with Qdrant, written once for sync and async.

A flow is a generator that yields steps (most of them requests: functions of a client) and is sent
their results. :class:`~mrl_adapters.qdrant.Driver` carries the steps out, blocking or awaiting. The
pattern is that of httpx's ``auth_flow``.
"""

import math
from collections.abc import Callable, Generator
from contextvars import ContextVar
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, TypeAlias, TypeVar

from qdrant_client import QdrantClient
from qdrant_client.common.client_exceptions import ResourceExhaustedResponse
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

from mrl_adapters.errors import AnswerError, DeadlineError, QuotaError
from mrl_adapters.qdrant.engine import Engine, engine_of
from mrl_adapters.qdrant.refusals import grpc_code
from mrl_adapters.waiting import Attempt, Pause, attempts, backoff_s, retry_after_s

T = TypeVar("T")
R = TypeVar("R")
Request: TypeAlias = Callable[[QdrantClient], Any]

CLIENT: ContextVar[object] = ContextVar("CLIENT", default=None)
"""The client that carries out the running flow."""

_RETRIES = 4
_TRANSIENT_STATUS = frozenset({408, 500, 502, 503, 504})
_ABSENT_STATUS = frozenset({502, 503, 504})
_FORBIDDEN_STATUS = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_FORBIDDEN_GRPC = frozenset({"UNAUTHENTICATED", "PERMISSION_DENIED"})
# INTERNAL is what a server's REST side calls 500.
_TRANSIENT_GRPC = frozenset({"UNAVAILABLE", "DEADLINE_EXCEEDED", "INTERNAL"})


class NotAppliedError(DeadlineError):
    """A change that a server has taken and not applied yet."""


@dataclass(frozen=True)
class Change:
    """A request that writes: from here on a cancelled operation is carried through."""

    request: Request

    def __call__(self, client: QdrantClient) -> Any:
        """Make it, as any request."""
        return self.request(client)


@dataclass(frozen=True)
class Rest:
    """Let the operations of others go first, where they go one at a time: between two pages."""


@dataclass(frozen=True)
class Computation:
    """Compute something in this process, beside an event loop where there is one."""

    act: Callable[[], Any]


@dataclass(frozen=True)
class Limit:
    """Get the deadline of a request that is about to be made.

    A request that changes something waits longer where the server asks for it: a load is worth
    more than the wait.

    Args:
        changes: Whether the request changes something.
        and_next: Whether the next request of the operation must end by then, too.
    """

    changes: bool
    and_next: bool = False


@dataclass(frozen=True)
class Bound:
    """Limit the whole operation from its beginning; None takes the client's limit for a request."""

    limit_s: float | None


Step: TypeAlias = Attempt | Pause | Rest | Computation | Limit | Bound
Flow: TypeAlias = Generator[Step, Any, T]


def changes(step: Step) -> bool:
    """Return whether a step writes."""
    return isinstance(step, Attempt) and isinstance(step.request, Change)


def ask(
    request: Callable[[QdrantClient], R], *, patient: bool = False, and_next: bool = False
) -> Flow[R]:
    """Ask the client for something, again after a pause where the failure is a passing one.

    Every request of this package may be repeated: points have fixed ids, so that writing one
    twice leaves it as writing it once.

    Args:
        request: What to ask for.
        patient: Whether a server that is not there, as while it is started again, is waited for
            until the deadline; what changes something always waits.
        and_next: Whether the operation's next request, which this one prepares, shares its time.

    Returns:
        The call's answer.
    """
    waits = patient or isinstance(request, Change)
    deadline = yield Limit(changes=waits, and_next=and_next)
    if waits and not math.isinf(deadline.left_s):
        answer: R = yield from attempts(request, deadline, math.inf, _pause_of_a_load)
    else:
        answer = yield from attempts(request, deadline, _RETRIES, pause_after)
    return answer


def change(request: Callable[[QdrantClient], R]) -> Flow[R]:
    """Ask the client for something that writes, as :func:`ask` does.

    An answer that says that the change is not applied yet is asked for again.
    """
    return ask(Change(request))


def bound(limit_s: float | None) -> Flow[None]:
    """Limit the whole operation, where a server carries it out; the last limit counts.

    Args:
        limit_s: Seconds since it began; None takes the client's limit for one request.
    """
    yield Bound(limit_s)


def current_engine() -> Engine:
    """Return the engine that carries out the running flow."""
    return engine_of(CLIENT.get())


def pause_after(error: Exception, attempt: int) -> Pause | None:
    """Return how long to wait before a request is made again that failed ``attempt`` times before.

    None if repeating it cannot help: after refusals (4xx), and after a rate limit that does not say
    when to come back (the request costs more than the whole budget).
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
            or grpc_code(error) in _TRANSIENT_GRPC
        )
    if not passing:
        return None
    # What is past, or none at all, says nothing of when to come back.
    if asked_s is not None and asked_s > 0:
        return Pause(asked_s, asked=True)
    return Pause(backoff_s(attempt))


def _pause_of_a_load(error: Exception, attempt: int) -> Pause | None:
    if attempt >= _RETRIES and not _is_outage(error):
        return None
    return pause_after(error, attempt)


def _is_outage(error: Exception) -> bool:
    """Return whether an error says that the server is not there, rather than that it fails."""
    if isinstance(error, UnexpectedResponse):
        return error.status_code in _ABSENT_STATUS
    return isinstance(error, ResponseHandlingException) or grpc_code(error) == "UNAVAILABLE"


def is_refusal(error: Exception) -> bool:
    """Return whether an error says that a request was understood, and is not carried out."""
    silent = isinstance(error, DeadlineError | AnswerError | QuotaError)
    return not silent and pause_after(error, 0) is None


def is_missing(error: Exception) -> bool:
    """Return whether a server says that what a request names is not there."""
    if isinstance(error, UnexpectedResponse):
        return error.status_code == HTTPStatus.NOT_FOUND
    return grpc_code(error) == "NOT_FOUND"


def is_forbidden(error: Exception) -> bool:
    """Return whether an error says that a key or token does not allow a request."""
    if isinstance(error, UnexpectedResponse):
        return error.status_code in _FORBIDDEN_STATUS
    return grpc_code(error) in _FORBIDDEN_GRPC
