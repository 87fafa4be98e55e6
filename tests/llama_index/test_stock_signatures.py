"""Every parameter of the stock store is honoured, or refused by name with the way here."""

import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from llama_index.core.schema import TextNode
from llama_index.core.vector_stores import VectorStoreQuery
from llama_index.vector_stores.qdrant import QdrantVectorStore
from qdrant_client import QdrantClient, models
from stock_arguments import documented

from mrl_adapters.errors import ConfigurationError, DimensionsError
from mrl_adapters.llama_index import MatryoshkaVectorStore, stock, vector_store
from mrl_adapters.llama_index.options import search_plan
from mrl_adapters.qdrant import CollectionLayout

_PARAMETER = inspect.Parameter
SCALAR = models.ScalarQuantization(
    scalar=models.ScalarQuantizationConfig(type=models.ScalarType.INT8)
)


def positional(owner: type, method: str) -> list[str]:
    return [
        each.name
        for each in inspect.signature(getattr(owner, method)).parameters.values()
        if each.kind in {_PARAMETER.POSITIONAL_ONLY, _PARAMETER.POSITIONAL_OR_KEYWORD}
        and each.name != "self"
    ]


METHODS = [
    "__init__",
    *("add", "async_add", "delete", "adelete", "delete_nodes", "adelete_nodes"),
    *("get_nodes", "aget_nodes", "query", "aquery", "clear", "aclear"),
]
OF_QUERIES = set(re.findall(r'kwargs\.get\("(\w+)"', inspect.getsource(QdrantVectorStore.query)))


@pytest.mark.parametrize("method", METHODS)
def test_positional_arguments_have_the_stock_order(method: str) -> None:
    theirs = positional(QdrantVectorStore, method)
    rest = stock.ORDER if method == "__init__" else ()
    assert [*positional(MatryoshkaVectorStore, method), *rest][: len(theirs)] == theirs


@pytest.fixture
def memory() -> Iterator[QdrantClient]:
    client = QdrantClient(":memory:")
    yield client
    client.close()


def node(name: str, size: int = 8) -> TextNode:
    vector = np.random.default_rng(len(name)).normal(size=size)
    return TextNode(id_=name, text=name, embedding=vector.tolist(), metadata={"n": 1})


def vector(client: QdrantClient, name: str = "full") -> models.VectorParams:
    return client.get_collection("docs").config.params.vectors[name]


HONOURED: dict[str, tuple[Any, Callable[[QdrantClient], object]]] = {
    "batch_size": (1, vector),
    "dense_config": (
        models.VectorParams(size=8, distance="Euclid", datatype=models.Datatype.FLOAT32),
        lambda client: (vector(client).distance, vector(client).datatype) == ("Euclid", "float32"),
    ),
    "quantization_config": (SCALAR, lambda c: vector(c, "short_4").quantization_config is not None),
    "index_doc_id": (False, vector),
    "text_key": ("body", vector),
    "dense_vector_name": ("text-dense", lambda client: vector(client, "text-dense")),
    "shard_number": (1, vector),
    "sharding_method": (models.ShardingMethod.AUTO, vector),
    "shard_key_selector_fn": (str, vector),
    "replication_factor": (1, vector),
    "write_consistency_factor": (1, vector),
    "payload_indexes": ([{"field_name": "n", "field_schema": "integer"}], vector),
    "enable_hybrid": (False, vector),
    "fastembed_sparse_model": ("Qdrant/bm25", vector),
    # Without effect but for hybrid search, as there; with it: test_sparse_vectors.py.
    "sparse_vector_name": ("text-sparse", vector),
    "sparse_config": (models.SparseVectorParams(), vector),
    "sparse_doc_fn": (len, vector),
    "sparse_query_fn": (len, vector),
}
WITHOUT_EFFECT: dict[str, Any] = {
    "parallel": 4,
    "max_retries": 9,
}
REFUSED: dict[str, tuple[Any, str]] = {
    "fastembed_sparse_model": ("splade", "BM25 is computed here, other sparse models"),
    "hybrid_fusion_fn": (len, "fused in the engine: leave it out"),
    "sharding_method": (models.ShardingMethod.CUSTOM, r"no keys\. .*shard_keys=\('europe'"),
    "dense_config": (models.VectorParams(size=8, distance="Cosine", on_disk=False), "Leave it out"),
    "quantization_config": (
        models.ProductQuantization(
            product=models.ProductQuantizationConfig(compression=models.CompressionRatio.X4)
        ),
        "codes are int8, .*, or none",
    ),
    "payload_indexes": (
        [{"field_name": "n", "field_schema": models.TextIndexParams(type="text")}],
        r"client\.create_payload_index",
    ),
}


