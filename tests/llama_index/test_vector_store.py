"""The contract of a LlamaIndex vector store, on every engine and in both colours."""

import asyncio
from typing import Any

import numpy as np
import pytest
from llama_index.core.schema import (
    Document,
    ImageNode,
    IndexNode,
    NodeRelationship,
    RelatedNodeInfo,
    TextNode,
)
from llama_index.core.vector_stores import (
    FilterCondition,
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
    VectorStoreQuery,
)
from llama_index.core.vector_stores.types import VectorStoreQueryMode
from qdrant_client import AsyncQdrantClient, models
from reference import diverse_ranking, ranking, shortlists

from mrl_adapters.errors import (
    CollectionMismatchError,
    ConfigurationError,
    DimensionsError,
    EmbeddingError,
)
from mrl_adapters.llama_index import MatryoshkaVectorStore
from mrl_adapters.qdrant import CollectionLayout, SearchPlan


def question(embed_model, text: str, k: int = 3, **options: Any) -> VectorStoreQuery:
    return VectorStoreQuery(
        query_embedding=embed_model.get_query_embedding(text), similarity_top_k=k, **options
    )


def where(key: str, value: Any, operator: FilterOperator = FilterOperator.EQ) -> MetadataFilters:
    return MetadataFilters(filters=[MetadataFilter(key=key, value=value, operator=operator)])


def ids_of(nodes: list[Any]) -> list[str]:
    return sorted(node.node_id for node in nodes)


