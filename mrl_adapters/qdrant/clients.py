"""A server's clients: one a process, one async twin an event loop, none that is closed."""

import os
import threading
import weakref
from typing import Any

from qdrant_client import AsyncQdrantClient, QdrantClient

from mrl_adapters.errors import EngineError
from mrl_adapters.loop_clients import LoopClients

_LOCK = threading.Lock()
_TWINS: "weakref.WeakKeyDictionary[QdrantClient, LoopClients[AsyncQdrantClient]]" = (
    weakref.WeakKeyDictionary()
)
_USED: "weakref.WeakSet[QdrantClient]" = weakref.WeakSet()
_INHERITED: "weakref.WeakKeyDictionary[QdrantClient, QdrantClient | None]" = (
    weakref.WeakKeyDictionary()
)


def note_used(client: QdrantClient) -> None:
    """Note that a server's client has been given, so that a forked process makes its own."""
    _USED.add(client)


def of_this_process(client: QdrantClient) -> QdrantClient:
    """Return a server's client whose connections no other process shares.

    After a fork parent and child would read one another's answers from the same sockets: the child
    gets a client of its own, with the same options.

    Raises:
        EngineError: The client is closed.
    """
    if _INHERITED and client in _INHERITED:
        with _LOCK:
            own = _INHERITED[client]
            if own is None:
                own = _INHERITED[client] = QdrantClient(**_options(client))
        return own
    refuse_closed(client)
    return client


async def twin_of(client: QdrantClient) -> AsyncQdrantClient:
    """Return the running event loop's async client with a blocking one's options.

    There is one a client and loop, whatever stores use it; it is closed when the loop ends.

    Raises:
        EngineError: The blocking client is closed.
    """
    refuse_closed(client)
    with _LOCK:
        twins = _TWINS.get(client)
        if twins is None:
            options = _options(client)
            twins = _TWINS[client] = LoopClients(lambda: AsyncQdrantClient(**options))
    return await twins.current()


async def close_twin(client: QdrantClient) -> None:
    """Close the running event loop's twin of a client, if it has one."""
    twins = _TWINS.get(client)
    if twins is not None:
        await twins.close()


def refuse_closed(client: QdrantClient | AsyncQdrantClient) -> None:
    """Check that a server's client is open: a closed one fails as if the server were gone.

    Raises:
        EngineError: It is closed.
    """
    remote = getattr(client, "_client", None)  # nothing public tells
    if getattr(remote, "closed", False):
        msg = "This store's QdrantClient is closed. Connect again: connect(url=...)."
        raise EngineError(msg)


def _options(client: QdrantClient) -> dict[str, Any]:
    # The first client has compared versions already; an async one would block its loop.
    return {**client.init_options, "check_compatibility": False}


def _after_fork() -> None:
    global _LOCK  # noqa: PLW0603 - another thread may have held it
    _LOCK = threading.Lock()
    _TWINS.clear()
    _INHERITED.update(dict.fromkeys(_USED))


if hasattr(os, "register_at_fork"):  # Windows does not fork
    os.register_at_fork(after_in_child=_after_fork)
