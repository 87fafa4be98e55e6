"""What the LangChain store promises beyond LangChain's own suites."""

import asyncio

import numpy as np
import pytest
from langchain_core.documents import Document
from qdrant_client import models
from reference import ranking

from mrl_adapters.errors import (
    CollectionMismatchError,
    ConfigurationError,
    DimensionsError,
    EmbeddingError,
    EngineError,
)
from mrl_adapters.evaluation import save_plan
from mrl_adapters.langchain import MatryoshkaVectorStore
from mrl_adapters.qdrant import CollectionLayout, SearchPlan


def test_each_text_is_embedded_once_and_stored_at_every_size(store, client, embeddings):
    assert len(embeddings.documents) == len(set(embeddings.documents)) == 6
    (point,) = client.retrieve("docs", [*ids_of(client)][:1], with_vectors=True)
    full, short = np.array(point.vector["full"]), np.array(point.vector["short_128"])
    np.testing.assert_allclose(short, full[:128] / np.linalg.norm(full[:128]), atol=1e-3)


def ids_of(client):
    return [each.id for each in client.scroll("docs", limit=100)[0]]


def test_the_stage_of_a_new_collection_comes_from_the_models_registry_row(store):
    assert store.collection.layout.stages == (128,)
    assert store.collection.layout.model == "dleemiller/word-llama-l2-supercat"


def test_documents_come_in_from_a_generator_batch_by_batch(new_store, embeddings):
    store = new_store()
    read: list[int] = []

    def documents():
        for number in range(10):
            read.append(number)
            yield Document(page_content=f"text {number}", id=str(number))

    seen: list[tuple[int, int]] = []
    ids = store.add_documents(
        documents(), batch_size=4, progress=lambda at: seen.append((at.done, len(read)))
    )
    assert ids == [str(number) for number in range(10)]
    assert seen == [(0, 0), (4, 4), (8, 8), (10, 10)]


def test_progress_true_draws_a_bar(new_store, capsys):
    new_store().add_texts(["one", "two"], progress=True)
    assert "2/2" in capsys.readouterr().out


def test_the_same_id_replaces_and_the_same_text_without_id_is_another_document(new_store):
    store = new_store()
    store.add_texts(["old"], ids=["x"])
    store.add_texts(["new"], ids=["x"])
    store.add_texts(["twin", "twin"])
    found = [each.page_content for each in store.similarity_search("new", k=9)]
    assert sorted(found) == ["new", "twin", "twin"]


class Broken:
    """An embedding whose vector for one text cannot be stored."""

    def __init__(self, bad: list[float]) -> None:
        self.bad = bad

    def embed_documents(self, texts):
        return [self.bad if text == "bad" else [1.0, 2.0, 3.0, 4.0] for text in texts]

    def embed_query(self, text):
        return self.embed_documents([text])[0]

    async def aembed_documents(self, texts):
        return self.embed_documents(texts)

    async def aembed_query(self, text):
        return self.embed_query(text)


@pytest.mark.parametrize(
    ("bad", "error", "message"),
    [
        ([1.0, float("nan"), 0, 0], EmbeddingError, "document 'b' holds NaN or infinity"),
        ([float("inf"), 0, 0, 0], EmbeddingError, "document 'b' holds NaN or infinity"),
        ([1.0, 2.0], DimensionsError, "several sizes"),
    ],
    ids=["nan", "inf", "width"],
)
def test_a_bad_vector_is_refused_by_name_before_anything_is_written(client, bad, error, message):
    store = MatryoshkaVectorStore(client, "docs", Broken(bad))
    with pytest.raises(error, match=message):
        store.add_texts(["good", "bad"], ids=["a", "b"])
    assert not client.collection_exists("docs")
    store.add_texts(["good"], ids=["a"])
    with pytest.raises(error, match=message):
        store.add_texts(["good", "bad"], ids=["c", "b"])
    assert [each.id for each in store.similarity_search("good", k=9)] == ["a"]


