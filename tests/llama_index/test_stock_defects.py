"""What llama-index-vector-stores-qdrant 0.10 gets wrong (measured), and this store must not."""

import asyncio
from typing import Any

import numpy as np
import pytest
from llama_index.core.schema import Document, TextNode
from llama_index.core.vector_stores import (
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
    VectorStoreQuery,
)
from llama_index.core.vector_stores.types import VectorStoreQueryMode
from qdrant_client import QdrantClient

from mrl_adapters.errors import CollectionMismatchError, ConfigurationError
from mrl_adapters.llama_index import MatryoshkaVectorStore
from mrl_adapters.qdrant import CollectionLayout, connect


def where(key: str, value: Any, operator: FilterOperator = FilterOperator.EQ) -> MetadataFilters:
    return MetadataFilters(filters=[MetadataFilter(key=key, value=value, operator=operator)])


def kept(store: MatryoshkaVectorStore, filters: MetadataFilters | None = None) -> str:
    return "".join(sorted(node.node_id for node in store.get_nodes(filters=filters)))


@pytest.fixture
def node(nodes: list[TextNode]) -> TextNode:
    return nodes[0]


def test_a_point_holds_a_full_and_a_short_vector(store, client, name):
    [record], _ = client.scroll(name, limit=1, with_vectors=True)
    assert {key: len(vector) for key, vector in record.vector.items()} == {
        "full": 256,
        "short_64": 64,
    }


def test_the_vector_name_asked_for_is_the_one_created(new_store, nodes, client, name):
    new_store(layout=CollectionLayout(256, (64,), full_name="text-dense")).add(nodes)
    assert set(client.get_collection(name).config.params.vectors) == {"text-dense", "short_64"}


def test_mmr_is_not_plain_search(store, nodes):
    query = VectorStoreQuery(nodes[0].embedding, similarity_top_k=4, mode=VectorStoreQueryMode.MMR)
    plain = VectorStoreQuery(nodes[0].embedding, similarity_top_k=4)
    assert store.query(query, mmr_threshold=0.0).ids != store.query(plain).ids


def test_search_by_words_without_a_text_index_is_an_error(store, nodes):
    query = VectorStoreQuery(nodes[0].embedding, mode=VectorStoreQueryMode.SPARSE, query_str="x")
    told = "has no (text index and no )?sparse vectors"  # local mode has no text indexes
    with pytest.raises((CollectionMismatchError, ConfigurationError), match=told):
        store.query(query)


def test_deleting_by_ids_and_filters_deletes_what_satisfies_both(store):
    store.delete_nodes(["a", "b"], where("n", 0))
    assert kept(store) == "bcdef"


@pytest.mark.parametrize(
    "filters",
    [None, MetadataFilters(filters=[]), MetadataFilters(filters=[MetadataFilters(filters=[])])],
    ids=["none", "empty", "nested empty"],
)
def test_deleting_nothing_in_particular_is_an_error(store, filters):
    with pytest.raises(ConfigurationError, match=r"neither node_ids nor filters.*call clear\(\)"):
        store.delete_nodes(filters=filters)
    assert kept(store) == "abcdef"


@pytest.mark.parametrize(
    ("operator", "value", "expected"),
    [
        (FilterOperator.ANY, ["t1", "t2"], "bc"),
        (FilterOperator.ALL, ["all", "t2"], "c"),
        (FilterOperator.CONTAINS, "t2", "c"),
    ],
)
def test_any_all_and_contains_work(store, operator, value, expected):
    assert kept(store, where("tags", value, operator)) == expected


@pytest.mark.parametrize(
    ("operator", "value", "expected"),
    [
        (FilterOperator.IN, [1.5, 2.5], "bc"),
        (FilterOperator.NIN, [1.5, 2.5], "a"),
        (FilterOperator.NE, 1.5, "ac"),
        (FilterOperator.EQ, 1.5, "b"),
    ],
)
def test_fractions_can_be_compared(new_store, nodes, operator, value, expected):
    store = new_store()
    for place, each in enumerate(nodes[:3]):
        each.metadata = {"price": place + 0.5}
    store.add(nodes[:3])
    assert kept(store, where("price", value, operator)) == expected


