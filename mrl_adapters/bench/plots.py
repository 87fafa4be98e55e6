"""Pictures of a bench and of its growth (matplotlib, extra ``plot``)."""

import math
from collections.abc import Callable
from itertools import cycle
from pathlib import Path
from typing import TypeAlias

from mrl_adapters.bench.result import BenchResult, GrowthResult, Measured
from mrl_adapters.evaluation.figures import INK, PALETTE, new_figure, save_figure, tidy

Cost: TypeAlias = Callable[[Measured], float | None]

_OURS, _OTHERS = PALETTE[0], "#999999"
_BAR_HEIGHT = 0.34  # inches
_CLIPPED = 4.0  # longer bars are cut: they would hide the differences between the others


def plot_bench(result: BenchResult, path: str | Path) -> Path:
    """Draw each cost as a multiple of the first contender's.

    Args:
        result: What was measured.
        path: Where to; the suffix (.png, .svg, .pdf) chooses the format.

    Returns:
        The path.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    measured = result.measured
    costs = _costs(result.compared_at, on_server=result.server is not None)
    figure = new_figure(3.1 * len(costs) + 2.4, _BAR_HEIGHT * len(measured) + 1.5)
    panels = figure.subplots(1, len(costs), sharey=True, squeeze=False)[0]
    for axes, (title, _, _, cost) in zip(panels, costs, strict=True):
        base = cost(measured[0]) or math.nan
        values = [cost(contender) for contender in measured]
        ratios = [math.nan if value is None else value / base for value in values]
        # As wide as the longest bar of the panel, with room for its number.
        longest = max((min(each, _CLIPPED) for each in ratios if not math.isnan(each)), default=1.0)
        width = max(longest, 1.0)
        axes.axvline(1, color=INK, linewidth=0.8, linestyle=":", zorder=1)
        for place, (contender, ratio) in enumerate(zip(measured, ratios, strict=True)):
            told, length = "not reached", 0.0
            if not math.isnan(ratio):
                told = f"{ratio:.2f}" + (" ▸" if ratio > _CLIPPED else "")
                length = min(ratio, _CLIPPED)
                colour = _OURS if contender.ours else _OTHERS
                axes.barh(place, length, color=colour, height=0.66, zorder=2)
            axes.text(
                length + 0.02 * width,
                place,
                told,
                va="center",
                fontsize=7.5,
                color=INK,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8},
                zorder=1.5,  # before the line, behind bars
            )
        axes.set_xlim(0, 1.22 * width)
        axes.set_title(title, fontsize=9.5)
        axes.set_yticks(
            range(len(measured)), [contender.name for contender in measured], fontsize=8.5
        )
        axes.tick_params(axis="x", labelsize=8)
        tidy(axes)
        axes.grid(visible=False, axis="y")
    panels[0].invert_yaxis()
    note = (
        f"Multiples of {measured[0].name}. Blue: two stages, by this library. "
        f"{result.data}, k = {result.k}. {result.machine}."
    )
    return save_figure(figure, path, note)


def plot_growth(grown: GrowthResult, path: str | Path) -> Path:
    """Draw each cost along the number of points, both axes logarithmic.

    Args:
        grown: The same contenders at several sizes.
        path: Where to; the suffix (.png, .svg, .pdf) chooses the format.

    Returns:
        The path.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    results = grown.results
    target = min(result.compared_at for result in results)
    costs = _costs(target, on_server=results[0].server is not None)
    figure = new_figure(3.1 * len(costs) + 0.6, 4.4)
    from matplotlib.ticker import LogLocator

    panels = figure.subplots(1, len(costs), squeeze=False)[0]
    points = [result.points for result in results]
    for axes, (title, label, unit, cost) in zip(panels, costs, strict=True):
        for place, colour in zip(range(len(results[0].measured)), cycle((INK, *PALETTE))):
            values = [cost(result.measured[place]) for result in results]
            axes.plot(
                points,
                [math.nan if value is None else unit * value for value in values],
                marker="o",
                markersize=4,
                linewidth=1.4,
                color=colour,
                linestyle="-" if place <= len(PALETTE) else "--",
                label=results[0].measured[place].name,
            )
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(10, subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.set_xticks(points, [_short(count) for count in points])
        axes.minorticks_off()
        axes.set_title(f"{title}, {label}", fontsize=9.5)
        axes.set_xlabel("points")
        tidy(axes)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=4, frameon=False, fontsize=8.5)
    note = f"{results[-1].data} and less, k = {results[-1].k}. {results[-1].machine}."
    return save_figure(figure, path, note)


def _costs(target: float, *, on_server: bool) -> tuple[tuple[str, str, float, Cost], ...]:
    """List what is drawn of each contender, latency at an overlap among it.

    Returns:
        For each panel its title, the unit it is drawn in, how many of those make one of the
        cost's own unit, and the cost, in seconds or bytes.
    """

    def spent(contender: Measured) -> float | None:
        return contender.cpu_s(target)

    def wanted(contender: Measured) -> float | None:
        return contender.server.wanted_bytes if contender.server else None

    def resident(contender: Measured) -> float | None:
        return contender.resident_bytes

    return (
        (
            f"median latency at overlap {target:g}",
            "ms",
            1000.0,
            lambda contender: contender.latency_s(target),
        ),
        *([("the server's CPU a search", "ms", 1000.0, spent)] if on_server else []),
        ("time to build the index", "seconds", 1.0, lambda contender: contender.build_median_s),
        ("memory that the server wants", "MB", 1e-6, wanted)
        if on_server
        else ("resident memory", "MB", 1e-6, resident),
        ("disk", "MB", 1e-6, lambda contender: contender.disk_bytes),
    )


def _short(points: int) -> str:
    """Write 10,000 as 10k and 1,000,000 as 1M."""
    for size, letter in ((1_000_000, "M"), (1_000, "k")):
        if points >= size:
            return f"{points / size:g}{letter}"
    return str(points)