class TestContract:
    def test_what_was_added_is_found_with_its_score(self, store, embed_model, call):
        found = call(store, "query", question(embed_model, "copy a folder"))
        assert found.ids[0] == "a"
        assert found.nodes[0].text == "Copy a directory tree to another place."
        assert found.similarities == sorted(found.similarities, reverse=True)
        assert len(found.ids) == len(found.nodes) == len(found.similarities) == 3

    def test_a_node_comes_back_as_it_went_in(self, new_store, call, nodes):
        node = TextNode(
            id_="whole",
            text="Größe\n\x00 \u202e",
            metadata={"nested": {"list": [1, None, {"a": "b"}]}, "nothing": None, "π": 3.14},
            excluded_embed_metadata_keys=["nested"],
            excluded_llm_metadata_keys=["π"],
            relationships={
                NodeRelationship.SOURCE: RelatedNodeInfo(node_id="doc"),
                NodeRelationship.CHILD: [RelatedNodeInfo(node_id="child")],
            },
            start_char_idx=3,
            end_char_idx=9,
            embedding=nodes[0].embedding,
        )
        store = new_store()
        assert call(store, "add", [node]) == ["whole"]
        [read] = call(store, "get_nodes", ["whole"], with_embeddings=False)
        assert read == node.model_copy(update={"embedding": None})

    @pytest.mark.parametrize(
        "node",
        [
            ImageNode(id_="i", image_url="https://example.org/i.png", text="an image"),
            IndexNode(id_="i", index_id="other", text="an index"),
        ],
        ids=["image", "index"],
    )
    def test_other_kinds_of_nodes_keep_their_kind(self, new_store, call, nodes, node):
        store = new_store()
        node = node.model_copy(update={"embedding": nodes[0].embedding})
        call(store, "add", [node])
        [read] = call(store, "get_nodes", ["i"])
        assert type(read) is type(node)
        assert read.text == node.text

    def test_adding_again_replaces(self, store, nodes, embed_model, call):
        [changed] = embed_model([TextNode(id_="a", text="Bake a loaf of bread.")])
        call(store, "add", [changed])
        assert ids_of(call(store, "get_nodes")) == list("abcdef")
        assert call(store, "query", question(embed_model, "bread", 1)).ids == ["a"]

    def test_adding_nothing_does_nothing(self, new_store, call):
        store = new_store()
        assert call(store, "add", []) == []
        assert call(store, "get_nodes") == []

    def test_a_missing_collection_holds_nothing(self, new_store, embed_model, call):
        store = new_store()
        found = call(store, "query", question(embed_model, "anything"))
        assert (found.nodes, found.ids, found.similarities) == ([], [], [])
        assert call(store, "get_nodes", ["a"]) == []
        call(store, "delete", "doc")
        call(store, "delete_nodes", ["a"])
        call(store, "clear")

    def test_delete_takes_the_nodes_of_one_document(self, new_store, nodes, call):
        for node in nodes[:4]:
            node.relationships[NodeRelationship.SOURCE] = RelatedNodeInfo(node_id="doc one")
        store = new_store()
        call(store, "add", nodes)
        call(store, "delete", "doc one")
        assert ids_of(call(store, "get_nodes")) == ["e", "f"]

    def test_clear_deletes_every_node_and_keeps_the_collection(self, store, nodes, call):
        call(store, "clear")
        assert call(store, "get_nodes") == []
        call(store, "add", nodes[:1])
        assert ids_of(call(store, "get_nodes")) == ["a"]

    @pytest.mark.parametrize(
        ("node_ids", "filters", "expected"),
        [
            (None, None, "abcdef"),
            (["a", "c", "zz"], None, "ac"),
            ([], None, ""),
            (None, where("even", 1), "ace"),
            (["a", "b"], where("even", 1), "a"),
            ([], where("even", 1), ""),
            (None, MetadataFilters(filters=[]), "abcdef"),
        ],
    )
    def test_get_nodes_takes_ids_and_filters(self, store, call, node_ids, filters, expected):
        assert ids_of(call(store, "get_nodes", node_ids, filters)) == list(expected)

    @pytest.mark.parametrize(
        ("node_ids", "filters", "left"),
        [
            (["a", "c", "zz"], None, "bdef"),
            ([], None, "abcdef"),
            (None, where("even", 1), "bdf"),
            (["a", "b"], where("even", 1), "bcdef"),
            ([], where("even", 1), "abcdef"),
        ],
    )
    def test_delete_nodes_takes_ids_and_filters(self, store, call, node_ids, filters, left):
        call(store, "delete_nodes", node_ids, filters)
        assert ids_of(call(store, "get_nodes")) == list(left)

    def test_get_nodes_stops_at_a_limit_and_reads_embeddings(self, store, nodes, call):
        assert len(call(store, "get_nodes", limit=4)) == 4
        assert len(call(store, "get_nodes", ["a", "b", "c"], limit=2)) == 2
        [read] = call(store, "get_nodes", ["b"], with_embeddings=True)
        assert np.allclose(read.embedding, nodes[1].embedding, atol=1e-3)
        [read] = call(store, "get_nodes", filters=where("n", 1), with_embeddings=True)
        assert np.allclose(read.embedding, nodes[1].embedding, atol=1e-3)

    def test_a_query_obeys_filters_node_ids_and_doc_ids_together(
        self, store, nodes, embed_model, call
    ):
        def found(**options: Any) -> list[str]:
            asked = question(embed_model, "files", 6, **options)
            return sorted(call(store, "query", asked).ids)

        assert found(node_ids=["a", "b"]) == ["a", "b"]
        assert found(doc_ids=["b", "c"]) == ["b", "c"]
        assert found(doc_ids=["d"]) == ["d"]
        assert found(node_ids=["a", "b"], filters=where("even", 1)) == ["a"]
        # An index that keeps its nodes in the store alone asks with an empty list for all.
        assert found(node_ids=[], doc_ids=[]) == list("abcdef")

    @pytest.mark.parametrize(
        ("key", "operator", "value", "expected"),
        [
            ("n", FilterOperator.EQ, 2, "c"),
            ("n", FilterOperator.EQ, 2.0, "c"),
            ("n", FilterOperator.NE, 2, "abdef"),
            ("missing", FilterOperator.NE, 2, "abcdef"),
            ("n", FilterOperator.GT, 3, "ef"),
            ("n", FilterOperator.GTE, 3, "def"),
            ("n", FilterOperator.LT, 1, "a"),
            ("n", FilterOperator.LTE, 1, "ab"),
            ("n", FilterOperator.IN, [1, 2], "bc"),
            ("n", FilterOperator.NIN, [1, 2], "adef"),
            ("missing", FilterOperator.NIN, [1, 2], "abcdef"),
            ("tags", FilterOperator.ANY, ["t1", "t2"], "bc"),
            ("tags", FilterOperator.ALL, ["all", "t2"], "c"),
            ("tags", FilterOperator.CONTAINS, "t3", "d"),
            ("tags", FilterOperator.EQ, ["all", "t3"], "d"),
            ("tags", FilterOperator.IS_EMPTY, None, ""),
            ("missing", FilterOperator.IS_EMPTY, None, "abcdef"),
        ],
    )
    def test_every_operator_selects(self, store, embed_model, call, key, operator, value, expected):
        asked = question(embed_model, "files", 6, filters=where(key, value, operator))
        assert sorted(call(store, "query", asked).ids) == list(expected)

    def test_conditions_nest(self, store, embed_model, call):
        filters = MetadataFilters(
            condition=FilterCondition.OR,
            filters=[
                MetadataFilter(key="n", value=0),
                MetadataFilters(
                    condition=FilterCondition.NOT,
                    filters=[
                        MetadataFilter(key="even", value=1),
                        MetadataFilter(key="n", value=5),
                    ],
                ),
            ],
        )
        asked = question(embed_model, "files", 6, filters=filters)
        assert sorted(call(store, "query", asked).ids) == ["a", "b", "d"]

    def test_mmr_follows_its_threshold(self, store, nodes, embed_model, call):
        def ranked(**options: Any) -> list[str]:
            asked = question(embed_model, "files", 4, mode=VectorStoreQueryMode.MMR)
            return call(store, "query", asked, **options).ids

        plain = call(store, "query", question(embed_model, "files", 4)).ids
        assert ranked(mmr_threshold=1) == plain
        diverse = ranked(mmr_threshold=0, mmr_prefetch_k=6)
        assert diverse[0] == plain[0]
        assert diverse != plain
        vectors = {node.id_: node.embedding for node in nodes}
        asked = question(embed_model, "files", 4)
        for options, share in (({}, 0.5), ({"mmr_threshold": 0.3}, 0.3)):
            expected = diverse_ranking(asked.query_embedding, vectors, 4, share)
            assert ranked(**options) == expected
        asked = question(embed_model, "files", 4, mode=VectorStoreQueryMode.MMR, mmr_threshold=1.0)
        assert call(store, "query", asked).ids == plain

    @pytest.mark.parametrize("mode", ["svm", "logistic_regression", "linear_regression"])
    def test_other_modes_are_an_error(self, store, call, mode):
        asked = VectorStoreQuery(
            query_embedding=None, query_str="files", mode=VectorStoreQueryMode(mode)
        )
        with pytest.raises(ConfigurationError, match=rf"Query mode {mode.upper()}.*DEFAULT, MMR"):
            call(store, "query", asked)

    def test_options_of_a_query(self, store, nodes, embed_model, call, requests):
        asked = question(embed_model, "copy a folder", 6)
        every = call(store, "query", asked)
        threshold = every.similarities[2]
        assert call(store, "query", asked, score_threshold=threshold + 1e-4).ids == every.ids[:2]
        must = [models.FieldCondition(key="n", match=models.MatchValue(value=4))]
        assert call(store, "query", asked, qdrant_filters=models.Filter(must=must)).ids == ["e"]
        vectors = {node.id_: node.embedding for node in nodes}
        expected = [name for name, _ in ranking(asked.query_embedding, vectors)]
        requests.clear()
        for options in (
            {"exact": True},
            {"plan": SearchPlan(exact=True)},
            {"plan": {"oversampling": 1, "min_candidates": 7, "stages": (64,)}},
        ):
            assert call(store, "query", asked, **options).ids == expected
        assert [shortlists(request) for request in requests] == [{}, {}, {"short_64": 7}]

    def test_several_queries_are_one_request(self, store, embed_model, call):
        asked = [question(embed_model, text, 1) for text in ("copy a folder", "gzip")]
        assert [each.ids for each in call(store, "query_batch", asked)] == [["a"], ["f"]]
        assert call(store, "query_batch", []) == []


