"""Text indexes, without which servers take words for a part of a text, in this case of letters.

The embedded engine and local mode compare whole words in any case, and so does a server by a text
index. Without one a server looks for the words as they are written, anywhere in the text: another
answer to the same filter. So the adapters' own text operators have an index there: in a collection
of this package one is made, in others it is asked for. Filters that callers build of Qdrant's
models mean what Qdrant says.
"""

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel
from qdrant_client import models

from mrl_adapters.errors import CollectionMismatchError
from mrl_adapters.qdrant.filters.fields import MatchText
from mrl_adapters.qdrant.flow import Flow, change, current_engine
from mrl_adapters.qdrant.layout import CollectionLayout

WORDS = models.TextIndexParams(
    type=models.TextIndexType.TEXT, tokenizer=models.TokenizerType.WORD, lowercase=True
)
"""Whole words, in any case."""


def text_fields(given: models.Filter | None) -> list[str]:
    """List the fields in which a filter looks for words, as the adapters' operators do."""
    return list(dict.fromkeys(_fields(given)))


def ensure_text_indexes(
    name: str, layout: CollectionLayout, given: models.Filter, *, ours: bool
) -> Flow[list[str]]:
    """See to the text indexes that a filter needs on a server.

    Args:
        name: The collection.
        layout: What it has.
        given: The filter.
        ours: Whether the collection is this package's, so that an index may be added.

    Returns:
        The fields whose indexes were made.

    Raises:
        CollectionMismatchError: A field has none, and the collection is somebody else's, or the
            field has an index of another type.
    """
    if not current_engine().is_server:
        return []
    made = []
    for field in text_fields(given):
        kind = layout.payload_indexes.get(field)
        if kind == models.PayloadSchemaType.TEXT.value:
            continue
        if kind is not None or not ours:
            raise _lacking(name, field, kind)
        yield from change(
            lambda c, field=field: c.create_payload_index(  # type: ignore[misc] # bound now
                name, field_name=field, field_schema=WORDS, wait=True
            )
        )
        made.append(field)
    return made


def _fields(value: Any, within: str = "") -> Iterator[str]:
    if isinstance(value, models.FieldCondition):
        if type(value.match) is MatchText:
            yield within + value.key
    elif isinstance(value, models.NestedCondition):
        yield from _fields(value.nested.filter, f"{within}{value.nested.key}[].")
    elif isinstance(value, BaseModel):
        for part in value.__dict__.values():
            yield from _fields(part, within)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _fields(part, within)


def _lacking(name: str, field: str, kind: str | None) -> CollectionMismatchError:
    there = f"an index of type {kind}, and no text index," if kind else "no text index"
    schema = "models.TextIndexParams(type='text', tokenizer='word', lowercase=True)"
    make = f"client.create_payload_index({name!r}, {field!r}, {schema})"
    if kind:
        make = f"client.delete_payload_index({name!r}, {field!r}); {make}"
    return CollectionMismatchError(
        f"Collection {name!r} has {there} on {field!r}: a server would look for the words as they "
        f"are written, anywhere in the text. Make the index first: {make}",
        collection=name,
        found=kind,
        expected="text",
    )
