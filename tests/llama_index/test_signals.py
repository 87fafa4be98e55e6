"""Signs of weak retrieval in the nodes' metadata, under the key that is asked for."""

from typing import Any

import numpy as np
import pytest
from llama_index.core import VectorStoreIndex
from llama_index.core.schema import BaseNode, MetadataMode
from llama_index.core.vector_stores import VectorStoreQuery
from llama_index.core.vector_stores.types import VectorStoreQueryMode as Mode

from mrl_adapters.errors import ConfigurationError
from mrl_adapters.llama_index import MatryoshkaRetriever, MatryoshkaVectorStore
from mrl_adapters.qdrant import CollectionLayout, Search, SparseVectors

QUESTION = "sockets that listen in place"
LAYOUT = CollectionLayout(256, (64,), sparse=SparseVectors())


@pytest.fixture
def store(client, name, nodes) -> MatryoshkaVectorStore:
    made = MatryoshkaVectorStore(name, client, layout=LAYOUT)
    made.add(nodes)
    return made


def expected(store, embed_model) -> Any:
    vector = embed_model.get_query_embedding(QUESTION)
    [found] = store.driver.run(
        store.collection.signals([Search(np.asarray(vector, dtype=np.float32), 4, text=QUESTION)])
    )
    return pytest.approx(found.described(), abs=1e-5)


def carried(nodes: list[BaseNode]) -> list[dict[str, float | None]]:
    return [each.metadata["signals"] for each in nodes]


def test_every_node_carries_its_questions_signals(store, embed_model, call):
    wanted = expected(store, embed_model)
    vector = embed_model.get_query_embedding(QUESTION)
    asked = VectorStoreQuery(vector, similarity_top_k=2, query_str=QUESTION)
    diverse = VectorStoreQuery(vector, similarity_top_k=2, query_str=QUESTION, mode=Mode.MMR)
    results = [
        call(store, "query", asked, signals_key="signals"),
        call(store, "query", asked, signals_key="signals", group_by="n"),
        call(store, "query", diverse, signals_key="signals"),
        *call(store, "query_batch", [asked, diverse], signals_key="signals"),
    ]
    retriever = MatryoshkaRetriever(store, embed_model, 2, signals_key="signals")
    index = VectorStoreIndex.from_vector_store(store, embed_model)
    own = index.as_retriever(similarity_top_k=2, vector_store_kwargs={"signals_key": "signals"})
    lists = [
        *[each.nodes for each in results],
        *[[hit.node for hit in call(each, "retrieve", QUESTION)] for each in (retriever, own)],
        [hit.node for hit in call(retriever, "retrieve_batch", [QUESTION])[0]],
    ]
    for nodes in lists:
        assert carried(nodes) == [wanted, wanted]
    assert [each.node_id for each in lists[0]] == call(store, "query", asked).ids
    assert "signals" not in call(store, "query", asked).nodes[0].metadata


def test_models_are_not_shown_them_and_what_is_stored_stays(store, embed_model):
    retriever = MatryoshkaRetriever(store, embed_model, 2, signals_key="signals")
    for hit in retriever.retrieve(QUESTION):
        for mode in (MetadataMode.LLM, MetadataMode.EMBED):
            assert "signals" not in hit.node.get_content(mode)
        assert "signals" in hit.node.get_content(MetadataMode.ALL)
    assert all("signals" not in each.metadata for each in store.get_nodes([*"abcdef"]))


@pytest.mark.parametrize("client", ["edge"], indirect=True)
def test_what_is_no_key_is_refused(store, embed_model, call):
    vector = embed_model.get_query_embedding(QUESTION)
    for key in ("", 3, "doc_id"):
        with pytest.raises(ConfigurationError, match="signals_key is"):
            call(store, "query", VectorStoreQuery(vector), signals_key=key)
        with pytest.raises(ConfigurationError, match="signals_key is"):
            MatryoshkaRetriever(store, embed_model, signals_key=key)
    with pytest.raises(ConfigurationError, match="signals are of questions"):
        call(store, "more_like_this", ["a"], signals_key="signals")
