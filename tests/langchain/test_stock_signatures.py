"""Every parameter of langchain-qdrant's store is honoured, or refused by name with the way here."""

import inspect
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_qdrant import FastEmbedSparse, QdrantVectorStore, RetrievalMode
from qdrant_client import QdrantClient, models
from reference import diverse_ranking, ranking, shortlists
from stock_arguments import documented

from mrl_adapters.errors import CollectionMismatchError, ConfigurationError, MRLError
from mrl_adapters.langchain import MatryoshkaVectorStore, options, stock
from mrl_adapters.qdrant import CollectionLayout, SearchPlan

_PARAMETER = inspect.Parameter
ORDERS = {
    "__init__": stock.STORE_ORDER,
    "from_texts": stock.FROM_TEXTS_ORDER,
    "from_existing_collection": stock.EXISTING_ORDER,
    "construct_instance": stock.CONSTRUCT_ORDER,
    **dict.fromkeys(
        [
            "similarity_search",
            "similarity_search_with_score",
            "similarity_search_by_vector",
            "similarity_search_with_score_by_vector",
        ],
        stock.SEARCH_ORDER,
    ),
    **dict.fromkeys(
        [
            "max_marginal_relevance_search",
            "max_marginal_relevance_search_by_vector",
            "max_marginal_relevance_search_with_score_by_vector",
        ],
        stock.MMR_ORDER,
    ),
}


def positional(owner: type, method: str) -> list[str]:
    return [
        each.name
        for each in inspect.signature(getattr(owner, method)).parameters.values()
        if each.kind in {_PARAMETER.POSITIONAL_ONLY, _PARAMETER.POSITIONAL_OR_KEYWORD}
        and each.name != "self"
    ]


def public_methods() -> list[str]:
    return [
        name
        for name, member in inspect.getmembers(QdrantVectorStore)
        if callable(member) and not name.startswith("_")
    ]


@pytest.mark.parametrize("method", ["__init__", *public_methods()])
def test_positional_arguments_have_the_stock_order(method: str) -> None:
    theirs = positional(QdrantVectorStore, method)
    ours = [*positional(MatryoshkaVectorStore, method), *ORDERS.get(method, ())]
    assert ours[: len(theirs)] == theirs


def test_properties_and_constants_that_programs_read_are_there(store) -> None:
    for name in [name for name in dir(QdrantVectorStore) if not name.startswith("_")]:
        assert hasattr(store, name), name
    assert store.client is store.driver.client
    assert (store.collection_name, store.vector_name, store.distance) == ("docs", "full", "Cosine")
    assert (store.content_payload_key, store.metadata_payload_key) == ("page_content", "metadata")
    assert store.retrieval_mode == RetrievalMode.DENSE
    assert store.retrieval_mode.value == "dense"


# What a new collection is made with


@pytest.fixture
def memory() -> Iterator[QdrantClient]:
    client = QdrantClient(":memory:")
    yield client
    client.close()


@pytest.fixture
def connected(memory, monkeypatch) -> list[dict[str, Any]]:
    """What is passed on to connect, each time that it is called."""
    given: list[dict[str, Any]] = []

    def connect(**place: Any) -> QdrantClient:
        given.append(place)
        return memory

    monkeypatch.setattr(options, "connect", connect)
    return given


def vector(client: QdrantClient, name: str = "full") -> models.VectorParams:
    return client.get_collection("docs").config.params.vectors[name]


def payload(client: QdrantClient) -> dict[str, Any]:
    return client.scroll("docs")[0][0].payload


HONOURED: dict[str, tuple[Any, Callable[[QdrantClient], object]]] = {
    "retrieval_mode": (RetrievalMode.DENSE, vector),
    "vector_name": ("dense", lambda client: vector(client, "dense")),
    "content_payload_key": ("text", lambda c: c.scroll("docs")[0][0].payload["text"] == "one"),
    "metadata_payload_key": (
        "about",
        lambda c: c.scroll("docs")[0][0].payload["about"] == {"n": 1},
    ),
    "distance": (models.Distance.DOT, lambda c: vector(c).distance == models.Distance.DOT),
    "sparse_embedding": (object.__new__(FastEmbedSparse), vector),  # without effect when dense
    "sparse_vector_name": ("words", vector),
    "validate_embeddings": (False, vector),
    "validate_collection_config": (False, vector),
    "collection_create_options": ({"shard_number": 1}, vector),
    "vector_params": ({"datatype": "float32"}, lambda c: vector(c).datatype == "float32"),
    "sparse_vector_params": ({"modifier": "idf"}, vector),
    "batch_size": (1, vector),
    "force_recreate": (True, vector),
    "collection_name": ("docs", vector),
    "ids": (["a"], lambda client: payload(client)["_mrl_id"] == "a"),
    "metadatas": ([{"n": 1}], vector),
}
PLACE = {
    "location": ":memory:",
    "url": "http://there",
    "port": 7333,
    "grpc_port": 7334,
    "prefer_grpc": True,
    "https": True,
    "api_key": "key",
    "prefix": "some",
    "timeout": 7,
    "host": "there",
    "path": "here",
}