@pytest.mark.parametrize(
    ("method", "arguments", "message"),
    [
        ("add", {"shard_kye": 1}, "shard_kye"),
        ("delete", {"ref_doc_id": "x", "shard": 1}, "no option 'shard'. It has: ordering"),
        ("delete_nodes", {"node_ids": ["x"], "shard": 1}, "no option 'shard'. It has: ordering"),
    ],
)
def test_a_misspelt_option_is_an_error(store, nodes, call, method, arguments, message):
    arguments = {"nodes": nodes, **arguments} if method == "add" else arguments
    with pytest.raises((ConfigurationError, TypeError), match=message):
        call(store, method, **arguments)
    assert ids_of(store.get_nodes()) == list("abcdef")


def test_a_misspelt_query_option_is_an_error(store, embed_model, call):
    with pytest.raises(ConfigurationError, match=r"no option 'exakt'\..* It has: plan, exact"):
        call(store, "query", question(embed_model, "files"), exakt=True)


def test_mmr_options_without_the_mode_are_an_error(store, embed_model, call):
    with pytest.raises(ConfigurationError, match="need the query mode MMR"):
        call(store, "query", question(embed_model, "files"), mmr_threshold=0.3)


def test_a_query_without_an_embedding_is_an_error(store):
    with pytest.raises(EmbeddingError, match="The query has no embedding"):
        store.query(VectorStoreQuery(query_str="files"))