def test_each_parameter_of_the_constructor_is_known() -> None:
    named = {"collection_name", "client", "aclient", "url", "api_key", "client_kwargs"}
    assert {*positional(QdrantVectorStore, "__init__")} <= named | {
        "shard_keys",  # tried below, and on a cluster
        *HONOURED,
        *WITHOUT_EFFECT,
        *REFUSED,
    }


@pytest.mark.parametrize("name", HONOURED)
def test_a_parameter_counts(memory: QdrantClient, name: str) -> None:
    value, holds = HONOURED[name]
    store = MatryoshkaVectorStore("docs", memory, **{name: value})
    asked = node("a")
    assert store.add([asked, node("bb")]) == ["a", "bb"]
    assert holds(memory)
    again = MatryoshkaVectorStore("docs", memory, **{name: value})
    assert again.query(VectorStoreQuery(asked.embedding, similarity_top_k=1)).ids == ["a"]


@pytest.mark.parametrize("name", WITHOUT_EFFECT)
def test_a_parameter_of_no_use_here_is_taken(memory: QdrantClient, name: str) -> None:
    store = MatryoshkaVectorStore("docs", memory, **{name: WITHOUT_EFFECT[name]})
    assert store.add([node("a")]) == ["a"]
    assert getattr(store, name, WITHOUT_EFFECT[name]) == WITHOUT_EFFECT[name]


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_counterpart_is_refused_with_the_way_here(
    memory: QdrantClient, name: str
) -> None:
    value, message = REFUSED[name]
    with pytest.raises(ConfigurationError, match=message):
        MatryoshkaVectorStore("docs", memory, **{name: value})
    assert memory.get_collections().collections == []


def test_custom_shards_are_the_layouts_and_need_a_cluster(memory: QdrantClient) -> None:
    options = {"sharding_method": models.ShardingMethod.CUSTOM, "shard_keys": ["eu", 7]}
    store = MatryoshkaVectorStore("docs", memory, **options)
    with pytest.raises(ConfigurationError, match=r"\('eu', 7\)\) needs a cluster of Qdrant"):
        store.add([node("a")])
    assert memory.get_collections().collections == []
    with pytest.raises(ConfigurationError, match="beside a layout with shard_keys=None"):
        MatryoshkaVectorStore("docs", memory, layout=CollectionLayout(8, (4,)), **options)


def test_a_place_is_passed_on_by_name_and_by_position(memory, monkeypatch) -> None:
    given: list[dict[str, Any]] = []

    def connect(**place: Any) -> QdrantClient:
        given.append(place)
        return memory

    monkeypatch.setattr(vector_store, "connect", connect)
    client_kwargs = {"timeout": 7, "https": True}
    place = {"url": "http://there", "api_key": "key"}
    MatryoshkaVectorStore("docs", client_kwargs=client_kwargs, **place)
    MatryoshkaVectorStore("docs", None, None, "http://there", "key", 64, 1, 3, client_kwargs)
    assert given == [{**client_kwargs, **place}] * 2
    MatryoshkaVectorStore("docs", memory, **place)  # the client goes before, as in the stock store
    assert len(given) == 2


