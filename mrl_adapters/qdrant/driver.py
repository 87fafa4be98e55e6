"""Carry out flows on the client that the user has, sync and async."""

import asyncio
import threading
import weakref
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import NoReturn, TypeAlias, TypeVar, cast

from qdrant_client import AsyncQdrantClient, QdrantClient

from mrl_adapters.edge import EdgeClient
from mrl_adapters.errors import ConfigurationError
from mrl_adapters.qdrant.clients import (
    close_twin,
    note_used,
    of_this_process,
    refuse_closed,
    twin_of,
)
from mrl_adapters.qdrant.engine import Engine, engine_of
from mrl_adapters.qdrant.flow import CLIENT, Flow, Rest, Step, changes
from mrl_adapters.qdrant.server import IN_PROCESS, Link, Writes, writes_of
from mrl_adapters.qdrant.turns import Turns
from mrl_adapters.waiting import NO_LIMIT, Attempt

T = TypeVar("T")

Client: TypeAlias = QdrantClient | EdgeClient

# Also because qdrant-client's local mode corrupts its arrays under concurrent calls
# (qdrant-client#1193).
_TURNS: "weakref.WeakKeyDictionary[Client, Turns]" = weakref.WeakKeyDictionary()
_TURNS_LOCK = threading.Lock()

_ONLY_ASYNC = (
    "This store has only an asynchronous client: call its async methods, or pass client= as well."
)


class Driver:
    """Carries out flows on a blocking client, an async one, or both.

    With a blocking client of a server alone, coroutines get an async twin made from the same
    options, one an event loop; embedded engines run in a thread instead, since only one
    client may own their files.

    The operations of one embedded client go one at a time, in the order in which they were handed
    in (see :mod:`mrl_adapters.qdrant.turns`). Those of a server's client go side by side. With
    both, a cancelled operation has either happened before the next one begins, or never does (with
    a server: see :mod:`mrl_adapters.qdrant.server` for how long that is waited for).

    Args:
        client: Blocking client.
        async_client: Async client, used by coroutines where given.

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
        self.engine: Engine = engine_of(client or async_client)
        """What the flows are carried out by."""
        self._turns = turns_of(client)
        if client is not None and self._turns is None:
            note_used(cast(QdrantClient, client))

    def close(self) -> None:
        """Close the clients: an embedded engine's files, or the connections to a server.

        Other stores on the same clients can do no more either. What coroutines used is closed by
        :meth:`aclose`, or when their event loop ends.

        Raises:
            ConfigurationError: Only an async client was given.
        """
        if self.client is None:
            raise ConfigurationError(_ONLY_ASYNC)
        with self.alone():
            self.client.close()

    async def aclose(self) -> None:
        """Close the clients from a coroutine, those of its event loop included."""
        if self.async_client is not None:
            await self.async_client.close()
        if self.client is None:
            return
        if self._turns is None:
            await close_twin(cast(QdrantClient, self.client))
        await asyncio.to_thread(self.close)

    def __copy__(self) -> "Driver":
        """Share the clients: only one may own an embedded engine's files."""
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> "Driver":
        return self

    def __reduce__(self) -> NoReturn:
        """Refuse to travel."""
        msg = (
            "A store or retriever cannot be pickled: its client belongs to this process. Make it "
            "anew where it is needed, with connect(...), the collection's name and the embedding."
        )
        raise ConfigurationError(msg)

    def run(self, flow: Flow[T]) -> T:
        """Carry out a flow and wait for its result.

        Args:
            flow: What to do.

        Raises:
            ConfigurationError: Only an async client was given.
        """
        if self.client is None:
            raise ConfigurationError(_ONLY_ASYNC)
        # EdgeClient has the same methods as far as flows use them; a test compares them.
        client = cast(QdrantClient, self.client)
        if self._turns is None:
            own = of_this_process(client)
            link = Link.to(own)
            while isinstance(result := _proceed(flow, own, link), Rest):
                pass
            return result
        with self._turns:
            while isinstance(result := _proceed(flow, client, IN_PROCESS), Rest):
                self._turns.rest()
            return result

    async def arun(self, flow: Flow[T]) -> T:
        """Carry out a flow from a coroutine without blocking its event loop.

        Args:
            flow: What to do.
        """
        if self.async_client is None and self._turns is not None:
            client = cast(QdrantClient, self.client)
            return await self._turns.carry_out(
                flow, lambda flow, stop: _proceed(flow, client, IN_PROCESS, stop)
            )
        twin = self.async_client
        if twin is None:
            twin = await twin_of(cast(QdrantClient, self.client))
        elif self.engine.is_server:
            refuse_closed(twin)
        writes = writes_of(twin)
        await writes.settle()
        return await _aproceed(flow, cast(QdrantClient, twin), Link.to(twin), writes)

    def alone(self) -> AbstractContextManager[None]:
        """Keep other operations of an embedded client waiting for the length of a block.

        A server's client is not the only one that writes: there it keeps nobody waiting.
        """
        return self._turns or nullcontext()


def turns_of(client: Client | None) -> Turns | None:
    """Return the turns that the operations of an embedded client take, whatever stores use it.

    None for a server's client, which needs none.
    """
    if client is None or (isinstance(client, QdrantClient) and engine_of(client).is_server):
        return None
    with _TURNS_LOCK:
        return _TURNS.setdefault(client, Turns())


def _proceed(
    flow: Flow[T],
    client: QdrantClient,
    link: Link,
    interrupt: Callable[[Step], None] | None = None,
) -> T | Rest:
    """Drive a flow with a blocking client until it ends, or rests; one that has rested goes on.

    ``interrupt`` is called before each step, and raises if the operation is not to go on.
    """
    before = CLIENT.set(client)
    try:
        step = next(flow)
        while not isinstance(step, Rest):
            if interrupt is not None:
                interrupt(step)
            try:
                if isinstance(step, Attempt) and step.deadline is NO_LIMIT:
                    value = step.request(client)  # what every search of an embedded engine pays
                else:
                    value = link.carry_out(step, client)
            except Exception as error:  # noqa: BLE001 - the flow decides
                step = flow.throw(error)
            else:
                step = flow.send(value)
    except StopIteration as end:  # the flow's own: one from a call was thrown into it
        result: T = end.value
        return result
    finally:
        CLIENT.reset(before)
    return step


async def _aproceed(
    flow: Flow[T], client: QdrantClient, link: Link, writes: Writes | None = None
) -> T:
    """Drive a flow with an async client, passed under the blocking one's type.

    A test compares every method that flows use. ``writes`` carry the flow through from its first
    change on; None leaves it to the caller.
    """
    before = CLIENT.set(client)
    try:
        return await _aproceed_from(next(flow), flow, client, link, writes)
    except StopIteration as end:
        result: T = end.value
        return result
    finally:
        CLIENT.reset(before)


async def _aproceed_from(
    step: Step, flow: Flow[T], client: QdrantClient, link: Link, writes: Writes | None
) -> T:
    try:
        while True:
            if writes is not None and changes(step):
                return await writes.carry_through(_aproceed_from(step, flow, client, link, None))
            if isinstance(step, Rest):
                step = next(flow)
                continue
            try:
                value = await link.acarry_out(step, client)
            except Exception as error:  # noqa: BLE001 - the flow decides
                step = flow.throw(error)
            else:
                step = flow.send(value)
    except StopIteration as end:  # the flow's own: one from a call was thrown into it
        result: T = end.value
        return result