@pytest.mark.parametrize("method", ["from_texts", "from_existing_collection"])
def test_each_parameter_of_a_factory_is_known(method: str) -> None:
    theirs = {*positional(QdrantVectorStore, method)} - {"texts", "embedding"}
    assert theirs <= {*HONOURED, *PLACE}


@pytest.mark.parametrize("name", HONOURED)
def test_a_new_collection_is_made_as_a_parameter_says(memory, embeddings, name: str) -> None:
    value, holds = HONOURED[name]
    given: dict[str, Any] = {"collection_name": "docs", "metadatas": [{"n": 1}], name: value}
    store = MatryoshkaVectorStore.from_texts(["one"], embeddings, client=memory, **given)
    assert holds(memory)
    kept = {key: given[key] for key in given if key in options.STORE_OPTIONS}
    opened = MatryoshkaVectorStore(memory, "docs", embeddings, **kept)
    assert [each.page_content for each in opened.similarity_search("one")] == ["one"]
    if name in {"vector_name", "content_payload_key", "metadata_payload_key", "distance"}:
        assert getattr(store, name) == getattr(opened, name) == value
        wrong = {"distance": "Euclid"}.get(name, "other")
        with pytest.raises(CollectionMismatchError, match=r"other|Euclid"):
            MatryoshkaVectorStore(memory, "docs", embeddings, **{name: wrong}).similarity_search(
                "x"
            )


def test_a_collection_is_made_anew_where_that_is_asked_for(memory, embeddings) -> None:
    for recreate, texts in ((False, ["one"]), (False, ["one", "two"]), (True, ["three"])):
        store = MatryoshkaVectorStore.from_texts(
            texts[-1:], embeddings, client=memory, collection_name="docs", force_recreate=recreate
        )
        found = [each.page_content for each in store.similarity_search("one", k=9)]
        assert sorted(found) == sorted(texts)


@pytest.mark.parametrize("name", PLACE)
@pytest.mark.parametrize("method", ["from_texts", "from_existing_collection", "construct_instance"])
def test_a_place_is_passed_on(connected, memory, embeddings, method: str, name: str) -> None:
    MatryoshkaVectorStore(memory, "docs", embeddings).add_texts(["one"])
    value = PLACE[name]
    if method == "from_texts":
        MatryoshkaVectorStore.from_texts([], embeddings, collection_name="docs", **{name: value})
    elif method == "construct_instance":
        MatryoshkaVectorStore.construct_instance(embeddings, client_options={name: value})
    else:
        MatryoshkaVectorStore.from_existing_collection("docs", embeddings, **{name: value})
    assert connected[0][name] == value


@pytest.mark.parametrize("where", ["location", "path", "client"])
def test_the_clients_own_defaults_are_as_good_as_left_out(
    memory, embeddings, tmp_path, where: str
) -> None:
    here = {"location": ":memory:", "path": str(tmp_path), "client": memory}[where]
    defaults = {"port": 6333, "grpc_port": 6334, "prefer_grpc": False, "https": None}
    store = MatryoshkaVectorStore.from_texts(
        ["one"], embeddings, collection_name="docs", **{where: here}, **defaults
    )
    assert len(store.similarity_search("one")) == 1
    store.client.close()


@pytest.mark.parametrize("client", ["edge"], indirect=True)
def test_what_only_qdrant_has_a_setting_for_is_passed_on(client, embeddings) -> None:
    creation = {
        "on_disk_payload": True,
        "optimizers_config": models.OptimizersConfigDiff(indexing_threshold=77),
        "wal_config": None,
        "timeout": 60,
        "write_consistency_factor": 1,
    }
    MatryoshkaVectorStore.from_texts(
        ["one"],
        embeddings,
        client=client,
        collection_name="docs",
        collection_create_options=creation,
    )
    config = client.get_collection("docs").config
    assert config.params.on_disk_payload is True
    assert config.optimizer_config.indexing_threshold == 77


