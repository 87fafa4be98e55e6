"""The SDK's clients: made at the first request, one for each event loop, no key shown."""

import asyncio
import os
import threading
from collections.abc import AsyncGenerator, Callable
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from mrl_adapters.embeddings.openai.options import OpenAIOptions
from mrl_adapters.errors import ConfigurationError

if TYPE_CHECKING:
    from openai import AsyncOpenAI, OpenAI

_Lifetime = tuple["AsyncGenerator[AsyncOpenAI, None]", "AsyncOpenAI"]


class Clients:
    """Make and keep the clients of one embedder.

    Neither repr nor pickle shows a key; a copy in another process reads OPENAI_API_KEY there.

    Args:
        base_url: The server; None is the SDK's default (OPENAI_BASE_URL, else OpenAI's).
        api_key: None reads OPENAI_API_KEY, and servers other than OpenAI's may do without.
        client: A client that the caller made; it is used as it is and never closed here.
        async_client: The same for the async methods.
        options: Retries, timeout and HTTP clients.
    """

    def __init__(
        self,
        *,
        base_url: str | None,
        api_key: Any,
        client: "OpenAI | None",
        async_client: "AsyncOpenAI | None",
        options: OpenAIOptions,
    ) -> None:
        self._base_url = base_url
        self._options = options
        self._given = client, async_client
        # A closure, so that no look at the attributes finds the key.
        self._key: Callable[[], Any] = lambda: api_key
        self._made: OpenAI | None = None
        self._by_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, _Lifetime]
        self._by_loop = WeakKeyDictionary()
        self._lock = threading.Lock()

    def sync(self) -> "OpenAI":
        """Return the sync client.

        Raises:
            ConfigurationError: The caller gave an async client only.
        """
        client, async_client = self._given
        if client is not None:
            return client
        if async_client is not None:
            msg = (
                "A sync method was called, but only async_client was given. "
                "Pass client as well, or call the async method."
            )
            raise ConfigurationError(msg)
        with self._lock:
            if self._made is None:
                from openai import OpenAI

                self._made = OpenAI(**self._arguments(self._options.http_client))
            return self._made

    async def current(self) -> "AsyncOpenAI | None":
        """Return the running event loop's client; None where the caller gave a sync client only."""
        client, async_client = self._given
        if async_client is not None or client is not None:
            return async_client
        loop = asyncio.get_running_loop()
        with self._lock:
            for other in [other for other in self._by_loop if other.is_closed()]:
                del self._by_loop[other]
            if loop not in self._by_loop:
                lifetime = self._live()
                # Runs to its first yield without giving up control: the lock is held shortly.
                self._by_loop[loop] = lifetime, await anext(lifetime)
            return self._by_loop[loop][1]

    async def _live(self) -> "AsyncGenerator[AsyncOpenAI, None]":
        """Keep a client open until its loop ends.

        Connections belong to the loop they were opened in. asyncio closes the async generators
        that a loop has begun before it closes the loop itself: the one moment to close them well.
        """
        from openai import AsyncOpenAI

        client = AsyncOpenAI(**self._arguments(self._options.http_async_client))
        try:
            yield client
        finally:
            if self._options.http_async_client is None:
                await client.close()

    def _arguments(self, http_client: Any) -> dict[str, Any]:
        key = self._key()
        if key is None and self._base_url and not os.environ.get("OPENAI_API_KEY"):
            key = "not-needed"  # the SDK insists on one, servers of one's own do not
        return {
            "base_url": self._base_url,
            "api_key": getattr(key, "get_secret_value", lambda: key)(),
            "max_retries": self._options.max_retries,
            "timeout": self._options.timeout_s,
            "http_client": http_client,
        }

    def __deepcopy__(self, memo: dict[int, Any]) -> "Clients":
        """Share the connections: a copy within the process needs the key, too."""
        return self

    def __reduce__(self) -> tuple[Callable[..., "Clients"], tuple[str | None, OpenAIOptions]]:
        """Leave key and connections behind.

        Raises:
            ConfigurationError: The caller gave clients, which cannot be made again elsewhere.
        """
        http = self._options.http_client, self._options.http_async_client
        if any(given is not None for given in (*self._given, *http)):
            msg = (
                "An embedder that was given a client cannot be pickled: another process could not "
                "reach the same server. Give it base_url, and OPENAI_API_KEY in the environment."
            )
            raise ConfigurationError(msg)
        return _restore, (self._base_url, self._options)


def _restore(base_url: str | None, options: OpenAIOptions) -> Clients:
    return Clients(base_url=base_url, api_key=None, client=None, async_client=None, options=options)
