"""The vectors that ``mrl-adapters bench`` measures with: drawn, read or embedded."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from mrl_adapters.cli.measure import read_dataset
from mrl_adapters.cli.terminal import errors, tables

if TYPE_CHECKING:
    from mrl_adapters.bench import BenchData
    from mrl_adapters.progress import ProgressCallback


def drawer(
    folder: Path, dimensions: int, queries: int | None, seed: int, report: "ProgressCallback"
) -> Callable[[int], Path]:
    """Make the function that draws as many synthetic vectors as it is told."""
    from mrl_adapters.bench import synthetic

    def prepare(size: int) -> Path:
        synthetic(folder, size, dimensions, queries=queries, seed=seed, progress=report)
        return folder

    return prepare


def imitator(
    folder: Path, whole: "BenchData", queries: int | None, seed: int, report: "ProgressCallback"
) -> Callable[[int], Path]:
    """Make the function that draws as many vectors like the data's as it is told."""
    from mrl_adapters.bench import fit_likeness, imitated, likeness_table

    likeness = fit_likeness(whole.documents, seed, report)
    tables(likeness_table(likeness), errors)

    def prepare(size: int) -> Path:
        name = f"drawn like {whole.name.rpartition(', ')[0]}"
        imitated(folder, likeness, name, size, queries=queries, seed=seed, progress=report)
        return folder

    return prepare


def taker(folder: Path, whole: "BenchData", report: "ProgressCallback") -> Callable[[int], Path]:
    """Make the function that takes as many documents of the data as it is told."""
    from mrl_adapters.bench import take

    def prepare(size: int) -> Path:
        take(folder, whole, size, report)
        return folder

    return prepare


def read_vectors(
    folder: Path,
    data: Path,
    model: str,
    points: int | None,
    queries: int | None,
    seed: int,
    report: "ProgressCallback",
) -> "BenchData":
    """Read vectors, or embed texts."""
    from mrl_adapters.bench import from_file, from_texts
    from mrl_adapters.cli.engines import make_embedder

    if data.suffix.lower() in {".npy", ".parquet"}:
        return from_file(folder, data, points=points, queries=queries, seed=seed, progress=report)
    return from_texts(
        folder,
        read_dataset(data),
        make_embedder(model),
        points=points,
        queries=queries,
        seed=seed,
        progress=report,
    )