def test_everything_can_be_passed_by_position(connected, memory, embeddings) -> None:
    place = [":memory:", None, 6333, 6334, False, None, None, None, None, None, None]
    keys = [models.Distance.DOT, "text", "about", "dense"]
    made = MatryoshkaVectorStore.from_texts(
        ["one"], embeddings, [{"n": 1}], ["a"], "docs", *place, *keys, RetrievalMode.DENSE
    )
    assert connected[0]["location"] == ":memory:"
    assert made.get_by_ids(["a"]) == [Document(id="a", page_content="one", metadata={"n": 1})]
    assert vector(memory, "dense").distance == models.Distance.DOT
    opened = MatryoshkaVectorStore.from_existing_collection(
        "docs", embeddings, RetrievalMode.DENSE, *place, *keys
    )
    own = MatryoshkaVectorStore(
        memory, "docs", embeddings, RetrievalMode.DENSE, "dense", "text", "about"
    )
    for store in (opened, own):
        assert len(store.similarity_search("one")) == 1
    assert own.add_texts(["two"], [{"n": 2}], ["b"], 1) == ["b"]
    with pytest.raises(ConfigurationError, match="got 'vector_name' twice"):
        MatryoshkaVectorStore(
            memory, "docs", embeddings, RetrievalMode.DENSE, "dense", vector_name="x"
        )
    with pytest.raises(ConfigurationError, match=r"expected a str\. Its order is: collection_name"):
        MatryoshkaVectorStore.from_existing_collection(embeddings, "docs", client=memory)


def test_a_collection_may_go_without_a_name(memory, embeddings) -> None:
    names = set()
    for method in ("from_texts", "construct_instance"):
        make = getattr(MatryoshkaVectorStore, method)
        given = ([], embeddings) if method == "from_texts" else (embeddings,)
        store = make(*given, client=memory)
        store.add_texts(["one"])
        names.add(store.collection_name)
    assert names == {each.name for each in memory.get_collections().collections}
    assert len(names) == 2


REFUSALS: list[tuple[dict[str, Any], str]] = [
    ({"retrieval_mode": "best"}, "retrieval_mode='best', expected one of: dense, sparse, hybrid"),
    (
        {"retrieval_mode": "hybrid", "sparse_embedding": SimpleNamespace(model_name="splade")},
        r"SparseVectors\(encoder=.*splade.*expected an object with embed_documents",
    ),
    (
        {"retrieval_mode": "hybrid", "sparse_vector_params": {"index": {"on_disk": True}}},
        r"sparse_vector_params.index got on_disk=True\. Leave it out",
    ),
    ({"vector_params": {"datatype": "uint8"}}, "vector_params got datatype='uint8', expected"),
    ({"vector_params": {"on_disk": False}}, "on_disk=False: .* Leave it out"),
    ({"vector_params": {"sise": 3}}, r"vector_params got sise=3\. It has: size, distance"),
    ({"vector_params": {"hnsw_config": {"payload_m": 3}}}, "hnsw_config got payload_m=3"),
    (
        {"vector_params": {"quantization_config": {"product": {"compression": "x4"}}}},
        "codes are int8, .*, or none",
    ),
    (
        {"collection_create_options": {"sharding_method": "custom"}},
        r"collection_create_options got sharding_method='custom' and no keys\. .*shard_keys=",
    ),
    (
        {"vector_name": "other", "layout": CollectionLayout(256, (64,))},
        r"got 'other' beside a layout with full_name='full'\. Say it in the layout alone",
    ),
]


