"""Query modes: what each finds, and that alpha is exact at both ends."""

from typing import Any

import pytest
from llama_index.core import VectorStoreIndex
from llama_index.core.vector_stores import VectorStoreQuery
from llama_index.core.vector_stores.types import VectorStoreQueryMode as Mode

from mrl_adapters.errors import ConfigurationError, EmbeddingError
from mrl_adapters.llama_index import MatryoshkaRetriever, MatryoshkaVectorStore
from mrl_adapters.qdrant import CollectionLayout, TextIndex

pytestmark = pytest.mark.parametrize("client", ["edge"], indirect=True)
QUESTION = "sockets that listen in place"
HYBRID: list[dict[str, Any]] = [
    {"enable_hybrid": True},
    {"layout": CollectionLayout(256, (64,), text_index=TextIndex())},
    {"layout": CollectionLayout(256, (64,)), "enable_hybrid": True, "text_key": "body"},
]
# Mode and alpha, and the plan that it is.
PLANS: dict[tuple[Mode, float | None], dict[str, Any]] = {
    (Mode.DEFAULT, None): {},
    (Mode.HYBRID, None): {"hybrid": "rrf"},
    (Mode.HYBRID, 0.3): {"hybrid": "rrf", "weights": (0.3, 0.7)},
    (Mode.HYBRID, 1): {"hybrid": None},
    (Mode.HYBRID, 0): {"hybrid": "lexical"},
    (Mode.SPARSE, None): {"hybrid": "lexical"},
    (Mode.TEXT_SEARCH, None): {"hybrid": "lexical"},
    (Mode.SEMANTIC_HYBRID, None): {"hybrid": "rescore"},
}


@pytest.fixture
def store(client, name, nodes) -> MatryoshkaVectorStore:
    made = MatryoshkaVectorStore(name, client, **HYBRID[0])
    made.add(nodes)
    return made


def query(embed_model, mode=Mode.DEFAULT, k=4, **fields) -> VectorStoreQuery:
    embedding = embed_model.get_query_embedding(QUESTION)
    given = {"query_embedding": embedding, "query_str": QUESTION, "similarity_top_k": k, **fields}
    return VectorStoreQuery(mode=mode, **given)


@pytest.mark.parametrize(("asked", "plan"), PLANS.items(), ids=str)
def test_a_mode_is_a_plan(store, embed_model, call, asked, plan):
    mode, alpha = asked
    expected = store.query(query(embed_model), plan=plan)
    found = call(store, "query", query(embed_model, mode, alpha=alpha))
    assert (found.ids, found.similarities) == (expected.ids, expected.similarities)
    assert found.ids[0] == "d"
    retriever = MatryoshkaRetriever(store, embed_model, 4, mode=mode, alpha=alpha)
    assert [each.node_id for each in call(retriever, "retrieve", QUESTION)] == expected.ids
    [batched] = call(retriever, "retrieve_batch", [QUESTION])
    assert [each.score for each in batched] == expected.similarities


def test_queries_of_several_modes_are_answered_in_their_order(store, embed_model, call):
    asked = [query(embed_model, mode, alpha=alpha) for mode, alpha in PLANS]
    expected = [store.query(each).ids for each in asked]
    assert [each.ids for each in call(store, "query_batch", asked)] == expected


@pytest.mark.parametrize("options", HYBRID, ids=["flag", "layout", "both"])
def test_words_are_found_however_the_text_index_was_asked_for(
    client, name, nodes, embed_model, options
):
    made = MatryoshkaVectorStore(name, client, **options)
    made.add(nodes)
    lexical = query(embed_model, Mode.TEXT_SEARCH, query_str="gzip", query_embedding=None)
    assert made.query(lexical).ids == ["f"]
    [node] = made.get_nodes(["f"])
    assert node.metadata == nodes[5].metadata
    assert MatryoshkaVectorStore(name, client).query(lexical).ids == ["f"]