def test_declared_indexes_are_those_of_a_layout(tmp_path) -> None:
    indexes = [{"field_name": "n", "field_schema": models.PayloadSchemaType.INTEGER}]
    for options, expected in (
        ({}, {"n": "integer", "n[]": "integer", "doc_id": "keyword"}),
        ({"index_doc_id": False}, {"n": "integer", "n[]": "integer"}),
    ):
        with vector_store.connect(path=str(tmp_path / str(len(options)))) as client:
            store = MatryoshkaVectorStore("docs", client, payload_indexes=indexes, **options)
            store.add([node("a")])
            schema = client.get_collection("docs").payload_schema
            assert {key: each.data_type.value for key, each in schema.items()} == expected


def test_vectors_of_another_size_than_declared_are_refused(memory) -> None:
    config = models.VectorParams(size=16, distance=models.Distance.COSINE)
    with pytest.raises(DimensionsError, match=r"8 dimensions, .*16"):
        MatryoshkaVectorStore("docs", memory, dense_config=config).add([node("a")])


@pytest.mark.parametrize("own", [True, False])
def test_a_shard_is_chosen_by_its_identifier(memory, call, monkeypatch, own: bool) -> None:
    written: list[Any] = []
    read: list[Any] = []
    upsert, query = memory.upsert, memory.query_batch_points

    def recording(name: str, **given: Any) -> Any:
        written.append(given.pop("shard_key_selector"))
        return upsert(name, **given)

    def asking(name: str, requests: Any, **given: Any) -> Any:
        read.extend(each.shard_key for each in requests)
        return query(
            name, [each.model_copy(update={"shard_key": None}) for each in requests], **given
        )

    monkeypatch.setattr(memory, "upsert", recording)
    monkeypatch.setattr(memory, "query_batch_points", asking)
    options = {"shard_key_selector_fn": lambda identifier: f"of {identifier}"} if own else {}
    store = MatryoshkaVectorStore("docs", memory, **options)
    call(store, "add", [node("a")], "me")
    call(store, "query", VectorStoreQuery(node("a").embedding), shard_identifier="me")
    expected = "of me" if own else "me"
    assert (written, read) == ([expected], [expected])


@pytest.mark.parametrize("method", ["delete", "delete_nodes", "get_nodes"])
def test_what_is_done_everywhere_takes_no_shard(memory, call, method: str) -> None:
    store = MatryoshkaVectorStore("docs", memory)
    store.add([node("a")])
    arguments = {"delete": {"ref_doc_id": "a"}}.get(method, {"node_ids": ["a"]})
    with pytest.raises(ConfigurationError, match=r"shard_identifier='me'\. Leave it out"):
        call(store, method, **arguments, shard_identifier="me")
    assert [each.node_id for each in store.get_nodes()] == ["a"]


def test_a_cleared_store_takes_vectors_of_another_size(memory, call) -> None:
    store = MatryoshkaVectorStore("docs", memory)
    for size in (8, 16, 4):
        call(store, "add", [node("a", size)])
        assert vector(memory).size == size
        asked = VectorStoreQuery(node("a", size).embedding)
        assert call(store, "query", asked).ids == ["a"]
        call(store, "clear")
        assert call(store, "get_nodes") == []
        assert not memory.collection_exists("docs")


def test_nodes_are_read_with_their_embeddings_as_from_the_stock_store(memory, call) -> None:
    store = MatryoshkaVectorStore("docs", memory, layout=CollectionLayout(8, (4,)))
    given = node("a")
    store.add([given])
    [ours] = call(store, "get_nodes")
    theirs = QdrantVectorStore("docs", memory, dense_vector_name="full").get_nodes()[0]
    assert ours.embedding == pytest.approx(theirs.embedding)
    unit = np.asarray(given.embedding) / np.linalg.norm(given.embedding)
    assert ours.embedding == pytest.approx(unit, abs=1e-3)
    assert (ours.text, ours.metadata) == (theirs.text, theirs.metadata)
    [bare] = call(store, "get_nodes", with_embeddings=False)
    assert bare.embedding is None


