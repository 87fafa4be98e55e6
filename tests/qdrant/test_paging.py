"""Pages of one search: disjoint, complete, and cuts of what one long list holds."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qdrant_client import QdrantClient, models
from reference import record_requests

from mrl_adapters.qdrant import (
    CollectionLayout,
    Driver,
    EdgeClient,
    MatryoshkaCollection,
    Search,
    SearchPlan,
)
from mrl_adapters.qdrant.driver import Client
from mrl_adapters.qdrant.paging import depth

COUNT = 220
LAYOUTS = {
    "one": CollectionLayout(24, (), full_datatype="float32"),
    "two": CollectionLayout(24, (4,), full_datatype="float32"),
    "funnel": CollectionLayout(24, (2, 8), full_datatype="float32"),
    "euclid": CollectionLayout(24, (4,), "Euclid", full_datatype="float32"),
}
FEW = models.Filter(
    must=[models.FieldCondition(key="n", range=models.Range(lt=150))],
    must_not=[models.FieldCondition(key="n", match=models.MatchValue(value=3))],
)


def made() -> np.ndarray:
    rng = np.random.default_rng(11)
    return rng.normal(size=(COUNT, 24)).astype(np.float32)


@pytest.fixture(scope="module", params=["edge", "local"])
def driver(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    embedded = request.param == "edge"
    client: Client = (
        EdgeClient(str(tmp_path_factory.mktemp("pages"))) if embedded else QdrantClient(":memory:")
    )
    driver = Driver(client)
    for name, layout in LAYOUTS.items():
        docs = MatryoshkaCollection(name, layout=layout)
        payloads = [{"n": number} for number in range(COUNT)]
        driver.run(docs.add([*range(COUNT)], made(), payloads))
    if embedded:  # a graph and codes, not a scan
        client.update_collection(
            "one", optimizers_config=models.OptimizersConfigDiff(indexing_threshold=1)
        )
    yield driver
    client.close()


def walk(driver: Driver, name: str, plan: Any, search: dict[str, Any], size: int) -> list[Any]:
    """Turn over pages to the first that is not full."""
    docs, seen = MatryoshkaCollection(name), []
    while True:
        [hits] = driver.run(docs.search([Search(**search, k=size, offset=len(seen))], plan))
        assert [hit.payload["n"] for hit in hits] == [hit.id for hit in hits]
        seen += hits
        if len(hits) < size:
            return seen


@settings(max_examples=20)
@given(data=st.data())
def test_pages_are_disjoint_and_complete(driver: Driver, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from([*LAYOUTS]))
    size = data.draw(st.sampled_from([7, 10, 17, 40, 64, 130, 500]))
    size = max(size, 5) if name == "funnel" else size
    plan = {
        "oversampling": data.draw(st.sampled_from([1, 1.5, 8])),
        "min_candidates": data.draw(st.sampled_from([1, 10, 100])),
        "exact": data.draw(st.integers(0, 5)) == 0,
        "stages": data.draw(
            st.sampled_from([None, *([LAYOUTS[name].stages] if LAYOUTS[name].stages else [])])
        ),
    }
    search: dict[str, Any] = {
        "vector": np.random.default_rng(data.draw(st.integers(0, 99))).normal(size=24),
        "query_filter": data.draw(st.sampled_from([None, FEW])),
        # The local mode compares all candidates with all, number by number.
        "mmr_lambda": data.draw(st.sampled_from([None, 0.4 if size <= 10 else None])),
        "fetch_k": 20,
    }
    search["vector"] = search["vector"].astype(np.float32)
    seen = [hit.id for hit in walk(driver, name, plan, search, size)]
    passing = range(COUNT) if search["query_filter"] is None else range(150)
    expected = [n for n in passing if search["query_filter"] is None or n != 3]
    assert len(seen) == len(set(seen))
    assert sorted(seen) == expected


@settings(max_examples=20)
@given(size=st.sampled_from([2, 5, 11]), seed=st.integers(0, 99), threshold=st.floats(-0.3, 0.2))
def test_pages_stop_at_the_threshold(
    driver: Driver, size: int, seed: int, threshold: float
) -> None:
    vector = np.random.default_rng(seed).normal(size=24).astype(np.float32)
    vectors = made()
    scores = vectors @ vector / np.linalg.norm(vectors, axis=1) / np.linalg.norm(vector)
    search = {"vector": vector, "score_threshold": threshold}
    seen = [hit.id for hit in walk(driver, "two", {"min_candidates": 30}, search, size)]
    assert len(seen) == len(set(seen))
    above = {*np.flatnonzero(scores > threshold + 1e-4).tolist()}
    assert above <= {*seen} <= {*np.flatnonzero(scores > threshold - 1e-4).tolist()}


@pytest.mark.parametrize("mmr", [None, 0.5])
def test_a_page_is_a_cut_of_the_longer_list(driver: Driver, mmr: float | None) -> None:
    vector = np.random.default_rng(5).normal(size=24).astype(np.float32)
    for name in LAYOUTS:
        docs = MatryoshkaCollection(name)
        searches = [
            Search(vector, k, offset=offset, mmr_lambda=mmr) for k, offset in ((5, 0), (3, 2))
        ]
        whole, page = driver.run(docs.search(searches))
        assert [hit.score for hit in page] == pytest.approx([hit.score for hit in whole[2:]])
        if mmr is not None:
            assert [hit.id for hit in page] == [hit.id for hit in whole[2:]]


def test_within_a_page_scores_fall(driver: Driver) -> None:
    vector = np.random.default_rng(8).normal(size=24).astype(np.float32)
    for name, falling in (("two", True), ("euclid", False)):
        search = Search(vector, 20, offset=60, with_payload=False)
        [hits] = driver.run(MatryoshkaCollection(name).search([search], {"oversampling": 1}))
        scores = [hit.score for hit in hits]
        assert scores == sorted(scores, reverse=falling)
        assert hits[0].payload is None


@pytest.mark.parametrize(
    ("k", "offset", "depths"),
    [(10, 0, [10]), (10, 10, [10, 20]), (10, 30, [10, 20, 40]), (3, 2, [3, 6])],
)
def test_a_page_costs_one_search_more_whenever_the_depth_doubles(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, k: int, offset: int, depths: list[int]
) -> None:
    with EdgeClient(str(tmp_path / "v")) as client:
        driver = Driver(client)
        docs = MatryoshkaCollection("docs", layout=LAYOUTS["two"])
        driver.run(docs.add([*range(COUNT)], made(), [{}] * COUNT))
        recorded = record_requests(client, monkeypatch)
        search = Search(made()[0], k, offset=offset)
        driver.run(docs.search([search]))
        # Each asks for one more, which tells whether the last place is shared.
        assert [request.limit for request in recorded] == [each + 1 for each in depths]
        assert [request.offset for request in recorded] == [None] * len(depths)
        assert depth(search, SearchPlan()) == depths[-1]


def test_a_page_far_behind_the_end_is_empty(driver: Driver) -> None:
    for name in LAYOUTS:
        search = Search(made()[0], 5, offset=1_000_000)
        assert driver.run(MatryoshkaCollection(name).search([search])) == [[]]


def test_searches_with_and_without_an_offset_go_together(driver: Driver) -> None:
    vector = made()[0]
    docs = MatryoshkaCollection("two")
    searches = [Search(vector, 4), Search(vector, 4, offset=4), Search(vector, 4, offset=40)]
    together = driver.run(docs.search(searches))
    apart = [driver.run(docs.search([each]))[0] for each in searches]
    assert together == apart
