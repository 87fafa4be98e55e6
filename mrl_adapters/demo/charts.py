"""Charts of the page and of the offline files."""

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mrl_adapters.demo.codes import NAMES
from mrl_adapters.demo.plotly_figures import Chart, as_json, log_axis, new_figure
from mrl_adapters.demo.results import Judged, TradeOff
from mrl_adapters.demo.sample import TARGET
from mrl_adapters.evaluation.metrics import PerQuery
from mrl_adapters.evaluation.results import CurveResult

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

# At least 3:1 against white and against the dark ground.
TWO_STAGE = "#2b7bd6"
ONE_STAGE = "#c9660a"
FRONT = "#7a7f87"
_ALL = 100  # percent
_BINS = 11  # shares of ten results
_MARKS = {32: "circle", 8: "square", 4: "diamond", 2: "triangle-up", 1: "x"}


def curve_chart(result: CurveResult, quality: str = "overlap") -> Chart:
    """Draw quality along the sizes, one line a way to search.

    Args:
        result: What was measured.
        quality: ``overlap``, or ``retained`` where there are judgements.
    """
    figure = new_figure()
    full = result.rows[0]
    for search, colour in (("two-stage", TWO_STAGE), ("one-stage", ONE_STAGE)):
        for rotated in (False, True):
            rows = [r for r in result.rows[1:] if (r.search, r.rotated) == (search, rotated)]
            if not rows:
                continue
            points = [full, *rows]
            figure.add_scatter(
                x=[row.dimensions for row in points],
                y=[_percent(getattr(row, quality)) for row in points],
                name=f"{search}, rotated" if rotated else search,
                mode="lines+markers",
                line={"color": colour, "dash": "dash" if rotated else "solid"},
                marker={"symbol": "circle-open" if rotated else "circle", "size": 7},
                hovertemplate="%{x} dimensions: %{y:.1f} %<extra>%{fullData.name}</extra>",
            )
    sizes = sorted({row.dimensions for row in result.rows})
    figure.update_xaxes(
        type="log", title="dimensions of the first stage", tickvals=sizes, ticktext=sizes
    )
    names = {"overlap": f"overlap@{result.k}, %", "retained": f"nDCG@{result.k} kept, %"}
    figure.update_yaxes(title=names[quality])
    return as_json(figure)


def questions_chart(judged: Judged) -> Chart:
    """Draw how overlap is distributed over the sample questions."""
    empty = _questions_chart()  # making a figure takes longer than what is counted here
    bars = [
        {**trace, "y": np.bincount(_bins(overlaps), minlength=_BINS).tolist()}
        for trace, overlaps in zip(empty["data"], (judged.short, judged.two_stage), strict=True)
    ]
    return {**empty, "data": bars}


@cache
def _questions_chart() -> Chart:
    """Draw the distributions without their counts."""
    figure = new_figure()
    shares = np.arange(_BINS) / (_BINS - 1)
    for name, colour in (("short only", ONE_STAGE), ("two-stage", TWO_STAGE)):
        figure.add_bar(
            x=[f"{share:.1f}" for share in shares],
            y=[0] * _BINS,
            name=name,
            marker={"color": colour},
            hovertemplate="overlap %{x}: %{y} questions<extra>%{fullData.name}</extra>",
        )
    figure.update_xaxes(title="overlap@10 with the full search", type="category")
    figure.update_yaxes(title="sample questions")
    return as_json(figure)


def _bins(overlaps: PerQuery) -> NDArray[np.int64]:
    return np.rint(overlaps * (_BINS - 1)).astype(np.int64)


def frontier_chart(trade_offs: Sequence[TradeOff], points: int) -> Chart:
    """Draw memory against latency, and the line of what nothing beats in both.

    Args:
        trade_offs: What was weighed.
        points: How many points are in memory.
    """
    figure = new_figure()
    for bits, symbol in _MARKS.items():
        rows = [each for each in trade_offs if each.setting and each.setting.bits == bits]
        if rows:
            _add_points(figure, rows, points, NAMES[bits], symbol)
    _add_points(
        figure, [each for each in trade_offs if each.setting is None], points, "full", "star"
    )
    front = pareto([each for each in trade_offs if each.overlap >= TARGET])
    figure.add_scatter(
        x=[_megabytes(each, points) for each in front],
        y=[1000 * each.latency_s for each in front],
        name=f"best at {TARGET:.0%}",
        mode="lines",
        line={"color": FRONT, "shape": "hv", "dash": "dot"},
        hoverinfo="skip",
    )
    figure.update_xaxes(**log_axis("codes in memory, MB"))
    figure.update_yaxes(**log_axis("latency of a scan, ms"))
    return as_json(figure)


def pareto(trade_offs: Sequence[TradeOff]) -> list[TradeOff]:
    """Keep what nothing beats in both memory and latency, smallest first."""
    front: list[TradeOff] = []
    for each in sorted(trade_offs, key=lambda one: (one.bytes_per_vector, one.latency_s)):
        if not front or each.latency_s < front[-1].latency_s:
            front.append(each)
    return front


def _add_points(
    figure: "Figure", rows: Sequence[TradeOff], points: int, name: str, symbol: str
) -> None:
    """Add marks: filled where the target is reached."""
    figure.add_scatter(
        x=[_megabytes(row, points) for row in rows],
        y=[1000 * row.latency_s for row in rows],
        name=name,
        mode="markers",
        text=[_label(row) for row in rows],
        customdata=[[s.dimensions, s.bits, s.candidates] for row in rows if (s := row.setting)],
        marker={
            "size": 10,
            "symbol": [symbol if row.overlap >= TARGET else f"{symbol}-open" for row in rows],
            "color": TWO_STAGE if rows and rows[0].setting else ONE_STAGE,
        },
        hovertemplate="%{text}<br>%{x:.2f} MB, %{y:.2f} ms<extra></extra>",
    )


def _label(row: TradeOff) -> str:
    if row.setting is None:
        return "all full vectors"
    return (
        f"{row.setting.dimensions} dimensions, {NAMES[row.setting.bits]}, "
        f"{row.setting.candidates} candidates: overlap {row.overlap:.3f}"
    )


def _megabytes(row: TradeOff, points: int) -> float:
    return row.bytes_per_vector * points / 1e6


def _percent(share: float | None) -> float | None:
    return None if share is None else _ALL * share
