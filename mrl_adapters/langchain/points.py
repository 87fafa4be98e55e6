"""Points to documents, and scores to relevance.

The payload is that of langchain-qdrant (``page_content`` and ``metadata``, or the collection's own
keys), so that each store reads what the other wrote. Payloads of LlamaIndex stores
(``_node_content``) are read as well.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from langchain_core.documents import Document
from qdrant_client import models

from mrl_adapters.edge import construct
from mrl_adapters.errors import ConfigurationError
from mrl_adapters.qdrant import CollectionLayout
from mrl_adapters.qdrant.contents import Contents
from mrl_adapters.qdrant.ids import original_id
from mrl_adapters.qdrant.payload_keys import NODE_KEY, checked_added_key
from mrl_adapters.qdrant.signals import Signals

_EMPTY = Document(page_content="").__dict__


class AddedKeys(NamedTuple):
    """Metadata keys under which documents get what a search knows of them; None adds nothing."""

    score: str | None = None
    signals: str | None = None

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> "AddedKeys":
        """Read them from the options of a search.

        Raises:
            ConfigurationError: One is no text, or a name that stores keep for themselves, or both
                are the same.
        """
        score, signals = options.get("score_key"), options.get("signals_key")
        if score is None and signals is None:
            return _NOTHING_ADDED
        checked_added_key("score_key", score)
        checked_added_key("signals_key", signals)
        if score is not None and score == signals:
            msg = f"score_key and signals_key are both {score!r}, expected two names."
            raise ConfigurationError(msg, found=score)
        return cls(score, signals)


_NOTHING_ADDED = AddedKeys()


def to_document(
    point: models.Record | models.ScoredPoint,
    contents: Contents,
    added: AddedKeys = _NOTHING_ADDED,
    signals: Signals | None = None,
) -> Document:
    """Build the document that a point holds, with the id that its writer chose.

    Nothing is added to its metadata, no ``_id``, no ``_collection_name``, but score and
    signals under the keys that are asked for, in place of what the document has there; what is
    stored stays as it is.

    Warns:
        UnreadableContentWarning: Its text or metadata is missing or is none; once a collection.
    """
    payload, keys = point.payload or {}, contents.keys
    text, metadata = payload.get(keys.content), None
    if keys.metadata is not None:
        metadata = payload.get(keys.metadata, {})
        if metadata is None:
            metadata = {}
    if NODE_KEY in payload or not (isinstance(text, str) and isinstance(metadata, dict)):
        text, metadata = contents.text_and_metadata(payload, point.id)
    if added.score is not None and isinstance(point, models.ScoredPoint):
        metadata = {**metadata, added.score: point.score}
    if added.signals is not None and signals is not None:
        metadata = {**metadata, added.signals: signals.described()}
    fields = _EMPTY.copy()
    fields["id"], fields["metadata"] = original_id(point.id, payload), metadata
    fields["page_content"] = text
    return construct(Document, fields)


def relevance(score: float, layout: CollectionLayout | None, *, by_words: bool = False) -> float:
    """Map a score into [0, 1], where 1 is most similar, keeping the order of the hits.

    Args:
        score: Qdrant's score: a similarity under Cosine and Dot, a distance otherwise.
        layout: The collection's layout; None is taken for Cosine.
        by_words: Whether it is the score of words or tokens, or fused with such: larger is better
            then, whatever the distance, and nothing bounds it.

    Returns:
        Cosine: (1 + score) / 2. Dot and words: (1 + score / (1 + abs(score))) / 2.
        Euclid and Manhattan: 1 / (1 + distance).
    """
    distance = "Dot" if by_words else layout.distance if layout else "Cosine"
    if distance == "Cosine":
        # float16 vectors can score a hair above 1.
        return min(1.0, max(0.0, (1.0 + score) / 2.0))
    if distance == "Dot":
        return (1.0 + score / (1.0 + abs(score))) / 2.0
    return 1.0 / (1.0 + score)
