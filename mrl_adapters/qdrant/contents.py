"""Read the text and the metadata of a point, whoever wrote it.

Own points are read by their adapters. This is for all others: another program's keys, another
LlamaIndex (its TypeScript version, early ones), content that was cut or never written. What cannot
be read as it was meant is read as far as it goes, and told of once a collection.
"""

import json
import warnings
from collections.abc import Mapping
from typing import Any

from mrl_adapters.qdrant.commands import command
from mrl_adapters.qdrant.ids import ID_KEY, PointId

NODE_KEY = "_node_content"
"""Where LlamaIndex keeps a whole node, as JSON."""

# Where programs keep a passage's text, the likeliest first.
TEXT_KEYS = ("page_content", "text", "content", "document", "chunk", "passage", "body")
METADATA_KEYS = ("metadata", "meta")
CONTENT_KEYS = (NODE_KEY, *TEXT_KEYS, *METADATA_KEYS)
"""All that must be read of a payload to know whether it is readable."""
APART_KEY = "_mrl_metadata"
"""Where LlamaIndex metadata are kept that have the name of something which stores keep."""
STORES_OWN = frozenset(
    {NODE_KEY, "_node_type", "document_id", "doc_id", "ref_doc_id", ID_KEY, APART_KEY}
)
"""What LlamaIndex stores keep beside the metadata, this one included."""
_NO_METADATA = STORES_OWN | {"_collection_name"}


class UnreadableContentWarning(UserWarning):
    """A point's text or metadata could not be read as it was meant."""


def node_content(payload: Mapping[str, Any]) -> dict[str, Any] | None:
    """Give the node that LlamaIndex has kept in a payload.

    Args:
        payload: The point's payload.

    Returns:
        The node's fields; None where there is none, or nothing that can be read as one.
    """
    kept = payload.get(NODE_KEY)
    if isinstance(kept, str):
        try:
            kept = json.loads(kept)
        except (ValueError, RecursionError):
            return None
    return kept if isinstance(kept, dict) else None


class Contents:
    """Reads the points of one collection that are not as this package writes them.

    Args:
        collection_name: The collection, for warnings.
    """

    def __init__(self, collection_name: str) -> None:
        self._collection_name = collection_name
        self._told = False

    def text_and_metadata(
        self, payload: Mapping[str, Any], point: PointId
    ) -> tuple[str, dict[str, Any]]:
        """Find the text and the metadata in any payload.

        Args:
            payload: The point's payload.
            point: The point's id, for the warning.

        Returns:
            The text, empty where there is none, and the metadata.

        Warns:
            UnreadableContentWarning: There is no text, or something that is none; only once.
        """
        reason = unreadable(payload)
        if reason is not None:
            self.tell(point, reason)
        return _text_and_metadata(payload)

    def tell(self, point: PointId, reason: str) -> None:
        """Warn of a point that cannot be read as it was meant, only once.

        Args:
            point: The point's id.
            reason: What is wrong with it.
        """
        if self._told:
            return
        self._told = True
        msg = (
            f"Collection {self._collection_name!r}: point {point!r} {reason}. It is given as far "
            "as it can be read; no other point of this collection is told of. "
            f"List all of them with: {command('audit', self._collection_name)}"
        )
        warnings.warn(msg, UnreadableContentWarning, stacklevel=3)


def unreadable(payload: Mapping[str, Any]) -> str | None:
    """Say why a payload cannot be read as it was meant, or None where it can.

    Args:
        payload: The point's payload.
    """
    node = node_content(payload)
    if NODE_KEY in payload and node is None:
        return f"keeps no node under {NODE_KEY!r}"
    for key in METADATA_KEYS:
        if "page_content" in payload and not isinstance(payload.get(key, {}), dict | None):
            return f"keeps its {key} as a {type(payload[key]).__name__}"
    if node is not None and isinstance(node.get("text"), str):
        return None
    if any(isinstance(payload.get(key), str) for key in TEXT_KEYS):
        return None
    keys = ", ".join(map(repr, TEXT_KEYS))
    return f"has no text under {keys}; its keys are {sorted(map(str, payload))}"


def _text_and_metadata(payload: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    node = node_content(payload)
    if node is not None and isinstance(node.get("text"), str):
        metadata = node.get("metadata")
        return node["text"], metadata if isinstance(metadata, dict) else _beside(payload, "text")
    texts = {key: payload[key] for key in TEXT_KEYS if payload.get(key) is not None}
    strings = (key for key, value in texts.items() if isinstance(value, str))
    key = next(strings, next(iter(texts), ""))
    return str(texts.get(key, "")), _beside(payload, key)


def _beside(payload: Mapping[str, Any], text_key: str) -> dict[str, Any]:
    for key in METADATA_KEYS:
        if isinstance(payload.get(key), dict):
            found: dict[str, Any] = payload[key]
            return found
    beside = {
        key: value
        for key, value in payload.items()
        if key not in _NO_METADATA and key != text_key and value is not None
    }
    apart = payload.get(APART_KEY)
    return {**beside, **apart} if isinstance(apart, dict) else beside
