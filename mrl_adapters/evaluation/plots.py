"""Pictures of curves and tunings (matplotlib, extra ``plot``), fit for a report."""

from collections.abc import Sequence
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING

from mrl_adapters.evaluation.figures import (
    INK,
    PALETTE,
    UNITS,
    mark_times,
    new_figure,
    save_figure,
    tidy,
    time_unit,
)
from mrl_adapters.evaluation.results import CurveResult, CurveRow, Trial, TuningResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_TWO_STAGE = PALETTE[0]
_ONE_STAGE = "#D55E00"
_ALL = 100  # percent
_MARKERS = ("o", "^", "D", "v", "s")
_CROWDED = 6  # percent: no room for a number above a point, below another line
_APART = 0.3  # percent: lines so far apart are seen as two


def plot_curve(result: CurveResult, path: str | Path) -> Path:
    """Draw quality against size: overlap, and nDCG retained where there are judgements.

    Args:
        result: What :func:`mrl_adapters.evaluation.curve` measured.
        path: Where to; the suffix (.png, .svg, .pdf) chooses the format.

    Returns:
        The path.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    full = result.rows[0].ndcg
    panels = 2 if full else 1  # no share can be taken of an nDCG of 0
    figure = new_figure(4.6 * panels + 0.4, 4.2)
    axes = figure.subplots(1, panels, squeeze=False)[0]
    if full:
        _draw(axes[0], result, "retained")
        title = f"nDCG@{result.k} kept (all {result.dimensions} dimensions: {full:.3f})"
        axes[0].set_title(title, fontsize=10)
    _draw(axes[-1], result, "overlap")
    axes[-1].set_title(f"Top {result.k} shared with the exact full search", fontsize=10)
    axes[0].legend(loc="lower right", frameon=False)
    note = (
        f"{result.title}. Two-stage: {result.oversampling:g} x {result.k} candidates re-ranked "
        f"with all {result.dimensions} dimensions."
    )
    return save_figure(figure, path, note)


def plot_tuning(result: TuningResult, path: str | Path) -> Path:
    """Draw overlap against latency: plans tried, their Pareto front, the target, the choice.

    Args:
        result: What :func:`mrl_adapters.evaluation.tune` found.
        path: Where to; the suffix (.png, .svg, .pdf) chooses the format.

    Returns:
        The path.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    figure = new_figure(7.2, 4.4)
    axes = figure.subplots()
    unit = time_unit([trial.p50_s for trial in (*result.explored, *result.proved)])
    ways = sorted({trial.plan.stages or () for trial in result.explored})
    for way, colour, marker in zip(ways, cycle(PALETTE), cycle(_MARKERS)):
        trials = [trial for trial in result.explored if (trial.plan.stages or ()) == way]
        label = f"stage {' > '.join(map(str, way))}" if way else "one stage"
        axes.plot(
            *_places(trials, unit),
            linestyle="",
            marker=marker,
            color=colour,
            markersize=5,
            markerfacecolor="none",
            markeredgewidth=1.1,
            label=label,
        )
    if len(result.front) > 1:  # a single one makes no line
        front = _places(result.front, unit)
        axes.step(*front, where="post", color=INK, linewidth=1.2, label="best trade-offs")
    axes.axhline(100 * result.target_overlap, color=INK, linestyle=":", linewidth=1)
    axes.plot(*_places([result.exact], unit), "s", color=INK, markersize=6, label="exact search")
    chosen = result.chosen
    median, overlap = (places[0] for places in _places([chosen], unit))
    axes.vlines(median, 100 * (chosen.lower or chosen.overlap), overlap, color=_ONE_STAGE)
    axes.plot(
        median,
        overlap,
        "*",
        color=_ONE_STAGE,
        markersize=15,
        markeredgecolor="white",
        label=f"chosen: {chosen.label}",
    )
    mark_times(axes, unit)
    axes.set_xlabel(f"median latency of one search, {unit}")
    axes.yaxis.set_major_formatter("{x:g}%")
    lowest = max(0.7, min(result.target_overlap, *(t.overlap for t in result.explored)))
    span = 100 * (1 - lowest)
    axes.set_ylim(100 - 1.1 * span, 100 + 0.05 * span)
    axes.set_title(
        f"Overlap@{result.k} with the exact search; dotted: target {result.target_overlap:.1%}",
        fontsize=10,
    )
    # Outside: wherever it lay within, it would cover plans.
    figure.legend(loc="outside upper center", ncols=3, frameon=False, fontsize=8)
    tidy(axes)
    note = (
        f"{result.collection}: {result.points:,} points. "
        f"Dots: {result.explored[0].queries} queries. "
        f"Star: {chosen.queries:,} other queries ({result.queries_from}); "
        f"bar: the {result.confidence:.0%} bound."
    )
    return save_figure(figure, path, note)


