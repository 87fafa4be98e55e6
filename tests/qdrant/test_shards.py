"""A server's collection over several shards answers as one over a single shard, and as NumPy does.

Each shard makes shortlists of its own: where these hold everything, answers are exactly equal;
shorter ones rank more over several shards, never less. Sparse vectors are weighed here without the
collection's IDF, which each shard counts among its own points.
"""

import asyncio
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qdrant_client import models
from real_server import server_client

from mrl_adapters.qdrant import (
    CollectionLayout,
    Driver,
    GroupBy,
    MatryoshkaCollection,
    Search,
    SearchPlan,
    SparseVectors,
    TokenVectors,
)
from mrl_adapters.vectors import normalize

pytestmark = pytest.mark.server

COUNT, SIZE, STAGE, TOKENS, WORDS = 180, 16, 8, 6, 30
SHARDS = (1, 3, 6)
WIDE = {"min_candidates": COUNT, "late_candidates": COUNT}
HYBRIDS = [None, "rrf", "dbsf", "rescore", "lexical"]
LATE = [None, "rescore", "lexical"]
PLANS = [*((each, False) for each in HYBRIDS), *((each, True) for each in LATE)]
CLOSE = 2e-3  # float16 in sums over tokens


def drawn(text: str) -> np.random.Generator:
    return np.random.default_rng([*text.encode()])


class Words:
    """Weighs some words of a text, each text by other weights, so that scores never tie."""

    model_name = "words"

    def embed_documents(self, texts: list[str]) -> list[models.SparseVector]:
        return [self.embed_query(text) for text in texts]

    def embed_query(self, text: str) -> models.SparseVector:
        rng = drawn(text)
        words = sorted(rng.choice(WORDS, size=8, replace=False).tolist())
        return models.SparseVector(indices=words, values=rng.uniform(0.5, 2, size=8).tolist())


class Tokens:
    """Gives a text some random token vectors of its own."""

    model_name = "tokens"

    def embed_documents(self, texts: list[str]) -> list[np.ndarray]:
        return [self.embed_query(text) for text in texts]

    def embed_query(self, text: str) -> np.ndarray:
        rng = drawn(f"tokens of {text}")
        return rng.normal(size=(rng.integers(1, 6), TOKENS)).astype(np.float32)


LAYOUT = CollectionLayout(
    SIZE,
    (STAGE,),
    full_datatype="float32",
    quantization=None,
    sparse=SparseVectors(encoder=Words(), idf=False),
    late_interaction=TokenVectors("tokens", TOKENS, Tokens()),
)


@lru_cache
def vectors() -> np.ndarray:
    rows = np.random.default_rng(1).normal(size=(COUNT, SIZE)).astype(np.float32)
    return normalize(rows)


def text_of(row: int) -> str:
    return f"text {row}"


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with server_client() as server:
        for shards in SHARDS:
            layout = LAYOUT.placed(shard_number=shards)
            docs = MatryoshkaCollection(f"over_{shards}", layout=layout)
            payloads = [
                {"page_content": text_of(row), "n": row, "part": f"p{row % 9}"}
                for row in range(COUNT)
            ]
            Driver(server).run(docs.add([*range(COUNT)], vectors(), payloads))
            assert server.get_collection(docs.name).config.params.shard_number == shards
        yield server


def opened(shards: int) -> MatryoshkaCollection:
    return MatryoshkaCollection(f"over_{shards}", layout=LAYOUT)


def ask(client: Any, shards: int, plan: Any, **search: Any) -> list[models.ScoredPoint]:
    [hits] = Driver(client).run(opened(shards).search([Search(**search)], plan))
    found: list[models.ScoredPoint] = hits
    return found


def by_words(question: str) -> dict[int, float]:
    def spread(text: str) -> np.ndarray:
        given, row = Words().embed_query(text), np.zeros(WORDS)
        row[given.indices] = given.values
        return row

    asked = spread(question)
    scores = {row: float(spread(text_of(row)) @ asked) for row in range(COUNT)}
    return {row: score for row, score in scores.items() if score}


def by_tokens(question: str) -> dict[int, float]:
    asked = normalize(Tokens().embed_query(question))
    held = [normalize(Tokens().embed_query(text_of(row))) for row in range(COUNT)]
    return {row: float((asked @ each.T).max(axis=1).sum()) for row, each in enumerate(held)}


def by_vectors(question: np.ndarray) -> dict[int, float]:
    return dict(enumerate((vectors() @ normalize(question)).tolist()))


def ordered(scores: dict[int, float]) -> list[int]:
    return sorted(scores, key=lambda row: -scores[row])


def fused(plan: SearchPlan, legs: list[dict[int, float]]) -> dict[int, float]:
    totals: dict[int, float] = {}
    for scores in legs:
        held = np.array([scores[row] for row in ordered(scores)])
        if plan.hybrid == "rrf":
            worth = 1 / (np.arange(len(held)) + plan.rrf_k)
        else:
            worth = (held - held.mean()) / (6 * held.std(ddof=1)) + 0.5
        for row, value in zip(ordered(scores), worth.tolist(), strict=True):
            totals[row] = totals.get(row, 0.0) + value
    return totals


