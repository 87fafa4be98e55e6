"""Late interaction against brute force: MaxSim of a real model's token vectors, in numpy."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from functools import lru_cache
from typing import Any

import numpy as np
import pytest
from engines import open_engine
from hypothesis import given, settings
from hypothesis import strategies as st
from qdrant_client import QdrantClient, models
from rest_gateway import Gateway

from mrl_adapters.embeddings import WordLlamaEmbedder, WordLlamaTokens
from mrl_adapters.errors import (
    CollectionMismatchError,
    ConfigurationError,
    DimensionsError,
    EmbeddingError,
)
from mrl_adapters.evaluation import docstring_dataset
from mrl_adapters.qdrant import (
    CollectionLayout,
    Driver,
    EdgeClient,
    GroupBy,
    MatryoshkaCollection,
    MissingShortVectorsWarning,
    Search,
    SearchPlan,
    SparseVectors,
    TokenVectors,
)
from mrl_adapters.vectors import normalize, truncate

COUNT, STAGE, SIZE = 160, 128, 64
ENCODER = WordLlamaTokens(SIZE)
PLAIN: dict[str, Any] = {"full_datatype": "float32", "quantization": None}
STAGES = {"two": (STAGE,), "one": ()}
FEW = models.Filter(must=[models.FieldCondition(key="n", range=models.Range(lt=90))])
FILTERS = {"all": None, "few": FEW}
PASSING = {"all": COUNT, "few": 90}
STORES = [
    *("edge", "edge-async", "rest", "rest-async", "local", "local-async"),
    pytest.param("server", marks=pytest.mark.server),
    pytest.param("server-async", marks=pytest.mark.server),
]
CLOSE = 0.02  # float16 in sums over tokens


@lru_cache
def texts() -> list[str]:
    return [text[:400] for text in list(docstring_dataset().documents.values())[:COUNT]]


@lru_cache
def questions() -> list[str]:
    return list(docstring_dataset().queries.values())[:40]


@lru_cache
def vectors() -> np.ndarray:
    return normalize(np.asarray(WordLlamaEmbedder().embed_documents(texts()), dtype=np.float32))


def embedded(question: str) -> np.ndarray:
    return np.asarray(WordLlamaEmbedder().embed_query(question), dtype=np.float32)


@lru_cache
def max_sim(distance: str, question: str) -> np.ndarray:
    """Sum the best match of each of a question's tokens, in every text."""
    prepared = normalize if distance == "Cosine" else np.asarray
    asked = prepared(ENCODER.embed_query(question))
    held = ENCODER.embed_documents(texts())
    return np.array([(asked @ prepared(each).T).max(axis=1).sum() for each in held])


def layout_of(stages: str, distance: str, **fields: Any) -> CollectionLayout:
    tokens = TokenVectors("colbert", SIZE, ENCODER, distance=distance)
    return CollectionLayout(256, STAGES[stages], late_interaction=tokens, **{**PLAIN, **fields})


class Store:
    """Every collection, behind one door."""

    def __init__(self, run: Callable[[Any], Any], client: Any, engine: str) -> None:
        self.run, self.client = run, client
        self.scans = engine == "local"  # and leaves stages out
        self.open: dict[str, MatryoshkaCollection] = {}

    def search(self, name: str, plan: Any, **search: Any) -> list[models.ScoredPoint]:
        [hits] = self.run(self.open[name].search([Search(**search)], plan))
        found: list[models.ScoredPoint] = hits
        return found


