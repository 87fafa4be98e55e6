"""The same contenders at several sizes: how each cost grows."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from mrl_adapters.bench.result import BenchResult, GrowthResult
from mrl_adapters.progress import Progress, ProgressCallback


def grow(
    sizes: Sequence[int],
    prepare: Callable[[int], Path],
    measure: Callable[[Path, ProgressCallback], BenchResult],
    progress: ProgressCallback | None = None,
) -> GrowthResult:
    """Measure at one size after the other.

    Args:
        sizes: Numbers of points.
        prepare: Writes the vectors of a size and says where.
        measure: Measures with the vectors that are there: :func:`mrl_adapters.bench.run` with the
            same contenders and settings each time, told whom to report to.
        progress: Called as by ``run``, with the size before each phase.
    """
    results = []
    for size in sorted(set(sizes)):

        def report(at: Progress, size: int = size) -> None:
            if progress is not None:
                progress(replace(at, phase=f"{size:,}: {at.phase}"))

        results.append(measure(prepare(size), report))
    return GrowthResult(tuple(results))
