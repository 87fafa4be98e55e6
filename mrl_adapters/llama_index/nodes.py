"""Nodes to payloads and back.

The payload is that of llama-index-vector-stores-qdrant (``_node_content`` and the metadata beside
it), so that each store reads what the other wrote. Payloads of LangChain stores
(``page_content``, ``metadata``) are read as well.
"""

from typing import Any

from llama_index.core.schema import BaseNode, ImageNode, IndexNode, Node, TextNode
from pydantic_core import from_json
from qdrant_client import models

from mrl_adapters.errors import ConfigurationError
from mrl_adapters.qdrant.ids import ID_KEY, original_id
from mrl_adapters.qdrant.payload import plain_payload

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

    Raises:
        ConfigurationError: The node holds something that cannot be stored: see
            :mod:`mrl_adapters.qdrant.payload`.
    """
    owner = f"Node {node.node_id!r}"
    metadata = _plain_metadata(node.metadata, owner, "metadata")
    changed: dict[str, Any] = {} if metadata is node.metadata else {"metadata": metadata}
    relationships = {kind: _plain_related(each, owner) for kind, each in node.relationships.items()}
    if any(each is not node.relationships[kind] for kind, each in relationships.items()):
        changed["relationships"] = relationships
    written = node.model_copy(update=changed) if changed else node
    try:
        # The embedding alone would cost more than all the rest.
        content = written.model_dump_json(exclude={"embedding"})
    except ValueError as error:
        msg = f"{owner} cannot be written as JSON: {error}. Nothing of it was written."
        raise ConfigurationError(msg) from error
    document_id = node.ref_doc_id or node.node_id
    return {
        **metadata,
        _CONTENT_KEY: content,
        "_node_type": node.class_name(),
        "document_id": document_id,
        DOCUMENT_KEY: document_id,
        "ref_doc_id": document_id,
    }


def _plain_metadata(metadata: dict[str, Any], owner: str, name: str) -> dict[str, Any]:
    plain: dict[str, Any] = plain_payload({name: metadata}, owner)[name]
    return plain


def _plain_related(related: Any, owner: str) -> Any:
    """Convert the metadata that a node keeps of the nodes around it."""
    if isinstance(related, list):
        converted = [_plain_related(each, owner) for each in related]
        same = all(one is other for one, other in zip(converted, related, strict=True))
        return related if same else converted
    plain = _plain_metadata(related.metadata, owner, "relationships")
    return related if plain is related.metadata else related.model_copy(update={"metadata": plain})


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
