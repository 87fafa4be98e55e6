"""The operations of an embedded client go one at a time, first come, first served.

A thread cannot be cancelled. Were a cancelled operation left to its thread, it could still write
after a later one was acknowledged. Here each takes its turn when it is handed in, whoever hands it
in: any thread, any event loop, any store on that client. Cancelled before its turn, or before its
first change, it changes nothing; cancelled later, it is carried through before the next one begins.

Waiting for a turn takes no thread but the caller's own, so that a full thread pool blocks nobody.
"""

import asyncio
import contextvars
import os
import threading
import weakref
from collections import deque
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from functools import partial
from types import TracebackType
from typing import Generic, TypeAlias, TypeVar

from mrl_adapters.qdrant.flow import Flow, Rest, Step, changes

T = TypeVar("T")
Proceed: TypeAlias = Callable[[Flow[T], Callable[[Step], None]], T | Rest]


class Turns:
    """Whose turn it is on one client. As a context manager: a turn of the calling thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[Callable[[], object]] = deque()  # what begins each one's turn
        self._taken = False
        self._thread: int | None = None  # whose turn it is
        self._depth = 0
        self._worker: ThreadPoolExecutor | None = None
        _ALL.add(self)

    def __enter__(self) -> None:
        me = threading.get_ident()
        if self._thread != me:  # a flow may call the client that carries it out
            self._wait()
            self._thread = me
        self._depth += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._depth -= 1
        if not self._depth:
            self._thread = None
            self._pass_on()

    def rest(self) -> None:
        """Let those go first who wait; between the pages of a long read."""
        if self._waiting and self._depth == 1:
            self._thread, self._depth = None, 0
            self._pass_on()
            self._wait()
            self._thread, self._depth = threading.get_ident(), 1

    async def carry_out(self, flow: Flow[T], proceed: Proceed[T]) -> T:
        """Carry a flow out in the client's own thread when its turn comes.

        Returns:
            The flow's result.
        """
        operation = _Operation(self, flow, proceed)
        operation.hand_in()
        try:
            return await asyncio.wrap_future(operation.result)
        except asyncio.CancelledError:
            operation.cancel()
            raise

    def _wait(self) -> None:
        with self._lock:
            if not self._taken:
                self._taken = True
                return
            gate = threading.Event()
            begin = gate.set
            self._waiting.append(begin)
        try:
            gate.wait()
        except BaseException:  # Ctrl-C
            with self._lock:
                begun = begin not in self._waiting
                if not begun:
                    self._waiting.remove(begin)
            if begun:
                self._pass_on()
            raise

    def hand_in(self, job: Callable[[], object]) -> None:
        """Have a job done in the client's own thread when its turn comes; it ends that itself."""

        def begin() -> None:
            if self._worker is None:
                self._worker = ThreadPoolExecutor(1, thread_name_prefix="mrl-adapters")
            self._worker.submit(job)

        with self._lock:
            if self._taken:
                self._waiting.append(begin)
                return
            self._taken = True
        begin()

    def _pass_on(self) -> None:
        with self._lock:
            if not self._waiting:
                self._taken = False
                return
            begin = self._waiting.popleft()
        begin()

    def take(self) -> None:
        """Note that the calling thread has the turn that it was given."""
        self._thread, self._depth = threading.get_ident(), 1

    def end(self) -> None:
        """End the turn that the calling thread was given."""
        self._thread, self._depth = None, 0
        self._pass_on()

    def forget(self) -> None:
        """Begin anew in a forked process: the threads that had or awaited turns are not in it."""
        _ALL.discard(self)
        Turns.__init__(self)


_ALL: "weakref.WeakSet[Turns]" = weakref.WeakSet()


def _forget_all() -> None:
    for turns in list(_ALL):
        turns.forget()


if hasattr(os, "register_at_fork"):  # Windows does not fork
    os.register_at_fork(after_in_child=_forget_all)


class _Operation(Generic[T]):
    """A flow that a coroutine waits for."""

    def __init__(self, turns: Turns, flow: Flow[T], proceed: Proceed[T]) -> None:
        self.result: Future[T] = Future()
        self._turns = turns
        self._flow = flow
        self._proceed = proceed
        self._context = contextvars.copy_context()
        self._cancelled = False
        self._changed = False

    def hand_in(self) -> None:
        self._turns.hand_in(self._take_turn)

    def cancel(self) -> None:
        """Do not begin; stop if nothing has been changed yet."""
        self._cancelled = True
        self.result.cancel()

    def _take_turn(self) -> None:
        self._turns.take()
        tell = self._context.run(self._go_on)
        self._turns.end()
        tell()  # last: whoever is told finds the turn free

    def _go_on(self) -> Callable[[], object]:
        if not self.result.running() and not self.result.set_running_or_notify_cancel():
            return self._flow.close
        try:
            result = self._proceed(self._flow, self._stop)
        except BaseException as error:  # noqa: BLE001 - told to the one who waits
            self._flow.close()
            return partial(self.result.set_exception, error)
        if isinstance(result, Rest):
            self.hand_in()  # behind those who wait
            return int
        return partial(self.result.set_result, result)

    def _stop(self, step: Step) -> None:
        if self._cancelled and not self._changed:
            raise CancelledError
        self._changed = self._changed or changes(step)
