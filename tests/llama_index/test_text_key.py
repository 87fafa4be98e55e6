"""Points that hold no node, under keys of all kinds, through the LlamaIndex store."""

import warnings
from typing import Any

import pytest
from llama_index.core.vector_stores import MetadataFilter, MetadataFilters, VectorStoreQuery
from qdrant_client import models

from mrl_adapters.errors import CollectionMismatchError, ConfigurationError
from mrl_adapters.langchain import MatryoshkaVectorStore as LangChainStore
from mrl_adapters.llama_index import MatryoshkaRetriever, MatryoshkaVectorStore
from mrl_adapters.qdrant import UnreadableContentWarning, migrate

TEXT = "gzip opens a compressed file"
PAYLOADS: dict[str, dict[str, Any]] = {
    "LangChain's shape": {"inhalt": TEXT, "angaben": {"page": 3}},
    "a usual name": {"passage": TEXT, "page": 3},
    "LlamaIndex before nodes": {"text": TEXT, "doc_id": "None", "ref_doc_id": "None", "page": 3},
    "odd names": {"the text": TEXT, "a.b": {"page": 3}},
}


@pytest.fixture
def foreign(client, name, embed_model):
    """Make a collection of one point, as another program would, and give it short vectors."""

    def make(payload: dict[str, Any]) -> None:
        config = models.VectorParams(size=256, distance=models.Distance.COSINE)
        client.create_collection(name, vectors_config=config)
        vector = embed_model.get_text_embedding(TEXT)
        client.upsert(name, points=[models.PointStruct(id=7, vector=vector, payload=payload)])
        migrate(client, name, stages=(64,))

    return make


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=list(PAYLOADS))
def test_points_of_other_programs_are_nodes_with_text_and_metadata(
    foreign, client, name, embed_model, call, payload
):
    foreign(payload)
    retriever = MatryoshkaRetriever(MatryoshkaVectorStore(name, client), embed_model)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UnreadableContentWarning)
        [found] = call(retriever, "retrieve", "gzip")
    assert (found.node.get_content(), found.node.metadata) == (TEXT, {"page": 3})


def test_text_key_says_which_text_is_meant(foreign, client, name, embed_model, call):
    foreign({"title": "Manual", "words of it": TEXT, "page": 3})
    query = VectorStoreQuery(query_embedding=embed_model.get_query_embedding("gzip"))
    with pytest.warns(UnreadableContentWarning, match=f"{name}.*LlamaIndex: text_key"):
        call(MatryoshkaVectorStore(name, client), "query", query)
    store = MatryoshkaVectorStore(name, client, text_key="words of it")
    [node] = call(store, "query", query).nodes
    assert (node.get_content(), node.metadata) == (TEXT, {"title": "Manual", "page": 3})
    [node] = call(store, "get_nodes", ["7"])
    assert node.get_content() == TEXT


def test_a_langchain_collection_of_other_keys_says_so_itself(client, name, embed_model, call):
    keys = {"content_payload_key": "the text", "metadata_payload_key": "meta"}
    LangChainStore(client, name, embed_model, **keys).add_texts(
        [TEXT, "other"], [{"page": 3}, {"page": 4}], ids=["a", "b"]
    )
    store = MatryoshkaVectorStore(name, client)
    filters = MetadataFilters(filters=[MetadataFilter(key="meta.page", value=3)])
    [node] = call(store, "get_nodes", filters=filters)
    assert (node.node_id, node.get_content(), node.metadata) == ("a", TEXT, {"page": 3})
    assert call(MatryoshkaVectorStore(name, client, text_key="the text"), "get_nodes", ["a"])
    with pytest.raises(CollectionMismatchError, match="keeps its texts under 'the text', asked"):
        call(MatryoshkaVectorStore(name, client, text_key="text"), "get_nodes", ["a"])


def test_nodes_are_written_as_ever_whatever_the_text_key(client, name, new_store, nodes, call):
    plain, keyed = new_store(), new_store(text_key="words")
    call(plain, "add", nodes[:1])
    [before] = client.scroll(name)[0]
    call(keyed, "add", nodes[:1])
    [after] = client.scroll(name)[0]
    assert before.payload == after.payload
    assert call(keyed, "get_nodes", ["a"])[0].get_content() == nodes[0].get_content()


@pytest.mark.parametrize("wrong", ["", 5, "_node_content", "doc_id"], ids=repr)
def test_what_can_be_no_key_is_refused_at_once(client, name, wrong):
    with pytest.raises(ConfigurationError, match=r"^The payload key of texts is "):
        MatryoshkaVectorStore(name, client, text_key=wrong)
    assert not client.collection_exists(name)
