"""What only servers need: deadlines, readable errors, and writes that end in order.

A server may be late, answer drop by drop, or with what is no answer: a proxy's page, a body that is
cut off, null where a result belongs. qdrant-client raises for these whatever it stumbles over.

A request on its way cannot be called back: the server may still carry it out after a later one was
acknowledged. So an operation that has begun to write is carried through when it is cancelled, and
the cancellation waits for it, as does every later operation of that client on that event loop. Both
wait so long and no longer; a server that does not answer by then may still carry it out.
"""

import asyncio
import inspect
import math
import threading
import time
import weakref
from collections.abc import Coroutine
from functools import partial
from json import JSONDecodeError
from typing import Any, TypeVar

import httpx
from pydantic import ValidationError
from qdrant_client import AsyncQdrantClient, QdrantClient, models
from qdrant_client.common.client_exceptions import QdrantException, ResourceExhaustedResponse
from qdrant_client.http.exceptions import ResponseHandlingException

from mrl_adapters.errors import AnswerError, QuotaError
from mrl_adapters.qdrant.engine import engine_of
from mrl_adapters.qdrant.flow import (
    Bound,
    Computation,
    Limit,
    NotAppliedError,
    Step,
    changes,
)
from mrl_adapters.qdrant.refusals import grpc_code, is_full, reason_of
from mrl_adapters.qdrant.sockets import CURRENT_DEADLINE, keeps
from mrl_adapters.waiting import NO_LIMIT, Attempt, Deadline, Pause, awithin, retry_after_s, within

T = TypeVar("T")

# qdrant-client's own 5 s, a limit for each step of a request, are too short for the whole of one
# that writes or reads much.
USUAL_LIMIT_S = 60

_LONGEST_WAIT_S = 10.0  # for what was cancelled
_REMEDY = "Pass more: connect(timeout=...), or timeout_s= in the plan of a search."
_REMEDY_OF_A_CHANGE = (
    "The change may have been made all the same, and the same call again does no harm. Is a node "
    "of the cluster gone or stopped? If not, pass more: connect(timeout=...)."
)
_NO_ANSWER = (AssertionError, JSONDecodeError, RecursionError, UnicodeDecodeError)
_BAD_HEADER = "Retry-After header value is not a valid integer: "
_FAR_S = 10**9

_LOCK = threading.Lock()
_WRITES: "weakref.WeakKeyDictionary[AsyncQdrantClient, Writes]" = weakref.WeakKeyDictionary()


class Link:
    """The link from one operation to its client; carries out the operation's steps.

    Args:
        limit_s: Limit for one request with its repetitions, seconds; None where an engine in this
            process answers, which is waited for.
    """

    def __init__(self, limit_s: float | None = None) -> None:
        self._limit_s = limit_s
        self._whole = NO_LIMIT
        self._shared: Deadline | None = None
        self._began_s = time.monotonic()

    @classmethod
    def to(cls, client: object) -> "Link":
        """Return a new operation's link to a client."""
        if not isinstance(client, QdrantClient | AsyncQdrantClient):
            return IN_PROCESS
        if not engine_of(client).is_server:
            return IN_PROCESS
        given = client.init_options.get("timeout")
        return cls(USUAL_LIMIT_S if given is None else given)

    def carry_out(self, step: Step, client: QdrantClient) -> Any:
        """Carry out a step, blocking, and return what the flow is sent."""
        if isinstance(step, Attempt):
            before = CURRENT_DEADLINE.set(step.deadline)
            try:
                if keeps(client, step.deadline):
                    return _applied(step, step.request(client))
                return _applied(step, within(step.deadline, partial(step.request, client)))
            except Exception as error:
                self._put_into_words(error, step.deadline)
                raise
            finally:
                CURRENT_DEADLINE.reset(before)
        if isinstance(step, Pause):
            return time.sleep(step.delay_s)
        if isinstance(step, Computation):
            return step.act()
        return self._deadline(step)

    async def acarry_out(self, step: Step, client: QdrantClient) -> Any:
        """Carry out a step without blocking the event loop, and return what the flow is sent."""
        if isinstance(step, Attempt):
            before = CURRENT_DEADLINE.set(step.deadline)
            try:
                answer = step.request(client)
                if inspect.isawaitable(answer):
                    answer = await awithin(step.deadline, answer)
                return _applied(step, answer)
            except Exception as error:
                self._put_into_words(error, step.deadline)
                raise
            finally:
                CURRENT_DEADLINE.reset(before)
        if isinstance(step, Pause):
            return await asyncio.sleep(step.delay_s)
        if isinstance(step, Computation):
            return await asyncio.to_thread(step.act)
        return self._deadline(step)

    def _deadline(self, step: Step) -> Deadline | None:
        if isinstance(step, Limit):
            if self._limit_s is None:
                return NO_LIMIT
            more_s = self._limit_s if step.changes else 0.0
            remedy = _REMEDY_OF_A_CHANGE if step.changes else _REMEDY
            deadline = Deadline(self._limit_s, more_s=more_s, remedy=remedy)
            if self._whole is not NO_LIMIT:
                deadline = deadline.cut(self._whole)
            if self._shared is not None:
                deadline = deadline.cut(self._shared)
            self._shared = deadline if step.and_next else None
            return deadline
        if isinstance(step, Bound) and self._limit_s is not None:
            limit_s = self._limit_s if step.limit_s is None else step.limit_s
            self._whole = Deadline(limit_s, since_s=self._began_s, remedy=_REMEDY)
        return None

    def _put_into_words(self, error: Exception, deadline: Deadline) -> None:
        """Raise what says more than an error that the client made of an answer: none, or late."""
        if isinstance(error, _NO_ANSWER):
            if self._limit_s is not None:
                raise _unreadable(error) from error
        elif _is_late(error):
            if not deadline.left_s:
                raise deadline.error() from error  # "timed out" says less
        elif isinstance(error, ResponseHandlingException):
            if isinstance(error.source, ValueError):
                raise _unreadable(error.source) from error
        elif is_full(error):
            raise _full(error) from error
        elif isinstance(error, QdrantException):
            # Of Retry-After the client reads seconds alone, and fails over dates.
            _, bad, header = str(error).partition(_BAD_HEADER)
            if bad:
                seconds = math.ceil(min(retry_after_s(header) or 0.0, _FAR_S))
                raise ResourceExhaustedResponse("", seconds) from error


