"""What the page searches: a collection's texts and full vectors, held in memory, and questions."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath

import numpy as np

from mrl_adapters.embeddings import Embedder
from mrl_adapters.errors import ConfigurationError
from mrl_adapters.evaluation.exact import Indices
from mrl_adapters.evaluation.searcher import Searchable, Searcher
from mrl_adapters.progress import Meter, ProgressCallback
from mrl_adapters.qdrant import CollectionLayout
from mrl_adapters.qdrant.ids import PointId
from mrl_adapters.vectors import FloatArray, as_vectors

_SAMPLED = 100  # questions that stand for all
_SNIPPET = 280  # characters
_QUESTION = 300


@dataclass(frozen=True)
class Passage:
    """One text as the page shows it.

    Args:
        title: What it is called.
        snippet: The beginning of its text.
    """

    title: str
    snippet: str


@dataclass(frozen=True)
class Questions:
    """Questions that stand for all that will be asked.

    Args:
        texts: What is asked, m of them.
        vectors: Full vectors of shape (m, d).
        own: For each the row of the passage that it was taken from, which it must not find, or
            -1; shape (m,).
        given: Whether they are real questions rather than passages of the collection.
    """

    texts: tuple[str, ...]
    vectors: FloatArray
    own: Indices
    given: bool


@dataclass(frozen=True)
class Corpus:
    """A collection in memory.

    Args:
        name: The collection's name.
        layout: How it is laid out.
        store: The open collection, for searches that it answers itself.
        embedder: Embeds what is typed.
        ids: Point ids of the passages.
        passages: The texts, n of them.
        full: Their full vectors, shape (n, d), as the collection keeps them.
        questions: Questions to judge a setting by.
    """

    name: str
    layout: CollectionLayout
    store: Searchable
    embedder: Embedder
    ids: tuple[PointId, ...]
    passages: tuple[Passage, ...]
    full: FloatArray
    questions: Questions


def read_corpus(
    store: Searchable,
    embedder: Embedder,
    *,
    questions: Sequence[str] | None = None,
    seed: int = 0,
    progress: ProgressCallback | None = None,
) -> Corpus:
    """Read a collection into memory.

    Args:
        store: The collection, opened for all tenants.
        embedder: The model that wrote it.
        questions: Real questions; None takes a sample of the passages, which is kinder.
        seed: Draws that sample.
        progress: Called with a Progress after each step.

    Raises:
        CollectionMismatchError: The collection does not exist.
        ConfigurationError: It holds no full vector, or measures Manhattan distances.
    """
    searcher = Searcher(store, 1)
    layout = searcher.layout
    if layout.distance == "Manhattan":
        msg = (
            f"Collection {store.collection.name!r} measures Manhattan distances; the page compares "
            "by inner products. Show one with another distance."
        )
        raise ConfigurationError(msg)
    records = {record.id: record for record in store.driver.run(store.collection.scroll())}
    full = np.empty((len(records), layout.dimensions), dtype=np.float32)
    ids: list[PointId] = []
    meter = Meter("reading vectors", len(records), progress)
    for point, vector in searcher.vectors(list(records)):
        full[len(ids)] = vector
        ids.append(point)
        meter.reach(len(ids))
    if not ids:
        msg = (
            f"Collection {store.collection.name!r} holds no point with a full vector. "
            "Add documents first: mrl-adapters index PATH --collection NAME"
        )
        raise ConfigurationError(msg)
    full = full[: len(ids)]
    texts = [
        store.collection.contents.text_and_metadata(records[point].payload or {}, point)
        for point in ids
    ]
    passages = tuple(
        _passage(text, metadata, point) for (text, metadata), point in zip(texts, ids, strict=True)
    )
    asked = (
        _embedded(questions, embedder)
        if questions
        else _drawn([text for text, _ in texts], full, np.random.default_rng(seed))
    )
    return Corpus(store.collection.name, layout, store, embedder, tuple(ids), passages, full, asked)


def _passage(text: str, metadata: dict[str, object], point: PointId) -> Passage:
    """Name a passage by its title or its file, whoever wrote it."""
    source = str(metadata.get("source") or metadata.get("file_name") or "")
    place = PurePath(source).name
    if place and metadata.get("line"):
        place = f"{place}:{metadata['line']}"
    title = str(metadata.get("title") or "")
    named = [part for part in (title, place) if part and not place.startswith(f"{part}:")]
    shown = " ".join(text.split())
    if title and shown.startswith(f"{title}: "):
        shown = shown.removeprefix(f"{title}: ")
    return Passage(" · ".join(dict.fromkeys(named)) or str(point), _cut(shown, _SNIPPET))


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1].rstrip()}…"


def _embedded(questions: Sequence[str], embedder: Embedder) -> Questions:
    texts = tuple(questions[:_SAMPLED])
    vectors = as_vectors([embedder.embed_query(text) for text in texts])
    return Questions(texts, vectors, np.full(len(texts), -1, dtype=np.int64), given=True)


def _drawn(texts: Sequence[str], full: FloatArray, rng: np.random.Generator) -> Questions:
    """Let a sample of the passages be the questions."""
    rows = rng.permutation(len(texts))[:_SAMPLED]
    asked = tuple(_cut(" ".join(texts[row].split()), _QUESTION) for row in rows.tolist())
    return Questions(asked, full[rows], rows.astype(np.int64), given=False)
