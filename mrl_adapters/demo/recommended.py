"""The chart of a recommendation: memory against latency of every layout that was measured."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mrl_adapters.demo.charts import FRONT, ONE_STAGE, TWO_STAGE
from mrl_adapters.demo.plotly_figures import Chart, as_json, log_axis, new_figure
from mrl_adapters.evaluation import LayoutOption, Recommendation

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_MB = 1e6
_MS = 1e3
_FULL = "#7b4fa3"  # at least 3:1 against white and against the dark ground
_CHOSEN = "#1f8a4c"


def recommendation_chart(result: Recommendation) -> Chart:
    """Draw memory against latency at the target: the options, their frontier, the choice.

    Args:
        result: What :func:`mrl_adapters.evaluation.recommend` found.
    """
    figure = new_figure()
    stood = [each for each in result.options if each.proof != "failed"]
    graphs = [each for each in stood if not each.plan.exact]
    cut = [each for each in graphs if each.layout.stages]
    whole = [each for each in graphs if not each.layout.stages]
    _mark(figure, cut, "two stages", TWO_STAGE, "circle")
    _mark(figure, whole, "full graph", ONE_STAGE, "diamond")
    _mark(figure, [each for each in stood if each.plan.exact], "exact search", _FULL, "square")
    _mark(figure, result.failed, "failed the proof", FRONT, "x")
    if result.chosen is not None:
        _mark(figure, [result.chosen], "chosen", _CHOSEN, "star", size=19)
    figure.add_scatter(
        x=[each.memory_bytes / _MB for each in result.frontier],
        y=[each.latency_s * _MS for each in result.frontier],
        name="frontier",
        mode="lines",
        line={"color": FRONT, "shape": "hv", "dash": "dot"},
        hoverinfo="skip",
    )
    if result.memory_limit_bytes is not None:
        limit = result.memory_limit_bytes / _MB
        line = {"color": FRONT, "width": 1}
        ends = {"x0": limit, "x1": limit, "y0": 0, "y1": 1, "yref": "paper"}
        figure.update_layout(shapes=[{"type": "line", "line": line, **ends}])
    figure.update_xaxes(**log_axis("RAM that searches need, MB"))
    figure.update_yaxes(**log_axis("median latency of one search, ms"))
    return as_json(figure)


def _mark(
    figure: "Figure",
    rows: Sequence[LayoutOption],
    name: str,
    colour: str,
    symbol: str,
    size: int = 10,
) -> None:
    if not rows:
        return
    figure.add_scatter(
        x=[each.memory_bytes / _MB for each in rows],
        y=[each.latency_s * _MS for each in rows],
        name=name,
        mode="markers",
        text=[f"{each.label}: overlap {each.trial.overlap:.3f}" for each in rows],
        marker={"color": colour, "symbol": symbol, "size": size},
        hovertemplate="%{text}<br>%{x:.2f} MB, %{y:.2f} ms<extra></extra>",
    )
