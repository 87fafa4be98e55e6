"""Charts of the page and of the offline file: Plotly figures, without colours of their own ground.

The browser draws them with the ``plotly.min.js`` that comes in plotly's wheel: nothing is loaded
from the net.
"""

import json
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mrl_adapters.demo.codes import NAMES
from mrl_adapters.demo.results import Judged, TradeOff
from mrl_adapters.demo.sample import TARGET
from mrl_adapters.errors import MissingExtraError
from mrl_adapters.evaluation.metrics import PerQuery
from mrl_adapters.evaluation.results import CurveResult

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

Chart = dict[str, Any]
"""A figure as Plotly's JSON."""

# At least 3:1 against white and against the dark ground.
TWO_STAGE = "#2b7bd6"
ONE_STAGE = "#c9660a"
_FRONT = "#7a7f87"
_ALL = 100  # percent
_BINS = 11  # shares of ten results
_MARKS = {32: "circle", 8: "square", 4: "diamond", 2: "triangle-up", 1: "x"}
# The bundle's map library adds its styles to a page unless it finds an element of this id.
_MAP_STYLES = re.compile(r'getElementById\("([0-9a-f]{64})"\)')


def curve_chart(result: CurveResult, quality: str = "overlap") -> Chart:
    """Draw quality along the sizes, one line a way to search.

    Args:
        result: What was measured.
        quality: ``overlap``, or ``retained`` where there are judgements.
    """
    figure = _figure()
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
    return _json(figure)


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
    figure = _figure()
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
    return _json(figure)


def _bins(overlaps: PerQuery) -> NDArray[np.int64]:
    return np.rint(overlaps * (_BINS - 1)).astype(np.int64)


def frontier_chart(trade_offs: Sequence[TradeOff], points: int) -> Chart:
    """Draw memory against latency, and the line of what nothing beats in both.

    Args:
        trade_offs: What was weighed.
        points: How many points are in memory.
    """
    figure = _figure()
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
        name=f"best that reach {TARGET:.0%}",
        mode="lines",
        line={"color": _FRONT, "shape": "hv", "dash": "dot"},
        hoverinfo="skip",
    )
    figure.update_xaxes(type="log", title="codes in memory, MB")
    figure.update_yaxes(type="log", title="latency of a scan, ms")
    return _json(figure)


def pareto(trade_offs: Sequence[TradeOff]) -> list[TradeOff]:
    """Keep what nothing beats in both memory and latency, smallest first."""
    front: list[TradeOff] = []
    for each in sorted(trade_offs, key=lambda one: (one.bytes_per_vector, one.latency_s)):
        if not front or each.latency_s < front[-1].latency_s:
            front.append(each)
    return front


@cache
def plotly_script() -> str:
    """Read Plotly's script from its wheel.

    Raises:
        MissingExtraError: plotly is not installed.
    """
    return (
        Path(_plotly().__file__, "..", "package_data", "plotly.min.js").resolve().read_text("utf-8")
    )


@cache
def style_ids() -> tuple[str, ...]:
    """List ids of elements that keep Plotly's script from adding styles, which the page forbids."""
    return tuple(dict.fromkeys(_MAP_STYLES.findall(plotly_script())))


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


def _figure() -> "Figure":
    _plotly()
    from plotly.graph_objects import Figure

    figure = Figure()
    figure.update_layout(
        template="none",
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        margin={"l": 52, "r": 12, "t": 8, "b": 44},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        bargap=0.15,
        hovermode="closest",
    )
    figure.update_xaxes(fixedrange=True, automargin=True)
    figure.update_yaxes(fixedrange=True, automargin=True, rangemode="tozero")
    return figure


def _plotly() -> Any:
    try:
        import plotly
    except ModuleNotFoundError as error:
        package, extra = "plotly", "demo"
        raise MissingExtraError(package, extra) from error
    return plotly


def _json(figure: "Figure") -> Chart:
    made: Chart = json.loads(figure.to_json())
    return made
