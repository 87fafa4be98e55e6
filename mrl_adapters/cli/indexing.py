"""Keep a collection in step with files: new and changed ones in, vanished ones out.

What the collection holds of a file is asked of the collection itself, so that no second list can
disagree with it, and a run that was interrupted is completed by the next one.
"""

import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mrl_adapters.cli.files import SourceFile, read_file
from mrl_adapters.langchain import MatryoshkaVectorStore
from mrl_adapters.langchain.filters import to_filter

PAYLOAD_INDEXES = {"metadata.source": "keyword", "metadata.passage": "integer"}
"""Without them every question about a file would read every point."""

_BATCH_PASSAGES = 256


@dataclass
class Outcome:
    """What one run did.

    Args:
        added: Files that were not there.
        changed: Files whose passages were replaced.
        unchanged: Files that were left alone.
        removed: Files whose passages were deleted, since they are gone.
        passages: How many passages were embedded and stored.
    """

    added: list[Path] = field(default_factory=list)
    changed: list[Path] = field(default_factory=list)
    unchanged: list[Path] = field(default_factory=list)
    removed: list[Path] = field(default_factory=list)
    passages: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Give the same in JSON's types."""
        return {
            "added": [str(path) for path in self.added],
            "changed": [str(path) for path in self.changed],
            "unchanged": [str(path) for path in self.unchanged],
            "removed": [str(path) for path in self.removed],
            "passages": self.passages,
        }


class FileIndex:
    """The files that one collection holds.

    Args:
        store: The collection's store.
    """

    def __init__(self, store: MatryoshkaVectorStore) -> None:
        self._store = store

    def update(
        self, paths: Iterable[Path], advance: Callable[[int], object] = lambda _: None
    ) -> Outcome:
        """Bring files in; those that the collection holds as they are stay untouched.

        Args:
            paths: Absolute paths.
            advance: Called with the number of files that are done, time after time.

        Raises:
            ConfigurationError: A file cannot be read; those before it may be stored already.
        """
        outcome = Outcome()
        waiting: list[SourceFile] = []
        for path in paths:
            file = read_file(path)
            held = self._count(source=str(path))
            current = self._count(source=str(path), digest=file.digest) if held else 0
            if held == current == len(file.passages):
                outcome.unchanged.append(path)
                advance(1)
                continue
            (outcome.changed if held else outcome.added).append(path)
            waiting.append(file)
            # Many small files share a batch: the model is called for each batch, not each file.
            if sum(len(each.passages) for each in waiting) >= _BATCH_PASSAGES:
                outcome.passages += self._replace(waiting)
                advance(len(waiting))
                waiting = []
        outcome.passages += self._replace(waiting)
        advance(len(waiting))
        return outcome

    def remove_missing(self, folders: Sequence[Path], present: Iterable[Path]) -> list[Path]:
        """Delete the passages of files that are gone.

        Args:
            folders: Absolute paths; files elsewhere are none of this run's business.
            present: The files that are there.

        Returns:
            The files whose passages were deleted, sorted.
        """
        there = set(present)
        # Every file that has passages has a first one.
        firsts = self._store.driver.run(self._store.collection.scroll(to_filter({"passage": 0})))
        held = {Path(record.payload["metadata"]["source"]) for record in firsts if record.payload}
        gone = sorted(
            path for path in held - there if any(path.is_relative_to(folder) for folder in folders)
        )
        for path in gone:
            self._delete(source=str(path))
        return gone

    def _replace(self, files: Sequence[SourceFile]) -> int:
        """Store the files' passages, then delete what earlier versions left behind.

        In this order a search finds a file's old passages until it finds the new ones, and a run
        that dies in between leaves a count that the next run sees is wrong.
        """
        texts, metadatas, ids = [], [], []
        for file in files:
            for number, passage in enumerate(file.passages):
                texts.append(passage.text)
                metadatas.append(
                    {
                        "source": str(file.path),
                        "title": passage.title,
                        "line": passage.line,
                        "passage": number,
                        "digest": file.digest,
                    }
                )
                ids.append(str(uuid.uuid5(uuid.NAMESPACE_URL, f"{file.path.as_uri()}#{number}")))
        self._store.add_texts(texts, metadatas, ids=ids, batch_size=_BATCH_PASSAGES)
        for file in files:
            self._delete(source=str(file.path), digest={"$ne": file.digest})
        return len(texts)

    def _count(self, **metadata: Any) -> int:
        return self._store.driver.run(self._store.collection.count(to_filter(metadata)))

    def _delete(self, **metadata: Any) -> None:
        self._store.driver.run(self._store.collection.delete(query_filter=to_filter(metadata)))
