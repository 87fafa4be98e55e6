"""Sparse vectors under every option of a query: tenants, groups, batches, more like this."""

from typing import Any

import pytest
from llama_index.core.schema import NodeRelationship, RelatedNodeInfo, TextNode
from llama_index.core.vector_stores import MetadataFilter, MetadataFilters, VectorStoreQuery
from llama_index.core.vector_stores.types import VectorStoreQueryMode as Mode

from mrl_adapters.llama_index import MatryoshkaRetriever, MatryoshkaVectorStore
from mrl_adapters.qdrant import CollectionLayout, SparseVectors

MODES = [Mode.HYBRID, Mode.SPARSE, Mode.TEXT_SEARCH, Mode.SEMANTIC_HYBRID]
PLANS = ["rrf", "dbsf", "rescore", "lexical"]
QUESTION = "a socket in another directory"
TEXTS = [
    *("Copy a directory tree to another place.", "Delete a file from the disk."),
    *("Parse a date from a string.", "Open a network socket and listen."),
    *("Sort a list of numbers in place.", "The gzip of a directory, compressed."),
]


def made(embed_model: Any, texts: list[str], prefix: str = "") -> list[TextNode]:
    nodes = [
        TextNode(
            id_=f"{prefix}{place}",
            text=text,
            metadata={"source": "even" if place % 2 == 0 else "odd"},
            relationships={
                NodeRelationship.SOURCE: RelatedNodeInfo(node_id=f"{prefix}doc{place % 3}")
            },
        )
        for place, text in enumerate(texts)
    ]
    for node, row in zip(nodes, embed_model.get_text_embedding_batch(texts), strict=True):
        node.embedding = row
    return nodes


def layout(**fields: Any) -> CollectionLayout:
    return CollectionLayout(256, (64,), sparse=SparseVectors(avg_len=6), **fields)


@pytest.fixture
def store(new_store, embed_model) -> MatryoshkaVectorStore:
    filled = new_store(layout=layout())
    filled.add(made(embed_model, TEXTS))
    return filled


def query(embed_model: Any, mode: Mode = Mode.HYBRID, k: int = 6, **more: Any) -> VectorStoreQuery:
    given = {"query_embedding": embed_model.get_query_embedding(QUESTION), "query_str": QUESTION}
    return VectorStoreQuery(
        **{**given, "similarity_top_k": k, "sparse_top_k": k, "hybrid_top_k": k, **more}, mode=mode
    )


def scored(result: Any) -> dict[str, Any]:
    pairs = zip(result.ids, result.similarities, strict=True)
    return {name: pytest.approx(score, abs=1e-5) for name, score in pairs}


@pytest.mark.parametrize("mode", MODES)
def test_a_tenant_finds_its_own_alone(new_store, embed_model, call, mode):
    shared = new_store(layout=layout(tenant_field="who"))
    ours, theirs = shared.for_tenant("us"), shared.for_tenant("them")
    others = [f"A socket in another directory, number {n}." for n in range(30)]
    call(theirs, "add", made(embed_model, others, "t"))
    call(ours, "add", made(embed_model, TEXTS))
    found = call(ours, "query", query(embed_model, mode, 10))
    assert found.ids
    assert {*found.ids} <= {str(n) for n in range(6)}
    assert len({*call(theirs, "query", query(embed_model, mode, 10)).ids}) == 10
    retriever = MatryoshkaRetriever(ours, embed_model, 10, mode=mode)
    assert [each.node_id for each in call(retriever, "retrieve", QUESTION)] == found.ids


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("key", ["source", "ref_doc_id"])
def test_groups_are_the_ranking_grouped(store, embed_model, call, mode, key):
    whole = store.query(query(embed_model, mode, 6)).nodes

    def of(node: Any) -> str:
        return str(node.ref_doc_id if key == "ref_doc_id" else node.metadata["source"])

    values = [*dict.fromkeys(map(of, whole))]
    for k in range(1, len(values) + 1):
        wanted = [
            node.node_id
            for value in values[:k]
            for node in [each for each in whole if of(each) == value][:2]
        ]
        asked = query(embed_model, mode, k)
        found = call(store, "query", asked, group_by=key, group_size=2)
        assert found.ids == wanted


@pytest.mark.parametrize("mode", MODES)
def test_a_tenants_groups_pass_its_filter(new_store, embed_model, call, mode):
    shared = new_store(layout=layout(tenant_field="who"))
    ours = shared.for_tenant("us")
    shared.for_tenant("them").add(made(embed_model, TEXTS, "t"))
    ours.add(made(embed_model, TEXTS))
    even = MetadataFilters(filters=[MetadataFilter(key="source", value="even")])
    asked = query(embed_model, mode, 3, filters=even)
    found = call(ours, "query", asked, group_by="ref_doc_id", group_size=1)
    assert found.ids
    assert {*found.ids} <= {"0", "2", "4"}
    assert len({node.ref_doc_id for node in found.nodes}) == len(found.ids)


def test_a_batch_of_every_mode_finds_what_its_queries_find(store, embed_model, call):
    asked = [query(embed_model, mode, 3) for mode in (*MODES, Mode.DEFAULT, Mode.HYBRID)]
    asked[0].alpha, asked[-1].alpha = 0.0, 1.0
    alone = [scored(store.query(each)) for each in asked]
    assert [scored(each) for each in call(store, "query_batch", asked)] == alone
    assert call(store, "query_batch", []) == []
    retriever = MatryoshkaRetriever(store, embed_model, 3, mode=Mode.HYBRID)
    questions = [QUESTION, "gzip", "nothing of the kind whatever"]
    expected = [[each.node_id for each in retriever.retrieve(one)] for one in questions]
    batched = call(retriever, "retrieve_batch", questions)
    assert [[each.node_id for each in nodes] for nodes in batched] == expected


@pytest.mark.parametrize("plan", PLANS)
def test_more_like_this_compares_vectors_alone(store, embed_model, call, plan):
    """Words of the stored examples have no part in it, whatever the store's own plan is."""
    worded = MatryoshkaVectorStore(store.collection_name, store.client, plan={"hybrid": plan})
    plain = scored(store.more_like_this(["0"], 3, negative=["1"]))
    found = call(worded, "more_like_this", ["0"], 3, negative=["1"])
    assert scored(found) == plain
    assert "0" not in found.ids


@pytest.mark.parametrize("mode", MODES)
def test_thresholds_hold_of_what_a_mode_scores(store, embed_model, call, mode):
    whole = store.query(query(embed_model, mode, 6))
    low, high, *_ = sorted({round(score, 4) for score in whole.similarities})
    limit = (low + high) / 2  # whether an equal score passes depends on the engine
    kept = call(store, "query", query(embed_model, mode, 6), score_threshold=limit)
    pairs = zip(whole.ids, whole.similarities, strict=True)
    assert [*kept.ids] == [name for name, score in pairs if score > limit]
    assert 0 < len(kept.ids) < len(whole.ids)
