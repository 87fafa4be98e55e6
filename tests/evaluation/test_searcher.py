"""How searches are timed."""

from collections import Counter
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mrl_adapters.evaluation import OpenCollection
from mrl_adapters.evaluation.searcher import Queries, Searcher
from mrl_adapters.qdrant import (
    CollectionLayout,
    Driver,
    MatryoshkaCollection,
    SearchPlan,
    connect,
)
from mrl_adapters.qdrant.query import Search


class Noting(MatryoshkaCollection):
    """A collection that notes who asked what."""

    noted: list[tuple[SearchPlan, float]]

    def search(
        self, searches: Sequence[Search], plan: Any = None
    ) -> Generator[Any, Any, list[list[Any]]]:
        self.noted += [(plan, float(each.vector[0])) for each in searches]
        return super().search(searches, plan)


def test_no_plan_is_always_the_one_that_finds_cold_memory(tmp_path: Path) -> None:
    plans = [SearchPlan(min_candidates=least) for least in (1, 2, 3, 4)]
    vectors = np.random.default_rng(0).standard_normal((50, 8), dtype=np.float32)
    with connect(path=str(tmp_path)) as client:
        collection, driver = Noting("docs", layout=CollectionLayout(8, (4,))), Driver(client)
        driver.run(collection.add([str(row) for row in range(50)], vectors, [{}] * 50))
        searcher = Searcher(OpenCollection(collection, driver), 3)
        collection.noted = []
        times = searcher.latencies(Queries(vectors, [None] * 50), plans, 120)
    assert [each.shape for each in times] == [(120,)] * 4
    assert all((each > 0).all() for each in times)
    warm, timed = collection.noted[:4], collection.noted[4:]
    assert [plan for plan, _ in warm] == plans
    # Every plan answers the same queries ...
    asked = [Counter(query for plan, query in timed if plan == each) for each in plans]
    assert asked == [asked[0]] * 4
    assert len(asked[0]) == 50
    # ... each has been the first to ask some of them, and the first of a turn, ...
    first_to_ask = {query: plan for plan, query in reversed(timed)}
    assert all(count >= 4 for count in Counter(first_to_ask.values()).values())
    assert set(first_to_ask.values()) == set(plans)
    turns = [timed[start : start + 4] for start in range(0, len(timed), 4)]
    opening = Counter(turn[0][0] for turn in turns)
    assert len(opening) == 4
    assert min(opening.values()) >= 15
    # ... and none is left out of a turn.
    assert all({plan for plan, _ in turn} == set(plans) for turn in turns)
