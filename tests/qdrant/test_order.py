"""Rankings begin alike at every k, though many documents have the same words or vectors.

Engines add up a question's words in float32, not always in one order, and choose among equal
scores by chance: both are settled by ids.
"""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from engines import open_engine
from hypothesis import given, settings
from hypothesis import strategies as st
from qdrant_client import models

from mrl_adapters.qdrant import (
    CollectionLayout,
    Driver,
    MatryoshkaCollection,
    Search,
    SearchPlan,
    SparseVectors,
    TextIndex,
)
from mrl_adapters.qdrant.order import in_order

COUNT, SIZE = 400, 16
WORDS = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa"]
KS = [1, 2, 3, 5, 9, 17, 60, 200]
SAME_LEGS = 12  # up to this k the legs of a fusion have one length
LEGS: dict[str, dict[str, Any]] = {
    "index": {"text_index": TextIndex()},
    "sparse": {"sparse": SparseVectors(avg_len=5)},
}
STORES = [
    *("index-edge", "sparse-edge", "sparse-local"),
    pytest.param("sparse-server", marks=pytest.mark.server),
]
QUESTIONS = st.lists(st.sampled_from(WORDS), min_size=1, max_size=7, unique=True).map(" ".join)
LAYOUT = CollectionLayout(SIZE, (8,))


@lru_cache
def texts() -> list[str]:
    """Make texts that most often have several twins."""
    rng = np.random.default_rng(5)
    some = [" ".join(rng.choice(WORDS, size=rng.integers(2, 7))) for _ in range(60)]
    return [some[at] for at in rng.integers(60, size=COUNT)]


@lru_cache
def vectors() -> np.ndarray:
    return np.random.default_rng(6).normal(size=(COUNT, SIZE)).astype(np.float32)


@lru_cache
def twins() -> np.ndarray:
    """Make vectors that most often have several twins."""
    rng = np.random.default_rng(7)
    return vectors()[rng.integers(60, size=COUNT)]


class Store:
    def __init__(self, client: Any, leg: str) -> None:
        self.driver = Driver(client)
        layout = LAYOUT.placed(**LEGS[leg])
        self.collection = MatryoshkaCollection("docs", layout=layout)
        payloads = [{"page_content": text} for text in texts()]
        self.driver.run(self.collection.add([*range(COUNT)], vectors(), payloads))

    def ranked(self, hybrid: str, text: str, k: int, offset: int = 0) -> list[models.ScoredPoint]:
        search = Search(vectors()[7], k, text=text, offset=offset)
        [hits] = self.driver.run(self.collection.search([search], {"hybrid": hybrid}))
        found: list[models.ScoredPoint] = hits
        return found


