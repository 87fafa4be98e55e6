"""Read the text and the metadata of a point, whoever wrote it.

Own points are read by their adapters. This is for all others: another program's keys, another
LlamaIndex (its TypeScript version, early ones), content that was cut or never written. What cannot
be read as it was meant is read as far as it goes, and told of once a collection.
"""

import json
from collections.abc import Mapping
from typing import Any

from mrl_adapters.qdrant.commands import command
from mrl_adapters.qdrant.filters.keys import is_nameable, written
from mrl_adapters.qdrant.ids import PointId
from mrl_adapters.qdrant.payload_keys import (
    APART_KEY,
    METADATA_KEYS,
    NODE_KEY,
    STORES_OWN,
    TEXT_KEYS,
    PayloadKeys,
)
from mrl_adapters.user_warnings import warn_user

_NO_METADATA = STORES_OWN | {"_collection_name"}


class UnreadableContentWarning(UserWarning):
    """A point's text or metadata could not be read as it was meant."""


def node_content(payload: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the node that LlamaIndex has kept in a payload.

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
        keys: Where it keeps texts and metadata.
    """

    def __init__(self, collection_name: str, keys: PayloadKeys | None = None) -> None:
        self._collection_name = collection_name
        self.keys: PayloadKeys = keys or PayloadKeys()
        self._told = False

    def text_and_metadata(
        self, payload: Mapping[str, Any], point: PointId
    ) -> tuple[str, dict[str, Any]]:
        """Find the text and the metadata in any payload.

        Returns:
            The text, empty where there is none, and the metadata.

        Warns:
            UnreadableContentWarning: There is no text, something that is none, or several of which
                nobody said which is meant; only once.
        """
        reason = unreadable(payload, self.keys)
        if reason is not None:
            self.tell(point, reason)
        return _text_and_metadata(payload, self.keys)

    def tell(self, point: PointId, reason: str) -> None:
        """Warn of a point that cannot be read as it was meant, only once."""
        if self._told:
            return
        self._told = True
        msg = (
            f"Collection {self._collection_name!r}: point {point!r} {reason}. It is given as far "
            "as it can be read; no other point of this collection is told of. "
            f"List all of them with: {command('audit', self._collection_name)}"
        )
        warn_user(msg, UnreadableContentWarning)


def needed(keys: PayloadKeys) -> list[str] | bool:
    """List what must be read of a payload to know whether it is readable.

    Returns:
        Paths; True for the whole payload, where Qdrant cannot name one of the keys.
    """
    own = [keys.content, *filter(None, [keys.metadata])]
    if not all(map(is_nameable, own)):
        return True
    return [*dict.fromkeys(map(written, [NODE_KEY, *own, *TEXT_KEYS]))]


def unreadable(payload: Mapping[str, Any], keys: PayloadKeys) -> str | None:
    """Return why a payload cannot be read as it was meant, or None where it can."""
    node = node_content(payload)
    if NODE_KEY in payload and node is None:
        return f"keeps no node under {NODE_KEY!r}"
    metadata = None if keys.metadata is None else payload.get(keys.metadata)
    if keys.content in payload and not isinstance(metadata, dict | None):
        return f"keeps its {keys.metadata} as a {type(metadata).__name__}"
    if node is not None and _text_of(node) is not None:
        return None
    return _without_text(payload, keys)


def _without_text(payload: Mapping[str, Any], keys: PayloadKeys) -> str | None:
    if isinstance(payload.get(keys.content), str):
        return None
    found = [key for key in TEXT_KEYS if isinstance(payload.get(key), str)]
    if len(found) == 1:
        return None
    asked = "If its text is under another, pass that as content_payload_key (LlamaIndex: text_key)"
    if found:
        names = ", ".join(map(repr, found))
        return f"has no text under {keys.content!r}, and under {names}: which is it? {asked}"
    names = ", ".join(map(repr, dict.fromkeys([keys.content, *TEXT_KEYS])))
    return f"has no text under {names}; its keys are {sorted(map(str, payload))}. {asked}"


def _text_and_metadata(payload: Mapping[str, Any], keys: PayloadKeys) -> tuple[str, dict[str, Any]]:
    node = node_content(payload)
    if node is not None and (text := _text_of(node)) is not None:
        metadata = node.get("metadata")
        if isinstance(metadata, dict):
            return text, metadata
        return text, _metadata(payload, "text", keys)
    key = _text_key(payload, keys)
    return str(payload.get(key, "")), _metadata(payload, key, keys)


def text_of(payload: Mapping[str, Any], keys: PayloadKeys) -> str:
    """Return the text in a payload, empty where there is none that can be read."""
    return _text_and_metadata(payload, keys)[0]


def node_text(payload: Mapping[str, Any]) -> str | None:
    """Return the text of the node that LlamaIndex has kept in a payload; None if there is none."""
    node = node_content(payload)
    return None if node is None else _text_of(node)


def _text_of(node: Mapping[str, Any]) -> str | None:
    """Return the text that a node has kept, or None where it is kept elsewhere.

    A multimodal node keeps it in a resource, and has none where that is missing.
    """
    if isinstance(text := node.get("text"), str):
        return text
    if "text_resource" not in node:
        return None
    resource = node["text_resource"]
    text = resource.get("text") if isinstance(resource, dict) else None
    return text if isinstance(text, str) else ""


def _text_key(payload: Mapping[str, Any], keys: PayloadKeys) -> str:
    """Return where a text is: under the collection's key, a usual one, or as the only string."""
    named = [key for key in (keys.content, *TEXT_KEYS) if payload.get(key) is not None]
    texts = [key for key in named if isinstance(payload[key], str)]
    if named:
        return texts[0] if texts else named[0]
    others = [
        key for key, value in payload.items() if isinstance(value, str) and key not in _NO_METADATA
    ]
    return others[0] if len(others) == 1 else ""


def _metadata(payload: Mapping[str, Any], text_key: str, keys: PayloadKeys) -> dict[str, Any]:
    if keys.metadata is None and text_key == keys.content:
        return {
            key: value
            for key, value in payload.items()
            if key not in STORES_OWN and key != text_key
        }
    for key in (keys.metadata, *METADATA_KEYS):
        if key is not None and isinstance(found := payload.get(key), dict):
            return found
    beside = {
        key: value
        for key, value in payload.items()
        if key not in _NO_METADATA and key != text_key and value is not None
    }
    apart = payload.get(APART_KEY)
    return {**beside, **apart} if isinstance(apart, dict) else beside
