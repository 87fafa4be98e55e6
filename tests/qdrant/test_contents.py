"""Payloads of many writers, whole and harmed, read through both adapters."""

import json
import warnings
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llama_index.core.schema import TextNode
from qdrant_client import models

from mrl_adapters.langchain.points import to_document
from mrl_adapters.llama_index.points import to_node, to_payload
from mrl_adapters.qdrant import UnreadableContentWarning
from mrl_adapters.qdrant.contents import Contents, unreadable
from mrl_adapters.qdrant.payload_keys import TEXT_KEYS, PayloadKeys

NODE = {"id_": "t", "metadata": {"k": 1}, "text": "hello", "relationships": {}}
TYPESCRIPT = {"id_": "t", "text": "hello", "type": "1", "excludedEmbedMetadataKeys": []}
HARMED: dict[str, dict[str, Any]] = {
    "relations of LlamaIndex.TS": {
        "_node_content": json.dumps(
            {**TYPESCRIPT, "relationships": {"SOURCE": {"nodeId": "d", "metadata": {}}}}
        )
    },
    "relations as ids": {"_node_content": json.dumps({**NODE, "relationships": {"3": "d"}})},
    "an object": {"_node_content": NODE},
    "null": {"_node_content": None, "text": "hello"},
    "empty": {"_node_content": "", "text": "hello"},
    "cut off": {"_node_content": '{"id_": "t", "te', "text": "hello"},
    "a list": {"_node_content": "[1]", "text": "hello"},
    "a number": {"_node_content": 7, "text": "hello"},
    "too deep to parse": {"_node_content": "[" * 200_000, "text": "hello"},
    "metadata as a list": {"page_content": "hello", "metadata": ["k"]},
    "metadata as text": {"page_content": "hello", "metadata": "k=1"},
}
WHOLE: dict[str, dict[str, Any]] = {
    "LlamaIndex": {"_node_content": json.dumps(NODE)},
    "LlamaIndex.TS without relations": {"_node_content": json.dumps(TYPESCRIPT)},
    "LangChain": {"page_content": "hello", "metadata": {"k": 1}},
    "LangChain under other keys": {"text": "hello", "meta": {"k": 1}},
    **{f"{key} beside flat metadata": {key: "hello"} for key in TEXT_KEYS if key != "page_content"},
}


def record(payload: dict[str, Any]) -> models.Record:
    return models.Record(id=2, payload={"k": 1, "_node_type": "TextNode", **payload})


@pytest.mark.parametrize("payload", WHOLE.values(), ids=list(WHOLE))
def test_what_others_wrote_is_read_without_a_word(payload):
    point = record(payload)
    contents = Contents("docs")

    document, node = to_document(point, contents), to_node(point, contents)

    assert (document.page_content, document.metadata["k"]) == ("hello", 1)
    assert (node.get_content(), node.metadata["k"]) == ("hello", 1)
    assert unreadable(point.payload or {}, PayloadKeys()) is None


@pytest.mark.parametrize("payload", HARMED.values(), ids=list(HARMED))
@pytest.mark.filterwarnings("ignore::mrl_adapters.qdrant.UnreadableContentWarning")
def test_what_is_harmed_is_read_as_far_as_it_goes(payload):
    point = record(payload)

    document, node = to_document(point, Contents("docs")), to_node(point, Contents("docs"))

    assert document.page_content == node.get_content() == "hello"
    assert document.metadata["k"] == node.metadata["k"] == 1


@pytest.mark.parametrize("read", [to_document, to_node])
@pytest.mark.parametrize(
    "payload", [None, {}, {"k": 1}, {"text": 7}, {"_node_content": None}, {"page_content": None}]
)
def test_a_point_without_text_is_told_of_once_by_id_and_collection(read, payload):
    point, contents = models.Record(id=2, payload=payload), Contents("docs")

    with pytest.warns(UnreadableContentWarning, match=r"'docs': point 2 .*audit") as told:
        read(point, contents)
    assert len(told) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read(point, contents)
        with pytest.raises(UnreadableContentWarning):
            read(point, Contents("another"))


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)
keys = st.sampled_from(
    ["page_content", "metadata", "text", "_node_content", "_node_type", "meta", "id_", "k"]
)
node_texts = st.dictionaries(
    st.sampled_from(["id_", "text", "metadata", "relationships", "text_resource", "class_name"]),
    anything,
).map(lambda fields: {"_node_content": json.dumps(fields)})


@given(st.dictionaries(keys, anything, max_size=5), node_texts | st.just({}))
def test_no_payload_at_all_ends_a_search(payload, node):
    point = models.Record(id=2, payload={**payload, **node})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnreadableContentWarning)
        document, read = to_document(point, Contents("docs")), to_node(point, Contents("docs"))
    assert isinstance(document.page_content, str)
    assert isinstance(document.metadata, dict)
    assert isinstance(read.get_content(), str)
    assert isinstance(read.metadata, dict)
    assert read.node_id


@given(st.text(), st.dictionaries(st.text(min_size=1), st.text()))
def test_our_own_nodes_are_never_told_of(text, metadata):
    payload = to_payload(TextNode(id_="n", text=text, metadata=metadata))
    assert unreadable(payload, PayloadKeys()) is None
