"""What a collection of several stages finds when nobody says how to search it."""

from collections.abc import Iterator

import numpy as np
import pytest

from mrl_adapters.bench.synthetic import nested_vectors, topics_of
from mrl_adapters.evaluation import OpenCollection
from mrl_adapters.evaluation.searcher import Queries, Searcher
from mrl_adapters.qdrant import (
    CollectionLayout,
    Driver,
    MatryoshkaCollection,
    SearchPlan,
    connect,
)

POINTS, QUERIES = 6_000, 200
VECTORS = np.concatenate(list(nested_vectors(POINTS + QUERIES, 128, topics=topics_of(POINTS))))


@pytest.fixture(scope="module", params=[(8, 16), (8, 32), (16, 32), (8, 16, 32)])
def overlaps(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[float, dict[int, float], float]]:
    """Mean overlap@10 by default, of each stage alone, and of the funnel."""
    stages: tuple[int, ...] = request.param
    with connect(path=str(tmp_path_factory.mktemp("edge"))) as client:
        driver = Driver(client)
        collection = MatryoshkaCollection("docs", layout=CollectionLayout(128, stages))
        ids = [str(row) for row in range(POINTS)]
        driver.run(collection.add(ids, VECTORS[QUERIES:], [{}] * POINTS))
        searcher = Searcher(OpenCollection(collection, driver), 10)
        asked = Queries(VECTORS[:QUERIES], [None] * QUERIES)
        truth = searcher.truth(asked, lambda _: None)

        def overlap(plan: SearchPlan) -> float:
            return float(searcher.overlaps(asked, truth, plan).mean())

        alone = {stage: overlap(SearchPlan(stages=(stage,))) for stage in stages}
        yield overlap(SearchPlan()), alone, overlap(SearchPlan(stages=stages))


def test_shorter_stages_never_make_a_default_search_worse(
    overlaps: tuple[float, dict[int, float], float],
) -> None:
    default, alone, _ = overlaps
    assert default >= max(alone.values()) - 0.001


def test_the_funnel_that_was_asked_for_is_run(
    overlaps: tuple[float, dict[int, float], float],
) -> None:
    default, alone, funnel = overlaps
    assert min(alone.values()) < funnel < default