def _places(trials: Sequence[Trial], unit: str) -> tuple[list[float], list[float]]:
    """List latencies in that unit and overlaps in percent."""
    times = [trial.p50_s * UNITS[unit] for trial in trials]
    return times, [100 * trial.overlap for trial in trials]


def _draw(axes: "Axes", result: CurveResult, quality: str) -> None:
    """Draw one quality along the sizes, one line a way to search."""
    full = result.rows[0]
    for search, colour in (("two-stage", _TWO_STAGE), ("one-stage", _ONE_STAGE)):
        for rotated in (False, True):
            rows = [r for r in result.rows[1:] if (r.search, r.rotated) == (search, rotated)]
            if not rows:
                continue
            points: list[CurveRow] = [full, *rows]
            axes.plot(
                [row.dimensions for row in points],
                [100 * getattr(row, quality) for row in points],
                color=colour,
                linestyle="--" if rotated else "-",
                marker="o",
                markersize=4.5,
                markerfacecolor="white" if rotated else colour,
                label=f"{search}, rotated" if rotated else search,
            )
            _label(axes, result, rows, quality, colour)
    axes.set_xscale("log", base=2)
    sizes = sorted({row.dimensions for row in result.rows})
    axes.set_xticks(sizes, [str(size) for size in sizes])
    axes.minorticks_off()
    axes.set_xlim(sizes[0] * 0.72, sizes[-1] * 1.15)
    axes.set_xlabel("dimensions of the first stage")
    lowest = min(100 * getattr(row, quality) for row in result.rows)
    axes.set_ylim(max(0, lowest - 12), 106)
    axes.set_yticks([tick for tick in axes.get_yticks() if lowest - 12 <= tick <= _ALL])
    axes.yaxis.set_major_formatter("{x:.0f}%")
    tidy(axes)


def _label(
    axes: "Axes", result: CurveResult, rows: list[CurveRow], quality: str, colour: str
) -> None:
    """Write the value at each point: of plain and rotated the higher above, the lower below.

    Where the two are one to the eye, they bear one number.
    """
    from matplotlib.patheffects import withStroke

    for row in rows:
        value = 100 * getattr(row, quality)
        twins = [
            100 * getattr(other, quality)
            for other in result.rows
            if (other.search, other.dimensions) == (row.search, row.dimensions)
            and other.rotated != row.rotated
        ]
        if row.rotated and any(abs(twin - value) < _APART for twin in twins):
            continue
        # Alone, two-stage search has free space above it, and one-stage search below.
        above = all(value > twin - _APART for twin in twins) if twins else row.search == "two-stage"
        over = [
            100 * getattr(other, quality)
            for other in result.rows
            if (other.search, other.dimensions) == ("two-stage", row.dimensions)
        ]
        crowded = row.search == "one-stage" and min(over, default=_ALL) - value < _CROWDED
        beside = (-7, -2) if crowded else (-4, 6)  # lower, where two-stage search's lines are near
        axes.annotate(
            f"{value:.1f}",
            (row.dimensions, value),
            textcoords="offset points",
            xytext=beside if above else (5, -12),
            ha="right" if above else "left",
            fontsize=7.5,
            fontstyle="italic" if row.rotated else "normal",
            color=colour,
            path_effects=[withStroke(linewidth=2, foreground="white")],
        )
