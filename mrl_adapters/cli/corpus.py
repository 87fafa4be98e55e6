"""The quickstart's collection: the standard library's docstrings, indexed once and then reused."""

import sys
import sysconfig
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mrl_adapters import __version__
from mrl_adapters.embeddings import WordLlamaEmbedder
from mrl_adapters.errors import CollectionMismatchError
from mrl_adapters.evaluation.docstrings import Docstring, docstrings
from mrl_adapters.langchain import MatryoshkaVectorStore
from mrl_adapters.progress import ProgressCallback
from mrl_adapters.qdrant import CollectionLayout, EdgeClient, TextIndex

STAGES = (64, 128)

NAME = "mrl-adapters-quickstart"
"""The collection: a name that nobody else would choose, and a mark in its metadata besides."""

_MARK = "mrl_adapters_quickstart"
_WORDS = 5  # of a sentence that says enough to search with
_FORMAT = 2  # raise it when what is stored of a docstring changes


class Corpus:
    """The standard library's docstrings in the embedded engine.

    Args:
        client: The engine. The collection's metadata say what was indexed.
        sources: Read the Python files of this folder instead of the standard library's.

    Raises:
        CollectionMismatchError: Somebody else's collection has the name of this one.
    """

    def __init__(self, client: EdgeClient, sources: Path | None = None) -> None:
        self.embedder: WordLlamaEmbedder = WordLlamaEmbedder()
        self.layout: CollectionLayout = CollectionLayout(
            self.embedder.dimensions, STAGES, model=self.embedder.model, text_index=TextIndex()
        )
        self._client = client
        self._sources = sources
        self.store: MatryoshkaVectorStore = self._new_store()
        self._mark()
        # Everything that decides what the index holds, without reading the texts themselves.
        self._made_of: dict[str, object] = {
            "format": _FORMAT,
            "package": __version__,
            "model": self.embedder.model,
            "stages": list(STAGES),
            "python": sys.version,
            "sources": str(self._sources or sysconfig.get_paths()["stdlib"]),
        }

    def __len__(self) -> int:
        """Count the docstrings that are indexed."""
        return self.store.driver.run(self.store.collection.count())

    def is_current(self) -> bool:
        """Whether an earlier run indexed just this, to the end."""
        mark = self._mark() or {}
        # In this order: a collection of another layout could not even be opened.
        return mark.get("index") == self._made_of and mark.get("texts") == len(self)

    def read(self) -> list[Docstring]:
        """Read the docstrings from the source files."""
        return list(docstrings(self._sources))

    def index(self, entries: Sequence[Docstring], progress: ProgressCallback) -> None:
        """Index docstrings in place of what is there."""
        if self._mark() is not None:
            self._client.delete_collection(NAME)
        # Made here, and not by the store: it bears the mark from its first moment. The text index
        # is made by the store as it opens.
        without = replace(self.layout, text_index=None)
        self._client.create_collection(
            NAME, without.vectors_config(), metadata={**without.metadata(), _MARK: {}}
        )
        self.store = self._new_store()  # the old one knows a collection that is gone
        self.store.add_texts(
            [f"{entry.id}: {entry.summary}" for entry in entries],
            [_metadata(entry) for entry in entries],
            ids=[entry.id for entry in entries],
            progress=progress,
        )
        # Written last: an index without it is not complete.
        mark = {"index": self._made_of, "texts": len(entries)}
        self._client.update_collection(NAME, metadata={_MARK: mark})

    def sentences(self, count: int) -> list[str]:
        """Take sentences to search with: the first of the bodies, which are not indexed.

        Returns:
            The same ones every time: points come in the order of their ids, which are hashes.
        """
        records = self.store.driver.run(self.store.collection.scroll())
        bodies = [record.payload["metadata"]["body"] for record in records if record.payload]
        paragraphs = [" ".join(body.partition("\n\n")[0].split()) for body in bodies]
        sentences = [paragraph.partition(". ")[0] for paragraph in paragraphs]
        return [sentence for sentence in sentences if len(sentence.split()) >= _WORDS][:count]

    def _mark(self) -> dict[str, Any] | None:
        """Read what an earlier run says of the collection; None where there is none."""
        if not self._client.collection_exists(NAME):
            return None
        metadata = self._client.get_collection(NAME).config.metadata or {}
        mark = metadata.get(_MARK)
        if not isinstance(mark, dict):
            msg = (
                f"Collection {NAME!r} of {self._client!r} was not made by quickstart, which "
                "would replace it. Pass another folder: mrl-adapters quickstart --path FOLDER"
            )
            raise CollectionMismatchError(msg, collection=NAME)
        return mark

    def _new_store(self) -> MatryoshkaVectorStore:
        return MatryoshkaVectorStore(self._client, NAME, self.embedder, layout=self.layout)


def _metadata(entry: Docstring) -> dict[str, Any]:
    return {
        "title": entry.id,
        "kind": entry.kind,
        "signature": entry.signature,
        "body": entry.body,
        "path": entry.path,
    }
