"""Run flows on the client that the user has, in either colour."""

import threading
import weakref
from contextlib import AbstractContextManager, nullcontext
from typing import NoReturn, TypeAlias, TypeVar, cast

from qdrant_client import AsyncQdrantClient, QdrantClient

from mrl_adapters.edge import EdgeClient
from mrl_adapters.errors import ConfigurationError
from mrl_adapters.qdrant.engine import engine_of
from mrl_adapters.qdrant.flow import arun, run
from mrl_adapters.qdrant.line import Line
from mrl_adapters.qdrant.steps import Flow
from mrl_adapters.qdrant.turns import Turns
from mrl_adapters.qdrant.twins import twin_of, writes_of

T = TypeVar("T")

Client: TypeAlias = QdrantClient | EdgeClient

# Also because qdrant-client's local mode corrupts its arrays under concurrent calls
# (qdrant-client#1193).
_TURNS: "weakref.WeakKeyDictionary[Client, Turns]" = weakref.WeakKeyDictionary()
_TURNS_LOCK = threading.Lock()


class Driver:
    """Run flows on a blocking client, an asynchronous one, or both.

    With a blocking client of a server alone, coroutines get an asynchronous twin made from the
    same options, one an event loop; embedded engines run in a thread instead, since only one
    client may own their files.

    The operations of one embedded client go one at a time, in the order in which they were handed
    in (see :mod:`mrl_adapters.qdrant.turns`). Those of a server's client go side by side. With
    both, a cancelled operation has either happened before the next one begins, or never does (with
    a server: see :mod:`mrl_adapters.qdrant.landing` for how long that is waited for).

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
        self.engine = engine_of(client or async_client)
        """What the flows are carried out by."""
        self._turns = turns_of(client)

    def __copy__(self) -> "Driver":
        """Share the clients: only one may own an embedded engine's files."""
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> "Driver":
        return self

    def __reduce__(self) -> NoReturn:
        """Refuse to travel.

        Raises:
            ConfigurationError: Always: another process needs clients of its own.
        """
        msg = (
            "A store or retriever cannot be pickled: its client belongs to this process. Make it "
            "anew where it is needed, with connect(...), the collection's name and the embedding."
        )
        raise ConfigurationError(msg)

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
        client = cast(QdrantClient, self.client)
        if self._turns is None:
            return run(flow, client, line=Line.to(client))
        with self._turns:
            return run(flow, client, self._turns.rest)

    def alone(self) -> AbstractContextManager[None]:
        """Keep other operations of an embedded client waiting for the length of a block.

        A server's client is not the only one that writes: there it keeps nobody waiting.
        """
        return self._turns or nullcontext()

    async def arun(self, flow: Flow[T]) -> T:
        """Drive a flow from a coroutine without blocking its event loop.

        Args:
            flow: What to do.
        """
        if self.async_client is None and self._turns is not None:
            return await self._turns.carry_out(flow, cast(QdrantClient, self.client))
        twin = self.async_client or twin_of(cast(QdrantClient, self.client))
        writes = writes_of(twin)
        await writes.settle()
        return await arun(flow, cast(QdrantClient, twin), writes, Line.to(twin))


def turns_of(client: Client | None) -> Turns | None:
    """Give the turns that the operations of an embedded client take.

    Args:
        client: Any blocking client.

    Returns:
        One object a client, whatever stores use it; None for a server's, which needs none.
    """
    if client is None or (isinstance(client, QdrantClient) and engine_of(client).is_server):
        return None
    with _TURNS_LOCK:
        return _TURNS.setdefault(client, Turns())
