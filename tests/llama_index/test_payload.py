"""Metadata of nodes: converted once for payload and node; refused before anything is written."""

import datetime as dt
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from llama_index.core.schema import NodeRelationship, RelatedNodeInfo, TextNode

from mrl_adapters.errors import ConfigurationError
from mrl_adapters.llama_index import MatryoshkaVectorStore
from mrl_adapters.llama_index.points import to_payload

NewStore = Callable[..., MatryoshkaVectorStore]
VALUES = {"price": Decimal("1.50"), "n": np.int64(3), "day": dt.date(2024, 1, 1), "raw": b"1"}
PLAIN = {"price": "1.50", "n": 3, "day": "2024-01-01", "raw": "1"}


def node(metadata: dict[str, Any], identifier: str = "a", **fields: Any) -> TextNode:
    fields = {"text": "a file", "embedding": [1.0] * 256, **fields}
    return TextNode(id_=identifier, metadata=metadata, **fields)


def test_the_payload_and_the_node_in_it_hold_the_same_values(
    new_store: NewStore, call: Callable[..., Any]
) -> None:
    source = RelatedNodeInfo(node_id="d", metadata=VALUES)
    children = [RelatedNodeInfo(node_id="c", metadata=VALUES), RelatedNodeInfo(node_id="e")]
    related = {NodeRelationship.SOURCE: source, NodeRelationship.CHILD: children}
    written = node(VALUES, relationships=related)
    payload = to_payload(written)
    assert {key: payload[key] for key in PLAIN} == PLAIN
    assert json.loads(payload["_node_content"])["metadata"] == PLAIN
    store = new_store()
    call(store, "add", [written])
    (found,) = call(store, "get_nodes", node_ids=["a"])
    assert found.metadata == PLAIN
    assert found.source_node.metadata == PLAIN
    assert [each.metadata for each in found.child_nodes] == [PLAIN, {}]
    assert written.metadata == VALUES
    assert source.metadata == VALUES


@pytest.mark.parametrize("wrong", [float("nan"), "\ud83d", 2**63, object(), b"\xff", {None: 1}])
def test_a_node_that_cannot_be_stored_is_refused_before_any_is_written(
    new_store: NewStore, call: Callable[..., Any], wrong: Any
) -> None:
    store = new_store()
    with pytest.raises(ConfigurationError, match=r"Node 'row 7', metadata\.page\[0\]"):
        call(store, "add", [node({}), node({"page": [wrong]}, "row 7")])
    related = {NodeRelationship.SOURCE: RelatedNodeInfo(node_id="d", metadata={"page": wrong})}
    with pytest.raises(ConfigurationError, match=r"Node 'row 7', relationships\.page"):
        call(store, "add", [node({}), node({}, "row 7", relationships=related)])
    assert call(store, "get_nodes") == []


def test_a_text_that_utf_8_cannot_hold_is_refused_by_its_node(
    new_store: NewStore, call: Callable[..., Any]
) -> None:
    with pytest.raises(ConfigurationError, match="Node 'row 7'"):
        call(new_store(), "add", [node({}), node({}, "row 7", text="half \udc00")])
