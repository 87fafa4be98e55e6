"""Plotly's figures, without colours of their own ground, and the script that draws them.

The browser draws them with the ``plotly.min.js`` that comes in plotly's wheel: nothing is loaded
from the net.
"""

import json
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mrl_adapters.errors import MissingExtraError

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

Chart = dict[str, Any]
"""A figure as Plotly's JSON."""

# The bundle's map library adds its styles to a page unless it finds an element of this id.
_MAP_STYLES = re.compile(r'getElementById\("([0-9a-f]{64})"\)')


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


def new_figure() -> "Figure":
    """Make an empty figure."""
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


def log_axis(title: str) -> Chart:
    """Describe a logarithmic axis whose marks are whole numbers, not their last digits.

    Args:
        title: What it measures, with the unit.
    """
    marks = [step * 10.0**power for power in range(-5, 10) for step in (1, 2, 3, 5)]
    return {
        "type": "log",
        "title": title,
        "tickvals": marks,
        "ticktext": [f"{mark:,.5f}".rstrip("0").rstrip(".") for mark in marks],
    }


def as_json(figure: "Figure") -> Chart:
    """Describe a figure for the browser.

    Args:
        figure: The figure.
    """
    made: Chart = json.loads(figure.to_json())
    return made