def test_a_query_of_another_size_is_an_error(store):
    with pytest.raises(DimensionsError, match="3 dimensions, the collection holds 256"):
        store.query(VectorStoreQuery(query_embedding=[1.0, 2.0, 3.0]))


@pytest.mark.parametrize(
    ("embedding", "message"),
    [
        (None, "Node 'bad' has no embedding"),
        ([float("nan")] * 256, "node 'bad' holds NaN"),
    ],
    ids=["none", "nan"],
)
def test_a_bad_embedding_stops_the_whole_call(store, nodes, embedding, message):
    good = [node.model_copy(update={"id_": f"new {node.node_id}"}) for node in nodes]
    bad = TextNode(id_="bad", text="bad", embedding=embedding)
    with pytest.raises(EmbeddingError, match=message):
        store.add([*good, bad])
    assert ids_of(store.get_nodes()) == list("abcdef")


def test_ids_may_be_any_string(new_store, nodes, embed_model):
    store = new_store()
    ids = ["1", "Ünïcode/ ☃", "", "F47AC10B-58CC-4372-A567-0E02B2C3D479", "x" * 5000]
    store.add(
        [
            TextNode(id_=identifier, text=str(place), embedding=nodes[place].embedding)
            for place, identifier in enumerate(ids)
        ]
    )
    assert [node.node_id for node in store.get_nodes(ids)] == ids
    found = store.query(question(embed_model, "files", 6, node_ids=ids[:2]))
    assert sorted(found.ids) == sorted(ids[:2])
    store.delete_nodes(ids[1:])
    assert ids_of(store.get_nodes()) == ["1"]


def test_a_document_without_a_source_is_deleted_by_its_own_id(new_store, embed_model):
    store = new_store()
    store.add(
        embed_model([Document(id_="my document", text="Bake bread."), Document(text="Other")])
    )
    store.delete("None")
    assert len(store.get_nodes()) == 2
    store.delete("my document")
    assert [node.text for node in store.get_nodes()] == ["Other"]


def test_the_default_layout_is_read_from_the_first_embedding(new_store, nodes):
    store = new_store(layout=None, model="dleemiller/word-llama-l2-supercat")
    store.add(nodes)
    assert (store.collection.layout.dimensions, store.collection.layout.stages) == (256, (128,))
    with pytest.raises(CollectionMismatchError, match="is for vectors of 'dleemiller"):
        new_store(layout=None, model="text-embedding-3-small").get_nodes()


def test_a_large_load_is_written_in_several_requests(new_store):
    rng = np.random.default_rng(0)
    store = new_store(layout=CollectionLayout(8, (2,)))
    ids = [f"n{place}" for place in range(2_500)]
    vectors = rng.normal(size=(2_500, 8)).tolist()
    store.add([TextNode(id_=i, text=i, embedding=v) for i, v in zip(ids, vectors, strict=True)])
    assert ids_of(store.get_nodes()) == sorted(ids)
    assert store.query(VectorStoreQuery(vectors[2_222], similarity_top_k=1)).ids == ["n2222"]


