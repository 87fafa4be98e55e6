"""Nodes to payloads and back.

The payload is that of llama-index-vector-stores-qdrant (``_node_content`` and the metadata beside
it), so that each store reads what the other wrote. Payloads of LangChain stores
(``page_content``, ``metadata``) are read as well.
"""

from typing import Any

from llama_index.core.schema import BaseNode, ImageNode, IndexNode, Node, TextNode
from pydantic_core import from_json
from qdrant_client import models

from mrl_adapters.qdrant.ids import ID_KEY, original_id

DOCUMENT_KEY = "doc_id"
_CONTENT_KEY = "_node_content"
_LANGCHAIN_CONTENT_KEY = "page_content"
_LANGCHAIN_METADATA_KEY = "metadata"
_TEXT_KEY = "text"
# Others, such as Document, are read as text nodes, as core's metadata_dict_to_node does.
_KINDS: dict[str, type[BaseNode]] = {
    each.class_name(): each for each in (Node, IndexNode, ImageNode, TextNode)
}


def to_payload(node: BaseNode) -> dict[str, Any]:
    """Build what is stored beside a node's vectors.

    Args:
        node: The node; its embedding is left out.

    Returns:
        The metadata, the whole node as JSON, and the id of the document that it came from; its
        own id where it came from none, so that it can be deleted by it.
    """
    # The embedding alone would cost more than all the rest.
    content = node.model_dump_json(exclude={"embedding"})
    metadata: dict[str, Any] = from_json(content).get("metadata", {})
    document_id = node.ref_doc_id or node.node_id
    return {
        **metadata,
        _CONTENT_KEY: content,
        "_node_type": node.class_name(),
        "document_id": document_id,
        DOCUMENT_KEY: document_id,
        "ref_doc_id": document_id,
    }


def to_node(point: models.Record | models.ScoredPoint, vector_name: str | None = None) -> BaseNode:
    """Build the node that a point holds, whoever wrote it.

    Args:
        point: A point with its payload.
        vector_name: Which of its vectors becomes the node's embedding; None leaves that empty.
    """
    payload = point.payload or {}
    if _CONTENT_KEY in payload:
        kind = _KINDS.get(payload.get("_node_type", ""), TextNode)
        node: BaseNode = kind.from_dict(from_json(payload[_CONTENT_KEY]))
    elif _LANGCHAIN_CONTENT_KEY in payload:
        node = TextNode(
            id_=original_id(point.id, payload),
            text=payload[_LANGCHAIN_CONTENT_KEY] or "",
            metadata=payload.get(_LANGCHAIN_METADATA_KEY) or {},
        )
    else:
        metadata = {key: payload[key] for key in payload.keys() - {_TEXT_KEY, ID_KEY}}
        node = TextNode(
            id_=original_id(point.id, payload),
            text=str(payload.get(_TEXT_KEY, "")),
            metadata=metadata,
        )
    if vector_name is not None:
        vector: Any = point.vector
        node.embedding = vector[vector_name] if isinstance(vector, dict) else vector
    return node