def test_a_bad_question_is_refused(client):
    store = MatryoshkaVectorStore(client, "docs", Broken([0.0, 0, 0, 0]))
    store.add_texts(["good"])
    with pytest.raises(EmbeddingError, match="the query is all zeros"):
        store.similarity_search("bad")
    with pytest.raises(DimensionsError, match="2 dimensions, the collection holds 4"):
        store.similarity_search_by_vector([1.0, 2.0])


@pytest.mark.parametrize("k", [0, -1])
def test_k_below_one_is_an_error(store, k):
    with pytest.raises(ConfigurationError, match=f"k is {k}, expected a whole number from 1"):
        store.similarity_search("files", k=k)


def test_another_model_cannot_open_the_collection(store, client):
    stranger = Broken([1.0] * 4)
    stranger.model = "another-model"
    opened = MatryoshkaVectorStore(client, "docs", stranger)
    with pytest.raises(CollectionMismatchError, match="l2-supercat', this embedding is 'another"):
        opened.similarity_search("files")


def test_a_missing_collection_is_empty_until_it_must_exist(client, embeddings):
    store = MatryoshkaVectorStore(client, "nowhere", embeddings)
    assert store.similarity_search("files") == []
    assert store.get_by_ids(["a"]) == []
    assert store.delete(["a"]) is True
    with pytest.raises(CollectionMismatchError, match="'nowhere' does not exist"):
        MatryoshkaVectorStore.from_existing_collection("nowhere", embeddings, client=client)


async def test_factories_work_in_both_colours(client, embeddings):
    made = await MatryoshkaVectorStore.afrom_documents(
        [Document(page_content="one", id="x")], embeddings, client=client, collection_name="made"
    )
    assert [each.id for each in await made.asimilarity_search("one")] == ["x"]
    opened = await MatryoshkaVectorStore.afrom_existing_collection(
        "made", embeddings, client=client, plan=SearchPlan(oversampling=2)
    )
    assert opened.plan.oversampling == 2
    assert [each.id for each in await opened.aget_by_ids(["x"])] == ["x"]
    assert await opened.adelete(["x"]) is True
    assert (
        MatryoshkaVectorStore.from_existing_collection(
            "made", embeddings, client=client
        ).similarity_search("one")
        == []
    )


