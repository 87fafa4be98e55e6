"""The SDK's clients: made at the first request, one for each event loop, no key shown."""

import os
import threading
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from mrl_adapters.embeddings.openai.options import OpenAIOptions
from mrl_adapters.embeddings.openai.requests import Patience
from mrl_adapters.errors import ConfigurationError
from mrl_adapters.loop_clients import LoopClients

if TYPE_CHECKING:
    from openai import AsyncOpenAI, OpenAI


class Clients:
    """The clients of one embedder.

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
        base_url: str | None,
        api_key: Any,
        client: "OpenAI | None",
        async_client: "AsyncOpenAI | None",
        options: OpenAIOptions,
    ) -> None:
        self._base_url = base_url
        self._options = options
        self._given = client, async_client
        self._made: OpenAI | None = None
        self._made_async: AsyncOpenAI | None = None  # around the caller's own HTTP client
        self._lock = threading.Lock()

        # Closures, so that no look at the attributes finds the key.
        def make() -> "OpenAI":
            from openai import OpenAI

            return OpenAI(http_client=options.http_client, **_arguments(base_url, api_key, options))

        def make_async() -> "AsyncOpenAI":
            from openai import AsyncOpenAI

            arguments = _arguments(base_url, api_key, options)
            return AsyncOpenAI(http_client=options.http_async_client, **arguments)

        self._make, self._make_async = make, make_async
        self._loops = LoopClients(make_async)

    def sync(self) -> "OpenAI":
        """Return the sync client."""
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
                self._made = self._make()
                if self._options.http_client is None:
                    # A client that is collected together with its open connections may find them
                    # finalized first, each with a ResourceWarning: it must not be garbage yet.
                    weakref.finalize(self, self._made.close).atexit = False
            return self._made

    async def current(self) -> "AsyncOpenAI | None":
        """Return the running event loop's client; None where the caller gave a sync client only."""
        client, async_client = self._given
        if async_client is not None or client is not None:
            return async_client
        if self._options.http_async_client is None:
            return await self._loops.current()
        with self._lock:
            if self._made_async is None:
                self._made_async = self._make_async()
            return self._made_async

    def patience(self, client: "OpenAI | AsyncOpenAI", *, query: bool) -> Patience:
        """Return how long a request may take: by the options, or as the caller's client has it."""
        limit_s: float | None = self._options.timeout_s
        retries = self._options.max_retries
        if client in self._given:
            retries, timeout = client.max_retries, client.timeout
            # The SDK's type has a limit for each step: that of a read is the longest by default.
            limit_s = (
                timeout if timeout is None or isinstance(timeout, float | int) else timeout.read
            )
        return Patience(limit_s, retries, 0.0 if query else limit_s or 0.0)

    def __deepcopy__(self, memo: dict[int, Any]) -> "Clients":
        """Share the connections: a copy within the process needs the key, too."""
        return self

    def __reduce__(self) -> tuple[Callable[..., "Clients"], tuple[Any, ...]]:
        """Leave key and connections behind."""
        http = self._options.http_client, self._options.http_async_client
        if any(given is not None for given in (*self._given, *http)):
            msg = (
                "An embedder that was given a client cannot be pickled: another process could not "
                "reach the same server. Give it base_url, and OPENAI_API_KEY in the environment."
            )
            raise ConfigurationError(msg)
        return Clients, (self._base_url, None, None, None, self._options)


def _arguments(base_url: str | None, api_key: Any, options: OpenAIOptions) -> dict[str, Any]:
    key = getattr(api_key, "get_secret_value", lambda: api_key)()  # pydantic's SecretStr
    host = urlsplit(base_url or os.environ.get("OPENAI_BASE_URL") or "").hostname
    if (
        key is None
        and not os.environ.get("OPENAI_API_KEY")
        and host not in {None, "api.openai.com"}
    ):
        key = "not-needed"  # the SDK insists on one, servers of one's own do not
    return {
        "base_url": base_url,
        "api_key": key,
        "max_retries": 0,  # requests are repeated here, by one deadline
        "timeout": options.timeout_s,
    }