def test_declared_indexes_and_the_documents_are_indexed(tmp_path, nodes):
    from mrl_adapters.qdrant import connect

    with connect(path=str(tmp_path / "v")) as client:
        layout = CollectionLayout(256, (64,), payload_indexes={"tags": "keyword"}, tenant_field="n")
        MatryoshkaVectorStore("docs", client, layout=layout).add(nodes)
        schema = client.get_collection("docs").payload_schema
        assert schema.keys() == {"doc_id", "tags", "tags[]", "n", "n[]"}
        store = MatryoshkaVectorStore("docs", client)
        filters = where("tags", "t3", FilterOperator.CONTAINS)
        assert ids_of(store.get_nodes(filters=filters)) == ["d"]
        assert store.get_nodes(filters=where("tags", "t3")) == []


# On a server coroutines have a client of their own, which this test does not see.
@pytest.mark.parametrize("client", ["edge", "local"], indirect=True)
def test_shard_keys_reach_the_requests(client, new_store, nodes, embed_model, call, monkeypatch):
    written, asked = [], []
    upsert, query = client.upsert, client.query_batch_points

    def noted_upsert(*args: Any, shard_key_selector: Any = None, **options: Any) -> Any:
        written.append(shard_key_selector)
        return upsert(*args, **options)

    def noted_query(name: str, requests: Any, **options: Any) -> Any:
        asked.extend(request.shard_key for request in requests)
        plain = [request.model_copy(update={"shard_key": None}) for request in requests]
        return query(name, plain, **options)

    store = new_store()
    call(store, "get_nodes")
    monkeypatch.setattr(client, "upsert", noted_upsert)
    monkeypatch.setattr(client, "query_batch_points", noted_query)
    call(store, "add", nodes, shard_key="europe")
    found = call(store, "query", question(embed_model, "gzip", 1), shard_key=["europe", "asia"])
    call(store, "query", question(embed_model, "gzip", 1), plan={"shard_key": "asia"})
    assert found.ids == ["f"]
    assert written == ["europe"]
    assert asked == [["europe", "asia"], "asia"]


@pytest.mark.parametrize("client", ["edge", "local"], indirect=True)
def test_an_ordering_reaches_every_write_of_its_call(client, new_store, nodes, call, monkeypatch):
    seen: list[object] = []

    def noted(real: Any) -> Any:
        def request(*args: Any, **options: Any) -> Any:
            seen.append(options.get("ordering"))
            return real(*args, **options)

        return request

    store = new_store()
    call(store, "get_nodes")
    for name in ("upsert", "delete"):
        monkeypatch.setattr(client, name, noted(getattr(client, name)))
    call(store, "add", nodes, ordering="strong")
    call(store, "delete_nodes", ["a"], ordering="strong")
    call(store, "delete", "b", ordering="strong")
    assert seen == ["strong"] * 3
    for name, given in (("add", nodes), ("delete_nodes", ["a"]), ("delete", "b")):
        with pytest.raises(ConfigurationError, match="ordering='fast': expected one of"):
            call(store, name, given, ordering="fast")


def test_no_client_is_an_error():
    with pytest.raises(ConfigurationError, match="No Qdrant client"):
        MatryoshkaVectorStore("docs")


async def test_an_async_client_alone_serves_the_async_methods(nodes, embed_model):
    client = AsyncQdrantClient(":memory:")
    store = MatryoshkaVectorStore("docs", aclient=client)
    assert store.client is client
    await store.async_add(nodes)
    found = await store.aquery(question(embed_model, "gzip", 1))
    assert found.ids == ["f"]
    with pytest.raises(ConfigurationError, match="call its async methods"):
        store.get_nodes()
    await client.close()


def test_concurrent_coroutines_share_a_store(store, nodes, embed_model):
    async def work() -> list[list[str]]:
        copies = [node.model_copy(update={"id_": f"x{place}"}) for place, node in enumerate(nodes)]
        await asyncio.gather(*(store.async_add([copy]) for copy in copies))
        found = await asyncio.gather(
            *(store.aquery(question(embed_model, "gzip", 2)) for _ in range(8))
        )
        return [sorted(each.ids) for each in found]

    assert asyncio.run(work()) == [["f", "x5"]] * 8


def test_what_is_serialised_holds_no_client_and_no_key(new_store):
    store = new_store()
    assert store.to_dict() == {
        "class_name": "MatryoshkaVectorStore",
        "collection_name": store.collection_name,
        "flat_metadata": False,
        "is_embedding_query": True,
        "stores_text": True,
    }
    assert store.client is store.driver.client