IN_PROCESS = Link()
"""The link to any engine in this process."""


def _applied(step: Step, answer: Any) -> Any:
    if changes(step) and getattr(answer, "status", None) is models.UpdateStatus.WAIT_TIMEOUT:
        msg = (
            "The Qdrant server has taken a change and not applied it in time (wait_timeout). It "
            "will, unless it is overloaded; the same call again waits for it."
        )
        raise NotAppliedError(msg, found="wait_timeout", expected="completed")
    return answer


def _is_late(error: Exception) -> bool:
    if isinstance(error, ResponseHandlingException):
        return isinstance(error.source, httpx.TimeoutException)
    return grpc_code(error) == "DEADLINE_EXCEEDED"


def _unreadable(error: Exception) -> AnswerError:
    why = str(error)
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        why = f"{'.'.join(map(str, first['loc'][1:])) or 'the whole of it'}: {first['msg']}"
    return AnswerError(
        f"The Qdrant server's answer cannot be read ({why}). Check the address (does another "
        "service, or a proxy, answer there?) and that server and qdrant-client are not versions "
        "apart."
    )


def _full(error: Exception) -> QuotaError:
    return QuotaError(
        f"The Qdrant server stores no more: {reason_of(error) or 'its disk is full'}. Make room, "
        "or raise the limit (client.update_collection(..., strict_mode_config=...)); then the same "
        "call again completes it."
    )


class Writes:
    """The operations of one async client that have begun to write and have not ended."""

    def __init__(self) -> None:
        self._going_on: set[asyncio.Future[Any]] = set()
        self._cancelled: set[asyncio.Future[Any]] = set()

    async def settle(self) -> None:
        """Wait for those that were cancelled."""
        if self._going_on:
            await asyncio.sleep(0)  # a cancellation just asked for arrives
        if self._cancelled:
            await asyncio.wait(set(self._cancelled), timeout=_LONGEST_WAIT_S)

    async def carry_through(self, rest: Coroutine[Any, Any, T]) -> T:
        """Await the rest of an operation; if cancelled, after it has ended."""
        task = asyncio.create_task(rest)
        self._going_on.add(task)
        task.add_done_callback(self._ended)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if not task.done():
                self._cancelled.add(task)
                await asyncio.wait({task}, timeout=_LONGEST_WAIT_S)
                task.cancel()
            raise

    def _ended(self, task: "asyncio.Future[Any]") -> None:
        self._going_on.discard(task)
        self._cancelled.discard(task)
        if not task.cancelled():
            task.exception()  # nobody waits for a cancelled one's


def writes_of(client: AsyncQdrantClient) -> Writes:
    """Return what an async client is writing."""
    with _LOCK:
        return _WRITES.setdefault(client, Writes())
