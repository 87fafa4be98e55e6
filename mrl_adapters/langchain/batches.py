"""Texts, metadata and ids, cut into the batches in which they are embedded and stored."""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sized
from dataclasses import dataclass
from typing import Any, TypeAlias

from langchain_core.documents import Document

from mrl_adapters.arguments import require_list, require_members
from mrl_adapters.errors import ConfigurationError
from mrl_adapters.qdrant.ids import DocumentId, id_text
from mrl_adapters.qdrant.payload import PlainPayloads, plain_payload
from mrl_adapters.qdrant.payload_keys import PayloadKeys

_ENDED: Any = object()
_Row: TypeAlias = tuple[str | None, str, dict[str, Any]]


@dataclass(frozen=True)
class DocumentBatch:
    """Texts to embed and store together; ``whole`` if they are all the texts of the call."""

    ids: list[str | None]
    texts: list[str]
    payloads: PlainPayloads
    whole: bool

    def portions(
        self, ids: list[str], size: int
    ) -> Iterator[tuple[list[str], list[str], PlainPayloads]]:
        """Yield ids, texts and payloads of at most ``size`` documents at a time."""
        for start in range(0, len(ids), size):
            rows = slice(start, start + size)
            yield ids[rows], self.texts[rows], PlainPayloads(self.payloads[rows])


def batches_of(
    texts: Iterable[str],
    metadatas: Iterable[dict[str, Any] | None] | None,
    ids: Iterable[DocumentId | None] | None,
    batch_size: int,
    keys: PayloadKeys,
) -> Iterator[DocumentBatch]:
    """Cut columns of texts, metadata and ids into batches.

    A list is one batch, checked whole with all that belongs to it before anything is embedded; a
    generator is read and checked batch by batch, no further than needed.

    Raises:
        ConfigurationError: The columns differ in length, a text is not a string, an id is none, or
            metadata cannot be stored.
    """
    require_list(texts, "texts", "strings")
    if metadatas is not None:
        require_list(metadatas, "metadatas", "dicts", one=Mapping)
    if ids is not None:
        require_list(ids, "ids", "ids")
    for name, column in (("metadatas", metadatas), ("ids", ids)):
        if isinstance(column, Sized) and isinstance(texts, Sized) and len(column) != len(texts):
            raise _uneven(name, len(column), f"{len(texts)} texts")
    if batch_size < 1:
        msg = f"batch_size is {batch_size}, expected at least 1."
        raise ConfigurationError(msg)
    rows = _rows(texts, metadatas, ids, keys)
    return _batches(rows, None if isinstance(texts, Sized) else batch_size)


def _rows(
    texts: Iterable[str],
    metadatas: Iterable[dict[str, Any] | None] | None,
    ids: Iterable[DocumentId | None] | None,
    keys: PayloadKeys,
) -> Iterator[_Row]:
    given_metadata = None if metadatas is None else iter(metadatas)
    given_ids = None if ids is None else iter(ids)
    position = -1
    for position, text in enumerate(texts):
        metadata = None if given_metadata is None else next(given_metadata, _ENDED)
        identifier = None if given_ids is None else next(given_ids, _ENDED)
        if metadata is _ENDED or identifier is _ENDED:
            raise _uneven("metadatas" if metadata is _ENDED else "ids", position, "more texts")
        chosen = None if identifier is None else id_text(identifier, f"ids[{position}]")
        yield _row(position, text, metadata, chosen, keys)
    for name, rest in (("metadatas", given_metadata), ("ids", given_ids)):
        if rest is not None and next(rest, _ENDED) is not _ENDED:
            raise _uneven(name, f"more than {position + 1}", f"{position + 1} texts")


def _row(
    position: int, text: Any, metadata: Any, identifier: str | None, keys: PayloadKeys
) -> _Row:
    owner = (
        f"Document {position}" if identifier is None else f"Document {position} ({identifier!r})"
    )
    if not isinstance(text, str):
        msg = f"Text {position} is {type(text).__name__}, expected str. Leave it out."
        raise ConfigurationError(msg)
    if metadata is not None and not isinstance(metadata, Mapping):
        msg = f"{owner}: its metadata is {type(metadata).__name__}, expected a dict."
        raise ConfigurationError(msg)
    payload = plain_payload(keys.payload(text, metadata or {}, owner), owner)
    return identifier, text, payload


def _batches(rows: Iterator[_Row], batch_size: int | None) -> Iterator[DocumentBatch]:
    while batch := list(itertools.islice(rows, batch_size)):
        ids, texts, payloads = zip(*batch, strict=True)
        yield DocumentBatch([*ids], [*texts], PlainPayloads(payloads), batch_size is None)


def _uneven(name: str, found: object, expected: object) -> ConfigurationError:
    return ConfigurationError(
        f"{name} has {found} entries for {expected}. Pass one for each text, or leave {name} out."
    )


def columns_of(documents: Iterable[Document]) -> dict[str, Any]:
    """Split documents into the ``texts``, ``metadatas`` and ``ids`` that adding texts takes.

    Raises:
        ConfigurationError: They are no list, or one of them is no Document; of a generator once it
            is reached.
    """
    require_list(documents, "documents", "documents")
    checked = require_members(documents, "documents", Document, "Pass texts to add_texts.")
    if isinstance(documents, Sized):
        given = list(checked)
        return {
            "texts": [document.page_content for document in given],
            "metadatas": [document.metadata for document in given],
            "ids": [document.id for document in given],
        }
    contents, metadatas, ids = itertools.tee(checked, 3)
    return {
        "texts": (document.page_content for document in contents),
        "metadatas": (document.metadata for document in metadatas),
        "ids": (document.id for document in ids),
    }
