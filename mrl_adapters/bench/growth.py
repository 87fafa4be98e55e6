"""The same contenders at several sizes: how each cost grows."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from mrl_adapters.bench.contenders import Contender
from mrl_adapters.bench.data import Progress
from mrl_adapters.bench.result import BenchResult
from mrl_adapters.bench.run import run


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
    contenders: Sequence[Contender],
    folder: Path,
    *,
    k: int = 10,
    repeats: int = 5,
    builds: int = 1,
    progress: Progress | None = None,
) -> GrowthResult:
    """Measure at one size after the other; see :func:`mrl_adapters.bench.run`.

    Args:
        sizes: Numbers of points.
        prepare: Writes the vectors of a size and says where.
        contenders: Who.
        folder: Where the engine keeps its files.
        k: Results a query.
        repeats: Turns of timing.
        builds: How often each contender loads and builds.
        progress: Called with what is being done, how much of it is done, and how much there is.
    """
    results = []
    for size in sorted(set(sizes)):

        def report(what: str, done: int, total: int, size: int = size) -> None:
            if progress is not None:
                progress(f"{size:,}: {what}", done, total)

        results.append(
            run(
                prepare(size),
                contenders,
                folder,
                k=k,
                repeats=repeats,
                builds=builds,
                progress=report,
            )
        )
    return GrowthResult(tuple(results))
