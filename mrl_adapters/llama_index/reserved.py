"""Metadata under names that the store needs for itself: kept apart, and found there by filters.

LlamaIndex's stores put the metadata and fields of their own side by side into a payload, and their
own win: a metadata key ``doc_id`` gives way to the id of the node's document. Such metadata stand
in an object of their own as well, which other stores pass over.

A filter on such a key means the node's own metadata; of a node without, the id of its document or
its type where the key is one of their names, as in other stores. Nodes that another store wrote,
or an earlier version of this one, keep such metadata where no filter sees them.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from llama_index.core.vector_stores import MetadataFilter, MetadataFilters
from qdrant_client import models

from mrl_adapters.errors import ConfigurationError
from mrl_adapters.qdrant.contents import node_content
from mrl_adapters.qdrant.filters import Field, Term, all_of, any_of, fields
from mrl_adapters.qdrant.payload_keys import APART_KEY, STORES_OWN

DOCUMENT_KEY = "doc_id"
_ANSWERED = {"document_id", DOCUMENT_KEY, "ref_doc_id", "_node_type"}
_FIRST = re.compile(r"[^.\[]*")


def kept_apart(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Build what is stored of metadata under the store's own names: nothing, nearly always."""
    taken = STORES_OWN.intersection(metadata)
    return {APART_KEY: {key: metadata[key] for key in taken}} if taken else {}


@dataclass(frozen=True)
class Place:
    """The field of the metadata that a key means, and the store's own field of that name."""

    field: Field
    stores: Field | None

    def holds(self, build: Callable[[Field], Term]) -> Term:
        """Build a term about the metadata, or about the store's field where there are none."""
        if self.stores is None:
            return build(self.field)
        return any_of([build(self.field), all_of([self.field.is_empty(), build(self.stores)])])


def places(key: str, indexes: Mapping[str, str], documents_key: str | None = None) -> list[Place]:
    """List where a payload may keep the metadata of a key: see :mod:`mrl_adapters.qdrant.filters`.

    Args:
        key: The key.
        indexes: Payload field to index type.
        documents_key: Where documents of LangChain's stores keep their metadata, if the collection
            holds such.

    Raises:
        ConfigurationError: Qdrant cannot name the key.
    """
    meant = [_place(field, _store_key(field)) for field in fields([key], indexes=indexes)]
    if documents_key is not None:
        meant += [Place(field, None) for field in fields([key], documents_key, indexes)]
    return meant


def _place(field: Field, name: str | None) -> Place:
    if name is None:
        return Place(field, None)
    apart = Field(f"{APART_KEY}.{field.path}", field.name)
    return Place(apart, field if name in _ANSWERED else None)


def unseen(filters: MetadataFilters | None) -> models.Filter | None:
    """Select the nodes whose metadata filters may not see, because nothing is kept apart.

    Returns:
        The selection, to be narrowed to what passes the filters; None where they see all.
    """
    if filters is None or not any(_taken(filters)):
        return None
    nothing_apart = models.IsEmptyCondition(is_empty=models.PayloadField(key=APART_KEY))
    return models.Filter(must=[nothing_apart])


def refuse_unseen(filters: MetadataFilters | None, records: list[models.Record]) -> None:
    """Refuse to delete nodes by metadata that filters do not see.

    Raises:
        ConfigurationError: One of them has metadata under a key that the filters name.
    """
    keys = set(_taken(filters)) if filters else set()
    for record in records:
        node = node_content(record.payload or {}) or {}
        metadata = node.get("metadata")
        if isinstance(metadata, dict) and (hidden := sorted(keys.intersection(metadata))):
            msg = (
                f"Filter on {hidden[0]!r}: node {node.get('id_', record.id)!r} was written by "
                "another store or an earlier version, which kept the id of its document in place "
                f"of its metadata {hidden[0]!r} = {metadata[hidden[0]]!r}, so that no filter sees "
                "these. Nothing was deleted. Add the node again (get_nodes with "
                "with_embeddings=True, then add), or delete by node_ids."
            )
            raise ConfigurationError(msg)


def _taken(filters: MetadataFilters) -> Iterator[str]:
    """List the store's own names among a filter's keys."""
    for each in filters.filters:
        if isinstance(each, MetadataFilter):
            yield from filter(None, map(_store_key, fields([each.key])))
        elif isinstance(each, MetadataFilters):
            yield from _taken(each)


def _store_key(field: Field) -> str | None:
    """Return the name that a path begins with, if it is one of the store's own."""
    name = _FIRST.match(field.path)
    return name[0] if name and name[0] in STORES_OWN else None
