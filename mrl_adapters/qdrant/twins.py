"""The asynchronous client that coroutines get where the user has a blocking one."""

import asyncio
import threading
import weakref
from typing import TypeAlias

from qdrant_client import AsyncQdrantClient, QdrantClient

from mrl_adapters.qdrant.landing import Writes

_Twins: TypeAlias = dict[asyncio.AbstractEventLoop, AsyncQdrantClient]

_LOCK = threading.Lock()
_TWINS: "weakref.WeakKeyDictionary[QdrantClient, _Twins]" = weakref.WeakKeyDictionary()
_WRITES: "weakref.WeakKeyDictionary[AsyncQdrantClient, Writes]" = weakref.WeakKeyDictionary()


def twin_of(client: QdrantClient) -> AsyncQdrantClient:
    """Give the running event loop's asynchronous client with a blocking one's options.

    Args:
        client: A server's client.

    Returns:
        One a client and loop, whatever stores use it.
    """
    loop = asyncio.get_running_loop()
    with _LOCK:
        twins = _TWINS.setdefault(client, {})
        if loop not in twins:
            # A client's connections hold on to their loop, so that no weak key would ever go.
            for ended in [each for each in twins if each.is_closed()]:
                del twins[ended]
            # The blocking client has compared versions already; here it would block the loop.
            options = {**client.init_options, "check_compatibility": False}
            twins[loop] = AsyncQdrantClient(**options)
        return twins[loop]


def writes_of(client: AsyncQdrantClient) -> Writes:
    """Give what an asynchronous client is writing.

    Args:
        client: The client.
    """
    with _LOCK:
        return _WRITES.setdefault(client, Writes())
