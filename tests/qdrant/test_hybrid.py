"""Hybrid plans against brute force: fusion, union and re-ranking are computed here once more.

What BM25 ranks is taken from the engine, asked for words alone. Its ties are settled by ids where
EdgeClient fuses; else they are left in the order that the engine gives them, as in a fusion's leg.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import pytest
from engines import open_engine
from hypothesis import given, settings
from hypothesis import strategies as st
from qdrant_client import QdrantClient, models
from rest_gateway import Gateway

from mrl_adapters.edge import runs
from mrl_adapters.errors import CollectionMismatchError, ConfigurationError
from mrl_adapters.qdrant import (
    CollectionLayout,
    Driver,
    EdgeClient,
    MatryoshkaCollection,
    Search,
    SearchPlan,
    Signals,
    SparseVectors,
    TextIndex,
)
from mrl_adapters.qdrant.answers import answers_of
from mrl_adapters.qdrant.diversity import candidates_of, diversified
from mrl_adapters.qdrant.flow import Flow, current_engine
from mrl_adapters.qdrant.hybrid import request_of
from mrl_adapters.qdrant.plan import Hybrid
from mrl_adapters.qdrant.weights import with_question_weights
from mrl_adapters.vectors import truncate

COUNT, SIZE, STAGE = 240, 16, 8
WORDS = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa"]
PLAIN = {"full_datatype": "float32", "quantization": None}
LAYOUTS = {
    "two": CollectionLayout(SIZE, (STAGE,), **PLAIN),
    "one": CollectionLayout(SIZE, (), **PLAIN),
    "dot": CollectionLayout(SIZE, (STAGE,), "Dot", **PLAIN),
    "euclid": CollectionLayout(SIZE, (STAGE,), "Euclid", **PLAIN),
}
# What finds words, and the engines that have it.
SPARSE = SparseVectors(k=1.5, b=0.6, avg_len=6)
LEGS: dict[str, dict[str, Any]] = {
    "index": {"text_index": TextIndex()},
    "sparse": {"sparse": SPARSE},
}
STORES = [
    *("index-edge", "index-rest", "index-rest-async"),
    *("sparse-edge", "sparse-local", "sparse-local-async", "sparse-rest", "sparse-rest-async"),
    pytest.param("sparse-server", marks=pytest.mark.server),
    pytest.param("sparse-server-async", marks=pytest.mark.server),
]
FEW = models.Filter(must=[models.FieldCondition(key="n", range=models.Range(lt=150))])
FILTERS = {"all": None, "few": FEW}
PASSING = {"all": COUNT, "few": 150}
FUSED: list[Hybrid] = ["rrf", "dbsf"]
EVERY: list[Hybrid | None] = [None, "rrf", "dbsf", "rescore", "lexical"]


@lru_cache
def vectors() -> np.ndarray:
    return np.random.default_rng(3).normal(size=(COUNT, SIZE)).astype(np.float32)


@lru_cache
def texts() -> list[str]:
    rng = np.random.default_rng(4)
    return [" ".join(rng.choice(WORDS, size=rng.integers(1, 9))) for _ in range(COUNT)]


class Store:
    """Every collection, behind one door."""

    def __init__(self, run: Callable[[Any], Any], engine: str) -> None:
        self.run = run
        self.scans = engine == "local"  # and leaves stages out
        self.fuses_by_ids = engine in {"edge", "rest"}
        self._open: dict[str, MatryoshkaCollection] = {}

    def search(self, name: str, plan: Any, **search: Any) -> list[models.ScoredPoint]:
        collection = self._open.setdefault(name, MatryoshkaCollection(name))
        [hits] = self.run(collection.search([Search(**search)], plan))
        found: list[models.ScoredPoint] = hits
        return found

    def signals(self, name: str, plan: Any, **search: Any) -> Signals:
        collection = self._open.setdefault(name, MatryoshkaCollection(name))
        [found] = self.run(collection.signals([Search(**search)], plan))
        assert isinstance(found, Signals)
        return found

    def by_words(self, name: str, text: str, k: int, only: str) -> list[models.ScoredPoint]:
        collection = self._open.setdefault(name, MatryoshkaCollection(name))
        plan = SearchPlan(hybrid="lexical")
        search = Search(None, k, text=text, query_filter=FILTERS[only])

        def leg() -> Flow[list[list[models.ScoredPoint]]]:
            layout = yield from collection.open()
            assert layout is not None
            [weighed] = yield from with_question_weights(name, [search], layout, plan)
            request = request_of(weighed, layout, plan, current_engine(), name)
            return (yield from answers_of(name, [request], plan))

        found: list[list[models.ScoredPoint]] = self.run(leg())
        return found[0]


@pytest.fixture(scope="module", params=STORES)
def store(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    leg, engine, *mode = request.param.split("-")
    with ExitStack() as opened:
        client = open_engine(opened, engine, tmp_path_factory.mktemp("hybrid"))
        for name, layout in LAYOUTS.items():
            payloads = [{"page_content": text, "n": n} for n, text in enumerate(texts())]
            collection = MatryoshkaCollection(name, layout=replace(layout, **LEGS[leg]))
            Driver(client).run(collection.add([*range(COUNT)], vectors(), payloads))
        if engine == "rest":
            remote = QdrantClient(
                url="http://gateway", transport=gateway(client), check_compatibility=False
            )
            client = opened.enter_context(closing(remote))
        driver = Driver(client)
        run = (lambda flow: asyncio.run(driver.arun(flow))) if mode else driver.run
        yield Store(run, engine)


def gateway(client: EdgeClient, version: str = "1.20.0") -> Gateway:
    """A server of a version that the published description does not know yet."""
    made = Gateway(client, None)
    made.version = version
    return made


# The reference.

Ranking = list[tuple[int, float]]


def nearness(name: str, question: np.ndarray, stage: int | None = None) -> np.ndarray:
    """Compare a question with all documents: more is nearer."""
    held, asked, distance = vectors(), question, LAYOUTS[name].distance
    lengths = np.linalg.norm(held, axis=1), np.linalg.norm(question)
    if stage is not None:
        held, asked = truncate(held, stage), truncate(question, stage)
        if distance != "Cosine":
            held, asked = held * lengths[0][:, None], asked * lengths[1]
    elif distance == "Cosine":
        held, asked = held / lengths[0][:, None], asked / lengths[1]
    scores: np.ndarray = (
        -np.linalg.norm(held - asked, axis=1) if distance == "Euclid" else held @ asked
    )
    return scores


def best(scores: np.ndarray, among: list[int], count: int) -> list[int]:
    return sorted(among, key=lambda row: -scores[row])[:count]


def shortlist(name: str, question: np.ndarray, passing: list[int], count: int) -> list[int]:
    stage = STAGE if LAYOUTS[name].stages else None
    return best(nearness(name, question, stage), passing, count)


def fused(plan: SearchPlan, dense: Ranking, lexical: Ranking) -> dict[int, float]:
    totals: dict[int, float] = {}
    for ranking, weight in zip((dense, lexical), plan.weights, strict=True):
        worth = (
            reciprocals(ranking, weight, plan.rrf_k) if plan.hybrid == "rrf" else spread(ranking)
        )
        for (row, _), value in zip(ranking, worth, strict=True):
            totals[row] = totals.get(row, 0.0) + value
    return totals


def reciprocals(ranking: Ranking, weight: float, k: int) -> list[float]:
    return [1 / ((rank + 1) / weight + k - 1) for rank in range(len(ranking))]


def spread(ranking: Ranking) -> list[float]:
    """Put scores between three standard deviations below and above their mean."""
    scores = np.array([score for _, score in ranking])
    deviation = scores.std(ddof=1) if len(scores) > 1 else 0.0
    if not deviation:
        return [0.5] * len(scores)
    worth: list[float] = ((scores - scores.mean()) / (6 * deviation) + 0.5).tolist()
    return worth


def expected(
    store: Store,
    name: str,
    plan: SearchPlan,
    question: np.ndarray,
    text: str,
    only: str,
    reach: int,
) -> dict[int, float]:
    """Score by brute force all that a plan ranks."""
    passing, candidates = [*range(PASSING[only])], plan.candidates(reach)
    # Searched by words alone, ids settle ties: which of many alike come first is not the leg's say.
    by_ids = plan.searches == "lexical" or (plan.searches in FUSED and store.fuses_by_ids)
    by_words = store.by_words(name, text, COUNT if by_ids else candidates, only)
    if by_ids:
        for run in runs([hit.score for hit in by_words], COUNT):
            by_words[run] = sorted(by_words[run], key=lambda hit: int(hit.id))
    lexical = [(int(hit.id), hit.score) for hit in by_words]
    if plan.searches in FUSED:
        lexical = lexical[:candidates]
    full = nearness(name, question)
    short = best(full, passing, candidates) if plan.exact else []
    if store.scans:
        short = best(full, passing, candidates if plan.searches in FUSED else len(passing))
    short = short or shortlist(name, question, passing, candidates)
    if plan.searches == "lexical":
        return dict(lexical)
    if plan.searches in FUSED:
        return fused(plan, [(row, full[row]) for row in best(full, short, candidates)], lexical)
    union = {*short, *([row for row, _ in lexical] if plan.searches else [])}
    if plan.exact:
        union = {*passing}
    sign = -1 if LAYOUTS[name].distance == "Euclid" else 1
    return {row: sign * float(full[row]) for row in union}


@settings(max_examples=30)
@given(data=st.data())
def test_a_plan_ranks_as_brute_force_does(store: Store, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from([*LAYOUTS]))
    hybrid = data.draw(st.sampled_from(EVERY))
    if name == "euclid" and hybrid == "dbsf":
        return
    plan = SearchPlan(
        hybrid=hybrid,
        oversampling=data.draw(st.sampled_from([1, 2.5, 8])),
        min_candidates=data.draw(st.sampled_from([1, 20, COUNT])),
        exact=data.draw(st.booleans()),
        weights=data.draw(st.sampled_from([(1, 1), (3, 1), (0.2, 0.8), (0, 1), (1, 0)])),
        rrf_k=data.draw(st.sampled_from([2, 60])),
    )
    only = data.draw(st.sampled_from([*FILTERS]))
    text = " ".join(data.draw(st.lists(st.sampled_from([*WORDS, "nowhere"]), max_size=3)))
    question = np.random.default_rng(data.draw(st.integers(0, 99))).normal(size=SIZE)
    question = question.astype(np.float32)
    k = data.draw(st.sampled_from([1, 5, 30]))
    scores = expected(store, name, plan, question, text, only, k)
    threshold = None
    if scores and data.draw(st.booleans()):
        threshold = float(np.median([*scores.values()])) + 1e-4
    hits = store.search(
        name,
        plan,
        vector=question,
        text=text,
        k=k,
        query_filter=FILTERS[only],
        score_threshold=threshold,
    )
    rises = name == "euclid" and plan.searches in {None, "rescore"}
    ranked = sorted(scores.values(), reverse=not rises)
    if threshold is not None:
        ranked = [each for each in ranked if (each < threshold if rises else each > threshold)]
    found = [hit.score for hit in hits]
    assert found == pytest.approx(ranked[:k], abs=2e-5)
    assert found == pytest.approx([scores[int(hit.id)] for hit in hits], abs=2e-5)
    assert all(hit.payload and hit.payload["n"] == hit.id for hit in hits)


@pytest.mark.parametrize("store", STORES[3:], indirect=True)
@pytest.mark.parametrize("text", ["alpha", "beta kappa kappa", "theta iota gamma nowhere", "the"])
@pytest.mark.parametrize("only", [*FILTERS])
def test_sparse_vectors_rank_as_bm25_does(store: Store, text: str, only: str) -> None:
    scores = np.zeros(COUNT)
    for word in {*text.split()}:
        counts = np.array([each.split().count(word) for each in texts()])
        lengths = np.array([len(each.split()) for each in texts()]) / SPARSE.avg_len
        holding = np.count_nonzero(counts)
        rarity = np.log(1 + (COUNT - holding + 0.5) / (holding + 0.5))
        damped = counts + SPARSE.k * (1 - SPARSE.b + SPARSE.b * lengths)
        scores += rarity * counts * (SPARSE.k + 1) / damped
    wanted = np.sort([each for each in scores[: PASSING[only]] if each > 0])[::-1]
    search = {"vector": None, "text": text, "k": COUNT, "query_filter": FILTERS[only]}
    hits = store.search("two", {"hybrid": "lexical"}, **search)
    assert [hit.score for hit in hits] == pytest.approx(wanted, abs=1e-4)
    assert [hit.score for hit in hits] == pytest.approx(
        [scores[int(hit.id)] for hit in hits], abs=1e-4
    )


def test_equal_ranks_come_in_one_order(store: Store) -> None:
    question = vectors()[0]
    plan = SearchPlan(hybrid="rrf", min_candidates=20)
    orders = {
        tuple(hit.id for hit in store.search("two", plan, vector=question, text="alpha", k=15))
        for _ in range(12)
    }
    assert len(orders) == 1


@settings(max_examples=12)
@given(data=st.data())
def test_pages_are_disjoint_and_complete(store: Store, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from([*LAYOUTS]))
    hybrid = data.draw(st.sampled_from(EVERY))
    if name == "euclid" and hybrid == "dbsf":
        return
    plan = SearchPlan(
        hybrid=hybrid,
        oversampling=data.draw(st.sampled_from([1, 2])),
        min_candidates=data.draw(st.sampled_from([1, 30])),
        weights=data.draw(st.sampled_from([(1, 1), (2, 1)])),
    )
    only = data.draw(st.sampled_from([*FILTERS]))
    size = data.draw(st.sampled_from([7, 20, 64]))
    search = {
        "vector": np.random.default_rng(data.draw(st.integers(0, 99))).normal(size=SIZE),
        "text": data.draw(st.sampled_from(["alpha", "beta gamma", "nowhere"])),
        "query_filter": FILTERS[only],
        "mmr_lambda": data.draw(st.sampled_from([None, None, 0.5])),
    }
    search["vector"] = search["vector"].astype(np.float32)
    seen: list[Any] = []
    while True:
        hits = store.search(name, plan, **search, k=size, offset=len(seen))
        seen += [hit.id for hit in hits]
        if len(hits) < size:
            break
    words = {*search["text"].split()}
    passing = [
        n
        for n, text in enumerate(texts()[: PASSING[only]])
        if hybrid != "lexical" or words & {*text.split()}
    ]
    assert len(seen) == len({*seen})
    assert sorted(seen) == passing


@pytest.mark.parametrize("hybrid", FUSED)
def test_pages_hold_all_that_passes_a_threshold(store: Store, hybrid: Hybrid) -> None:
    question, text = vectors()[3] + 0.2, "alpha kappa"
    whole = SearchPlan(hybrid=hybrid, exact=True, min_candidates=COUNT)
    scores = expected(store, "two", whole, question, text, "all", COUNT)
    threshold = float(np.quantile([*scores.values()], 0.8)) + 1e-5
    plan, seen = SearchPlan(hybrid=hybrid, min_candidates=30), set[Any]()
    while True:
        search = {"vector": question, "text": text, "score_threshold": threshold}
        hits = store.search("two", plan, **search, k=12, offset=len(seen))
        assert not {hit.id for hit in hits} & seen
        assert all(hit.score > threshold for hit in hits)
        seen |= {hit.id for hit in hits}
        if len(hits) < 12:
            break
    above = {row for row, score in scores.items() if score > threshold}
    # DBSF's scores depend on what else is in the lists, so those at the border differ.
    assert above <= seen if hybrid == "rrf" else len(above & seen) > 0.6 * len(above)


@pytest.mark.parametrize("name", ["two", "one", "dot", "euclid"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.8, 1.0])
def test_diversity_chosen_here_is_the_engines(store: Store, name: str, share: float) -> None:
    question = np.random.default_rng(8).normal(size=SIZE).astype(np.float32)
    plan = SearchPlan(exact=True)
    search = Search(question, 9, mmr_lambda=share, fetch_k=25)
    theirs = store.search(name, plan, vector=question, k=9, mmr_lambda=share, fetch_k=25)
    docs = MatryoshkaCollection(name)
    [candidates] = store.run(docs.search([candidates_of(search, LAYOUTS[name])], plan))
    ours = diversified(candidates, search, LAYOUTS[name])
    assert [hit.id for hit in ours] == [hit.id for hit in theirs]
    assert [hit.score for hit in ours] == pytest.approx([hit.score for hit in theirs], abs=1e-4)
    assert ours[0].vector is None


@pytest.mark.parametrize("hybrid", ["rrf", "lexical"])
def test_diversity_chooses_among_the_best_of_a_fused_ranking(store: Store, hybrid: Hybrid) -> None:
    question = vectors()[9] + 0.1
    asked: dict[str, Any] = {"vector": question, "text": "alpha beta"}
    ranked = [hit.id for hit in store.search("two", {"hybrid": hybrid}, **asked, k=20)]
    diverse = store.search(
        "two", {"hybrid": hybrid}, **asked, k=5, mmr_lambda=0.5, fetch_k=20, with_vectors=True
    )
    assert {hit.id for hit in diverse} <= {*ranked}
    scores = nearness("two", question)
    assert diverse[0].id == max(ranked, key=lambda row: scores[row])
    assert [hit.score for hit in diverse] == pytest.approx([scores[hit.id] for hit in diverse])
    assert all(
        isinstance(hit.vector, dict) and {"full", "short_8"} == {*hit.vector} - {"sparse"}
        for hit in diverse
    )


def in_common(one: list[int], other: list[int]) -> float:
    longest = min(10, max(len(one), len(other)))
    shares = [len({*one[:n]} & {*other[:n]}) / n for n in range(1, longest + 1)]
    return sum(shares) / longest if shares else 0.0


@settings(max_examples=20)
@given(data=st.data())
def test_signals_are_those_of_the_three_rankings(store: Store, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from([*LAYOUTS]))
    only = data.draw(st.sampled_from([*FILTERS]))
    hybrid = data.draw(st.sampled_from([None, "rrf", "rescore"]))
    plan = SearchPlan(hybrid=hybrid, min_candidates=data.draw(st.sampled_from([15, 100])))
    plan = plan.merge({"oversampling": 1})
    # Of three words equal documents differ in the last digit, depending on which is added first.
    text = data.draw(st.sampled_from(["alpha", "beta kappa", "theta iota", "nowhere"]))
    question = np.random.default_rng(data.draw(st.integers(0, 99))).normal(size=SIZE)
    question = question.astype(np.float32)
    found = store.signals(
        name,
        plan,
        vector=question,
        text=text,
        query_filter=FILTERS[only],
        # none of these has a part in them
        k=data.draw(st.sampled_from([1, 50])),
        offset=data.draw(st.sampled_from([0, 3])),
        score_threshold=data.draw(st.sampled_from([None, 0.5])),
        mmr_lambda=data.draw(st.sampled_from([None, 0.5])),
    )
    passing, full = [*range(PASSING[only])], nearness(name, question)
    among = passing if store.scans else shortlist(name, question, passing, plan.candidates(10))
    by_full = best(full, among, 10)
    by_short = best(nearness(name, question, STAGE), passing, 10)
    scores = {int(hit.id): hit.score for hit in store.by_words(name, text, COUNT, only)}
    by_words = sorted(scores, key=lambda row: (-scores[row], row))[:10]
    assert found.spread == pytest.approx(full[by_full[0]] - full[by_full[-1]], abs=2e-5)
    spread = scores[by_words[0]] - scores[by_words[-1]] if by_words else 0
    assert found.words_spread == pytest.approx(spread, abs=2e-5)
    assert found.full_words == pytest.approx(in_common(by_full, by_words))
    if name == "one" or store.scans:
        assert found.short_full is found.short_words is None
    else:
        assert found.short_full == pytest.approx(in_common(by_short, by_full))
        assert found.short_words == pytest.approx(in_common(by_short, by_words))


def test_signals_of_what_is_not_there_are_none(store: Store) -> None:
    vector = vectors()[0]
    alone = store.signals("two", None, vector=vector, k=3)
    assert alone.spread is not None
    assert alone.words_spread is alone.short_words is alone.full_words is None
    worded = store.signals("two", {"hybrid": "lexical"}, vector=None, text="alpha", k=3)
    assert [*worded.described().values()] == [None, worded.words_spread, None, None, None]
    assert worded.words_spread is not None
    assert store.signals("two", {"exact": True}, vector=vector, k=3).short_full is None
    assert store.signals("nothing", None, vector=vector, text="alpha", k=3) == Signals()


@pytest.mark.parametrize("leg", LEGS)
def test_one_request_answers_a_hybrid_search(tmp_path: Any, leg: str) -> None:
    with EdgeClient(str(tmp_path / "v")) as client:
        sent = gateway(client)
        remote = QdrantClient(url="http://gateway", transport=sent, check_compatibility=False)
        driver = Driver(remote)
        docs = MatryoshkaCollection("docs", layout=replace(LAYOUTS["two"], **LEGS[leg]))
        driver.run(docs.add([1], vectors()[:1], [{"page_content": "alpha"}]))
        for hybrid in EVERY:
            sent.requests.clear()
            search = Search(vectors()[0], 3, text="alpha", mmr_lambda=0.5)
            assert driver.run(docs.search([search], {"hybrid": hybrid}))[0]
            assert [each.url.path for each in sent.requests] == ["/collections/docs/points/query"]
        remote.close()


def test_words_alone_need_no_vector(store: Store) -> None:
    hits = store.search("two", {"hybrid": "lexical"}, vector=None, text="alpha", k=3)
    assert [hit.payload["page_content"].count("alpha") > 0 for hit in hits if hit.payload] == [
        True
    ] * 3
    for plan in (None, {"hybrid": "rrf"}, {"hybrid": "rescore"}):
        with pytest.raises(ConfigurationError, match="has no vector"):
            store.search("two", plan, vector=None, text="alpha", k=3)
    with pytest.raises(ConfigurationError, match="has no vector"):
        store.search("two", {"hybrid": "lexical"}, vector=None, text="alpha", k=3, mmr_lambda=0.0)


def test_a_plan_that_needs_words_says_so(store: Store) -> None:
    for hybrid in EVERY[1:]:
        with pytest.raises(ConfigurationError, match=r"has no text\. Pass the question's text"):
            store.search("two", {"hybrid": hybrid}, vector=vectors()[0], k=3)
    with pytest.raises(ConfigurationError, match=r"greatest distances.*hybrid='rrf'"):
        store.search("euclid", {"hybrid": "dbsf"}, vector=vectors()[0], text="alpha", k=3)


def test_a_collection_without_words_names_the_line_that_adds_them(tmp_path: Any) -> None:
    with EdgeClient(str(tmp_path / "v")) as client:
        driver = Driver(client)
        docs = MatryoshkaCollection("docs", layout=CollectionLayout(SIZE, (STAGE,)))
        driver.run(docs.add([1], vectors()[:1], [{"page_content": "alpha"}]))
        with pytest.raises(CollectionMismatchError, match=r"migrate docs --text-index"):
            driver.run(docs.search([Search(vectors()[0], 3, text="a")], {"hybrid": "rescore"}))
