"""Keep a collection in step with files: new and changed ones in, vanished ones out.

What the collection holds of a file is asked of the collection itself, so that no second list can
disagree with it, and a run that was interrupted is completed by the next one.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qdrant_client import models

from mrl_adapters.cli.files import SourceFile, read_file
from mrl_adapters.cli.passages import Cutting
from mrl_adapters.cli.walking import Found, Skipped, emptied_above, is_gone
from mrl_adapters.errors import ConfigurationError, EmbeddingError, MissingExtraError
from mrl_adapters.langchain import MatryoshkaVectorStore
from mrl_adapters.langchain.filters import filter_for
from mrl_adapters.langchain.points import to_document
from mrl_adapters.progress import Meter, ProgressCallback

PAYLOAD_INDEXES = {"metadata.source": "keyword", "metadata.passage": "integer"}
"""Without them every question about a file would read every point."""

_PASSAGES_PER_BATCH = 256
# Others' documents may name the same source: what has no such marks was not stored by this.
_OURS = {"digest": {"$exists": True}, "passage": {"$gte": 0}}


@dataclass
class Outcome:
    """What one run did.

    Args:
        added: Files that were not there.
        changed: Files whose passages were replaced.
        unchanged: Files that were left alone.
        removed: Files whose passages were deleted, since they are gone.
        skipped: Files and folders that could not be read; what was stored of them stays.
        kept: Folders that are empty now; what was stored of their files stays.
        empty: Files that hold no text at all, so that nothing is stored of them.
        blank: How many documents of a file hold no text, so that nothing is stored of them.
        unknown: How many files of each kind that is not read lie in the folders.
        passages: How many passages were embedded and stored.
    """

    added: list[Path] = field(default_factory=list)
    changed: list[Path] = field(default_factory=list)
    unchanged: list[Path] = field(default_factory=list)
    removed: list[Path] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    kept: list[Path] = field(default_factory=list)
    empty: list[Path] = field(default_factory=list)
    blank: dict[Path, int] = field(default_factory=dict)
    unknown: dict[str, int] = field(default_factory=dict)
    passages: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Return the same in JSON's types."""
        return {
            "added": [str(path) for path in self.added],
            "changed": [str(path) for path in self.changed],
            "unchanged": [str(path) for path in self.unchanged],
            "removed": [str(path) for path in self.removed],
            "skipped": [{"path": str(skip.path), "reason": skip.reason} for skip in self.skipped],
            "kept": [str(path) for path in self.kept],
            "empty": [str(path) for path in self.empty],
            "blank": {str(path): count for path, count in self.blank.items()},
            "unknown": dict(self.unknown),
            "passages": self.passages,
        }


class FileIndex:
    """The files that one collection holds.

    Args:
        store: The collection's store.
        cutting: How files are cut into passages.
    """

    def __init__(self, store: MatryoshkaVectorStore, cutting: Cutting | None = None) -> None:
        self._store = store
        self._cutting = cutting

    def update(self, paths: Sequence[Path], progress: ProgressCallback | None = None) -> Outcome:
        """Bring files in; those that the collection holds as they are stay untouched.

        Progress is counted in bytes.
        """
        outcome = Outcome()
        sizes = {path: _size_bytes(path) for path in paths}
        meter = Meter("indexing files", sum(sizes.values()), progress)
        waiting: list[SourceFile] = []
        for path in paths:
            try:
                file = read_file(path, self._cutting)
            except (ConfigurationError, MissingExtraError) as error:
                outcome.skipped.append(Skipped(path, str(error)))
                meter.step(sizes[path])
                continue
            if file.blank:
                outcome.blank[path] = file.blank
            held = self._count(source=str(path))
            current = self._count(source=str(path), digest=file.digest) if held else 0
            if held == current == len(file.passages):
                (outcome.unchanged if held else outcome.empty).append(path)
                meter.step(sizes[path])
                continue
            (outcome.changed if held else outcome.added).append(path)
            waiting.append(file)
            # Many small files share a batch: the model is called for each batch, not each file.
            if sum(len(file.passages) for file in waiting) >= _PASSAGES_PER_BATCH:
                self._put(waiting, outcome)
                meter.step(sum(sizes[file.path] for file in waiting))
                waiting = []
        self._put(waiting, outcome)
        meter.step(sum(sizes[file.path] for file in waiting))
        return outcome

    def remove_missing(self, found: Found, outcome: Outcome, *, emptied: bool = False) -> None:
        """Delete the passages of files that are gone for certain."""
        # Every file that has passages has a first one.
        collection = self._store.collection
        firsts = self._store.driver.run(collection.scroll(self._filter(passage=0)))
        documents = [to_document(record, collection.contents) for record in firsts]
        held = {Path(document.metadata["source"]) for document in documents}
        unread = [skip.path for skip in found.skipped]
        barren = {
            folder
            for folder in found.folders
            if not any(file.is_relative_to(folder) for file in found.files)
        }
        kept: set[Path] = set()
        for path in sorted(held.difference(found.files)):
            roots = [folder for folder in found.folders if path.is_relative_to(folder)]
            if (
                not roots
                or any(path.is_relative_to(place) for place in unread)
                or not is_gone(path)
            ):
                continue
            folder = next((root for root in roots if root in barren), None)
            if not emptied and (folder := folder or emptied_above(path, roots)) is not None:
                kept.add(folder)
                continue
            self._delete(source=str(path))
            outcome.removed.append(path)
        outcome.kept = sorted(kept)

    def _put(self, files: Sequence[SourceFile], outcome: Outcome) -> None:
        """Store files; where the model refuses some texts, the files without those."""
        try:
            outcome.passages += self._replace(files)
        except EmbeddingError as error:
            if len(files) == 1:
                self._refused(files[0], error, outcome)
                return
            for file in files:
                self._put([file], outcome)

    def _refused(self, file: SourceFile, error: EmbeddingError, outcome: Outcome) -> None:
        for names in (outcome.added, outcome.changed):
            if file.path in names:
                names.remove(file.path)
        outcome.skipped.append(Skipped(file.path, str(error)))

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
        self._store.add_texts(texts, metadatas, ids=ids, batch_size=_PASSAGES_PER_BATCH)
        for file in files:
            self._delete(source=str(file.path), digest={"$exists": True, "$ne": file.digest})
        return len(texts)

    def _count(self, **metadata: Any) -> int:
        query_filter = self._filter(**metadata)
        return self._store.driver.run(self._store.collection.count(query_filter))

    def _delete(self, **metadata: Any) -> None:
        query_filter = self._filter(**metadata)
        self._store.driver.run(self._store.collection.delete(query_filter=query_filter))

    def _filter(self, **metadata: Any) -> models.Filter | None:
        self._store.driver.run(self._store.collection.open())  # says where its metadata stand
        return filter_for(self._store.collection, {**_OURS, **metadata})


def _size_bytes(path: Path) -> int:
    """Ask how large a file is; 0 where it cannot be asked, which reading it then tells."""
    try:
        return path.stat().st_size
    except OSError:
        return 0
