"""What langchain-qdrant 1.1 gets wrong (measured), and this store must not."""

import asyncio
import threading
from collections.abc import Callable

import pytest
from langchain_classic.indexes import SQLRecordManager, index
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_qdrant import QdrantVectorStore
from qdrant_client import models

from mrl_adapters.errors import ConfigurationError
from mrl_adapters.langchain import MatryoshkaVectorStore
from mrl_adapters.qdrant.driver import Client

NewStore = Callable[..., MatryoshkaVectorStore]


def test_mmr_with_lambda_one_ranks_by_similarity_and_zero_by_diversity(store):
    by_similarity = store.similarity_search("copy files", k=3)
    assert store.max_marginal_relevance_search("copy files", k=3, lambda_mult=1) == by_similarity
    diverse = store.max_marginal_relevance_search("copy files", k=3, fetch_k=6, lambda_mult=0)
    assert diverse[0] == by_similarity[0]
    assert diverse != by_similarity


def test_a_generator_of_texts_without_ids_stores_every_text(new_store: NewStore):
    store = new_store()
    ids = store.add_texts(f"text number {number}" for number in range(5))
    assert len(set(ids)) == 5
    assert [each.page_content for each in store.get_by_ids(ids)] == [
        f"text number {number}" for number in range(5)
    ]


@pytest.mark.parametrize("kind", [list, iter])
def test_fewer_ids_than_texts_is_an_error(new_store: NewStore, kind):
    with pytest.raises(ConfigurationError, match="ids has 1 entries for"):
        new_store().add_texts(["one", "two"], ids=kind(["only one"]))


@pytest.mark.parametrize(
    ("kind", "count", "message"),
    [
        (list, 1, "metadatas has 1 entries for 2 texts"),
        (iter, 1, "metadatas has 1 entries for more texts"),
        (iter, 3, "metadatas has more than 2 entries for 2 texts"),
    ],
)
def test_metadatas_of_another_number_are_an_error(new_store: NewStore, kind, count, message):
    store = new_store()
    with pytest.raises(ConfigurationError, match=message):
        store.add_texts(["one", "two"], kind([{}] * count))
    assert store.similarity_search("one") == []


@pytest.mark.parametrize("distance", ["Cosine", "Dot", "Euclid", "Manhattan"])
def test_relevance_falls_with_rank_and_stays_within_bounds(new_store: NewStore, distance):
    store = new_store(distance=distance)
    store.add_texts(["Copy a tree.", "Delete a file.", "Parse a date."])
    found = store.similarity_search_with_relevance_scores("Copy a tree.", k=3)
    scores = [score for _, score in found]
    assert found[0][0].page_content == "Copy a tree."
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > scores[-1]
    assert all(0 <= score <= 1 for score in scores)


def test_index_works_with_hex_digest_keys_and_deletes_what_is_gone(new_store: NewStore):
    store = new_store()
    records = SQLRecordManager("docs", db_url="sqlite:///:memory:")
    records.create_schema()
    documents = [Document(page_content=text, metadata={"source": text}) for text in "ab"]
    options = {"cleanup": "full", "source_id_key": "source", "key_encoder": "sha256"}
    first = index(documents, records, store, **options)
    again = index(documents[:1], records, store, **options)
    assert (first["num_added"], again["num_skipped"], again["num_deleted"]) == (2, 1, 1)
    assert [each.page_content for each in store.similarity_search("a")] == ["a"]
    records.engine.dispose()


def test_making_and_searching_a_store_embeds_nothing_but_what_was_asked(new_store, embeddings):
    store = new_store()
    assert (embeddings.documents, embeddings.queries) == ([], [])
    store.add_texts(["one", "two"])
    store.max_marginal_relevance_search("question", k=1)
    store.similarity_search("question", k=1)
    assert embeddings.documents == ["one", "two"]
    assert embeddings.queries == ["question", "question"]


