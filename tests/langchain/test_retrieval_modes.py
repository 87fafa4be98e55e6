"""What finds documents: vectors, words or both, for a store, a retriever and a call."""

from contextlib import closing

import pytest
from langchain_qdrant import RetrievalMode as StockMode
from qdrant_client import models

from mrl_adapters.errors import CollectionMismatchError, ConfigurationError, EmbeddingError
from mrl_adapters.langchain import MatryoshkaRetriever, MatryoshkaVectorStore
from mrl_adapters.langchain.stock import RetrievalMode
from mrl_adapters.qdrant import CollectionLayout, TextIndex, connect

TEXTS = [
    *("Copy a directory tree to another place.", "Delete a file from the disk."),
    *("Parse a date from a string.", "Open a network socket and listen."),
    *("Sort a list of numbers in place.", "The gzip of a directory, compressed."),
]
# Every mode, and the plan that it is.
PLANS = {
    "dense": None,
    "sparse": "lexical",
    "lexical": "lexical",
    "hybrid": "rrf",
    "rrf": "rrf",
    "dbsf": "dbsf",
    "rescore": "rescore",
    StockMode.DENSE: None,
    StockMode.SPARSE: "lexical",
    StockMode.HYBRID: "rrf",
    RetrievalMode.RESCORE: "rescore",
}


@pytest.fixture
def client(tmp_path):
    with connect(path=str(tmp_path / "vectors")) as opened:
        yield opened


@pytest.fixture
def store(client, embeddings) -> MatryoshkaVectorStore:
    made = MatryoshkaVectorStore(client, "docs", embeddings, retrieval_mode="hybrid")
    made.add_texts(TEXTS, ids=[*"abcdef"])
    return made


def scored(found):
    return [(document.id, score) for document, score in found]


@pytest.mark.parametrize("mode", PLANS, ids=str)
async def test_a_mode_is_a_plan_for_stores_retrievers_and_calls(client, embeddings, store, mode):
    plan = {"hybrid": PLANS[mode]}
    asked = "compressed directory"
    expected = scored(store.similarity_search_with_score(asked, plan=plan))
    given = {"retrieval_mode": mode}
    assert scored(store.similarity_search_with_score(asked, **given)) == expected
    assert scored(await store.asimilarity_search_with_score(asked, **given)) == expected
    [batched] = await store.asimilarity_search_batch_with_score([asked], **given)
    assert scored(batched) == expected
    opened = MatryoshkaVectorStore(client, "docs", embeddings, retrieval_mode=mode)
    assert scored(opened.similarity_search_with_score(asked)) == expected
    assert opened.retrieval_mode.value == getattr(mode, "value", mode)
    ids = [name for name, _ in expected]
    for retriever in (
        MatryoshkaRetriever(vectorstore=store, **given),
        store.as_retriever(**given),
        opened.as_retriever(),
    ):
        assert [each.id for each in retriever.invoke(asked)] == ids
        assert [each.id for each in (await retriever.abatch([asked] * 2))[1]] == ids


def test_words_alone_need_no_embedding(store, embeddings):
    before = len(embeddings.queries)
    found = store.similarity_search("sockets", retrieval_mode="sparse")
    assert [each.id for each in found] == ["d"]
    assert store.similarity_search_batch(["gzip"] * 2, retrieval_mode="lexical")[1][0].id == "f"
    assert len(embeddings.queries) == before
    with pytest.raises(EmbeddingError, match="blank"):
        store.similarity_search(" ", retrieval_mode="sparse")


def test_a_fusion_of_qdrants_says_how(store):
    def found(**options):
        return scored(store.similarity_search_with_score("compressed directory", **options))

    assert found(hybrid_fusion=models.FusionQuery(fusion=models.Fusion.DBSF)) == found(
        plan={"hybrid": "dbsf"}
    )
    weighted = models.RrfQuery(rrf=models.Rrf(k=7, weights=[0.2, 0.8]))
    plan = {"hybrid": "rrf", "rrf_k": 7, "weights": (0.2, 0.8)}
    assert found(hybrid_fusion=weighted) == found(plan=plan)
    with pytest.raises(ConfigurationError, match="got 3 as a fusion"):
        found(hybrid_fusion=3)