@pytest.mark.parametrize(
    ("given", "message"),
    REFUSALS,
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_what_has_no_counterpart_is_refused_with_the_way_here(
    memory, embeddings, given: dict[str, Any], message: str
) -> None:
    for make in (
        lambda: MatryoshkaVectorStore(memory, "docs", embeddings, **given),
        lambda: MatryoshkaVectorStore.from_texts(["one"], embeddings, client=memory, **given),
        lambda: MatryoshkaVectorStore.construct_instance(embeddings, client=memory, **given),
    ):
        with pytest.raises(ConfigurationError, match=message):
            make()
    assert memory.get_collections().collections == []


def test_settings_of_qdrant_reach_the_short_vectors(memory, embeddings) -> None:
    params = {
        "hnsw_config": {"m": 24, "ef_construct": 50},
        "quantization_config": models.Disabled.DISABLED,
    }
    store = MatryoshkaVectorStore.from_texts(
        ["one"], embeddings, client=memory, collection_name="docs", vector_params=params
    )
    short = vector(memory, store.collection.layout.stage_name(128))
    assert (short.hnsw_config.m, short.hnsw_config.ef_construct) == (24, 50)
    assert short.quantization_config is None
    scalar = models.ScalarQuantization(
        scalar=models.ScalarQuantizationConfig(type=models.ScalarType.INT8)
    )
    store = MatryoshkaVectorStore.from_texts(
        ["one"],
        embeddings,
        client=memory,
        collection_name="docs",
        force_recreate=True,
        vector_params=params,
        collection_create_options={"quantization_config": scalar, "replication_factor": None},
    )
    assert store.collection.layout.quantization is None  # the vector's go before


# Searches

SEARCHES = [name for name in ORDERS if "search" in name]


# Each is tried below; the others of a search are honoured whatever they are.
REFUSED_BY_SEARCHES = {"search_params"}
WITHOUT_EFFECT = {
    *("validate_embeddings", "validate_collection_config"),
}


def test_the_readme_says_of_each_argument_what_these_tests_show() -> None:
    methods = ["__init__", *(name for name in public_methods() if name in vars(QdrantVectorStore))]
    theirs = {name for method in methods for name in positional(QdrantVectorStore, method)}
    said = documented("langchain_qdrant.QdrantVectorStore")
    assert said.keys() == theirs
    refusals = [given for given, _ in REFUSALS if "layout" not in given]
    refused = {*REFUSED_BY_SEARCHES, *(name for given in refusals for name in given)}
    expected = dict.fromkeys(theirs, "honoured")
    expected |= dict.fromkeys(refused, "in part")
    expected |= {**dict.fromkeys(WITHOUT_EFFECT, "no effect"), "retrieval_mode": "honoured"}
    expected |= {"sparse_embedding": "honoured"}  # refused above: what is no encoder
    assert {name: status for name, (status, _) in said.items()} == expected


def search(store: MatryoshkaVectorStore, method: str, *rest: Any, **given: Any) -> list[str]:
    asked = store.embeddings.embed_query("files") if "by_vector" in method else "files"
    found = getattr(store, method)(asked, 3, *rest, **given)
    return [(each[0] if isinstance(each, tuple) else each).id for each in found]


@pytest.mark.parametrize("method", SEARCHES)
def test_each_parameter_of_a_search_counts(store, requests, vectors, embeddings, method) -> None:
    asked = embeddings.embed_query("files")
    order = [name for name, _ in ranking(asked, vectors)]
    mmr = {"fetch_k": 6, "lambda_mult": 0.3} if "marginal" in method else {}
    if mmr:
        order = diverse_ranking(asked, vectors, 6, 0.3)
    condition = models.FieldCondition(key="metadata.even", match=models.MatchValue(value=True))
    evens = {name: vectors[name] for name in "ace"}
    expected = [name for name, _ in ranking(asked, evens)]
    if mmr:
        expected = diverse_ranking(asked, evens, 3, 0.3)
    known = {"query", "embedding", "k", "fetch_k", "lambda_mult", "filter"}
    assert search(store, method, filter=models.Filter(must=[condition]), **mmr) == expected
    given = {**mmr, "plan": {"stages": (128,)}}
    known.add("search_params")
    params = models.SearchParams(
        hnsw_ef=77,
        quantization=models.QuantizationSearchParams(rescore=True, oversampling=50.0),
    )
    requests.clear()
    assert search(store, method, search_params=params, **given) == order[:3]
    assert list(shortlists(requests[0]).values()) == [50 * (6 if mmr else 3)]
    if requests[0].prefetch.params is not None:  # the local mode has no use for them
        assert requests[0].prefetch.params.hnsw_ef == 77
        assert requests[0].prefetch.params.quantization.rescore is True
    assert search(store, method, search_params={"exact": True}, **mmr) == order[:3]
    assert shortlists(requests[-1]) == {}
    known |= {"score_threshold", "consistency", "offset", "hybrid_fusion"}
    assert search(store, method, score_threshold=0.9999, **mmr) == []
    assert search(store, method, consistency=1, **mmr) == order[:3]
    if not mmr:
        assert search(store, method, offset=2) == order[2:5]
    with pytest.raises(MRLError, match="hybrid='rrf'"):  # there is no text index, or no text
        search(store, method, hybrid_fusion=models.Fusion.RRF, **mmr)
    for refused in ({"indexed_only": True}, {"quantization": {"ignore": True}}):
        with pytest.raises(ConfigurationError, match=r"=True\. Leave it out; how it searches"):
            search(store, method, search_params=refused, **mmr)
    assert {*positional(QdrantVectorStore, method)} <= known


def test_consistency_and_timeout_reach_the_plan(store, monkeypatch) -> None:
    plans: list[SearchPlan] = []
    real = type(store.collection).search

    def recording(self, searches, plan=None):
        plans.append(self.plan.merge(plan))
        return real(self, searches, plan)

    monkeypatch.setattr(type(store.collection), "search", recording)
    store.similarity_search("files", consistency="majority", plan=SearchPlan(oversampling=3))
    assert plans == [SearchPlan(oversampling=3, consistency=models.ReadConsistencyType.MAJORITY)]
    store.as_retriever(search_kwargs={"timeout": 7}).invoke("files")
    assert plans[-1] == SearchPlan(timeout_s=7)
    with pytest.raises(ConfigurationError, match="SearchPlan's timeout_s is -1"):
        store.similarity_search("files", timeout=-1)


def test_shards_have_the_clients_name_too(store, monkeypatch) -> None:
    shards: list[object] = []
    real = type(store.collection).add

    def recording(self, *given, shard_key=None, **options):
        shards.append(shard_key)
        return real(self, *given, **options)

    monkeypatch.setattr(type(store.collection), "add", recording)
    store.add_texts(["seven"], shard_key_selector="here")
    store.add_texts(["eight"], shard_key_selector=None)
    assert shards == ["here", None]
    assert store.plan.merge(stock.search_plan({"shard_key_selector": ["a"]})).shard_key == ["a"]


@pytest.mark.parametrize("ordering", ["weak", models.WriteOrdering.STRONG, None])
async def test_an_ordering_reaches_every_write_of_its_call(store, monkeypatch, ordering) -> None:
    seen: list[object] = []
    kind = type(store.collection)
    for name in ("add", "delete"):
        real = getattr(kind, name)

        def recording(self, *given, real=real, **options):
            seen.append(options.get("ordering"))
            return real(self, *given, **options)

        monkeypatch.setattr(kind, name, recording)
    store.add_texts(["nine"], ids=["9"], ordering=ordering)
    await store.aadd_texts(["ten"], ids=["10"], ordering=ordering)
    store.delete(["9"], ordering=ordering)
    await store.adelete(["10"], ordering=ordering)
    assert seen == [ordering] * 4
    for call in (store.add_texts, store.delete):
        with pytest.raises(ConfigurationError, match="ordering='fast': expected one of"):
            call(["nine"], ordering="fast")


@pytest.mark.parametrize("method", SEARCHES)
def test_a_search_takes_its_options_by_position(store, method) -> None:
    mmr = (6, 0.5) if "marginal" in method else ()
    assert search(store, method, *mmr, {"n": 3}) == ["d"]
    assert search(store, method, *mmr, {"n": 3}, {"exact": True}) == ["d"]
    if not mmr:
        assert search(store, method, None, None, 5) == search(store, method, offset=5)
    with pytest.raises(ConfigurationError, match="arguments more than it has"):
        search(store, method, *mmr, *[None] * 7)


@pytest.mark.parametrize("by", ["", "_by_vector"])
async def test_diverse_documents_come_with_scores(store, vectors, embeddings, by: str) -> None:
    asked = embeddings.embed_query("files")
    given = (asked if by else "files", 4, 6, 0.2)
    found = getattr(store, f"max_marginal_relevance_search_with_score{by}")(*given)
    assert [each.id for each, _ in found] == diverse_ranking(asked, vectors, 4, 0.2)
    scores = dict(ranking(asked, vectors))
    assert [score for _, score in found] == pytest.approx(
        [scores[each.id] for each, _ in found], abs=5e-4
    )
    assert await getattr(store, f"amax_marginal_relevance_search_with_score{by}")(*given) == found


# Writing


def test_waiting_is_what_the_store_does_anyway(store) -> None:
    for wait in (True, False):
        store.add_texts(["seven"], ids=["g"], wait=wait)
        assert len(store.similarity_search("files", k=9)) == 7
        assert store.delete(["g"], wait=wait) is True
        assert len(store.similarity_search("files", k=9)) == 6


def test_the_stock_stores_additions_stay_out_of_metadata(store) -> None:
    for document in store.similarity_search("files", k=9):
        assert set(document.metadata) == {"n", "even"}
