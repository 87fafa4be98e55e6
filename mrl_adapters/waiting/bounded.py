"""Await an answer until a deadline and no longer.

The clients' own timeouts bound each step of a request, not the whole: an answer that comes drop by
drop never meets them. A blocking call cannot be stopped from outside either. It is therefore made
in a thread that can be left to itself; a coroutine is cancelled.
"""

import asyncio
import contextvars
import math
import os
import queue
import sys
import threading
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias, TypeVar

from mrl_adapters.waiting.deadline import Deadline

T = TypeVar("T")

_GRACE_S = 0.1  # so that the client's own timeout, which says more, comes first

_Outcome: TypeAlias = tuple[Any, BaseException | None]
_Job: TypeAlias = tuple[Callable[[], Any], "queue.SimpleQueue[_Outcome]"]


def within(deadline: Deadline, call: Callable[[], T]) -> T:
    """Make a blocking call.

    One that is given up goes on in its thread for as long as the client has patience; what comes
    of it is dropped.

    Args:
        deadline: Until when its result is waited for. Without a limit it is made as it is.
        call: The call.

    Returns:
        Its result.

    Raises:
        DeadlineError: It has not ended by then.
    """
    left_s = deadline.left_s
    if math.isinf(left_s):
        return call()
    outcomes: queue.SimpleQueue[_Outcome] = queue.SimpleQueue()
    context = contextvars.copy_context()
    _thread().put((lambda: context.run(call), outcomes))
    try:
        result, error = outcomes.get(timeout=left_s + _GRACE_S)
    except queue.Empty:
        raise deadline.error() from None
    if error is None:
        return result  # type: ignore[no-any-return] # of the call
    try:
        raise error
    finally:
        del error  # its traceback holds this frame


async def awithin(deadline: Deadline, answer: Awaitable[T]) -> T:
    """Await an answer, without blocking the event loop.

    Args:
        deadline: Until when.
        answer: What to await; it is cancelled if it has not come by then.

    Returns:
        The answer.

    Raises:
        DeadlineError: It has not come by then.
    """
    left_s = deadline.left_s
    if math.isinf(left_s):
        return await answer
    try:
        return await _cancelled_after(left_s + _GRACE_S, answer)
    except asyncio.TimeoutError:
        if deadline.left_s:  # somebody else's
            raise
        raise deadline.error() from None


if sys.version_info >= (3, 11):

    async def _cancelled_after(limit_s: float, answer: Awaitable[T]) -> T:
        async with asyncio.timeout(limit_s):  # wait_for costs ten times as much: a task
            return await answer

else:

    async def _cancelled_after(limit_s: float, answer: Awaitable[T]) -> T:
        return await asyncio.wait_for(answer, limit_s)


# Threads that wait for work. Not an executor's: those are joined when the interpreter ends, which
# would then wait for whatever server was given up.
_IDLE: "deque[queue.SimpleQueue[_Job]]" = deque()

if hasattr(os, "register_at_fork"):  # Windows does not fork
    os.register_at_fork(after_in_child=_IDLE.clear)


def _thread() -> "queue.SimpleQueue[_Job]":
    try:
        return _IDLE.pop()
    except IndexError:
        jobs: queue.SimpleQueue[_Job] = queue.SimpleQueue()
        threading.Thread(target=_work, args=(jobs,), name="mrl-request", daemon=True).start()
        return jobs


def _work(jobs: "queue.SimpleQueue[_Job]") -> None:
    while True:
        call, outcomes = jobs.get()
        outcome: _Outcome
        try:
            outcome = call(), None
        except BaseException as error:  # noqa: BLE001 - raised where the call was asked for
            outcome = None, error
        del call
        _IDLE.append(jobs)  # first: whoever has the result finds the thread free
        outcomes.put(outcome)
        del outcomes, outcome  # large, and not needed while there is nothing to do
