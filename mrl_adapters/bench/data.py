"""What is searched: full vectors in files, so that every process maps the same ones."""

import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from mrl_adapters.bench.likeness import Likeness
from mrl_adapters.bench.synthetic import nested_vectors, topics_of
from mrl_adapters.bench.vector_files import open_vectors
from mrl_adapters.embeddings.embedder import Embedder, document_array
from mrl_adapters.errors import ConfigurationError
from mrl_adapters.evaluation import Dataset
from mrl_adapters.progress import Meter, ProgressCallback
from mrl_adapters.vectors import FloatArray, as_vectors, normalize

Mask: TypeAlias = NDArray[np.bool_]

# Enough for both halves to tell an overlap of .99 to about a thousandth. A query near which the
# graph has a hole loses all of its results at once: of few queries, one more or less of these
# decides which setting is chosen.
_QUERIES = 4000
_VECTORS_PER_BATCH = 1024
_MADE_BY = "mrl_adapters.bench"
_FILES = ("data.json", "documents.npy", "queries.npy")
_LARGEST_SHARE = 5  # of vectors that queries are drawn from, one in so many


@dataclass(frozen=True)
class BenchData:
    """Documents and queries as unit vectors.

    Args:
        name: What reports call them.
        documents: float32, shape (n, d); mapped from a file.
        queries: float32, shape (m, d), mapped as well; none of them is among the documents.
    """

    name: str
    documents: FloatArray
    queries: FloatArray

    @classmethod
    def open(cls, folder: Path) -> "BenchData":
        """Map what one of the functions of this module has written.

        Args:
            folder: Where it was written.
        """
        name = json.loads((folder / "data.json").read_text(encoding="utf-8"))["name"]
        documents, queries = (
            np.load(folder / f"{part}.npy", mmap_mode="r") for part in ("documents", "queries")
        )
        return cls(name, documents, queries)


def synthetic(
    folder: Path,
    points: int,
    dimensions: int,
    *,
    queries: int | None = None,
    seed: int = 0,
    progress: ProgressCallback | None = None,
) -> BenchData:
    """Make nested vectors that lose as much when they are cut as a published model does.

    Args:
        folder: Where to; created if absent.
        points: How many documents.
        dimensions: Size of the full vectors.
        queries: How many queries, from the same topics; None draws 4,000.
        seed: Draws them.
        progress: Called with a Progress after each step.
    """

    def draw(count: int) -> Iterable[FloatArray]:
        return nested_vectors(count, dimensions, topics=topics_of(points), seed=seed)

    return _write_drawn(folder, "synthetic nested vectors", draw, points, queries, progress)


def imitated(
    folder: Path,
    likeness: Likeness,
    name: str,
    points: int,
    *,
    queries: int | None = None,
    seed: int = 0,
    progress: ProgressCallback | None = None,
) -> BenchData:
    """Draw vectors that behave as real ones do when they are cut and listed.

    Args:
        folder: Where to; created if absent.
        likeness: What was learnt from the real ones.
        name: What reports call them.
        points: How many documents.
        queries: How many queries, drawn as documents are; None draws 4,000.
        seed: Draws them.
        progress: Called with a Progress after each step.
    """
    return _write_drawn(
        folder, name, lambda count: likeness.draw(count, seed), points, queries, progress
    )


def from_file(
    folder: Path,
    source: Path,
    *,
    points: int | None = None,
    queries: int | None = None,
    seed: int = 0,
    progress: ProgressCallback | None = None,
) -> BenchData:
    """Take vectors from a file; queries are drawn from its rows and left out of the documents.

    Args:
        folder: Where to write the data; created if absent.
        source: A .npy array of shape (n, d), or a .parquet file with a column of lists of numbers.
        points: How many documents; None takes all.
        queries: How many queries; None draws 4,000, or fewer where there are not five times as
            many vectors.
        seed: Draws them.
        progress: Called with a Progress after each step.

    Raises:
        ConfigurationError: The file holds too few vectors, or none.
    """
    if source.resolve() in {(folder / name).resolve() for name in _FILES}:
        msg = f"{source} would be written over while it is read. Pass another folder than {folder}."
        raise ConfigurationError(msg, path=source)
    total, blocks = open_vectors(source)
    is_query = _draw(source.name, total, points, queries, seed)
    return _write(folder, source.name, map(normalize, blocks), is_query, progress)


