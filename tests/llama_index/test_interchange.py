"""Payloads are those of the stock stores: each reads what the others wrote."""

import json
import uuid
from typing import Any

import pytest
from langchain_core.documents import Document
from llama_index.core.schema import Document as LlamaDocument
from llama_index.core.schema import (
    ImageDocument,
    ImageNode,
    IndexNode,
    MediaResource,
    Node,
    NodeRelationship,
    NodeWithScore,
    RelatedNodeInfo,
    TextNode,
)
from llama_index.core.vector_stores import MetadataFilter, MetadataFilters, VectorStoreQuery
from llama_index.core.vector_stores.utils import metadata_dict_to_node, node_to_metadata_dict
from qdrant_client import models

from mrl_adapters.embeddings import WordLlamaEmbedder
from mrl_adapters.langchain import MatryoshkaVectorStore as LangChainStore
from mrl_adapters.llama_index import MatryoshkaVectorStore
from mrl_adapters.llama_index.points import to_node, to_payload
from mrl_adapters.qdrant import MissingShortVectorsWarning, UnreadableContentWarning
from mrl_adapters.qdrant.contents import Contents, unreadable
from mrl_adapters.qdrant.payload_keys import PayloadKeys

qdrant = pytest.importorskip("llama_index.vector_stores.qdrant")

# The stock store takes no other client.
on_qdrant_client = pytest.mark.parametrize(
    "client", ["local", pytest.param("server", marks=pytest.mark.server)], indirect=True
)


@pytest.fixture
def node(embed_model) -> TextNode:
    made = TextNode(
        id_=str(uuid.uuid4()),
        text="Copy a directory tree.",
        metadata={"file": "shutil.md", "page": 3},
        relationships={NodeRelationship.SOURCE: RelatedNodeInfo(node_id="shutil.md")},
    )
    return embed_model([made])[0]


def bare(node: TextNode) -> TextNode:
    return node.model_copy(update={"embedding": None})


def parsed(payload: dict[str, Any]) -> dict[str, Any]:
    # The stock payload adds that there is no embedding in it.
    return {**payload, "_node_content": {"embedding": None, **json.loads(payload["_node_content"])}}


def test_our_payload_is_the_stock_payload(node):
    assert parsed(to_payload(node)) == parsed(node_to_metadata_dict(node))


def test_a_node_from_no_document_differs_in_its_document_alone(node):
    node.relationships = {}
    ours, stock = parsed(to_payload(node)), parsed(node_to_metadata_dict(node))
    assert {key for key in ours if ours[key] != stock[key]} == {
        "doc_id",
        "document_id",
        "ref_doc_id",
    }


def test_metadata_cannot_displace_the_keys_of_the_payload(node):
    node.metadata = {"_node_content": "x", "doc_id": "x"}
    assert to_node(
        models.Record(id=node.node_id, payload=to_payload(node)), Contents("docs")
    ) == bare(node)


@on_qdrant_client
def test_the_stock_store_reads_ours(new_store, client, name, node, embed_model):
    new_store().add([node])
    stock = qdrant.QdrantVectorStore(name, client, dense_vector_name="full")
    [read] = stock.get_nodes([node.node_id])
    assert bare(read) == bare(node)
    query = VectorStoreQuery(
        embed_model.get_query_embedding("copy a folder"),
        filters=MetadataFilters(filters=[MetadataFilter(key="page", value=3)]),
    )
    assert bare(stock.query(query).nodes[0]) == bare(node)
    stock.delete("shutil.md")
    assert new_store().get_nodes() == []


@on_qdrant_client
def test_we_read_what_the_stock_store_wrote(new_store, client, name, nodes, node):
    new_store().add(nodes[:1])
    qdrant.QdrantVectorStore(name, client, dense_vector_name="full").add([node])
    store = new_store()
    with pytest.warns(MissingShortVectorsWarning, match="1 points lack a short vector"):
        [read] = store.get_nodes([node.node_id], with_embeddings=False)
    assert read == bare(node)
    found = store.query(VectorStoreQuery(node.embedding), exact=True)
    assert found.nodes == [bare(node)]
    store.delete("shutil.md")
    assert [each.node_id for each in store.get_nodes()] == ["a"]


def test_we_read_what_our_langchain_store_wrote(client, name, embed_model):
    written = LangChainStore(client, name, WordLlamaEmbedder())
    written.add_texts(["Copy files.", "Parse a date."], [{"n": 1}, {"n": 2}], ids=["one", "two"])
    store = MatryoshkaVectorStore(name, client)
    [read] = store.get_nodes(["two"])
    assert (read.node_id, read.text, read.metadata) == ("two", "Parse a date.", {"n": 2})
    filters = MetadataFilters(filters=[MetadataFilter(key="metadata.n", value=1)])
    vector = embed_model.get_query_embedding("date")
    assert store.query(VectorStoreQuery(vector, filters=filters)).ids == ["one"]
    assert store.query(VectorStoreQuery(vector)).ids == ["two"]
    store.delete_nodes(["two"])
    assert written.get_by_ids(["one", "two"]) == [
        Document(id="one", page_content="Copy files.", metadata={"n": 1})
    ]