@pytest.fixture(scope="module", params=STORES)
def store(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    leg, engine = request.param.split("-")
    with ExitStack() as opened:
        client = open_engine(opened, engine, tmp_path_factory.mktemp("order"))
        yield Store(client, leg)


TWINS = {
    "two stages": CollectionLayout(SIZE, (8,)),
    "one stage": CollectionLayout(SIZE, ()),
    "distances": CollectionLayout(SIZE, (8,), "Euclid"),
}


class Twins:
    def __init__(self, client: Any, mode: list[str]) -> None:
        driver = Driver(client)
        self.run = (lambda flow: asyncio.run(driver.arun(flow))) if mode else driver.run
        self.collections = {
            name: MatryoshkaCollection(name.replace(" ", "-"), layout=layout)
            for name, layout in TWINS.items()
        }
        for collection in self.collections.values():
            driver.run(collection.add([*range(COUNT)], twins(), [{}] * COUNT))

    def ranked(self, name: str, question: int, k: int, offset: int = 0, **plan: Any) -> list[Any]:
        asked = np.random.default_rng(question).normal(size=SIZE).astype(np.float32)
        search = Search(asked, k, offset=offset)
        plan["min_candidates"] = COUNT  # what a shortlist misses is not at stake
        [hits] = self.run(self.collections[name].search([search], plan))
        return ids(hits)


@pytest.fixture(
    scope="module",
    params=[
        *("edge", "edge-async", "local"),
        pytest.param("server", marks=pytest.mark.server),
    ],
)
def of_twins(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twins]:
    engine, *mode = request.param.split("-")
    with ExitStack() as opened:
        yield Twins(open_engine(opened, engine, tmp_path_factory.mktemp("twins")), mode)


def ids(hits: list[models.ScoredPoint]) -> list[Any]:
    return [hit.id for hit in hits]


@settings(max_examples=25, deadline=None)
@given(text=QUESTIONS)
def test_words_rank_alike_at_every_k(store: Store, text: str) -> None:
    whole = store.ranked("lexical", text, COUNT)
    assert all(before.score >= after.score for before, after in pairwise(whole))
    groups: dict[str, list[models.ScoredPoint]] = {}
    for hit in whole:
        groups.setdefault(texts()[int(hit.id)], []).append(hit)
    for twins in groups.values():  # with one score, and by their ids
        assert len({hit.score for hit in twins}) == 1
        assert ids(twins) == sorted(ids(twins))
    for k in KS:
        assert ids(store.ranked("lexical", text, k)) == ids(whole)[:k]


@settings(max_examples=10, deadline=None)
@given(text=QUESTIONS, size=st.integers(3, 30))
def test_pages_are_cuts_of_that_ranking(store: Store, text: str, size: int) -> None:
    whole = ids(store.ranked("lexical", text, COUNT))
    for start in range(0, min(len(whole), 5 * size), size):
        page = store.ranked("lexical", text, size, start)
        assert ids(page) == whole[start : start + size]


@settings(max_examples=15, deadline=None)
@given(text=QUESTIONS, hybrid=st.sampled_from(["rrf", "dbsf", "rescore"]))
def test_fused_rankings_begin_alike_while_their_legs_do(
    store: Store, text: str, hybrid: str
) -> None:
    whole = ids(store.ranked(hybrid, text, SAME_LEGS))
    for k in range(1, SAME_LEGS):
        assert ids(store.ranked(hybrid, text, k)) == whole[:k]


@settings(max_examples=15, deadline=None)
@given(name=st.sampled_from([*TWINS]), question=st.integers(0, 99), exact=st.booleans())
def test_twins_rank_alike_at_every_k(
    of_twins: Twins, name: str, question: int, exact: bool
) -> None:
    whole = of_twins.ranked(name, question, COUNT, exact=exact)
    assert sorted(whole) == [*range(COUNT)]
    for k in KS:
        assert of_twins.ranked(name, question, k, exact=exact) == whole[:k]


@settings(max_examples=10, deadline=None)
@given(name=st.sampled_from([*TWINS]), question=st.integers(0, 99), size=st.integers(3, 30))
def test_pages_give_each_twin_once(of_twins: Twins, name: str, question: int, size: int) -> None:
    pages = [of_twins.ranked(name, question, size, start) for start in range(0, 5 * size, size)]
    found = [each for page in pages for each in page]
    assert found == of_twins.ranked(name, question, len(found), exact=True)


def hit(number: int, score: float) -> models.ScoredPoint:
    return models.ScoredPoint(id=number, version=0, score=score)


@pytest.mark.parametrize("hybrid", ["lexical", "dbsf", "rrf"])
def test_scores_that_rounding_parts_are_one(hybrid: str) -> None:
    close = float(np.nextafter(np.float32(3.7), np.float32(4)))
    given_ = [hit(9, 5.0), hit(4, close), hit(2, 3.7), hit(7, 3.69), hit(1, 3.69)]
    plan = SearchPlan(hybrid=hybrid)
    found = in_order(given_, Search(None, 4, text="x"), LAYOUT, plan)
    assert [(each.id, each.score) for each in found] == [
        *((9, 5.0), (2, close), (4, close), (1, 3.69))
    ]
    assert in_order([], Search(None, 4, text="x"), LAYOUT, plan) == []


def test_scores_of_vectors_are_taken_as_they_are() -> None:
    close = float(np.nextafter(np.float32(0.7), np.float32(1)))
    found = in_order([hit(4, close), hit(2, 0.7)], Search(vectors()[0], 4), LAYOUT, SearchPlan())
    assert ids(found) == [4, 2]
