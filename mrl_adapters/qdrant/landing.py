"""What a cancelled coroutine has sent to a server lands before the next operation is sent.

A request on its way cannot be called back: the server may still carry it out after a later one was
acknowledged. So an operation that has begun to write is carried through when it is cancelled, and
the cancellation waits for it, as does every later operation of that client on that event loop. Both
wait so long and no longer; a server that does not answer by then may still carry it out.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

_LONGEST_WAIT_S = 10.0


class Writes:
    """The operations of one asynchronous client that have begun to write and have not ended."""

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
        """Await the rest of an operation; if cancelled, after it has ended.

        Args:
            rest: What is left of the operation.

        Returns:
            Its result.
        """
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
