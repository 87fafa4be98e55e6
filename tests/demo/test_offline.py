"""A curve as one file: no address in it is asked, and it draws itself in a real browser."""

from pathlib import Path
from typing import Any

import pytest

from mrl_adapters.demo.offline import check_page, write_curve
from mrl_adapters.errors import ConfigurationError
from mrl_adapters.evaluation.results import CurveResult, CurveRow


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


def test_the_file_draws_itself(tmp_path: Path) -> None:
    playwright: Any = pytest.importorskip("chromium", reason="needs playwright")
    if playwright.EXECUTABLE is None:
        pytest.skip("needs a browser: apt-get install chromium")
    path = write_curve(
        _result("</script><script>window.hostile = true</script>"), tmp_path / "a.html"
    )
    complaints: list[str] = []
    with playwright.browser() as opened:
        page = opened.new_page()
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
        assert page.locator(".chart").count() == 2
        assert page.locator("tbody tr").count() == 3
        assert "</script>" in page.title()
        assert page.evaluate("() => window.hostile") is None
    assert complaints == []


def test_without_judgements_there_is_one_chart(tmp_path: Path) -> None:
    text = write_curve(_result("plain", None), tmp_path / "a.html").read_text("utf-8")
    assert text.count('<div class="chart"') == 1
    assert "nDCG" not in text.split("<script>")[0]


@pytest.mark.parametrize("name", ["a.png", "missing/a.html", "."])
def test_what_cannot_be_written_is_told(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match="drawn"):
        check_page(tmp_path / name)