def test_a_vector_without_words_searches_by_itself(store, embeddings):
    vector = embeddings.embed_query("sockets")
    dense = store.similarity_search("sockets", retrieval_mode="dense")
    assert store.similarity_search_by_vector(vector) == dense
    assert [each.id for each in store.more_like_this(["a"], k=9)].count("a") == 0
    with pytest.raises(ConfigurationError, match="no text"):
        store.similarity_search_by_vector(vector, retrieval_mode="hybrid")


def test_a_mode_gives_a_text_index_to_what_has_none(client, embeddings):
    plain = MatryoshkaVectorStore(client, "plain", embeddings)
    plain.add_texts(TEXTS, ids=[*"abcdef"])
    with pytest.raises(CollectionMismatchError, match="has no text index"):
        plain.similarity_search("gzip", retrieval_mode="hybrid")
    opened = MatryoshkaVectorStore(client, "plain", embeddings, retrieval_mode="sparse")
    assert [each.id for each in opened.similarity_search("gzip")] == ["f"]
    layout = CollectionLayout(256, (64,))
    own = MatryoshkaVectorStore(client, "own", embeddings, layout=layout, retrieval_mode="rrf")
    own.add_texts(TEXTS)
    assert own.collection.layout.text_index == TextIndex(field="page_content")


def test_a_mode_takes_whatever_text_index_there_is(client, embeddings):
    layout = CollectionLayout(256, (64,), text_index=TextIndex("german"))
    german = MatryoshkaVectorStore(client, "german", embeddings, layout=layout)
    german.add_texts(["Die Häuser am Ufer.", "Ein Boot."], ids=["a", "b"])
    opened = MatryoshkaVectorStore(client, "german", embeddings, retrieval_mode="sparse")
    assert [each.id for each in opened.similarity_search("Haus Häusern")] == ["a"]
    assert opened.collection.layout.text_index.language == "german"


def test_a_text_index_is_refused_where_the_engine_has_none(embeddings):
    layout = CollectionLayout(256, (64,), text_index=TextIndex())
    with closing(connect(location=":memory:")) as memory:
        made = MatryoshkaVectorStore(memory, "docs", embeddings, layout=layout)
        told = r"found qdrant-client's local mode\. Every engine ranks by sparse vectors"
        with pytest.raises(ConfigurationError, match=told):
            made.add_texts(TEXTS)


def test_unknown_modes_are_refused(client, embeddings):
    with pytest.raises(ConfigurationError, match="retrieval_mode='best', expected one of"):
        MatryoshkaVectorStore(client, "docs", embeddings, retrieval_mode="best")


MODES_BY_DISTANCE = [
    (mode, distance)
    for distance in ("Cosine", "Dot", "Euclid", "Manhattan")
    for mode in ("dense", "lexical", "rrf", "dbsf", "rescore")
    if (mode, distance) not in {("dbsf", "Euclid"), ("dbsf", "Manhattan")}  # refused
]


@pytest.mark.parametrize(("mode", "distance"), MODES_BY_DISTANCE)
async def test_relevance_falls_with_rank_whatever_the_words_add(client, embeddings, distance, mode):
    layout = CollectionLayout(256, (64,), distance=distance, text_index=TextIndex())
    store = MatryoshkaVectorStore(client, "docs", embeddings, layout=layout)
    store.add_texts(TEXTS, ids=[*"abcdef"])
    asked, given = "gzip of a compressed directory", {"retrieval_mode": mode}
    ranked = [document.id for document in store.similarity_search(asked, **given)]
    found = store.similarity_search_with_relevance_scores(asked, **given)
    assert [document.id for document, _ in found] == ranked
    scores = [score for _, score in found]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)
    assert scored(await store.asimilarity_search_with_relevance_scores(asked, **given)) == scored(
        found
    )
    by_store = MatryoshkaVectorStore(client, "docs", embeddings, **given)
    assert scored(by_store.similarity_search_with_relevance_scores(asked)) == scored(found)
    best = by_store.as_retriever(
        search_type="similarity_score_threshold", search_kwargs={"score_threshold": scores[0]}
    )
    assert best.invoke(asked)[0].id == ranked[0]


