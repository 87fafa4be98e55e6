"""One async client for each event loop, closed in the loop that it belongs to.

Connections belong to the loop they were opened in: a client used in two loops fails, and one that
outlives its loop cannot close them. asyncio closes the async generators that were begun in a loop
before it closes the loop itself; a suspended generator is thus the way to be called in time.
"""

import asyncio
import threading
import weakref
from collections.abc import AsyncGenerator, Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from openai import AsyncOpenAI


class LoopClients:
    """Give each event loop a client of its own.

    A client is closed when its loop ends or when this object is no longer used, whichever is first.

    Args:
        make: Makes a client. It must not refer to this object.
    """

    def __init__(self, make: "Callable[[], AsyncOpenAI]") -> None:
        self._make = make
        self._lifetimes: dict[asyncio.AbstractEventLoop, _Lifetime] = {}
        self._lock = threading.Lock()
        weakref.finalize(self, _end_all, self._lifetimes).atexit = False

    async def current(self) -> "AsyncOpenAI":
        """Return the running loop's client."""
        loop = asyncio.get_running_loop()
        with self._lock:
            for other in [other for other in self._lifetimes if other.is_closed()]:
                _open.discard(self._lifetimes.pop(other))
            lifetime = self._lifetimes.get(loop)
            if lifetime is None:
                lifetime = self._lifetimes[loop] = _Lifetime(self._make())
        await lifetime.begin()
        return lifetime.client


class _Lifetime:
    """A client, from its first use in a loop to the loop's end."""

    def __init__(self, client: "AsyncOpenAI") -> None:
        self.client = client
        self._generator: AsyncGenerator[None, None] | None = None
        self._closing: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        """Have the running loop know of this client."""
        if self._generator is None:
            self._generator = self._live()
            _open.add(self)
            await anext(self._generator)

    def end(self) -> None:
        """Begin to close the client, in its own loop."""
        self._closing = asyncio.ensure_future(self.client.close())
        self._closing.add_done_callback(self._closed)

    def _closed(self, closing: "asyncio.Task[None]") -> None:
        if not closing.cancelled():
            _open.discard(self)

    async def _live(self) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            # A loop that ends cancels its tasks first, maybe this one, before it had begun.
            if self._closing is None or self._closing.cancelled():
                await self.client.close()
            else:
                await self._closing
            _open.discard(self)


# What keeps a client from being collected unclosed once nobody uses it any more.
_open: set[_Lifetime] = set()


def _end_all(lifetimes: dict[asyncio.AbstractEventLoop, _Lifetime]) -> None:
    for loop, lifetime in lifetimes.items():
        if loop.is_closed():
            _open.discard(lifetime)
        else:
            # Whoever drops the last reference may do so in any thread.
            loop.call_soon_threadsafe(lifetime.end)
