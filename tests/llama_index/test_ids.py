"""Ids of a LlamaIndex store: any spelling, integers and UUIDs."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from llama_index.core.schema import TextNode
from llama_index.core.vector_stores import (
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
    VectorStoreQuery,
)

from mrl_adapters.errors import ConfigurationError
from mrl_adapters.llama_index import MatryoshkaVectorStore

NewStore = Callable[..., MatryoshkaVectorStore]
SOME = uuid.UUID("0f8fad5b-d9cb-469f-a165-70867728950e")
POSITIVE = MetadataFilters(
    filters=[MetadataFilter(key="n", operator=FilterOperator.GT, value=0)],
)


def node(identifier: str, text: str) -> TextNode:
    return TextNode(id_=identifier, text=text, metadata={"n": 1}, embedding=[1.0] * 256)


@pytest.mark.parametrize(
    ("stored", "wanted"),
    [("17", 17), ("17", "17"), (SOME.hex, SOME), (str(SOME), SOME.hex), (SOME.urn, str(SOME))],
)
def test_a_node_is_read_replaced_and_deleted_by_any_spelling(
    new_store: NewStore, call: Callable[..., Any], stored: str, wanted: Any
) -> None:
    store = new_store()
    call(store, "add", [node(stored, "a file"), node("other", "a date")])
    for filters in (None, POSITIVE):
        found = call(store, "get_nodes", node_ids=[wanted], filters=filters)
        assert [each.node_id for each in found] == [stored]
    query = VectorStoreQuery(query_embedding=[1.0] * 256, node_ids=[wanted], similarity_top_k=5)
    assert call(store, "query", query).ids == [stored]
    call(store, "add", [node(str(wanted), "a list")])
    assert sorted(each.text for each in call(store, "get_nodes")) == ["a date", "a list"]
    call(store, "delete_nodes", node_ids=[wanted])
    assert [each.text for each in call(store, "get_nodes")] == ["a date"]


@pytest.mark.parametrize("wrong", [None, True, 1.5, b"1"])
def test_what_is_no_id_is_refused(
    store: MatryoshkaVectorStore, call: Callable[..., Any], wrong: Any
) -> None:
    for method in ("get_nodes", "delete_nodes"):
        with pytest.raises(ConfigurationError, match=r"node_ids\[0\]"):
            call(store, method, node_ids=[wrong])
    assert len(store.get_nodes()) == 6