def expected(plan: SearchPlan, question: np.ndarray, text: str, passing: int) -> dict[int, float]:
    """Score everything by brute force."""

    def among(scores: dict[int, float]) -> dict[int, float]:
        return {row: score for row, score in scores.items() if row < passing}

    words, full = among(by_words(text)), among(by_vectors(question))
    if plan.late_interaction:
        reached = words if plan.hybrid == "lexical" else full
        return {row: by_tokens(text)[row] for row in reached}
    if plan.hybrid == "lexical":
        return words
    return full if plan.hybrid in {None, "rescore"} else fused(plan, [full, words])


@pytest.mark.parametrize(("hybrid", "late"), PLANS)
@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 10_000), passing=st.sampled_from([COUNT, 70]), k=st.sampled_from([1, 9]))
def test_whole_shortlists_rank_alike_over_any_number_of_shards(
    client: Any, hybrid: Any, late: bool, seed: int, passing: int, k: int
) -> None:
    plan = SearchPlan(hybrid=hybrid, late_interaction=late, **WIDE)
    question, text = np.random.default_rng(seed).normal(size=SIZE), f"question {seed}"
    scores = expected(plan, question, text, passing)
    few = models.Filter(must=[models.FieldCondition(key="n", range=models.Range(lt=passing))])
    ranked = sorted(scores.values(), reverse=True)[:k]
    for shards in SHARDS:
        hits = ask(client, shards, plan, vector=question, text=text, k=k, query_filter=few)
        close = CLOSE if late else 1e-5
        assert [hit.score for hit in hits] == pytest.approx(ranked, abs=close)
        assert [scores[int(hit.id)] for hit in hits] == pytest.approx(ranked, abs=close)


@pytest.mark.parametrize("hybrid", LATE)
def test_short_shortlists_lose_nothing_over_more_shards(client: Any, hybrid: Any) -> None:
    plan = SearchPlan(
        hybrid=hybrid, late_interaction=True, late_candidates=8, min_candidates=16, oversampling=1
    )
    for seed in range(12):
        question, text = np.random.default_rng(seed).normal(size=SIZE), f"question {seed}"
        found = [
            [hit.score for hit in ask(client, n, plan, vector=question, text=text, k=5)]
            for n in SHARDS
        ]
        for fewer, more in pairwise(found):
            assert all(b >= a - CLOSE for a, b in zip(fewer, more, strict=True))


@pytest.mark.parametrize(("hybrid", "late"), PLANS)
def test_pages_over_shards_are_disjoint_and_complete(client: Any, hybrid: Any, late: bool) -> None:
    plan = {"hybrid": hybrid, "late_interaction": late, "min_candidates": 20, "oversampling": 1}
    text = "question 5"
    reached = len(by_words(text)) if hybrid == "lexical" else COUNT
    for shards in SHARDS:
        seen: list[int] = []
        while True:
            asked: dict[str, Any] = {"vector": vectors()[3], "text": text, "offset": len(seen)}
            hits = ask(client, shards, plan, **asked, k=25)
            seen += [int(hit.id) for hit in hits]
            if len(hits) < 25:
                break
        assert len(seen) == len({*seen}) == reached


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("hybrid", HYBRIDS)
def test_diversity_over_shards_is_the_references(client: Any, hybrid: Any, share: float) -> None:
    plan = SearchPlan(hybrid=hybrid, **WIDE)
    agreed = []
    for seed in range(10):
        question, text = np.random.default_rng(seed).normal(size=SIZE), f"question {seed}"
        candidates = ordered(expected(plan, question, text, COUNT))[:24]
        for shards in SHARDS:
            asked: dict[str, Any] = {"vector": question, "text": text, "k": 6, "fetch_k": 24}
            hits = ask(client, shards, plan, **asked, mmr_lambda=share)
            chosen = diverse(candidates, normalize(question), share)
            agreed.append([int(hit.id) for hit in hits] == chosen)
    # One shard's engine computes in another order of additions: near-equals may change places.
    assert np.mean(agreed) >= 0.95


def diverse(candidates: list[int], question: np.ndarray, share: float) -> list[int]:
    """Choose by maximal marginal relevance."""
    near = {row: float(vectors()[row] @ question) for row in candidates}
    chosen = [max(candidates, key=lambda row: near[row])]
    while len(chosen) < 6:
        chosen.append(
            max(
                (row for row in candidates if row not in chosen),
                key=lambda row: (
                    share * near[row]
                    - (1 - share) * max(float(vectors()[row] @ vectors()[each]) for each in chosen)
                ),
            )
        )
    return chosen


@pytest.mark.parametrize(("hybrid", "late"), PLANS)
def test_groups_over_shards_are_the_ranking_grouped(client: Any, hybrid: Any, late: bool) -> None:
    plan = SearchPlan(hybrid=hybrid, late_interaction=late, **WIDE)
    text, question = "question 8", np.random.default_rng(8).normal(size=SIZE)
    ranked = ordered(expected(plan, question, text, COUNT))
    search = Search(question, 4, text=text)
    for shards in SHARDS:
        flow = opened(shards).search_groups([search], GroupBy(("part",), 2), plan)
        [groups] = asyncio.run(Driver(client).arun(flow))
        parts = [*dict.fromkeys(f"p{row % 9}" for row in ranked)][:4]
        assert [group.value for group in groups] == parts
        for group in groups:
            own = [row for row in ranked if f"p{row % 9}" == group.value][:2]
            assert [hit.id for hit in group.hits] == own