@pytest.mark.parametrize(
    ("params", "changes"),
    [
        (models.SearchParams(hnsw_ef=77), {"hnsw_ef": 77}),
        ({"exact": True}, {"exact": True}),
        ({"hnsw_ef": 77, "quantization": {"rescore": True}}, {"hnsw_ef": 77, "rescore": True}),
    ],
    ids=str,
)
def test_parameters_of_a_search_change_its_plan(memory, call, params, changes) -> None:
    store = MatryoshkaVectorStore("docs", memory, plan={"oversampling": 3})
    store.add([node("a")])
    query = VectorStoreQuery(node("a").embedding)
    assert call(store, "query", query, search_params=params).ids == ["a"]
    assert search_plan({"search_params": params}) == changes
    assert search_plan({"search_params": params, "plan": {"min_candidates": 9}}) == {
        "min_candidates": 9,
        **changes,
    }
    with pytest.raises(ConfigurationError, match=r"indexed_only=True\. Leave it out"):
        call(store, "query", query, search_params={"indexed_only": True})


def test_what_programs_read_of_a_store_is_there(memory) -> None:
    given = {"batch_size": 7, "parallel": 2, "max_retries": 5, "text_key": "body"}
    ours = MatryoshkaVectorStore("docs", memory, **given, dense_vector_name="dense")
    theirs = QdrantVectorStore("docs", memory, **given, dense_vector_name="dense")
    for name in ("collection_name", "dense_vector_name", "url", "client_kwargs", *given):
        assert getattr(ours, name) == getattr(theirs, name)
    for name in ("index_doc_id", "enable_hybrid", "stores_text", "client"):
        assert getattr(ours, name) is getattr(theirs, name)
    assert MatryoshkaVectorStore("docs", memory).dense_vector_name == "full"


def test_the_readme_says_of_each_argument_what_these_tests_show() -> None:
    said = documented("llama_index.vector_stores.qdrant.QdrantVectorStore")
    theirs = {name for method in METHODS for name in positional(QdrantVectorStore, method)}
    assert said.keys() == theirs | OF_QUERIES
    expected = dict.fromkeys(said, "honoured")
    expected |= dict.fromkeys(REFUSED, "refused")
    expected |= dict.fromkeys(HONOURED.keys() & REFUSED.keys(), "in part")
    expected |= dict.fromkeys(WITHOUT_EFFECT, "no effect")
    tried = ["search_params", "shard_identifier", "sparse_config"]  # elsewhere
    expected |= dict.fromkeys(tried, "in part")
    assert {name: status for name, (status, _) in said.items()} == expected


def test_each_public_method_of_the_stock_store_is_there_but_those_of_sparse_encoders() -> None:
    theirs = {name for name in vars(QdrantVectorStore) if not name.startswith("_")}
    missing = {name for name in theirs if not hasattr(MatryoshkaVectorStore, name)}
    fields = {*QdrantVectorStore.model_fields, "model_config", "model_post_init"}
    sparse = {name for name in missing if "sparse_" in name}
    assert missing - sparse - fields == set()


@pytest.mark.parametrize("distance", ["Cosine", "Euclid"])
def test_points_that_a_client_found_are_read_as_nodes(memory, distance: str) -> None:
    store = MatryoshkaVectorStore("docs", memory, layout=CollectionLayout(8, (4,), distance))
    given = node("a")
    store.add([given, node("bb")])
    answer = memory.query_points(
        "docs", query=given.embedding, using="full", with_vectors=True, with_payload=True
    )
    ours = MatryoshkaVectorStore("docs", memory).parse_to_query_result(answer.points)
    expected = store.query(VectorStoreQuery(given.embedding, similarity_top_k=2))
    assert ours.ids == expected.ids
    assert ours.similarities == pytest.approx(expected.similarities, abs=1e-6)
    assert ours.nodes[0].embedding == pytest.approx(store.get_nodes(["a"])[0].embedding)
    records = memory.scroll("docs")[0]
    assert store.parse_to_query_result(records).similarities == [1.0, 1.0]


def test_functions_of_a_hybrid_search_are_refused(memory) -> None:
    store = MatryoshkaVectorStore("docs", memory)
    with pytest.raises(ConfigurationError, match="when the store is made"):
        store.set_query_functions(sparse_doc_fn=len)
    store.set_query_functions(sparse_doc_fn=None, hybrid_fusion_fn=None)
