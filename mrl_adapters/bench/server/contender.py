"""A contender of the embedded engine, on a server instead."""

import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from qdrant_client import QdrantClient, models

from mrl_adapters.bench.contender import Batch, Searcher, Setting
from mrl_adapters.bench.contenders import FullGraph, TwoStage
from mrl_adapters.bench.server.place import Place
from mrl_adapters.errors import DeadlineError, EngineError
from mrl_adapters.qdrant.engine import is_older

_STEP_S = 0.2  # between two looks
_SETTLED = 3  # looks that find the same before it counts
_QUIET = 15  # the same, of servers that do not say what they are about to do
_SAYS_SINCE = (1, 17)  # the first version that lists its optimizations


@dataclass(frozen=True)
class OnServer:
    """A layout that is stored and searched on a server.

    Args:
        layout: What is stored, and how it is searched.
        place: The server.
        collection: A name that nobody else has there.
        index_limit_s: How long to wait for its index, seconds.
    """

    layout: FullGraph | TwoStage
    place: Place
    collection: str
    index_limit_s: float
    needs: ClassVar[tuple[str, ...]] = ()
    is_limited: ClassVar[bool] = False

    @property
    def name(self) -> str:
        """What reports call it."""
        return self.layout.name

    @property
    def ours(self) -> bool:
        """Whether it is a way to use this library."""
        return self.layout.ours

    def connect(self, folder: Path) -> AbstractContextManager[QdrantClient]:
        """Open a client."""
        del folder
        return self.place.connect()

    def load(self, client: QdrantClient, dimensions: int, batches: Iterator[Batch]) -> None:
        """Store the documents; the server begins to index them meanwhile."""
        if client.collection_exists(self.collection):  # of the build before
            client.delete_collection(self.collection)
        self._there.load(client, dimensions, batches)

    def build(self, client: QdrantClient) -> None:
        """Wait until the server has optimised the collection."""
        wait_until_optimised(client, self.collection, self.index_limit_s)

    def open(self, client: QdrantClient, k: int) -> Searcher:
        """Make the searching function."""
        return self._there.open(client, k)

    def chains(self, dimensions: int, k: int, points: int) -> Sequence[Sequence[Setting]]:
        """Try what is tried in the embedded engine."""
        return self.layout.chains(dimensions, k, points)

    @property
    def _there(self) -> FullGraph | TwoStage:
        return replace(self.layout, collection=self.collection)


def wait_until_optimised(client: QdrantClient, collection: str, limit_s: float) -> None:
    """Wait until a collection is green, and no vector waits for its graph any more.

    Segments below the server's indexing threshold get none: the server then scans them for ever,
    and calls that green.

    Args:
        client: Whose server.
        collection: Its name.
        limit_s: How long to wait, seconds.

    Raises:
        DeadlineError: It takes longer.
        EngineError: The server has given up.
    """
    says = not is_older(client.info().version, _SAYS_SINCE)
    enough = _SETTLED if says else _QUIET
    end_s = time.monotonic() + limit_s
    same, before = 0, None
    while True:
        info = client.get_collection(collection)
        if info.status is models.CollectionStatus.RED:
            msg = (
                f"Collection {collection!r}: the server cannot optimise it (status red: "
                f"{info.optimizer_status}). Its log says why; is its disk or memory full?"
            )
            raise EngineError(msg)
        now = (info.indexed_vectors_count, info.segments_count, info.points_count)
        is_idle = info.status is models.CollectionStatus.GREEN and not (
            says and _is_at_work(client, collection)
        )
        same = same + 1 if is_idle and now == before else 0
        before = now
        if same >= enough:
            return
        if time.monotonic() > end_s:
            msg = (
                f"Collection {collection!r} is not optimised after {limit_s:g} s (status "
                f"{info.status.value}, {info.indexed_vectors_count or 0:,} vectors indexed). Pass "
                "more: --index-limit SECONDS, or fewer --points."
            )
            raise DeadlineError(msg)
        time.sleep(_STEP_S)


def _is_at_work(client: QdrantClient, collection: str) -> bool:
    found = client.get_optimizations(collection)
    return bool(found.running or found.summary.queued_optimizations)
