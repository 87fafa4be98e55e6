"""Late interaction in a LlamaIndex store: an option of a plan, for retrievers and queries."""

import pytest
from llama_index.core.vector_stores import VectorStoreQuery
from llama_index.core.vector_stores.types import VectorStoreQueryMode as Mode

from mrl_adapters.embeddings import WordLlamaTokens
from mrl_adapters.errors import ConfigurationError
from mrl_adapters.llama_index import MatryoshkaRetriever, MatryoshkaVectorStore
from mrl_adapters.qdrant import CollectionLayout, SparseVectors, TokenVectors
from mrl_adapters.vectors import normalize

QUESTION = "a network socket to listen"
LATE = {"late_interaction": True}
ENCODER = WordLlamaTokens()
TOKENS = TokenVectors("colbert", 256, ENCODER)
LAYOUT = CollectionLayout(256, (64,), "Euclid", late_interaction=TOKENS)


def query(embed_model, mode=Mode.DEFAULT):
    embedding = embed_model.get_query_embedding(QUESTION)
    return VectorStoreQuery(
        query_embedding=embedding, query_str=QUESTION, similarity_top_k=3, mode=mode
    )


def test_a_plan_ranks_by_late_interaction(client, name, nodes, embed_model, call):
    store = MatryoshkaVectorStore(name, client, layout=LAYOUT)
    call(store, "add", nodes)
    asked = normalize(ENCODER.embed_query(QUESTION))
    held = ENCODER.embed_documents([node.get_content() for node in nodes])
    scores = {
        node.node_id: float((asked @ normalize(each).T).max(axis=1).sum())
        for node, each in zip(nodes, held, strict=True)
    }
    wanted = sorted(scores, key=lambda node_id: -scores[node_id])[:3]
    found = call(store, "query", query(embed_model), plan=LATE)
    assert found.ids == wanted
    # Similarities are late interaction's, whatever the full vectors' distance.
    assert found.similarities == pytest.approx([scores[each] for each in wanted], abs=5e-3)
    retriever = MatryoshkaRetriever(store, embed_model, 3, plan=LATE)
    assert [each.node_id for each in call(retriever, "retrieve", QUESTION)] == wanted


def test_modes_with_words_hand_on_their_shortlists(client, name, nodes, embed_model, call):
    layout = CollectionLayout(256, (64,), late_interaction=TOKENS, sparse=SparseVectors())
    store = MatryoshkaVectorStore(name, client, layout=layout)
    call(store, "add", nodes)
    for mode in (Mode.SEMANTIC_HYBRID, Mode.SPARSE):
        found = call(store, "query", query(embed_model, mode), plan=LATE)
        assert found.ids[0] == "d"
        assert found.similarities[0] > 1  # a sum over tokens
    with pytest.raises(ConfigurationError, match="hybrid='rescore'"):
        call(store, "query", query(embed_model, Mode.HYBRID), plan=LATE)
