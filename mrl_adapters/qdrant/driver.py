"""Run flows on the client that the user has, in either colour."""

import asyncio
import threading
import weakref
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeAlias, TypeVar, cast

from qdrant_client import AsyncQdrantClient, QdrantClient

from mrl_adapters.errors import ConfigurationError
from mrl_adapters.qdrant.edge import EdgeClient
from mrl_adapters.qdrant.engine import Engine, engine_of
from mrl_adapters.qdrant.flow import Flow, arun, run

T = TypeVar("T")

Client: TypeAlias = QdrantClient | EdgeClient

# qdrant-client's local mode corrupts its arrays under concurrent calls (qdrant-client#1193).
_LOCAL_LOCKS: "weakref.WeakKeyDictionary[QdrantClient, AbstractContextManager[Any]]" = (
    weakref.WeakKeyDictionary()
)


class Driver:
    """Run flows on a blocking client, an asynchronous one, or both.

    With a blocking client of a server alone, coroutines get an asynchronous twin made from the
    same options, one an event loop; embedded engines run in a thread instead, since only one
    client may own their files.

    Args:
        client: Blocking client.
        async_client: Asynchronous client, used by coroutines where given.

    Raises:
        ConfigurationError: Neither is given.
    """

    def __init__(
        self, client: Client | None = None, async_client: AsyncQdrantClient | None = None
    ) -> None:
        if client is None and async_client is None:
            msg = "No Qdrant client. Pass one, such as mrl_adapters.qdrant.connect(path='...')."
            raise ConfigurationError(msg)
        self.client = client
        self.async_client = async_client
        self._lock = local_lock(client)
        self._twins: dict[asyncio.AbstractEventLoop, AsyncQdrantClient] = {}

    def run(self, flow: Flow[T]) -> T:
        """Drive a flow and wait for its result.

        Args:
            flow: What to do.

        Raises:
            ConfigurationError: Only an asynchronous client was given.
        """
        if self.client is None:
            msg = (
                "This store has only an asynchronous client: call its async methods, "
                "or pass client= as well."
            )
            raise ConfigurationError(msg)
        # EdgeClient has the same methods as far as flows use them; a test compares them.
        with self._lock or nullcontext():
            return run(flow, cast(QdrantClient, self.client))

    async def arun(self, flow: Flow[T]) -> T:
        """Drive a flow from a coroutine without blocking its event loop.

        Args:
            flow: What to do.
        """
        twin = self.async_client or self._twin()
        if twin is not None:
            return await arun(flow, cast(QdrantClient, twin))
        return await asyncio.to_thread(self.run, flow)

    def _twin(self) -> AsyncQdrantClient | None:
        if not isinstance(self.client, QdrantClient) or engine_of(self.client) is Engine.LOCAL:
            return None
        loop = asyncio.get_running_loop()
        twin = self._twins.get(loop)
        if twin is None:
            # A client's connections hold on to their loop, so that no weak key would ever go.
            for ended in [each for each in self._twins if each.is_closed()]:
                del self._twins[ended]
            # The blocking client has compared versions already; here it would block the loop.
            options = {**self.client.init_options, "check_compatibility": False}
            twin = self._twins[loop] = AsyncQdrantClient(**options)
        return twin


def local_lock(client: Client | None) -> AbstractContextManager[Any] | None:
    """Give the lock under which a client of the local mode must be called.

    Args:
        client: Any blocking client.

    Returns:
        One lock a client; None for the engines that need none.
    """
    if isinstance(client, QdrantClient) and engine_of(client) is Engine.LOCAL:
        return _LOCAL_LOCKS.setdefault(client, threading.RLock())
    return None
