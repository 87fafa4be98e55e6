"""The client that maintenance works with: it repeats what fails in passing, and reads in pages."""

import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from qdrant_client import QdrantClient, models

from mrl_adapters.qdrant.driver import Client, Driver
from mrl_adapters.qdrant.engine import Engine
from mrl_adapters.qdrant.flow import Flow, ask
from mrl_adapters.qdrant.reading import count_points
from mrl_adapters.qdrant.strict_mode import Limits, limits_of

T = TypeVar("T")

PointId: TypeAlias = models.ExtendedPointId
Records: TypeAlias = list[models.Record]

# 16 MB while they are Python floats, 5 MB as JSON on the wire. Larger pages only make the allocator
# work harder: the embedded engine hands over 250 x 1,536 twice as fast as 1,000 x 1,536.
_NUMBERS_PER_PAGE = 256_000
_POINTS_PER_PAGE = 1_000

if TYPE_CHECKING:  # calls are checked as those of the client that carries them out
    _Methods = QdrantClient
else:
    _Methods = object


class RetryingClient(_Methods):
    """A client's methods under their own names, each call repeated where its failure passes.

    Calls have the deadlines and pauses of every other conversation of this package. Those of an
    embedded client take turns with whatever else uses it: between two calls others may go first.

    Args:
        client: The client that carries the calls out.
    """

    def __init__(self, client: Client) -> None:
        self.wrapped = client
        self._driver = Driver(client)
        self._answered = False
        self.engine: Engine = self._driver.engine

    def run(self, flow: Flow[T]) -> T:
        """Carry out a conversation that the core offers."""
        return self._driver.run(flow)

    def alone(self) -> AbstractContextManager[None]:
        """Keep other operations of an embedded client waiting for the length of a block."""
        return self._driver.alone()

    @contextmanager
    def bulk_writes(self, name: str) -> Iterator[None]:
        """Let a folder of local mode take many points quickly for the length of a block.

        It commits each point by itself, and waits for the disk: 20 ms a point. With a write-ahead
        log it waits at the end: a power failure takes what was written last, as a kill does.
        """
        local: Any = getattr(self.wrapped, "_client", None)
        if not getattr(local, "persistent", False):
            yield
            return
        database = local.collections[name].storage.storage
        [durable] = database.execute("PRAGMA synchronous").fetchone()
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        try:
            yield
        finally:
            database.execute(f"PRAGMA synchronous = {durable}")
            # Not while another program looks into the file; it is as good with its log.
            with suppress(sqlite3.OperationalError):
                database.execute("PRAGMA journal_mode = DELETE")

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            # A server that has answered once is waited for; an address may be mistyped.
            flow = ask(lambda c: getattr(c, name)(*args, **kwargs), patient=self._answered)
            answer = self._driver.run(flow)
            self._answered = True
            return answer

        return call

    def pages(
        self,
        name: str,
        size: int,
        *,
        vectors: list[str] | bool = False,
        payload: list[str] | bool = False,
        query_filter: models.Filter | None = None,
        offset: PointId | None = None,
    ) -> Iterator[tuple[Records, PointId | None]]:
        """Read every point by rising id: pages, each with the id that the next one starts from."""
        while True:
            records, offset = self.scroll(
                name,
                scroll_filter=query_filter,
                limit=self.limits(name).page(size),
                offset=offset,
                with_payload=payload,
                with_vectors=vectors,
            )
            if records:
                yield records, offset
            if offset is None:
                return

    def draw(
        self, name: str, limit: int, *, vectors: list[str] | bool = False
    ) -> list[models.ScoredPoint]:
        """Read points that the engine draws at random."""
        query = models.SampleQuery(sample=models.Sample.RANDOM)
        size = self.limits(name).page(limit)
        return self.query_points(
            name, query=query, limit=size, with_payload=False, with_vectors=vectors
        ).points

    def present(self, name: str, ids: list[PointId]) -> set[str]:
        """Return which points are there, as texts."""
        records = self.retrieve(name, ids=ids, with_payload=False, with_vectors=False)
        return {str(record.id) for record in records}

    def count_points(self, name: str, query_filter: models.Filter | None = None) -> int:
        """Count points exactly."""
        return self.run(count_points(name, query_filter))

    def limits(self, name: str) -> Limits:
        """Return what a collection in strict mode allows."""
        return self.run(limits_of(name))


def points_per_page(width: int) -> int:
    """Choose the size of a page by how many numbers are read of each point."""
    return max(8, min(_POINTS_PER_PAGE, _NUMBERS_PER_PAGE // max(1, width)))
