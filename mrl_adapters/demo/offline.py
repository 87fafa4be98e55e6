"""Measurements as one file of HTML that works offline: the page's charts, with their numbers."""

import importlib.util
from pathlib import Path
from typing import Any

from mrl_adapters.demo.charts import curve_chart
from mrl_adapters.demo.plotly_figures import plotly_script
from mrl_adapters.demo.recommended import recommendation_chart
from mrl_adapters.errors import MissingExtraError
from mrl_adapters.evaluation import Recommendation
from mrl_adapters.evaluation.figures import check_drawing
from mrl_adapters.evaluation.recommendation_report import recommendation_summary, remarks
from mrl_adapters.evaluation.results import CurveResult

_FORMATS = (".html", ".htm")


def check_page(path: Path) -> None:
    """Refuse a file that no page could be written into, before anything is measured.

    Args:
        path: The file.
    """
    check_drawing(path, _FORMATS, "page")
    for package in ("jinja2", "plotly"):
        if importlib.util.find_spec(package) is None:
            raise MissingExtraError(package, "demo")


def write_curve(result: CurveResult, path: Path) -> Path:
    """Write a curve as a page of its own: charts, and a table of what they show.

    Args:
        result: What was measured.
        path: The file; an existing one is replaced.

    Returns:
        The path.
    """
    charts = [{"title": f"Overlap@{result.k} with the full search", "chart": curve_chart(result)}]
    if result.rows[0].ndcg:
        title = (
            f"nDCG@{result.k} kept (all {result.dimensions} dimensions: {result.rows[0].ndcg:.3f})"
        )
        charts.append({"title": title, "chart": curve_chart(result, "retained")})
    return _write(path, "curve.html", result=result, charts=charts)


def write_recommendation(result: Recommendation, path: Path) -> Path:
    """Write a recommendation as a page of its own: the frontier, a table of it, and the code.

    Args:
        result: What was measured.
        path: The file; an existing one is replaced.

    Returns:
        The path.
    """
    title = f"Memory and latency at overlap@{result.k} of {result.target_overlap:g}"
    options = sorted(result.options, key=lambda each: each.memory_bytes)
    return _write(
        path,
        "recommendation.html",
        result=result,
        summary=recommendation_summary(result),
        rows=[(each, remarks(result, each)) for each in options],
        charts=[{"title": title, "chart": recommendation_chart(result)}],
    )


def _write(path: Path, template: str, **values: Any) -> Path:
    import jinja2
    from markupsafe import Markup

    check_page(path)
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("mrl_adapters.demo"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )
    script = Markup(plotly_script())  # noqa: S704 - from its wheel
    text = environment.get_template(template).render(script=script, **values)
    path.write_text(text, encoding="utf-8")
    return path