def test_ranges_of_dates_work(new_store, nodes):
    store = new_store()
    for each, day in zip(nodes, ["2025-12-31", "2026-01-01", "2026-01-02T10:00:00Z"], strict=False):
        each.metadata = {"day": day}
    store.add(nodes[:3])
    assert kept(store, where("day", "2026-01-01", FilterOperator.GTE)) == "bc"
    assert kept(store, where("day", "2026-01-02T11:00:00+02:00", FilterOperator.LT)) == "ab"


@pytest.mark.parametrize(
    ("operator", "value"), [(FilterOperator.NE, "x"), (FilterOperator.NIN, ["x", "y"])]
)
def test_negations_keep_nodes_without_the_key(store, operator, value):
    assert kept(store, where("missing", value, operator)) == "abcdef"


def test_get_nodes_has_no_cap(tmp_path):
    vectors = np.eye(2)[np.arange(10_050) % 2].tolist()
    with connect(path=str(tmp_path / "v")) as client:
        store = MatryoshkaVectorStore("docs", client, layout=CollectionLayout(2, (1,)))
        store.add([TextNode(text="", embedding=vector) for vector in vectors])
        assert len(store.get_nodes()) == 10_050


def test_zero_is_a_threshold_like_any_other_in_both_colours(store, nodes):
    query = VectorStoreQuery(nodes[0].embedding, similarity_top_k=4, mode=VectorStoreQueryMode.MMR)
    blocking = store.query(query, mmr_threshold=0).ids
    assert asyncio.run(store.aquery(query, mmr_threshold=0)).ids == blocking
    assert store.query(query, mmr_threshold=0.5).ids != blocking


def test_the_collection_is_looked_at_once(nodes, monkeypatch):
    client = QdrantClient(":memory:")
    MatryoshkaVectorStore("docs", client, layout=CollectionLayout(256, (64,))).add(nodes)
    asked: list[str] = []
    for method in ("get_collection", "collection_exists"):
        original = getattr(client, method)

        def counted(*args: Any, _original: Any = original, _name: str = method, **kw: Any) -> Any:
            asked.append(_name)
            return _original(*args, **kw)

        monkeypatch.setattr(client, method, counted)
    store = MatryoshkaVectorStore("docs", client)

    async def search() -> None:
        for _ in range(3):
            await store.aquery(VectorStoreQuery(nodes[0].embedding))

    asyncio.run(search())
    assert sorted(asked) == ["collection_exists", "get_collection"]
    client.close()


def test_coroutines_work_with_a_blocking_client_alone(store, nodes):
    assert asyncio.run(store.aquery(VectorStoreQuery(nodes[5].embedding))).ids == ["f"]


def test_a_store_made_before_its_collection_works_afterwards(new_store, nodes):
    early, late = new_store(), new_store()
    assert early.query(VectorStoreQuery(nodes[0].embedding)).ids == []
    late.add(nodes)
    assert early.query(VectorStoreQuery(nodes[0].embedding)).ids == ["a"]


def test_a_score_threshold_holds(store, nodes):
    query = VectorStoreQuery(nodes[0].embedding, similarity_top_k=6)
    assert store.query(query, score_threshold=0.99).ids == ["a"]


def test_no_credential_is_serialised():
    client = QdrantClient(
        url="https://127.0.0.1:1", api_key="secret-key", check_compatibility=False
    )
    store = MatryoshkaVectorStore("docs", client)
    assert "secret-key" not in str(store.to_dict()) + repr(store) + store.to_json()
    client.close()


def test_a_document_with_an_id_of_its_own_is_stored_and_found_by_it(new_store, embed_model):
    store = new_store()
    store.add(embed_model([Document(id_="handbook.md", text="How to copy files.")]))
    [found] = store.get_nodes(["handbook.md"])
    assert found.node_id == "handbook.md"
    query = VectorStoreQuery(embed_model.get_query_embedding("copy"), doc_ids=["handbook.md"])
    assert store.query(query).ids == ["handbook.md"]
    assert kept(store, where("doc_id", "None")) == ""