@pytest.mark.parametrize("plan", [{"hybrid": "lexical"}, {"hybrid": "rrf", "weights": (0, 1)}])
async def test_what_words_alone_find_is_diversified_by_vectors(store, plan):
    asked, options = "a directory or a file", {"plan": plan}
    among = {id_ for id_, _ in scored(store.similarity_search_with_score(asked, 6, **options))}
    vector = store.embeddings.embed_query(asked)
    nearest = scored(store.similarity_search_with_score_by_vector(vector, 6))
    expected = [(id_, score) for id_, score in nearest if id_ in among]
    diverse = {"fetch_k": 6, "lambda_mult": 1.0, **options}
    answers = [
        store.max_marginal_relevance_search_with_score(asked, 6, **diverse),
        await store.amax_marginal_relevance_search_with_score(asked, 6, **diverse),
        store.similarity_search_with_score(asked, 6, **diverse),
        *store.similarity_search_batch_with_score([asked], 6, **diverse),
    ]
    for found in answers:
        assert [id_ for id_, _ in scored(found)] == [id_ for id_, _ in expected]
        scores = [score for _, score in expected]
        assert [score for _, score in found] == pytest.approx(scores, abs=1e-3)
    found = store.max_marginal_relevance_search(asked, 6, **diverse)
    assert [each.id for each in found] == [id_ for id_, _ in expected]
    mmr = store.as_retriever(search_type="mmr", search_kwargs={"k": 6, **diverse})
    assert [each.id for each in mmr.invoke(asked)] == [id_ for id_, _ in expected]


@pytest.mark.parametrize("planned", ["dbsf", "rescore", "rrf"])
def test_hybrid_joins_as_the_plan_beside_it_says(client, embeddings, store, planned):
    asked, plan = "compressed directory", {"hybrid": planned}
    expected = scored(store.similarity_search_with_score(asked, plan=plan))
    given = {"retrieval_mode": "hybrid", "plan": plan}
    assert scored(store.similarity_search_with_score(asked, **given)) == expected
    own = MatryoshkaVectorStore(client, "docs", embeddings, **given)
    assert scored(own.similarity_search_with_score(asked)) == expected


def test_a_store_whose_mode_and_plan_contradict_each_other_is_refused(client, embeddings):
    for mode, planned in (("sparse", "rrf"), ("dense", "rrf"), ("rescore", "dbsf")):
        with pytest.raises(ConfigurationError, match=rf"retrieval_mode='{mode}'.*'{planned}'"):
            MatryoshkaVectorStore(
                client, "docs", embeddings, retrieval_mode=mode, plan={"hybrid": planned}
            )


@pytest.mark.parametrize("mode", ["dense", "sparse"])
def test_where_nothing_is_fused_a_fusion_says_nothing_as_in_the_stock_store(store, mode):
    asked, fusion = "compressed directory", models.FusionQuery(fusion=models.Fusion.DBSF)
    expected = scored(store.similarity_search_with_score(asked, retrieval_mode=mode))
    given = {"retrieval_mode": mode, "hybrid_fusion": fusion}
    assert scored(store.similarity_search_with_score(asked, **given)) == expected


def test_what_is_no_fusion_is_refused(store):
    for wrong in (models.SampleQuery(sample=models.Sample.RANDOM), {"rrf": {}}, "sum"):
        with pytest.raises(ConfigurationError, match="as a fusion, expected"):
            store.similarity_search("a", hybrid_fusion=wrong)
