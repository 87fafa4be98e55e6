"""Results as one file: no address in it is asked, and it draws itself in a real browser."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mrl_adapters.demo.offline import check_page, write_curve, write_recommendation
from mrl_adapters.errors import ConfigurationError
from mrl_adapters.evaluation import LayoutOption, Recommendation
from mrl_adapters.evaluation.recommendation import Judged
from mrl_adapters.evaluation.results import CurveResult, CurveRow, Trial
from mrl_adapters.qdrant import CollectionLayout, SearchPlan


def _result(name: str, ndcg: float | None = 0.5) -> CurveResult:
    rows = tuple(
        CurveRow(size, kind, False, 4 * size, share, ndcg, ndcg, ndcg and share)
        for size, kind, share in (
            (64, "one-stage", 1.0),
            (32, "one-stage", 0.6),
            (32, "two-stage", 0.9),
        )
    )
    return CurveResult(name, "a model", 100, 10, 10, 8.0, 64, rows)


def _option(name: str, memory: int, latency_s: float, **given: Any) -> LayoutOption:
    layout = CollectionLayout(64, (32,), model=name)
    trial = Trial(SearchPlan(), 100, 0.97, 0.96, 100, latency_s, latency_s)
    return LayoutOption(
        layout, trial, SearchPlan(), memory, memory, latency_s, build_s=0.0, proof="held", **given
    )


def _recommendation(name: str) -> Recommendation:
    chosen, other = _option(name, 2_000_000, 0.001), _option(name, 1_000_000, 0.004)
    failed = replace(_option(name, 500_000, 0.002), proof="failed")
    options = (chosen, other, failed)
    return Recommendation(
        1_000, 1_000, 64, 10, 0.95, 0.95, 3_000_000, "stored points", options, chosen
    )


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open a file in a browser that has nothing to complain of."""
    playwright: Any = pytest.importorskip("chromium", reason="needs playwright")
    if playwright.EXECUTABLE is None:
        pytest.skip("needs a browser: apt-get install chromium")
    complaints: list[str] = []
    with playwright.browser() as opened:
        page = opened.new_page(viewport={"width": 360, "height": 740})
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "request",
            lambda request: (
                None
                if request.url.startswith(("file:", "data:"))
                else complaints.append(request.url)
            ),
        )
        page.goto(path.as_uri())
        page.locator(".chart svg").first.wait_for()
        yield page
        assert page.evaluate("() => window.hostile") is None
        assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    assert complaints == []


_HOSTILE = "</script><script>window.hostile = true</script>"


def test_a_curve_draws_itself(tmp_path: Path) -> None:
    with _opened(write_curve(_result(_HOSTILE), tmp_path / "a.html")) as page:
        assert page.locator(".chart").count() == 2
        assert page.locator("tbody tr").count() == 3
        assert "</script>" in page.title()


def test_a_recommendation_draws_itself(tmp_path: Path) -> None:
    result = _recommendation(_HOSTILE)
    with _opened(write_recommendation(result, tmp_path / "a.html")) as page:
        assert page.locator("tbody tr").count() == 3
        assert "failed" in page.locator("tbody tr").first.inner_text()
        assert page.locator("pre").inner_text() == result.chosen.code
        traces = page.evaluate(
            "() => document.querySelector('.chart').data.map((each) => [each.name, each.x.length])"
        )
    assert traces == [
        ["two stages", 2],
        ["failed the proof", 1],
        ["chosen", 1],
        ["frontier", 2],
    ]


def test_what_judged_questions_found_stands_beside_it(tmp_path: Path) -> None:
    plain = _recommendation("a")
    text = write_recommendation(plain, tmp_path / "a.html").read_text("utf-8")
    assert "nDCG" not in text.split("<script>")[0]
    first, *others = plain.options
    asked = replace(first, judged=Judged(0.4567, 0.7891, 30))
    result = replace(plain, options=(asked, *others), chosen=asked)
    text = write_recommendation(result, tmp_path / "b.html").read_text("utf-8")
    assert "nDCG@10</th>" in text
    cells = [re.findall(r"<td[^>]*>(.*?)</td>", row)[5:7] for row in text.split("<tr>")[2:]]
    assert sorted(cells) == [["", ""], ["", ""], ["0.457", "0.789"]]


def test_where_nothing_is_recommended_no_code_is_shown(tmp_path: Path) -> None:
    result = replace(_recommendation("a"), chosen=None, memory_limit_bytes=1)
    text = write_recommendation(result, tmp_path / "a.html").read_text("utf-8")
    assert "nothing that fits was proved" in text
    assert "<pre" not in text


def test_without_judgements_there_is_one_chart(tmp_path: Path) -> None:
    text = write_curve(_result("plain", None), tmp_path / "a.html").read_text("utf-8")
    assert text.count('<div class="chart"') == 1
    assert "nDCG" not in text.split("<script>")[0]


@pytest.mark.parametrize("name", ["a.png", "missing/a.html", "."])
def test_what_cannot_be_written_is_told(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match="drawn"):
        check_page(tmp_path / name)
