"""One async client for each event loop, closed in the loop that it belongs to.

Connections belong to the loop they were opened in: a client used in two loops fails, and one that
outlives its loop cannot close them. asyncio closes the async generators that were begun in a loop
before it closes the loop itself, and calls nobody else in time: hence a suspended generator. It
must not be dropped with its embedder: that is often the last thing in ``asyncio.run``, which then
cancels whatever was about to close the client.
"""

import asyncio
import threading
import weakref
from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import Any, Generic, Protocol, TypeVar


class AsyncClient(Protocol):
    """What holds connections, and closes them."""

    def close(self) -> Coroutine[Any, Any, None]:
        """Close them."""


C = TypeVar("C", bound=AsyncClient)


class LoopClients(Generic[C]):
    """One client for each event loop, closed when its loop ends or this object is gone.

    Args:
        make: Makes a client. It must not refer to this object.
    """

    def __init__(self, make: Callable[[], C]) -> None:
        self._make = make
        self._lifetimes: dict[asyncio.AbstractEventLoop, _Lifetime[C]] = {}
        self._lock = threading.Lock()
        weakref.finalize(self, _end_all, self._lifetimes).atexit = False

    async def current(self) -> C:
        """Return the running loop's client."""
        loop = asyncio.get_running_loop()
        lifetime = self._lifetimes.get(loop)
        if lifetime is None:
            with self._lock:
                for other in [other for other in self._lifetimes if other.is_closed()]:
                    _open.discard(self._lifetimes.pop(other))
                lifetime = self._lifetimes[loop] = _Lifetime(self._make())
            await lifetime.begin()
        return lifetime.client

    async def close(self) -> None:
        """Close the running loop's client, if it has one; the next use makes another."""
        with self._lock:
            lifetime = self._lifetimes.pop(asyncio.get_running_loop(), None)
        if lifetime is not None:
            await lifetime.finish()


class _Lifetime(Generic[C]):
    """A client, from its first use in a loop to the loop's end."""

    def __init__(self, client: C) -> None:
        self.client = client
        self._generator: AsyncGenerator[None, None] | None = None
        self._closing: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        if self._generator is None:
            self._generator = self._live()
            _open.add(self)
            await anext(self._generator)

    async def finish(self) -> None:
        if self._generator is not None:
            await self._generator.aclose()

    def end(self) -> None:
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


# Keeps clients from being collected unclosed once nobody uses them any more.
_open: set[_Lifetime[Any]] = set()


def _end_all(lifetimes: dict[asyncio.AbstractEventLoop, _Lifetime[Any]]) -> None:
    for loop, lifetime in lifetimes.items():
        if loop.is_closed():
            _open.discard(lifetime)
        else:
            # Whoever drops the last reference may do so in any thread.
            loop.call_soon_threadsafe(lifetime.end)