def test_searches_do_not_ask_for_the_collection_again(store, client: Client, monkeypatch):
    vector = [0.1] * 256
    store.similarity_search_by_vector(vector)

    def refuse(*_: object, **__: object) -> None:
        pytest.fail("asked for the collection again")

    monkeypatch.setattr(type(client), "get_collection", refuse)
    monkeypatch.setattr(type(client), "collection_exists", refuse)
    assert len(store.similarity_search_by_vector(vector, k=2)) == 2


def test_paging_goes_on_past_the_first_page(store):
    everything = store.similarity_search("files", k=6)
    pages = [store.similarity_search("files", k=2, offset=offset) for offset in (0, 2, 4)]
    assert [each for page in pages for each in page] == everything
    assert store.similarity_search("files", k=2, offset=6) == []


def test_delete_without_ids_deletes_everything(store):
    assert store.delete() is True
    assert store.similarity_search("files") == []


def test_a_dict_is_a_filter(store):
    assert [each.id for each in store.similarity_search("files", filter={"n": 3})] == ["d"]


def test_from_texts_takes_a_client(client: Client, embeddings):
    store = MatryoshkaVectorStore.from_texts(
        ["one"], embeddings, client=client, collection_name="made"
    )
    assert [each.page_content for each in store.similarity_search("one")] == ["one"]
    assert client.collection_exists("made")


def test_mmr_leaves_the_vectors_in_the_engine(store, client: Client, monkeypatch):
    asked: list[models.QueryRequest] = []
    original = type(client).query_batch_points

    def note(self, collection_name, requests, **kwargs):
        asked.extend(requests)
        return original(self, collection_name, requests, **kwargs)

    monkeypatch.setattr(type(client), "query_batch_points", note)
    store.max_marginal_relevance_search("files", k=2)
    assert [request.with_vector for request in asked] == [False]


async def test_async_methods_do_not_block_the_event_loop(store, client: Client, monkeypatch):
    loop_went_on = threading.Event()
    original = type(client).query_batch_points

    def wait_for_the_loop(self, *args, **kwargs):
        assert loop_went_on.wait(timeout=10), "the engine's call blocked the event loop"
        return original(self, *args, **kwargs)

    monkeypatch.setattr(type(client), "query_batch_points", wait_for_the_loop)
    search = asyncio.create_task(store.asimilarity_search("files", k=2))
    await asyncio.sleep(0.01)
    loop_went_on.set()
    assert len(await search) == 2


def test_metadata_comes_back_as_it_went_in_and_the_id_is_set(store):
    (document,) = store.similarity_search("Compress data with gzip.", k=1)
    assert document.metadata == {"n": 5, "even": False}
    assert document.id == "f"


def test_any_string_is_an_id(new_store: NewStore):
    store = new_store()
    ids = ["plain", "ünïcode ☃", "", "a" * 500, "550e8400-e29b-41d4-a716-446655440000", "7"]
    assert store.add_texts([f"text {each!r}" for each in ids], ids=ids) == ids
    assert [each.id for each in store.get_by_ids(ids)] == ids
    store.delete(["plain", "7"])
    assert [each.id for each in store.get_by_ids(ids)] == [
        each for each in ids if each not in {"plain", "7"}
    ]


def test_relevance_never_exceeds_one_for_the_very_same_text(store):
    (_, score), *_ = store.similarity_search_with_relevance_scores("Delete a file from the disk.")
    assert 0.99 < score <= 1


def test_none_stands_for_what_is_not_said_and_a_distance_is_told_by_its_names():
    texts, embedding = ["a", "b"], DeterministicFakeEmbedding(size=16)
    store = MatryoshkaVectorStore.from_texts(
        texts, embedding, ids=None, batch_size=None, location=":memory:", collection_name="docs"
    )
    assert store.client.count("docs").count == 2
    assert store.sparse_vector_name == QdrantVectorStore.SPARSE_VECTOR_NAME
    for wrong in ({"distance": "cosine"}, {"vector_params": {"distance": "near"}}):
        with pytest.raises(ConfigurationError, match=r"expected one of 'Cosine', 'Euclid', 'Dot'"):
            MatryoshkaVectorStore.from_texts(
                texts, embedding, location=":memory:", collection_name="docs", **wrong
            )
    store.close()