def test_from_texts_connects_to_the_place_it_is_given(tmp_path, embeddings):
    store = MatryoshkaVectorStore.from_texts(
        ["one"],
        embeddings,
        collection_name="made",
        path=str(tmp_path / "v"),
        layout=CollectionLayout(256, (32,)),
    )
    assert store.collection_name == "made"
    assert store.collection.layout.stages == (32,)
    store.driver.client.close()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"collection_name": "x"}, "No Qdrant client"),
        ({"collection_name": "x", "location": ":memory:", "batchsize": 3}, "option 'batchsize'"),
        ({"collection_name": "x", "client": object(), "path": "x"}, "client= or path=, not both"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_factories_refuse_what_they_cannot_use(embeddings, options, message):
    with pytest.raises(ConfigurationError, match=message):
        MatryoshkaVectorStore.from_texts(["one"], embeddings, **options)


def test_a_misspelt_option_is_an_error_not_a_silence(store):
    with pytest.raises(ConfigurationError, match="option 'batch'"):
        store.add_texts(["one"], batch=3)
    with pytest.raises(ConfigurationError, match=r"'filters'\. Did you mean 'filter'\?"):
        store.similarity_search("files", filters={"n": 1})
    with pytest.raises(ConfigurationError, match="no option 'oversample'"):
        store.similarity_search("files", plan={"oversample": 3})
    with pytest.raises(ConfigurationError, match="batch_size is 0"):
        store.add_texts(["one"], batch_size=0)
    with pytest.raises(ConfigurationError, match="Text 1 is int"):
        store.add_texts(["one", 2])


@pytest.mark.parametrize("plan", [None, {"stages": (128,)}, {"exact": True}])
def test_scores_are_those_of_the_full_vectors(store, embeddings, vectors, plan):
    found = store.similarity_search_with_score("delete files", k=6, plan=plan)
    expected = ranking(embeddings.embed_query("delete files"), vectors)
    assert [each.id for each, _ in found] == [name for name, _ in expected]
    # Stored as float16.
    np.testing.assert_allclose([s for _, s in found], [s for _, s in expected], atol=5e-4)


def test_score_threshold_and_delete_by_filter(store):
    scored = store.similarity_search_with_score("delete files", k=6)
    threshold = scored[2][1]
    kept = store.similarity_search("delete files", k=6, score_threshold=threshold)
    assert [each.id for each in kept] == [each.id for each, _ in scored[:2]]
    store.delete(filter={"even": True})
    assert sorted(each.id for each in store.similarity_search("files", k=9)) == ["b", "d", "f"]
    store.delete(["b", "d"], filter={"n": 3})
    assert sorted(each.id for each in store.similarity_search("files", k=9)) == ["b", "f"]


async def test_both_colours_give_the_same(store):
    vector = store.embeddings.embed_query("files")
    pairs = [
        (store.similarity_search("files"), store.asimilarity_search("files")),
        (store.similarity_search_with_score("files"), store.asimilarity_search_with_score("files")),
        (store.similarity_search_by_vector(vector), store.asimilarity_search_by_vector(vector)),
        (
            store.max_marginal_relevance_search("files"),
            store.amax_marginal_relevance_search("files"),
        ),
        (
            store.max_marginal_relevance_search_by_vector(vector),
            store.amax_marginal_relevance_search_by_vector(vector),
        ),
        (
            store.similarity_search_with_relevance_scores("files", score_threshold=0.5),
            store.asimilarity_search_with_relevance_scores("files", score_threshold=0.5),
        ),
    ]
    for blocking, coroutine in pairs:
        assert blocking == await coroutine


async def test_concurrent_adds_lose_nothing(new_store):
    store = new_store()
    await asyncio.gather(
        *(store.aadd_texts([f"text {number}"], ids=[str(number)]) for number in range(24))
    )
    assert len(store.get_by_ids([str(number) for number in range(24)])) == 24


def test_nodes_of_llama_index_stores_are_read(store, client):
    point = models.PointStruct(
        id="00000000-0000-4000-8000-000000000001",
        vector={"full": [1.0] * 256, "short_128": [1.0] * 128},
        payload={"_node_content": '{"text": "from a node", "metadata": {"a": 1}}', "a": 1},
    )
    client.upsert("docs", [point])
    (document,) = store.get_by_ids([str(point.id)])
    assert (document.page_content, document.metadata) == ("from a node", {"a": 1})


def test_a_plan_saved_with_the_collection_is_used_unless_told_otherwise(store, client, embeddings):
    saved = SearchPlan(oversampling=3, min_candidates=7, stages=(128,))
    save_plan(store, saved)
    opened = MatryoshkaVectorStore(client, "docs", embeddings)
    assert opened.plan == SearchPlan()
    opened.similarity_search("files")
    assert opened.plan == saved
    told = MatryoshkaVectorStore(client, "docs", embeddings, plan=SearchPlan(exact=True))
    told.similarity_search("files")
    assert told.plan == SearchPlan(exact=True)


async def test_two_retrievals_at_once_open_the_collection_and_take_its_plan(
    store, client, embeddings, monkeypatch
):
    save_plan(store, SearchPlan(min_candidates=3, oversampling=1, stages=(128,)))
    opened = MatryoshkaVectorStore(client, "docs", embeddings)
    limits: list[int] = []
    original = type(client).query_batch_points

    def note(self, collection_name, requests, **kwargs):
        limits.extend(request.prefetch.limit for request in requests)
        return original(self, collection_name, requests, **kwargs)

    monkeypatch.setattr(type(client), "query_batch_points", note)
    await asyncio.gather(*(opened.asimilarity_search("files", k=2) for _ in range(2)))
    assert limits == [3, 3]


def test_opening_at_a_mistyped_path_makes_no_folder(tmp_path, embeddings):
    with pytest.raises(EngineError, match=rf"No collections at {tmp_path}/typo: there is no such"):
        MatryoshkaVectorStore.from_existing_collection("docs", embeddings, path=tmp_path / "typo")
    assert list(tmp_path.iterdir()) == []
