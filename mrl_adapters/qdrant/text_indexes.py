"""Text indexes: for filters that look for words, and for ranking by BM25.

Without one, servers take words for a part of a text, in this case of letters. The embedded engine
and local mode compare whole words in any case, and so does a server by a text index. Without one a
server looks for the words as they are written, anywhere in the text: another answer to the same
filter. So the adapters' own text operators have an index there: in a collection of this package one
is made, in others it is asked for. Filters that callers build of Qdrant's models mean what Qdrant
says.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import BaseModel
from qdrant_client import models

from mrl_adapters.errors import CollectionMismatchError, ConfigurationError
from mrl_adapters.qdrant.commands import command
from mrl_adapters.qdrant.contents import node_text
from mrl_adapters.qdrant.engine import is_older
from mrl_adapters.qdrant.filters.fields import MatchText
from mrl_adapters.qdrant.flow import Flow, ask, change, current_engine
from mrl_adapters.qdrant.layout import CollectionLayout
from mrl_adapters.qdrant.lexical import TextIndex
from mrl_adapters.qdrant.payload_keys import NODE_KEY
from mrl_adapters.qdrant.sparse import SparseVectors

WORDS = models.TextIndexParams(
    type=models.TextIndexType.TEXT, tokenizer=models.TokenizerType.WORD, lowercase=True
)
"""Whole words, in any case."""


_OLDEST_RANKING_SERVER = (1, 20)
_OLDEST_SUBSTRING_SERVER = (1, 20)


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
        ConfigurationError: The filter looks for a part of a text, and the server is before 1.20.
    """
    if not current_engine().is_server:
        return []
    yield from _check_substrings(name, given)
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


def with_text_field(layout: CollectionLayout, field: str) -> CollectionLayout:
    """Let a layout's text index be on a payload field, unless it names one."""
    index = layout.text_index
    if index is None or index.field is not None:
        return layout
    return layout.placed(text_index=index.on(field))


def with_texts(
    layout: CollectionLayout, payloads: Sequence[dict[str, Any]]
) -> Sequence[dict[str, Any]]:
    """Put the texts of LlamaIndex's nodes, which stand in JSON, where the text index finds them."""
    index = layout.text_index
    if index is None or index.field is None:
        return payloads
    key = top_key(index.field)
    return [_with_text(payload, key) for payload in payloads]


def top_key(field: str) -> str:
    """Return the payload's own key that a field's path names."""
    return field.strip('"')


def _with_text(payload: dict[str, Any], key: str) -> dict[str, Any]:
    if key in payload or NODE_KEY not in payload or not (text := node_text(payload)):
        return payload
    return {**payload, key: text}


def with_words(
    layout: CollectionLayout, words: TextIndex, present: CollectionLayout | None = None
) -> Flow[CollectionLayout]:
    """Let a layout have what finds words: what there is, a text index, or else sparse vectors.

    Args:
        layout: What a collection is to be.
        words: The text index, for engines that rank by one.
        present: What the collection is, if there is one; sparse vectors are not added to it here.
    """
    has = [each.text_index or each.sparse for each in (layout, present) if each is not None]
    if any(has):
        return layout
    if (yield from _lacking_to_rank()) is None:
        return layout.placed(text_index=words)
    return layout if present is not None else layout.placed(sparse=SparseVectors.by(words))


def check_ranking(name: str) -> Flow[None]:
    """Refuse to make a text index that ranks where the engine has none.

    Raises:
        ConfigurationError: The engine is qdrant-client's local mode, or a server before 1.20.
    """
    found = yield from _lacking_to_rank()
    if found is None:
        return
    msg = (
        f"Collection {name!r}: a text index that ranks by BM25 needs the embedded engine "
        f"(connect(path=...)) or a Qdrant server of 1.20 or later, found {found}. Every engine "
        "ranks by sparse vectors: CollectionLayout(..., sparse=SparseVectors()), or: "
        f"{command('migrate', name, '--sparse')}"
    )
    raise ConfigurationError(msg, found=found, expected="1.20")


def _lacking_to_rank() -> Flow[str | None]:
    """Name the engine if it has no text index that ranks; None if it has."""
    engine = current_engine()
    if not engine.is_server:
        return None if engine.ranks_texts else "qdrant-client's local mode"
    version = (yield from ask(lambda c: c.info())).version
    return f"a server of {version}" if is_older(version, _OLDEST_RANKING_SERVER) else None


def _check_substrings(name: str, given: models.Filter) -> Flow[None]:
    if not any(_fields(given, kind=models.MatchSubstring)):
        return
    version = (yield from ask(lambda c: c.info())).version
    if is_older(version, _OLDEST_SUBSTRING_SERVER):
        msg = (
            f"Collection {name!r}: '%text%' of $like needs a Qdrant server of 1.20 or later, found "
            f"{version}. '%' at the end alone ('text%') is taken there, and $text finds whole "
            "words."
        )
        raise ConfigurationError(msg, found=version, expected="1.20")


def _fields(value: Any, within: str = "", *, kind: type = MatchText) -> Iterator[str]:
    if isinstance(value, models.FieldCondition):
        if type(value.match) is kind:
            yield within + value.key
    elif isinstance(value, models.NestedCondition):
        yield from _fields(value.nested.filter, f"{within}{value.nested.key}[].", kind=kind)
    elif isinstance(value, BaseModel):
        for part in value.__dict__.values():
            yield from _fields(part, within, kind=kind)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _fields(part, within, kind=kind)


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
