"""The wall between tenants: no filter, id or method of one reaches another's documents."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.embeddings import Embeddings
from llama_index.core.schema import TextNode
from llama_index.core.vector_stores import (
    FilterCondition,
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
    VectorStoreQuery,
)
from qdrant_client import QdrantClient, models

from mrl_adapters.errors import ConfigurationError
from mrl_adapters.langchain import MatryoshkaRetriever
from mrl_adapters.langchain import MatryoshkaVectorStore as LangChainStore
from mrl_adapters.llama_index import MatryoshkaVectorStore as LlamaIndexStore
from mrl_adapters.qdrant import CollectionLayout, Driver, MatryoshkaCollection, Search
from mrl_adapters.qdrant.driver import Client
from mrl_adapters.qdrant.engine import engine_of
from mrl_adapters.qdrant.tenants import Scope

Documents = Callable[..., np.ndarray]
Drive = Callable[[Any], Any]
LAYOUT = CollectionLayout(32, (8,), tenant_field="tenant")
TENANTS = ("u1", "u2", "u3")


class Fake(Embeddings):
    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [
            np.random.default_rng(sum(text.encode())).normal(size=32).tolist() for text in texts
        ]


def langchain(client: Client, name: str, **options: Any) -> LangChainStore:
    store = LangChainStore(client, name, Fake(), layout=LAYOUT, **options)
    for tenant in TENANTS:
        store.for_tenant(tenant).add_texts(
            [f"text {n}" for n in range(8)],
            [{"n": n} for n in range(8)],
            ids=[f"{tenant}-{n}" for n in range(8)],
        )
    return store


def llama_index(client: Client, name: str, **options: Any) -> LlamaIndexStore:
    store = LlamaIndexStore(name, client, layout=LAYOUT, **options)
    for tenant in TENANTS:
        nodes = [
            TextNode(id_=f"{tenant}-{n}", text=f"text {n}", metadata={"n": n}) for n in range(8)
        ]
        for node in nodes:
            node.embedding = Fake().embed_query(node.text)
        store.for_tenant(tenant).add(nodes)
    return store


_LEAVES = st.one_of(
    st.builds(lambda v: {"tenant": v}, st.sampled_from(TENANTS)),
    st.builds(lambda v: {"tenant": {"$ne": v}}, st.sampled_from(TENANTS)),
    st.builds(lambda v: {"n": {"$gte": v}}, st.integers(-1, 9)),
    st.builds(lambda v: {"tenant": {"$in": v}}, st.lists(st.sampled_from(TENANTS))),
    st.just({"nothing": {"$exists": False}}),
)
FILTERS = st.recursive(
    _LEAVES,
    lambda inner: st.one_of(
        st.builds(lambda parts: {"$or": parts}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda parts: {"$and": parts}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda part: {"$not": part}, inner),
    ),
    max_leaves=6,
)
RAW = [
    models.Filter(should=[models.HasIdCondition(has_id=[]), models.Filter()]),
    models.Filter(
        should=[
            models.FieldCondition(key="metadata.tenant", match=models.MatchValue(value="u1")),
            models.FieldCondition(key="metadata.n", range=models.Range(gte=0)),
        ]
    ),
    models.Filter(
        must_not=[models.FieldCondition(key="metadata.tenant", match=models.MatchValue(value="u2"))]
    ),
    models.Filter(
        min_should=models.MinShould(
            conditions=[models.FieldCondition(key="metadata.n", range=models.Range(gte=0))],
            min_count=1,
        )
    ),
]


def test_no_filter_reaches_another_tenants_documents(client: Client, name: str) -> None:
    store = langchain(client, name)
    mine = store.for_tenant("u2")

    @settings(max_examples=15)
    @given(chosen=st.one_of(st.none(), st.sampled_from(RAW), FILTERS), k=st.integers(1, 30))
    def check(chosen: Any, k: int) -> None:
        found = [
            *mine.similarity_search("text 1", k=k, filter=chosen),
            *mine.similarity_search("text 1", k=k, filter=chosen, offset=3),
            *mine.max_marginal_relevance_search("text 1", k=k, filter=chosen),
            *mine.as_retriever(k=k, filter=chosen).invoke("text 1"),
            *MatryoshkaRetriever(vectorstore=mine, filter=chosen).invoke("text 1", k=k),
        ]
        assert {document.metadata["tenant"] for document in found} <= {"u2"}
        raw = chosen if isinstance(chosen, models.Filter) else None
        scoped = mine.collection
        records = mine.driver.run(scoped.scroll(raw))
        assert {record.payload["metadata"]["tenant"] for record in records} <= {"u2"}
        assert mine.driver.run(scoped.count(raw)) == len(records) <= 8

    check()


def test_ids_reach_the_tenants_own_documents_alone(client: Client, name: str) -> None:
    store = langchain(client, name)
    mine = store.for_tenant("u2")
    everything = [f"{tenant}-{n}" for tenant in TENANTS for n in range(8)]
    assert [each.id for each in mine.get_by_ids(everything)] == [f"u2-{n}" for n in range(8)]
    mine.delete(["u1-0", "u2-0"])
    mine.delete(everything, filter={"$or": [{"tenant": "u1"}, {"n": 1}]})
    left = {each.id for each in store.get_by_ids(everything)}
    assert left == {*everything} - {"u2-0", "u2-1"}
    with pytest.raises(ConfigurationError, match=r"the id 'u1-3' is that of a document.*begin"):
        mine.add_texts(["other", "taken"], ids=["new", "u1-3"])
    assert mine.get_by_ids(["new"]) == []
    with pytest.raises(ConfigurationError, match=r"metadata.tenant = 'u1'.*for tenant 'u2'"):
        mine.add_texts(["other"], [{"tenant": "u1"}])
    mine.delete()
    assert {each.id for each in store.get_by_ids(everything)} == {
        each for each in everything if not each.startswith("u2")
    }


async def test_coroutines_keep_to_the_wall(client: Client, name: str) -> None:
    mine = langchain(client, name).for_tenant("u3")
    found = await mine.asimilarity_search("text 1", k=30, filter={"$or": [{"n": {"$gte": 0}}]})
    assert {each.metadata["tenant"] for each in found} == {"u3"}
    assert len(await mine.aget_by_ids(["u1-1", "u3-1"])) == 1
    with pytest.raises(ConfigurationError, match="that of a document"):
        await mine.aadd_texts(["x"], ids=["u1-1"])
    await mine.adelete(["u1-1"])
    assert len(await mine.for_tenant("u3").aget_by_ids(["u3-1"])) == 1


def test_the_same_texts_without_ids_are_documents_of_each_tenant(client: Client, name: str) -> None:
    store = LangChainStore(client, name, Fake(), layout=LAYOUT)
    ids = [store.for_tenant(each).add_texts(["one", "two"]) for each in TENANTS]
    assert len({each for some in ids for each in some}) == 6


def test_a_search_that_names_no_tenant_is_refused_or_exact(client: Client, name: str) -> None:
    store = langchain(client, name)
    with pytest.raises(ConfigurationError, match=r"names none\. Search by store\.for_tenant"):
        store.similarity_search("text 1")
    with pytest.raises(ConfigurationError, match="names none"):
        store.similarity_search("text 1", filter={"$or": [{"tenant": "u1"}, {"n": 1}]})
    assert len(store.similarity_search("text 1", k=30, filter={"tenant": "u1"})) == 8
    everybody = LangChainStore(client, name, Fake(), all_tenants=True)
    assert len(everybody.similarity_search("text 1", k=30)) == 24
    with pytest.raises(ConfigurationError, match="all_tenants"):
        LangChainStore(client, name, Fake(), all_tenants="yes")


def test_the_layout_comes_back_and_the_metadatas_field_is_indexed(
    client: Client, name: str
) -> None:
    langchain(client, name)
    again = LangChainStore.from_existing_collection(name, Fake(), client=client)
    assert again.collection.layout.tenant_field == "metadata.tenant"
    assert len(again.for_tenant("u1").similarity_search("text", k=30)) == 8
    if engine_of(client).has_indexes:
        schema = client.get_collection(name).payload_schema["metadata.tenant"]
        assert schema.params.is_tenant
    # The same layout opens it without a word; warnings are errors here.
    LangChainStore(client, name, Fake(), layout=LAYOUT).for_tenant("u1").similarity_search("text")
    path = CollectionLayout(32, (8,), tenant_field="metadata.tenant")
    LangChainStore(client, name, Fake(), layout=path).for_tenant("u1").similarity_search("text")


@pytest.mark.parametrize("tenant", ["", 3, None])
def test_a_tenants_name_is_text(client: Client, name: str, tenant: Any) -> None:
    with pytest.raises(ConfigurationError, match="expected a tenant's name as text"):
        langchain(client, name).for_tenant(tenant)


def test_a_tenants_store_is_no_other_tenants(client: Client, name: str) -> None:
    mine = LangChainStore(client, name, Fake(), layout=LAYOUT).for_tenant("u1")
    with pytest.raises(ConfigurationError, match="belongs to tenant 'u1'"):
        mine.for_tenant("u2")


def test_a_collection_without_tenants_has_none(
    client: Client, drive: Drive, name: str, documents: Documents
) -> None:
    docs = MatryoshkaCollection(name, layout=CollectionLayout(32, (8,))).for_tenant("u1")
    with pytest.raises(ConfigurationError, match="has no tenants"):
        drive(docs.add(["a"], documents(1), [{}]))
    assert not client.collection_exists(name)


def test_nodes_of_tenants_are_apart(client: Client, name: str) -> None:
    store = llama_index(client, name)
    mine = store.for_tenant("u2")
    escape = MetadataFilters(
        filters=[
            MetadataFilter(key="tenant", value="u1"),
            MetadataFilter(key="n", value=0, operator=FilterOperator.GTE),
        ],
        condition=FilterCondition.OR,
    )
    everything = [f"{tenant}-{n}" for tenant in TENANTS for n in range(8)]
    asked = VectorStoreQuery(
        query_embedding=Fake().embed_query("text 1"), similarity_top_k=30, filters=escape
    )
    assert {each[:2] for each in mine.query(asked).ids} == {"u2"}
    assert {each.node_id[:2] for each in mine.get_nodes(everything)} == {"u2"}
    assert {each.node_id[:2] for each in mine.get_nodes(filters=escape)} == {"u2"}
    mine.delete_nodes(everything[:9])
    mine.delete("u1-5")
    mine.delete_nodes(filters=escape)
    assert len(store.get_nodes()) == 16
    with pytest.raises(ConfigurationError, match="that of a document"):
        mine.add(store.get_nodes(["u1-1"]))
    with pytest.raises(ConfigurationError, match="names none"):
        store.query(VectorStoreQuery(query_embedding=Fake().embed_query("x"), similarity_top_k=3))
    store.for_tenant("u3").clear()
    assert {each.node_id[:2] for each in store.get_nodes()} == {"u1"}
    everybody = LlamaIndexStore(name, client, all_tenants=True)
    asked = VectorStoreQuery(query_embedding=Fake().embed_query("x"), similarity_top_k=30)
    assert len(everybody.query(asked).ids) == 8
    assert everybody.collection.layout.tenant_field == "tenant"


def test_searches_of_all_tenants_are_exact(
    client: Client, drive: Drive, name: str, documents: Documents, monkeypatch: pytest.MonkeyPatch
) -> None:
    from reference import record_requests

    docs = MatryoshkaCollection(name, layout=LAYOUT)
    vectors = documents(20)
    payloads = [{"tenant": TENANTS[n % 3]} for n in range(20)]
    drive(docs.add([*range(20)], vectors, payloads))
    if isinstance(client, QdrantClient) and engine_of(client).is_server:
        return
    recorded = record_requests(client, monkeypatch)
    search = Search(vectors[0], 20)
    [every] = Driver(client).run(docs.for_all_tenants().search([search]))
    [mine] = Driver(client).run(docs.for_tenant("u1").search([search]))
    assert (len(every), len(mine)) == (20, 7)
    assert recorded[0].prefetch is None
    if engine_of(client).has_indexes:
        assert recorded[0].params.exact is True
        assert recorded[1].prefetch is not None


@pytest.mark.parametrize(
    ("said", "seen"),
    [
        ("ada", True),
        (["bob", "ada"], True),
        (["bob"], False),
        ([], False),
        ("ada's sister", False),
        ("bob", False),
        (None, False),
    ],
)
def test_a_tenant_owns_what_bears_its_whole_name(said: object, seen: bool) -> None:
    layout = CollectionLayout(8, (4,), tenant_field="metadata.owner")
    record = models.Record(id=1, payload={"metadata": {"owner": said}})
    assert Scope("ada").owns("docs", layout, record) is seen
    assert Scope().owns("docs", layout, record)
