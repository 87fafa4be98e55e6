"""Nodes to points and back.

The payload is that of llama-index-vector-stores-qdrant (``_node_content`` and the metadata beside
it), so that each store reads what the other wrote. Payloads of LangChain stores
(``page_content``, ``metadata``) are read as well.
"""

from collections.abc import Sequence
from typing import Any

from llama_index.core.schema import (
    BaseNode,
    Document,
    ImageDocument,
    ImageNode,
    IndexNode,
    MetadataMode,
    Node,
    TextNode,
)
from pydantic_core import from_json
from qdrant_client import models

from mrl_adapters.errors import ConfigurationError
from mrl_adapters.llama_index.reserved import DOCUMENT_KEY, kept_apart
from mrl_adapters.qdrant.contents import Contents, node_content
from mrl_adapters.qdrant.ids import PointId, original_id
from mrl_adapters.qdrant.payload import plain_payload
from mrl_adapters.qdrant.payload_keys import NODE_KEY, STORES_OWN
from mrl_adapters.qdrant.signals import Signals

_KINDS: dict[str, type[BaseNode]] = {
    each.class_name(): each for each in (Node, IndexNode, ImageNode, TextNode, ImageDocument)
}
_MEDIA = ("image_resource", "audio_resource", "video_resource")


def to_payload(node: BaseNode, text_field: str | None = None) -> dict[str, Any]:
    """Build what is stored beside a node's vectors.

    Args:
        node: The node.
        text_field: Where its text stands as well, for a text index; metadata of that name go first.

    Returns:
        The metadata (those under the store's own names apart: see :mod:`.reserved`), the whole
        node as JSON, and the id of the document that it came from; its own id where it came from
        none, so that it can be deleted by it.

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
        if isinstance(node, IndexNode) and node.obj is not None:
            msg += " Store it with obj=None, and tell the retriever: objects=[the node with obj]."
        raise ConfigurationError(msg) from error
    document_id = node.ref_doc_id or node.node_id
    beside = kept_apart(metadata)
    if beside:
        beside |= {key: value for key, value in metadata.items() if key not in STORES_OWN}
    text = {} if text_field is None else {text_field: node.get_content(MetadataMode.NONE)}
    return {
        **text,
        **(beside or metadata),
        NODE_KEY: content,
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


def to_node(
    point: models.Record | models.ScoredPoint, contents: Contents, vector_name: str | None = None
) -> BaseNode:
    """Build the node that a point holds, whoever wrote it.

    The vector of that name becomes its embedding, if the point has it.

    Warns:
        UnreadableContentWarning: Its content is missing or cannot be read as a node; what can be
            read of it is given. Once a collection.
    """
    payload = point.payload or {}
    node = _kept_node(payload, contents, point.id) if NODE_KEY in payload else None
    if node is None:
        text, metadata = contents.text_and_metadata(payload, point.id)
        kept = node_content(payload) or {}
        own_id = str(kept.get("id_") or original_id(point.id, payload))
        node = TextNode(id_=own_id, text=text, metadata=metadata)
    if vector_name is not None:
        vector: Any = point.vector
        node.embedding = vector.get(vector_name) if isinstance(vector, dict) else vector
    return node


def add_signals(nodes: Sequence[BaseNode], key: str, signals: Signals) -> None:
    """Put a question's signals into its nodes' metadata, which models are not shown."""
    for node in nodes:
        node.metadata = {**node.metadata, key: signals.described()}
        for hidden in (node.excluded_llm_metadata_keys, node.excluded_embed_metadata_keys):
            if key not in hidden:
                hidden.append(key)


def _kept_node(payload: dict[str, Any], contents: Contents, point: PointId) -> BaseNode | None:
    """Read the node that LlamaIndex has kept; None where it cannot be read."""
    try:
        fields = from_json(payload[NODE_KEY])
        if "metadata" not in fields:  # LlamaIndex.TS keeps it beside the node alone
            fields["metadata"] = contents.text_and_metadata(payload, point)[1]
        if not (fields.get("text") or fields.get("text_resource")):
            fields["text"] = _text_beside(payload, fields["metadata"], contents)
            fields.pop("text_resource", None)  # beside a text, None is no resource to LlamaIndex
        fields["id_"] = fields.get("id_") or original_id(point, payload)
        return _kind(payload, fields).from_dict(fields)
    except (TypeError, ValueError, LookupError, AttributeError) as error:
        reason = str(error).partition("\n")[0]
        contents.tell(point, f"holds no node that can be read ({reason})")
        return None


def _text_beside(payload: dict[str, Any], metadata: Any, contents: Contents) -> str:
    """Find the text of a node that some stores keep beside it; metadata are no text."""
    for key in (contents.keys.content, "text"):
        if isinstance(text := payload.get(key), str) and key not in metadata:
            return text
    return ""


def _kind(payload: dict[str, Any], fields: dict[str, Any]) -> type[BaseNode]:
    """Choose a node's class: documents and unknown ones with a text are text nodes.

    So has core's metadata_dict_to_node it, and ``hit.text`` works for text nodes alone. But images,
    sounds and films would be lost with it, and a document without a text could not be read.
    """
    name = payload.get("_node_type", "")
    if name in _KINDS:
        return _KINDS[name]
    if any(fields.get(each) for each in _MEDIA):
        return Document
    is_document = any(each in fields for each in _MEDIA)
    return Document if is_document and not fields.get("text") else TextNode
