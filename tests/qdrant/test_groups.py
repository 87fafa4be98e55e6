"""Groups: the ungrouped ranking, grouped, at every k."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from qdrant_client import QdrantClient, models

from mrl_adapters.errors import ConfigurationError
from mrl_adapters.qdrant import (
    CollectionLayout,
    Driver,
    EdgeClient,
    GroupBy,
    MatryoshkaCollection,
    Search,
    SearchPlan,
    TextIndex,
    groups,
)
from mrl_adapters.qdrant.driver import Client

COUNT = 160
LAYOUTS = {
    "one": CollectionLayout(24, (), full_datatype="float32"),
    "two": CollectionLayout(24, (4,), full_datatype="float32"),
    "euclid": CollectionLayout(24, (4,), "Euclid", full_datatype="float32"),
}
EVEN = models.Filter(must=[models.FieldCondition(key="even", match=models.MatchValue(value=True))])


def source_of(number: int) -> Any:
    """A few large documents, many small ones, a member of two, and points that are of none."""
    if number % 11 == 0:
        return [None, 1.5, [], {"a": 1}][number // 11 % 4]
    if number % 7 == 0:
        return ["big", f"s{number % 5}"]
    return "big" if number % 2 else number // 6


def payload(number: int) -> dict[str, Any]:
    kept = {"source": source_of(number)}
    nested = number % 3 == 0  # as another program's
    return {"n": number, "even": number % 2 == 0, **({"metadata": kept} if nested else kept)}


def made() -> np.ndarray:
    rng = np.random.default_rng(5)
    centres = rng.normal(size=(COUNT, 24))
    near = np.array([len(str(source_of(number))) * number % 20 for number in range(COUNT)])
    return (centres + centres[near]).astype(np.float32)


@pytest.fixture(scope="module", params=["edge", "local"])
def driver(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    embedded = request.param == "edge"
    client: Client = (
        EdgeClient(str(tmp_path_factory.mktemp("groups"))) if embedded else QdrantClient(":memory:")
    )
    driver = Driver(client)
    for name, layout in LAYOUTS.items():
        docs = MatryoshkaCollection(name, layout=layout)
        driver.run(docs.add([*range(COUNT)], made(), [payload(n) for n in range(COUNT)]))
    yield driver
    client.close()


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    """The same points with texts of some words each, ranked by BM25."""
    rng = np.random.default_rng(3)
    known = ["amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "harbor"]
    texts = [" ".join(rng.choice(known, size=rng.integers(3, 30))) for _ in range(COUNT)]
    layout = CollectionLayout(24, (4,), full_datatype="float32", text_index=TextIndex(field="text"))
    with EdgeClient(str(tmp_path_factory.mktemp("words"))) as client:
        docs = MatryoshkaCollection("words", layout=layout)
        payloads = [{**payload(number), "text": texts[number]} for number in range(COUNT)]
        driver = Driver(client)
        driver.run(docs.add([*range(COUNT)], made(), payloads))
        yield driver


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    """Twenty copies of the best vector, in five documents, and others behind them."""
    vectors = np.ones((40, 24))
    vectors[20:, 0] = np.arange(2, 22)
    with EdgeClient(str(tmp_path_factory.mktemp("twins"))) as client:
        driver = Driver(client)
        payloads = [
            {"source": f"s{number % 5}", "n": number, "text": "amber and birch"}
            for number in range(40)
        ]
        for name, layout in LAYOUTS.items():
            docs = MatryoshkaCollection(name, layout=layout)
            driver.run(docs.add([*range(40)], vectors, payloads))
        layout = replace(LAYOUTS["two"], text_index=TextIndex(field="text"))
        driver.run(
            MatryoshkaCollection("words", layout=layout).add([*range(40)], vectors, payloads)
        )
        yield driver


BY = ("source", "metadata.source")


def values_of(hit: models.ScoredPoint) -> list[Any]:
    kept = hit.payload.get("source", hit.payload.get("metadata", {}).get("source"))
    values = kept if isinstance(kept, list) else [kept]
    return values if all(isinstance(value, str | int) for value in values) else []


def group_by_hand(hits: Sequence[models.ScoredPoint], size: int) -> list[tuple[Any, list[Any]]]:
    found: dict[Any, list[Any]] = {}
    for hit in hits:
        for value in values_of(hit):
            found.setdefault(value, []).append(hit.id)
    return [(value, ids[:size]) for value, ids in found.items()]


def as_pairs(found: Sequence[groups.Group]) -> list[tuple[Any, list[Any]]]:
    return [(group.value, [hit.id for hit in group.hits]) for group in found]


@settings(max_examples=12)
@given(data=st.data())
def test_groups_are_the_ungrouped_ranking_grouped_at_every_k(driver, data) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(groups, "_FIRST_BLOCK", data.draw(st.sampled_from([1, 3, 10, 100])))
        docs = MatryoshkaCollection(data.draw(st.sampled_from([*LAYOUTS])))
        plan = data.draw(st.sampled_from([{"exact": True}, {"min_candidates": COUNT}]))
        size = data.draw(st.integers(1, 4))
        kept: dict[str, Any] = {
            "vector": np.random.default_rng(data.draw(st.integers(0, 99))).normal(size=24),
            "query_filter": data.draw(st.sampled_from([None, EVEN])),
        }
        [hits] = driver.run(docs.search([Search(**kept, k=COUNT)], plan))
        kept["score_threshold"] = data.draw(st.sampled_from([None, hits[len(hits) // 3].score]))
        [hits] = driver.run(docs.search([Search(**kept, k=COUNT)], plan))
        expected = group_by_hand(hits, size)
        for k in [1, 3, 8, 40]:
            asked = [Search(**kept, k=k), Search(**kept, k=k, offset=2)]
            first, later = driver.run(docs.search_groups(asked, GroupBy(BY, size), plan))
            assert as_pairs(first) == expected[:k]
            assert as_pairs(later) == expected[2 : 2 + k]
            for hit in groups.ungrouped(first):
                assert hit.payload == payload(hit.id)


@settings(max_examples=12)
@given(data=st.data())
def test_groups_of_a_hybrid_ranking_are_that_ranking_grouped(words, data) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(groups, "_FIRST_BLOCK", data.draw(st.sampled_from([1, 10, 100])))
        docs = MatryoshkaCollection("words")
        size = data.draw(st.integers(1, 4))
        # Even weights would make equal scores, which stand in no order.
        plan: dict[str, Any] = {"min_candidates": COUNT, "weights": (0.7, 0.31)}
        plan["hybrid"] = data.draw(st.sampled_from(["rrf", "dbsf", "rescore", "lexical"]))
        kept: dict[str, Any] = {
            "vector": np.random.default_rng(data.draw(st.integers(0, 99))).normal(size=24),
            "query_filter": data.draw(st.sampled_from([None, EVEN])),
            "text": data.draw(st.sampled_from(["amber birch", "delta grove harbor"])),
        }
        [hits] = words.run(docs.search([Search(**kept, k=COUNT)], plan))
        expected = group_by_hand(hits, size)
        for k in [1, 3, 8, 40]:
            [found] = words.run(docs.search_groups([Search(**kept, k=k)], GroupBy(BY, size), plan))
            assert as_pairs(found) == expected[:k]


@settings(max_examples=8)
@given(seed=st.integers(0, 99), name=st.sampled_from([*LAYOUTS]), size=st.integers(1, 4))
@example(seed=38, name="euclid", size=2)  # points 5 and 15 are twins: one distance
@example(seed=38, name="euclid", size=3)
@example(seed=38, name="euclid", size=4)
@example(seed=68, name="euclid", size=4)
@example(seed=90, name="euclid", size=4)
def test_groups_of_a_short_shortlist_do_not_change_with_k(driver, seed, name, size) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(groups, "_FIRST_BLOCK", 4)
        docs = MatryoshkaCollection(name)
        plan = SearchPlan(oversampling=1, min_candidates=1)
        vector = np.random.default_rng(seed).normal(size=24)

        def found(k: int) -> list[tuple[Any, list[Any]]]:
            flow = docs.search_groups([Search(vector, k)], GroupBy(BY, size), plan)
            return as_pairs(driver.run(flow)[0])

        most = found(30)
        assert all(found(k) == most[:k] for k in (1, 2, 4, 9))
        every = [hit for _, hits in most for hit in hits]
        assert all(1 <= len(hits) <= size for _, hits in most)
        assert len(set(every)) >= len(every) // 2  # a point is in two groups at most


@pytest.mark.parametrize("plan", [{}, {"exact": True}, {"oversampling": 1, "min_candidates": 30}])
@pytest.mark.parametrize("name", [*LAYOUTS])
def test_groups_of_twins_do_not_change_with_k(twins, name, plan) -> None:
    docs = MatryoshkaCollection(name)

    def found(k: int, size: int) -> list[tuple[Any, list[Any]]]:
        flow = docs.search_groups([Search(np.ones(24), k)], GroupBy(("source",), size), plan)
        return as_pairs(twins.run(flow)[0])

    for size in (1, 2, 5):
        most = found(20, size)
        for k in (1, 2, 7, 20) * 3:  # an engine's order of equal scores is another one each time
            assert found(k, size) == most[:k]
    [hits] = twins.run(docs.search([Search(np.ones(24), 30)], plan))
    assert [hit.id for hit in hits[:20]] == [*range(20)]


def test_groups_of_one_text_do_not_change_with_k(twins) -> None:
    docs, plan = MatryoshkaCollection("words"), {"hybrid": "lexical"}

    def found(k: int) -> list[tuple[Any, list[Any]]]:
        search = Search(None, k, text="amber")
        return as_pairs(twins.run(docs.search_groups([search], GroupBy(("n",), 1), plan))[0])

    assert [found(k) for k in (1, 7, 20)] == [found(40)[:k] for k in (1, 7, 20)]
    assert [value for value, _ in found(40)] == [*range(40)]


def test_few_requests_are_made_for_a_batch(driver, monkeypatch) -> None:
    asked: list[int] = []
    answer = driver.client.query_batch_points
    monkeypatch.setattr(
        driver.client,
        "query_batch_points",
        lambda name, requests, **rest: (
            asked.append(len(requests)) or answer(name, requests, **rest)
        ),
    )
    vectors = np.random.default_rng(1).normal(size=(5, 24))
    searches = [Search(vector, 3) for vector in vectors]
    driver.run(MatryoshkaCollection("two").search_groups(searches, GroupBy(BY, 2)))
    assert asked[0] == 5
    assert len(asked) <= 2  # what the first block did not fill, all in one


def test_what_is_no_grouping_is_refused(driver) -> None:
    docs, vector = MatryoshkaCollection("two"), np.ones(24)
    with pytest.raises(ConfigurationError, match="group_size is 0"):
        GroupBy(("source",), 0)
    diverse = [Search(vector, 3, mmr_lambda=0.5)]
    with pytest.raises(ConfigurationError, match="ranked by similarity"):
        driver.run(docs.search_groups(diverse, GroupBy(("source",))))


def test_groups_of_what_is_not_there_are_none(driver) -> None:
    vector = np.ones(24)
    by = GroupBy(("nothing",))
    [found] = driver.run(MatryoshkaCollection("two").search_groups([Search(vector, 3)], by))
    [missing] = driver.run(MatryoshkaCollection("missing").search_groups([Search(vector, 3)], by))
    assert found == missing == []
    assert driver.run(MatryoshkaCollection("two").search_groups([], by)) == []