def test_our_langchain_store_reads_ours(store, client, name, node):
    store.add([node])
    reader = LangChainStore(client, name, WordLlamaEmbedder())
    [document] = reader.similarity_search("copy a directory tree", k=1, filter=None)
    assert document.page_content in {node.text, "Copy a directory tree to another place."}
    read = reader.get_by_ids([node.node_id, "f"])
    assert read == [
        Document(id=node.node_id, page_content=node.text, metadata=node.metadata),
        Document(
            id="f",
            page_content="Compress data with gzip.",
            metadata={"n": 5, "even": False, "tags": ["all", "t5"]},
        ),
    ]


def test_our_langchain_store_reads_documents_put_in_whole(new_store, client, name, embed_model):
    new_store().add(embed_model([LlamaDocument(id_="doc", text="Bake bread.", metadata={"n": 1})]))
    [read] = LangChainStore(client, name, WordLlamaEmbedder()).get_by_ids(["doc"])
    assert read == Document(id="doc", page_content="Bake bread.", metadata={"n": 1})


def test_a_payload_of_nobody_we_know_becomes_a_text_node():
    record = models.Record(id=7, payload={"text": "Hello.", "color": "red"})
    read = to_node(record, Contents("docs"))
    assert (read.node_id, read.text, read.metadata) == ("7", "Hello.", {"color": "red"})
    with pytest.warns(UnreadableContentWarning):
        assert to_node(models.Record(id=7, payload=None), Contents("docs")).text == ""


def test_payloads_are_plain_json(node):
    node.metadata = {"nested": {"deep": [1, {"a": None}]}}
    payload = to_payload(node)
    assert json.loads(json.dumps(payload)) == payload


@pytest.mark.parametrize(
    "put_in",
    [
        ImageDocument(image="aGk=", text="a picture"),
        ImageNode(image="aGk=", text="a picture"),
        ImageNode(image_url="https://example.org/a.png"),
        Node(image_resource=MediaResource(data=b"aGk="), text_resource=MediaResource(text="hi")),
        Node(audio_resource=MediaResource(data=b"aGk=")),
        LlamaDocument(
            text_resource=MediaResource(text="hi"),
            image_resource=MediaResource(data=b"aGk="),
        ),
        LlamaDocument(video_resource=MediaResource(data=b"aGk=")),
    ],
    ids=lambda node: node.class_name(),
)
def test_pictures_sounds_and_films_come_back(put_in):
    record = models.Record(id=put_in.node_id, payload=to_payload(put_in))
    assert to_node(record, Contents("docs")).to_dict() == put_in.to_dict()


EMPTY = [
    LlamaDocument(text="", id_="P"),
    LlamaDocument(text=None, id_="P"),
    LlamaDocument(id_="P", metadata={"text": "another", "n": 1}),
    LlamaDocument(id_="P", text_resource=MediaResource(text="")),
    LlamaDocument(id_="P", text_resource=MediaResource(url="https://example.org/a.txt")),
    ImageDocument(id_="P", text=""),
    ImageDocument(id_="P"),
    Node(id_="P"),
    Node(id_="P", text_resource=MediaResource(text="")),
    Node(id_="P", text_resource=MediaResource(text="with words")),
    TextNode(id_="P", text=""),
    TextNode(id_="P"),
    ImageNode(id_="P", text=""),
    IndexNode(id_="P", text="", index_id="i"),
]


@pytest.mark.parametrize("put_in", EMPTY, ids=lambda node: node.class_name())
def test_a_node_without_a_text_comes_back_as_it_was_and_nothing_is_told_of(
    new_store, embed_model, call, put_in
):
    store = new_store()
    written = put_in.model_copy(update={"embedding": [1.0] * 256})
    call(store, "add", [written])
    (read,) = call(store, "get_nodes", ["P"], with_embeddings=False)
    assert type(read) is type(put_in)
    assert read == put_in
    found = call(store, "query", VectorStoreQuery(query_embedding=[1.0] * 256)).nodes
    assert found == [put_in]
    payload = to_payload(put_in)
    assert unreadable(payload, PayloadKeys()) is None
    text = put_in.get_content()
    assert Contents("docs").text_and_metadata(payload, "P") == (text, put_in.metadata)


class Chapter(LlamaDocument):
    """A document of the user's own class."""

    @classmethod
    def class_name(cls):
        return "Chapter"


@pytest.mark.parametrize(
    ("text", "kind"), [("", LlamaDocument), ("with words", TextNode)], ids=["empty", "with words"]
)
@pytest.mark.parametrize("given", [LlamaDocument, Chapter])
def test_documents_with_a_text_come_back_as_from_the_stock_store(given, text, kind):
    put_in = given(id_="P", text=text, metadata={"n": 1})
    record = models.Record(id=put_in.node_id, payload=to_payload(put_in))
    read = to_node(record, Contents("docs"))
    assert type(read) is kind
    assert (read.id_, read.text, read.metadata) == ("P", text, {"n": 1})
    if text:  # what a stock store's hits give; of a Document it is an error
        assert NodeWithScore(node=read).text == text
        assert type(metadata_dict_to_node(record.payload)) is kind


def test_a_document_whose_text_lies_beside_it_alone_is_read_with_it():
    payload = to_payload(LlamaDocument(id_="P")) | {"text": "beside"}
    read = to_node(models.Record(id="P", payload=payload), Contents("docs"))
    assert (type(read), read.get_content()) == (TextNode, "beside")
