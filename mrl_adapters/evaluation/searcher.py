"""Searches against a real collection: exact neighbours, a plan's overlap with them, latency."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from qdrant_client import models

from mrl_adapters.errors import ConfigurationError
from mrl_adapters.evaluation.metrics import PerQuery, overlap_at_k
from mrl_adapters.qdrant import CollectionLayout, Driver, MatryoshkaCollection, SearchPlan
from mrl_adapters.qdrant.flow import ask
from mrl_adapters.qdrant.query import Search
from mrl_adapters.qdrant.strict_mode import limits_of
from mrl_adapters.vectors import FloatArray

_IDS_PER_PAGE = 10_000
_VECTORS = 256  # points read, with their vectors, at a time
_SEARCHES_PER_REQUEST = 32
_NEARER_IS_LESS = frozenset({"Euclid", "Manhattan"})


class Searchable(Protocol):
    """A store of either adapter, or an :class:`OpenCollection`."""

    @property
    def collection(self) -> MatryoshkaCollection:
        """The framework-free collection."""
        ...

    @property
    def driver(self) -> Driver:
        """What runs its flows."""
        ...


class OpenCollection(NamedTuple):
    """A collection without a framework's store around it."""

    collection: MatryoshkaCollection
    driver: Driver


class Queries(NamedTuple):
    """Query vectors of shape (n, d), and for each the point that it was taken from, or None."""

    vectors: FloatArray
    own: Sequence[models.ExtendedPointId | None]

    def part(self, start: int, stop: int) -> "Queries":
        """Return the queries of one purpose."""
        return Queries(self.vectors[start:stop], self.own[start:stop])


class Truth(NamedTuple):
    """The exact full search's hits of each query: point ids, and scores of shape (n, k)."""

    ids: list[list[models.ExtendedPointId]]
    scores: NDArray[np.float64]


