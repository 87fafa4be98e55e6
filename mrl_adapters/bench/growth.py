"""The same contenders at several sizes: how each cost grows."""

from collections.abc import Callable, Sequence
from pathlib import Path

from mrl_adapters.bench.data import Progress
from mrl_adapters.bench.result import BenchResult, GrowthResult


def grow(
    sizes: Sequence[int],
    prepare: Callable[[int], Path],
    measure: Callable[[Path, Progress], BenchResult],
    progress: Progress | None = None,
) -> GrowthResult:
    """Measure at one size after the other.

    Args:
        sizes: Numbers of points.
        prepare: Writes the vectors of a size and says where.
        measure: Measures with the vectors that are there: :func:`mrl_adapters.bench.run` with the
            same contenders and settings each time, told whom to report to.
        progress: Called as by ``run``, with the size before what is being done.
    """
    results = []
    for size in sorted(set(sizes)):

        def report(what: str, done: int, total: int, size: int = size) -> None:
            if progress is not None:
                progress(f"{size:,}: {what}", done, total)

        results.append(measure(prepare(size), report))
    return GrowthResult(tuple(results))