def test_an_indexs_own_retriever_takes_modes_and_alpha(store, embed_model):
    index = VectorStoreIndex.from_vector_store(store, embed_model=embed_model)
    options = {"vector_store_query_mode": "hybrid", "similarity_top_k": 2}
    found = index.as_retriever(alpha=0, **options).retrieve("gzip")
    assert [each.node_id for each in found] == ["f"]


def test_how_many_nodes_are_wanted_depends_on_the_mode(store, embed_model):
    fields = {"hybrid_top_k": 1, "sparse_top_k": 2}
    assert len(store.query(query(embed_model, Mode.HYBRID, **fields)).ids) == 1
    assert len(store.query(query(embed_model, Mode.SPARSE, **fields)).ids) == 2
    assert len(store.query(query(embed_model, Mode.DEFAULT, **fields)).ids) == 4


@pytest.mark.parametrize("mode", [Mode.DEFAULT, Mode.HYBRID, Mode.SPARSE, Mode.MMR])
def test_as_many_nodes_as_nobody_has_are_all_of_them(store, nodes, embed_model, mode):
    everything = store.query(query(embed_model, mode, k=2**31 - 1, query_str="a the to in"))
    assert len(everything.ids) == len({*everything.ids})
    if mode is not Mode.SPARSE:
        assert {*everything.ids} == {node.node_id for node in nodes}
    with pytest.raises(ConfigurationError, match="similarity_top_k is 2147483648"):
        store.query(query(embed_model, mode, k=2**31))


def test_vectors_alone_need_no_text(store, embed_model, call):
    expected = store.query(query(embed_model))
    asked = query(embed_model, Mode.HYBRID, alpha=1, query_str=None)
    assert call(store, "query", asked).ids == expected.ids
    with pytest.raises(EmbeddingError, match="blank"):
        call(store, "query", query(embed_model, Mode.HYBRID, alpha=0.9, query_str=None))


def test_what_no_mode_can_do_is_refused(store, embed_model, call):
    with pytest.raises(ConfigurationError, match="Query mode SVM"):
        call(store, "query", query(embed_model, Mode.SVM))
    with pytest.raises(ConfigurationError, match="alpha is 2"):
        call(store, "query", query(embed_model, Mode.HYBRID, alpha=2))
    with pytest.raises(EmbeddingError, match="blank"):
        call(store, "query", query(embed_model, Mode.SPARSE, query_str=" "))
    with pytest.raises(ConfigurationError, match="alpha is -1"):
        MatryoshkaRetriever(store, embed_model, mode="hybrid", alpha=-1)


@pytest.mark.parametrize("hybrid", ["dbsf", "rescore", "rrf", "lexical", None])
@pytest.mark.parametrize("whose", ["store", "query"])
def test_hybrid_joins_as_the_plan_says(client, name, nodes, embed_model, call, hybrid, whose):
    own = {"plan": {"hybrid": hybrid}}
    store = MatryoshkaVectorStore(
        name, client, enable_hybrid=True, **(own if whose == "store" else {})
    )
    store.add(nodes)
    options = own if whose == "query" else {}
    meant = hybrid if hybrid in {"dbsf", "rescore"} else "rrf"
    expected = store.query(query(embed_model), plan={"hybrid": meant})
    found = call(store, "query", query(embed_model, Mode.HYBRID), **options)
    assert (found.ids, found.similarities) == (expected.ids, expected.similarities)
    for alpha, alone in ((0, "lexical"), (1, None)):
        ends = store.query(query(embed_model), plan={"hybrid": alone})
        asked = query(embed_model, Mode.HYBRID, alpha=alpha)
        assert call(store, "query", asked, **options).ids == ends.ids
    weighed = query(embed_model, Mode.HYBRID, alpha=0.4)
    if meant == "rrf":
        assert call(store, "query", weighed, **options).ids
    else:
        with pytest.raises(ConfigurationError, match=rf"alpha is 0\.4.*hybrid='{hybrid}'"):
            call(store, "query", weighed, **options)