class Searcher:
    """Searches against one collection, with what they find and how long they take.

    Args:
        store: A store of either adapter, or an OpenCollection.
        k: Results a query.
        query_filter: Filter that every search carries.

    Raises:
        CollectionMismatchError: The collection does not exist.
    """

    def __init__(
        self, store: Searchable, k: int, query_filter: models.Filter | None = None
    ) -> None:
        self.store = store
        self._collection = store.collection
        self._driver = store.driver
        self._filter = query_filter
        self.k = k
        self.base: SearchPlan = store.collection.plan
        layout = self._driver.run(self._collection.open(must_exist=True))
        assert layout is not None  # noqa: S101 - must_exist
        self.layout: CollectionLayout = layout
        self._seen = self._collection.scope.within(self._collection.name, layout, query_filter)
        self.points: int = self._driver.run(self._collection.count(query_filter))

    def point_ids(self) -> list[models.ExtendedPointId]:
        """List the ids of all points that pass the filter, in the engine's order."""
        ids: list[models.ExtendedPointId] = []
        offset: models.ExtendedPointId | None = None
        while True:
            records, offset = self._page(offset)
            ids += [record.id for record in records]
            if offset is None:
                return ids

    def _page(
        self, offset: models.ExtendedPointId | None
    ) -> tuple[list[models.Record], models.ExtendedPointId | None]:
        name = self._collection.name
        size = self._driver.run(limits_of(name)).page(_IDS_PER_PAGE)
        return self._driver.run(
            ask(
                lambda c: c.scroll(
                    name,
                    scroll_filter=self._seen,
                    limit=size,
                    offset=offset,
                    with_payload=False,
                    with_vectors=False,
                )
            )
        )

    def vectors(
        self, ids: Sequence[models.ExtendedPointId]
    ) -> Iterator[tuple[models.ExtendedPointId, FloatArray]]:
        """Read full vectors; points without one, or with nothing but zeros, are left out."""
        for start in range(0, len(ids), _VECTORS):
            for record in self._records(list(ids[start : start + _VECTORS])):
                stored: Any = record.vector
                if isinstance(stored, dict):
                    stored = stored.get(self.layout.full_name)
                vector = np.asarray([] if stored is None else stored, dtype=np.float32)
                if vector.any():
                    yield record.id, vector

    def _records(self, ids: list[models.ExtendedPointId]) -> list[models.Record]:
        name = self.layout.full_name
        return self._driver.run(
            ask(
                lambda c: c.retrieve(
                    self._collection.name,
                    ids=ids,
                    with_payload=False,
                    with_vectors=[name] if name else True,
                )
            )
        )

    def truth(self, queries: Queries, report: Callable[[int], object]) -> Truth:
        """Search exactly with the full vectors, in the engine itself."""
        return self._search(queries, self.exact, report)

    @property
    def exact(self) -> SearchPlan:
        """The plan that is right by definition."""
        return self.base.merge({"exact": True, "stages": None})

    def overlaps(
        self,
        queries: Queries,
        truth: Truth,
        plan: SearchPlan,
        report: Callable[[int], object] = lambda _: None,
    ) -> PerQuery:
        """Measure a plan's overlap@k with the truth, one number a query."""
        found = self._search(queries, plan, report)
        return overlap_at_k(
            found.ids, truth.ids, self.k, found_scores=found.scores, exact_scores=truth.scores
        )

    def latencies(
        self,
        queries: Queries,
        plans: Sequence[SearchPlan],
        rounds: int,
        report: Callable[[int], object] = lambda _: None,
    ) -> list[NDArray[np.float64]]:
        """Time single searches, seconds, without payload; shape (rounds,) for each plan.

        Every plan answers the same queries, and the plans take turns, so that a busy moment of
        the machine meets them all. Who asks a query first, or after a heavy search, finds cold
        memory: each plan has the queries in an order of its own, and every turn shuffles the
        plans, so that this too meets them all.
        """
        rng = np.random.default_rng(0)
        numbers = np.arange(rounds) % len(queries.vectors)
        orders = [rng.permutation(numbers).tolist() for _ in plans]
        # The first search of a plan may build an index or fetch pages: it is not counted.
        for plan in plans:
            self._timed(queries.vectors[0], plan)
        times = np.zeros((len(plans), rounds))
        for turn in range(rounds):
            for row in rng.permutation(len(plans)).tolist():
                times[row, turn] = self._timed(queries.vectors[orders[row][turn]], plans[row])
            report(turn + 1)
        return list(times)

    def _timed(self, vector: FloatArray, plan: SearchPlan) -> float:
        search = self._one(vector, None)
        start = time.perf_counter()
        self._driver.run(self._collection.search([search], plan))
        return time.perf_counter() - start

    def _search(self, queries: Queries, plan: SearchPlan, report: Callable[[int], object]) -> Truth:
        ids: list[list[models.ExtendedPointId]] = []
        scores = np.full((len(queries.vectors), self.k), np.nan)
        sign = -1.0 if self.layout.distance in _NEARER_IS_LESS else 1.0
        for start in range(0, len(queries.vectors), _SEARCHES_PER_REQUEST):
            part = queries.part(start, start + _SEARCHES_PER_REQUEST)
            searches = [self._one(*pair) for pair in zip(part.vectors, part.own, strict=True)]
            for hits in self._driver.run(self._collection.search(searches, plan)):
                scores[len(ids), : len(hits)] = [sign * hit.score for hit in hits]
                ids.append([hit.id for hit in hits])
            report(len(ids))
        return Truth(ids, scores)

    def _one(self, vector: FloatArray, own: models.ExtendedPointId | None) -> Search:
        query_filter = self._filter
        if own is not None:
            query_filter = models.Filter(
                must=None if query_filter is None else [query_filter],
                must_not=[models.HasIdCondition(has_id=[own])],
            )
        return Search(vector, self.k, query_filter=query_filter, with_payload=False)


def draw(searcher: Searcher, size: int, rng: np.random.Generator) -> Queries:
    """Take a random sample of the stored points as queries; each will not find itself.

    Returns:
        Their full vectors in random order.
    """
    ids = searcher.point_ids()
    drawn = [ids[row] for row in rng.permutation(len(ids))[:size].tolist()]
    vectors = dict(searcher.vectors(drawn))
    kept = [point for point in drawn if point in vectors]
    if not kept:
        msg = (
            "No point with a full vector to draw queries from. Add documents first, or pass "
            "queries=."
        )
        raise ConfigurationError(msg)
    return Queries(np.stack([vectors[point] for point in kept]), kept)