def from_texts(
    folder: Path,
    dataset: Dataset,
    embedder: Embedder,
    *,
    points: int | None = None,
    queries: int | None = None,
    seed: int = 0,
    progress: ProgressCallback | None = None,
) -> BenchData:
    """Embed a corpus; where it has no queries, some documents are drawn to serve as them.

    Args:
        folder: Where to write the data; created if absent.
        dataset: The texts. Empty ones are left out.
        embedder: Gives the full vectors.
        points: How many documents; None takes all.
        queries: How many queries at most; None takes 4,000, or fewer as ``from_file`` does.
        seed: Draws them.
        progress: Called with a Progress after each step.

    Raises:
        ConfigurationError: The corpus holds too few texts.
    """
    texts = [text for text in dataset.documents.values() if text.strip()]
    asked = [text for text in dataset.queries.values() if text.strip()][
        : _QUERIES if queries is None else queries
    ]
    if asked:
        texts = texts[:points]
        is_query = np.arange(len(asked) + len(texts)) < len(asked)
    else:
        is_query = _draw(dataset.name, len(texts), points, queries, seed)

    def blocks() -> Iterator[FloatArray]:
        if asked:  # as queries: models may give them another prompt than documents
            yield as_vectors([embedder.embed_query(text) for text in asked])
        meter = Meter("embedding documents", len(texts), progress)
        for start in range(0, len(texts), _VECTORS_PER_BATCH):
            batch = texts[start : start + _VECTORS_PER_BATCH]
            yield document_array(embedder, batch)
            meter.step(len(batch))

    return _write(folder, dataset.name, map(normalize, blocks()), is_query, progress)


def take(
    folder: Path, data: BenchData, points: int, progress: ProgressCallback | None = None
) -> BenchData:
    """Write fewer documents of some data, with all of its queries.

    Args:
        folder: Where to; created if absent.
        data: What to take of.
        points: How many documents, from the first on.
        progress: Called with a Progress after each step.
    """
    rows = range(0, points, _VECTORS_PER_BATCH)
    documents = (
        np.asarray(data.documents[row : min(row + _VECTORS_PER_BATCH, points)]) for row in rows
    )
    is_query = np.arange(len(data.queries) + points) < len(data.queries)
    name = data.name.rpartition(", ")[0]
    return _write(folder, name, chain([data.queries], documents), is_query, progress)


def _draw(name: str, total: int, points: int | None, queries: int | None, seed: int) -> Mask:
    """Choose which of the first ``points + queries`` rows are queries."""
    if queries is None:
        spare = total // _LARGEST_SHARE if points is None else total - points
        queries = max(min(_QUERIES, spare), 1)
    taken = total if points is None else points + queries
    if not 0 < queries < taken <= total:
        msg = (
            f"{name} holds {total:,} vectors, expected {queries:,} for queries and at least "
            f"{points or 1:,} for documents. Ask for fewer queries or fewer points."
        )
        raise ConfigurationError(msg)
    is_query = np.zeros(taken, dtype=np.bool_)
    is_query[np.random.default_rng(seed).permutation(taken)[:queries]] = True
    return is_query


def _write_drawn(
    folder: Path,
    name: str,
    draw: Callable[[int], Iterable[FloatArray]],
    points: int,
    queries: int | None,
    progress: ProgressCallback | None,
) -> BenchData:
    """Write as many vectors as are wanted; the first ones drawn are the queries."""
    queries = _QUERIES if queries is None else queries
    is_query = np.arange(points + queries) < queries
    return _write(folder, name, draw(points + queries), is_query, progress)


def _write(
    folder: Path,
    name: str,
    blocks: Iterable[FloatArray],
    is_query: Mask,
    progress: ProgressCallback | None,
) -> BenchData:
    """Part a stream of vectors into queries and documents; what comes after the mask is left."""
    _refuse_others(folder)
    folder.mkdir(parents=True, exist_ok=True)
    # First of all: from here on the other files are this module's.
    _describe(folder, name)
    stream = iter(blocks)
    first = next(stream)
    points = int((~is_query).sum())
    documents = np.lib.format.open_memmap(
        folder / "documents.npy", mode="w+", dtype=np.float32, shape=(points, first.shape[1])
    )
    meter = Meter("writing vectors", points, progress)
    asked = []
    row = place = 0
    for block in chain([first], stream):
        mask = is_query[row : row + len(block)]
        found = block[: len(mask)][~mask]
        asked.append(block[: len(mask)][mask])
        documents[place : place + len(found)] = found
        row, place = row + len(mask), place + len(found)
        meter.reach(place)
        if row == len(is_query):
            break
    documents.flush()
    np.save(folder / "queries.npy", np.concatenate(asked))
    name = f"{name}, {points:,} x {first.shape[1]:,}"
    _describe(folder, name)
    return BenchData.open(folder)


def _refuse_others(folder: Path) -> None:
    """Refuse to write over files that this module did not write."""
    files = [folder / name for name in _FILES]
    if not any(map(os.path.lexists, files)):
        return
    try:
        ours = json.loads(files[0].read_text(encoding="utf-8"))["made_by"] == _MADE_BY
    except (OSError, ValueError, TypeError, KeyError):
        ours = False
    if not ours or any(map(Path.is_symlink, files)):
        msg = (
            f"{folder} holds {', '.join(file.name for file in files if file.exists())}, which "
            "would be written over. Pass an empty folder, or one that does not exist."
        )
        raise ConfigurationError(msg, path=folder)


def _describe(folder: Path, name: str) -> None:
    described = json.dumps({"made_by": _MADE_BY, "name": name})
    (folder / _FILES[0]).write_text(described, encoding="utf-8")
