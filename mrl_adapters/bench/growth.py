"""The same contenders at several sizes: how each cost grows."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from mrl_adapters.bench.data import Progress
from mrl_adapters.bench.result import BenchResult


@dataclass(frozen=True)
class GrowthResult:
    """One result a size, rising.

    Args:
        results: The same contenders in each.
    """

    results: tuple[BenchResult, ...]

    def to_json(self) -> str:
        """Give everything that was measured."""
        return json.dumps(asdict(self), indent=2)

    def to_markdown(self) -> str:
        """Give a table a cost, then the tables of the largest size."""
        from mrl_adapters.bench.report import bench_markdown, growth_markdown

        return growth_markdown(self.results) + "\n" + bench_markdown(self.results[-1])

    def plot(self, path: Path) -> Path:
        """Draw each cost along the number of points.

        Args:
            path: Where to; the suffix (.png, .svg, .pdf) chooses the format.
        """
        from mrl_adapters.bench.plots import plot_growth

        return plot_growth(self.results, path)


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