@pytest.fixture(scope="module", params=STORES)
def store(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    engine, *mode = request.param.split("-")
    with ExitStack() as opened:
        client = open_engine(opened, engine, tmp_path_factory.mktemp("late"))
        if engine == "rest":
            remote = QdrantClient(
                url="http://gateway", transport=Gateway(client, None), check_compatibility=False
            )
            client = opened.enter_context(closing(remote))
        driver = Driver(client)
        run = (lambda flow: asyncio.run(driver.arun(flow))) if mode else driver.run
        store = Store(run, client, engine)
        payloads = [
            {"page_content": text, "n": n, "part": f"p{n % 7}"} for n, text in enumerate(texts())
        ]
        for stages in STAGES:
            for distance in ("Cosine", "Dot"):
                layout = layout_of(stages, distance, sparse=SparseVectors())
                name = f"{stages}_{distance}"
                store.open[name] = MatryoshkaCollection(name, layout=layout)
                run(store.open[name].add([*range(COUNT)], vectors(), payloads))
        yield store


def expected(
    store: Store, name: str, plan: SearchPlan, question: str, only: str, reach: int
) -> Any:
    """Score by brute force all that a plan ranks."""
    stages, distance = name.split("_")
    passing = np.arange(PASSING[only])
    asked = normalize(embedded(question))
    full = vectors() @ asked
    short = truncate(vectors(), STAGE) @ truncate(asked, STAGE)
    two_stages = stages == "two" and not (plan.exact or store.scans)
    first = short if two_stages else full
    kept = len(passing) if plan.exact or store.scans else plan.candidates(reach)
    shortlist = sorted(passing, key=lambda row: -first[row])[:kept]
    ranked = sorted(shortlist, key=lambda row: -full[row])[: plan.ranked_late(reach)]
    scores = max_sim(distance, question)
    return {int(row): float(scores[row]) for row in ranked}


@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_a_shortlist_is_ranked_as_max_sim_does(store: Store, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from([*store.open]))
    question = data.draw(st.sampled_from(questions()))
    plan = SearchPlan(
        late_interaction=True,
        late_candidates=data.draw(st.sampled_from([1, 12, 50, COUNT])),
        oversampling=data.draw(st.sampled_from([1, 4])),
        min_candidates=data.draw(st.sampled_from([1, 40, COUNT])),
        exact=data.draw(st.booleans()),
    )
    only, k = data.draw(st.sampled_from([*FILTERS])), data.draw(st.sampled_from([1, 5, 20]))
    scores = expected(store, name, plan, question, only, k)
    threshold = None
    if data.draw(st.booleans()):
        threshold = float(np.median([*scores.values()])) + 2 * CLOSE
    hits = store.search(
        name,
        plan,
        vector=embedded(question),
        text=question,
        k=k,
        query_filter=FILTERS[only],
        score_threshold=threshold,
    )
    ranked = sorted(scores.values(), reverse=True)[:k]
    found = [hit.score for hit in hits]
    assert found == sorted(found, reverse=True)
    assert found == pytest.approx([scores[int(hit.id)] for hit in hits], abs=CLOSE)
    if threshold is None:
        assert found == pytest.approx(ranked, abs=CLOSE)
    else:
        assert all(score > threshold for score in found)
        assert len(found) >= sum(score > threshold + CLOSE for score in ranked)


@pytest.mark.parametrize("hybrid", ["rescore", "lexical"])
def test_words_hand_their_shortlist_to_late_interaction(store: Store, hybrid: str) -> None:
    question = questions()[3]
    asked: dict[str, Any] = {"vector": embedded(question), "text": question}
    by_words = store.search("two_Cosine", {"hybrid": "lexical"}, **asked, k=COUNT)
    plan = SearchPlan(
        hybrid=hybrid, late_interaction=True, min_candidates=COUNT, late_candidates=COUNT
    )
    hits = store.search("two_Cosine", plan, **asked, k=COUNT)
    everything = {*range(COUNT)} if hybrid == "rescore" else {int(hit.id) for hit in by_words}
    assert {int(hit.id) for hit in hits} == everything
    scores = max_sim("Cosine", question)
    assert [hit.score for hit in hits] == pytest.approx(
        [scores[int(hit.id)] for hit in hits], abs=CLOSE
    )
    narrow = plan.merge({"min_candidates": 1, "oversampling": 1, "late_candidates": 1})
    [first] = store.search("two_Cosine", narrow, **asked, k=1)
    legs = {by_words[0].id}
    if hybrid == "rescore":
        dense = {"min_candidates": 1, "oversampling": 1}
        legs.add(store.search("two_Cosine", dense, **asked, k=1)[0].id)
    assert first.id == max(legs, key=lambda row: scores[int(row)])


@pytest.mark.parametrize("hybrid", ["rrf", "dbsf"])
def test_fused_rankings_are_refused(store: Store, hybrid: str) -> None:
    plan = {"hybrid": hybrid, "late_interaction": True}
    with pytest.raises(ConfigurationError, match="hybrid='rescore'"):
        store.search("two_Cosine", plan, vector=vectors()[0], text="a file", k=3)


@pytest.mark.parametrize("name", ["two_Cosine", "one_Dot"])
@pytest.mark.parametrize("hybrid", [None, "rescore"])
def test_pages_are_disjoint_and_complete(store: Store, name: str, hybrid: str | None) -> None:
    question = questions()[5]
    plan = {
        "late_interaction": True,
        "late_candidates": 10,
        "min_candidates": 20,
        "oversampling": 1,
        "hybrid": hybrid,
    }
    asked: dict[str, Any] = {"vector": embedded(question), "text": question, "query_filter": FEW}
    seen: list[int] = []
    while True:
        hits = store.search(name, plan, **asked, k=16, offset=len(seen))
        assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
        seen += [int(hit.id) for hit in hits]
        if len(hits) < 16:
            break
    assert len(seen) == len({*seen})
    assert sorted(seen) == [*range(PASSING["few"])]


def test_a_batch_is_as_single_searches(store: Store) -> None:
    some = [Search(embedded(text), 4, text=text) for text in questions()[:5]]
    plan = {"late_interaction": True}
    together = store.run(store.open["two_Cosine"].search(some, plan))
    alone = [store.run(store.open["two_Cosine"].search([each], plan))[0] for each in some]
    assert [[hit.id for hit in hits] for hits in together] == [
        [hit.id for hit in hits] for hits in alone
    ]


def test_diversity_chooses_among_the_best_of_late_interaction(store: Store) -> None:
    question = questions()[2]
    asked: dict[str, Any] = {"vector": embedded(question), "text": question}
    plan = {"late_interaction": True}
    ranked = [hit.id for hit in store.search("two_Cosine", plan, **asked, k=12)]
    diverse = store.search("two_Cosine", plan, **asked, k=5, mmr_lambda=0.4, fetch_k=12)
    assert {hit.id for hit in diverse} <= {*ranked}
    full = vectors() @ normalize(embedded(question))
    assert [hit.score for hit in diverse] == pytest.approx(
        [full[int(hit.id)] for hit in diverse], abs=1e-4
    )


def test_groups_are_the_ranking_grouped(store: Store) -> None:
    question = questions()[7]
    search = Search(embedded(question), 7, text=question)
    plan = SearchPlan(late_interaction=True, late_candidates=COUNT, min_candidates=COUNT)
    [groups] = store.run(
        store.open["two_Cosine"].search_groups([search], GroupBy(("part",), 4), plan)
    )
    ranked = [
        int(hit.id) for hit in store.search("two_Cosine", plan, **search.__dict__ | {"k": COUNT})
    ]
    parts = [*dict.fromkeys(f"p{row % 7}" for row in ranked)]
    assert [group.value for group in groups] == parts
    for group in groups:
        own = [row for row in ranked if f"p{row % 7}" == group.value]
        assert [hit.id for hit in group.hits] == own[:4]


def test_signals_are_those_of_the_plan_without_it(store: Store) -> None:
    search = Search(embedded(questions()[1]), 3, text=questions()[1])
    docs = store.open["two_Cosine"]
    with_it = store.run(docs.signals([search], {"late_interaction": True}))
    assert with_it == store.run(docs.signals([search], {}))


def test_a_collection_says_what_it_has_and_is_opened_again(store: Store) -> None:
    params = store.client.get_collection("two_Cosine").config.params.vectors["colbert"]
    assert (params.size, params.hnsw_config.m) == (SIZE, 0)
    opened = MatryoshkaCollection("two_Cosine")
    layout = store.run(opened.open())
    assert layout.late_interaction == TokenVectors("colbert", SIZE, ENCODER)
    search = Search(vectors()[0], 2, text="a file")
    assert len(store.run(opened.search([search]))[0]) == 2
    with pytest.raises(ConfigurationError, match=r"encoder=\.\.\."):
        store.run(opened.search([search], {"late_interaction": True}))
    with pytest.raises(ConfigurationError, match=r"encoder=\.\.\."):
        store.run(opened.add([0], vectors()[:1], [{"page_content": "other"}]))
    assert store.run(opened.get([0]))[0].payload["page_content"] == texts()[0]


def test_a_search_needs_the_questions_text_or_its_tokens(store: Store) -> None:
    plan, vector = {"late_interaction": True}, embedded(questions()[0])
    with pytest.raises(ConfigurationError, match="has no text"):
        store.search("two_Cosine", plan, vector=vector, k=3)
    tokens = ENCODER.embed_query(questions()[0])
    by_tokens = store.search("two_Cosine", plan, vector=vector, k=3, tokens=tokens)
    by_text = store.search("two_Cosine", plan, vector=vector, k=3, text=questions()[0])
    assert [hit.id for hit in by_tokens] == [hit.id for hit in by_text]
    with pytest.raises(DimensionsError, match="16 dimensions"):
        store.search("two_Cosine", plan, vector=vector, k=3, tokens=tokens[:, :16])
    with pytest.raises(EmbeddingError, match="NaN"):
        store.search("two_Cosine", plan, vector=vector, k=3, tokens=tokens * np.nan)
    with pytest.raises(EmbeddingError, match="no tokens"):
        store.search("two_Cosine", plan, vector=vector, k=3, tokens=tokens[:0])


@pytest.fixture(params=["edge", "local"])
def client(request: Any, tmp_path: Any) -> Iterator[Any]:
    if request.param == "edge":
        with EdgeClient(str(tmp_path / "vectors")) as embedded:
            yield embedded
    else:
        with closing(QdrantClient(":memory:")) as local:
            yield local


def add(client: Any, layout: CollectionLayout | None, count: int = 3, name: str = "docs") -> None:
    payloads = [{"page_content": text} for text in texts()[:count]]
    collection = MatryoshkaCollection(name, layout=layout)
    Driver(client).run(collection.add([*range(count)], vectors()[:count], payloads))


OTHERS: dict[str, tuple[TokenVectors, str]] = {
    "missing": (TokenVectors("other", SIZE, ENCODER), r"no vector 'other' \(multi.*'colbert'"),
    "size": (TokenVectors("colbert", 16, ENCODER), "have 64 dimensions, not 16"),
    "distance": (TokenVectors("colbert", SIZE, ENCODER, distance="Dot"), "by Cosine, not Dot"),
    "model": (TokenVectors("colbert", SIZE, ENCODER, model="another"), "not 'another'"),
    "one vector": (TokenVectors("plain", SIZE, ENCODER), "holds one vector a point"),
}


@pytest.mark.parametrize("case", [*OTHERS])
def test_what_is_not_as_asked_is_refused_before_anything_is_written(client: Any, case: str) -> None:
    tokens, match = OTHERS[case]
    add(client, layout_of("two", "Cosine"))
    if case == "one vector":
        client.delete_collection("docs")
        config = CollectionLayout(256, (STAGE,)).vectors_config()
        config["plain"] = models.VectorParams(size=SIZE, distance=models.Distance.COSINE)
        client.create_collection("docs", config)
    before = client.count("docs").count
    with pytest.raises(CollectionMismatchError, match=match):
        add(client, CollectionLayout(256, (STAGE,), late_interaction=tokens), 5)
    assert client.count("docs").count == before


def test_the_option_without_token_vectors_says_the_line_that_helps(client: Any) -> None:
    add(client, CollectionLayout(256, (STAGE,)))
    flow = MatryoshkaCollection("docs").search(
        [Search(vectors()[0], 2, text="a file")], {"late_interaction": True}
    )
    with pytest.raises(ConfigurationError, match=r"late_interaction=TokenVectors\("):
        Driver(client).run(flow)


def test_a_collection_that_others_made_is_adopted(client: Any) -> None:
    tokens = TokenVectors("passages", SIZE, ENCODER)
    many = tokens.params().model_copy(update={"hnsw_config": None, "datatype": None})
    full = models.VectorParams(size=256, distance=models.Distance.COSINE)
    client.create_collection("docs", {"dense": full, "passages": many})
    held = ENCODER.embed_documents(texts())
    client.upsert(
        "docs",
        [
            models.PointStruct(
                id=n,
                vector={"dense": vectors()[n].tolist(), "passages": held[n].tolist()},
                payload={"page_content": text},
            )
            for n, text in enumerate(texts())
        ],
    )
    layout = CollectionLayout(256, (), late_interaction=tokens)
    docs = MatryoshkaCollection("docs", layout=layout)
    question = questions()[4]
    plan = SearchPlan(late_interaction=True, late_candidates=COUNT, min_candidates=COUNT)
    [hits] = Driver(client).run(docs.search([Search(embedded(question), 5, text=question)], plan))
    wanted = sorted(max_sim("Cosine", question), reverse=True)[:5]
    assert [hit.score for hit in hits] == pytest.approx(wanted, abs=CLOSE)


def test_points_without_token_vectors_are_told_of_and_left_out(client: Any) -> None:
    layout = layout_of("two", "Cosine")
    add(client, layout)
    client.delete_vectors("docs", ["colbert"], [1])
    docs = MatryoshkaCollection("docs", layout=layout)
    search = Search(vectors()[1], 3, text=texts()[1])
    with pytest.warns(MissingShortVectorsWarning, match="1 points lack the token vectors"):
        [hits] = Driver(client).run(docs.search([search], {"late_interaction": True}))
    assert {hit.id for hit in hits} == {0, 2}


class Broken:
    """Gives what no encoder should."""

    def __init__(self, given: Any) -> None:
        self.given = given

    def embed_documents(self, texts: list[str]) -> Any:
        return self.given

    def embed_query(self, text: str) -> Any:
        return self.given[0]


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ([np.ones((2, SIZE))], "1 arrays for 3 texts"),
        ([np.ones((2, 5))] * 3, "have 5 dimensions, the collection's 64"),
        ([np.ones(SIZE)] * 3, r"have shape \(64,\), expected \(tokens, 64\)"),
        ([np.full((2, SIZE), np.nan)] * 3, "hold NaN"),
        (["words"] * 3, "expected an array of floats"),
    ],
)
def test_what_cannot_be_stored_is_refused_whole(client: Any, given: Any, match: str) -> None:
    tokens = TokenVectors("colbert", SIZE, Broken(given))
    with pytest.raises((EmbeddingError, DimensionsError), match=match):
        add(client, CollectionLayout(256, (STAGE,), late_interaction=tokens))
    assert client.count("docs").count == 0


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"name": ""}, "expected a name"),
        ({"dimensions": 0}, "dimensions"),
        ({"distance": "Euclid"}, "distance"),
        ({"encoder": object()}, "embed_documents"),
    ],
)
def test_options_outside_their_lists_are_refused(options: dict[str, Any], match: str) -> None:
    with pytest.raises(ConfigurationError, match=match):
        TokenVectors(**{"name": "colbert", "dimensions": SIZE, **options})


def test_token_vectors_need_a_name_of_their_own() -> None:
    with pytest.raises(ConfigurationError, match="is another vector"):
        CollectionLayout(256, (STAGE,), late_interaction=TokenVectors("full", SIZE))


def test_a_model_does_not_run_in_the_event_loop(client: Any) -> None:
    class Watched(WordLlamaTokens):
        threads: set[int] = set()

        def embed_documents(self, texts: list[str]) -> Any:
            self.threads.add(threading.get_ident())
            return super().embed_documents(texts)

    tokens = TokenVectors("colbert", SIZE, Watched(SIZE))
    docs = MatryoshkaCollection(
        "docs", layout=CollectionLayout(256, (STAGE,), late_interaction=tokens)
    )
    driver = Driver(client)
    payloads = [{"page_content": texts()[0]}]
    asyncio.run(driver.arun(docs.add([0], vectors()[:1], payloads)))
    search = Search(vectors()[0], 1, text="a file")
    asyncio.run(driver.arun(docs.search([search], {"late_interaction": True})))
    assert Watched.threads
    assert threading.get_ident() not in Watched.threads
