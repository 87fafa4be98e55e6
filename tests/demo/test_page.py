"""The page in a real browser: sliders, columns, charts, copying, and accessibility."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("playwright.sync_api", reason="the page's tests need playwright")

import axe_playwright_python
from chromium import EXECUTABLE, browser
from playwright.sync_api import Browser, Page, expect

from mrl_adapters.demo.codes import NAMES

pytestmark = pytest.mark.skipif(
    EXECUTABLE is None, reason="the page's tests need a browser: apt-get install chromium"
)
_AXE = Path(axe_playwright_python.__file__).parent / "axe.min.js"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def complaints() -> list[str]:
    """What the browser's console was told, and requests that left this machine."""
    return []


@pytest.fixture(scope="module")
def page(chromium: Browser, address: str, complaints: list[str]) -> Page:
    page = chromium.new_page(viewport={"width": 1200, "height": 900})
    page.set_default_timeout(20_000)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "request",
        lambda request: (
            None if request.url.startswith((address, "data:")) else complaints.append(request.url)
        ),
    )
    page.goto(address)
    page.locator("#frontier svg").first.wait_for(timeout=60_000)
    return page


def _reset(page: Page) -> None:
    """Put the sliders back to where the page opens."""
    with page.expect_response("**/setting?*"), page.expect_response("**/answer?*"):
        page.evaluate("""() => {
            for (const knob of document.querySelectorAll(".knob input")) {
                knob.value = knob.defaultValue;
                knob.checked = knob.defaultChecked;
            }
            document.getElementById("dimensions").dispatchEvent(new Event("input"));
        }""")
    expect(page.locator("#code")).to_contain_text("CollectionLayout(256, (64,), model=")
    expect(page.locator("#bytes")).to_have_text("64 B")


def _titles(page: Page, column: str) -> list[str]:
    return page.locator(f"#{column} li strong").all_inner_texts()


def _ask(page: Page, question: str) -> None:
    page.get_by_role("searchbox", name="Question").fill(question)
    with page.expect_response("**/answer?*"), page.expect_response("**/collection?*"):
        page.keyboard.press("Enter")


def test_a_question_fills_every_column(page: Page) -> None:
    _ask(page, "create a temporary directory")
    for column in ("short", "two_stage", "full", "collection", "hybrid"):
        expect(page.locator(f"#{column} li")).to_have_count(10)
        expect(page.locator(f"#{column} .latency")).to_contain_text("ms")
    assert "tempfile.mkdtemp" in _titles(page, "full")
    before = _titles(page, "full")
    _ask(page, "read rows of comma separated values")
    expect(page.locator("#full li strong").first).to_contain_text("csv")
    assert _titles(page, "full") != before


def test_words_find_what_vectors_do_not(page: Page) -> None:
    _reset(page)
    page.get_by_label("How words join").select_option("lexical")
    _ask(page, "mkdtemp")
    expect(page.locator("#hybrid li strong").first).to_contain_text("tempfile")
    expect(page.locator("#hybrid .how")).to_have_text("words alone")
    lexical = _titles(page, "hybrid")
    with page.expect_response("**/hybrid?*how=rrf"):
        page.get_by_label("How words join").select_option("rrf")
    expect(page.locator("#hybrid li")).to_have_count(10)
    assert _titles(page, "hybrid") != lexical


@pytest.mark.parametrize(
    ("knob", "key"), [("dimensions", "End"), ("bits", "Home"), ("candidates", "Home")]
)
def test_each_slider_changes_what_it_should(page: Page, knob: str, key: str) -> None:
    _reset(page)
    shown = {
        name: page.locator(f"#{name}").inner_text() for name in ("mean", "bytes", "code", "spread")
    }
    page.locator(f"#{knob}").focus()
    with page.expect_response("**/setting?*"), page.expect_response("**/answer?*"):
        page.keyboard.press(key)
    expect(page.locator("#mean")).not_to_have_text(shown["mean"])
    expect(page.locator("#code")).not_to_have_text(shown["code"])
    if knob != "candidates":
        expect(page.locator("#bytes")).not_to_have_text(shown["bytes"])
    assert page.locator(f"#{knob}").get_attribute("aria-valuetext") == (
        page.locator(f"#{knob}-value").inner_text()
    )


def test_the_rotation_changes_what_short_vectors_find(page: Page) -> None:
    _reset(page)
    before = page.locator("#mean-short").inner_text()
    page.get_by_label("Learnt rotation").focus()
    with page.expect_response("**/frontier?*", timeout=60_000):
        page.keyboard.press("Space")
    expect(page.locator("#mean-short")).not_to_have_text(before)
    expect(page.locator("#code")).to_contain_text("rotation='auto'")


def test_the_ring_on_the_curve_moves_with_the_slider(page: Page) -> None:
    _reset(page)
    ring = "() => document.getElementById('curve').data.at(-1).x[0]"
    assert page.evaluate(ring) == 64
    page.locator("#dimensions").focus()
    with page.expect_response("**/setting?*"):
        page.keyboard.press("ArrowRight")
    page.wait_for_function("() => document.getElementById('curve').data.at(-1).x[0] === 128")
    assert page.evaluate("() => document.getElementById('frontier').data.at(-1).x[0]") > 0


# The mark that is farthest from all others: what it stands for, and where it is on the screen.
_ALONE = """(chart) => {
  const traces = [...chart.querySelectorAll(".scatterlayer .trace")];
  const marks = traces.flatMap((trace, at) =>
    [...trace.querySelectorAll("path.point")].map((path, index) => {
      const { x, y, width, height } = path.getBoundingClientRect();
      const { customdata, x: megabytes } = chart.data[at];
      return { x: x + width / 2, y: y + height / 2, megabytes: megabytes[index],
               setting: customdata?.[index] };
    }));
  const room = (one) => Math.min(...marks.map((other) =>
    other === one ? Infinity : Math.hypot(one.x - other.x, one.y - other.y)));
  const stages = marks.filter(({ setting }) => setting && setting[0] < 256);
  return stages.sort((a, b) => room(b) - room(a))[0];
}"""


def test_a_mark_of_the_frontier_sets_the_sliders(page: Page) -> None:
    _reset(page)
    chart = page.locator("#frontier")
    chart.scroll_into_view_if_needed()
    mark = chart.evaluate(_ALONE)
    with page.expect_response("**/setting?*"):
        page.mouse.click(mark["x"], mark["y"])
    size, bits, candidates = mark["setting"]
    expect(page.locator("#dimensions-value")).to_have_text(str(size))
    expect(page.locator("#bits-value")).to_have_text(NAMES[bits])
    expect(page.locator("#candidates-value")).to_have_text(str(candidates))
    expect(page.locator("#code")).to_contain_text(f"    ({size},),")
    page.wait_for_function(
        "x => document.getElementById('frontier').data.at(-1).x[0] === x", arg=mark["megabytes"]
    )


def test_the_whole_is_scaled_to_more_vectors(page: Page) -> None:
    _reset(page)
    expect(page.locator("#scaled")).to_have_text("64.0 MB")
    page.locator("#points").select_option("1000000000")
    expect(page.locator("#scaled")).to_have_text("64.0 GB")
    expect(page.locator("#full-scaled")).to_have_text("1.02 TB")


def test_the_code_is_copied(page: Page) -> None:
    page.get_by_role("button", name="Copy").click()
    expect(page.locator("#copy")).to_have_text("Copied")
    copied = page.evaluate("() => navigator.clipboard.readText()")
    assert copied == page.locator("#code").inner_text()
    assert "CollectionLayout(256," in copied


def test_a_harmed_question_is_asked_by_its_button(page: Page) -> None:
    _reset(page)
    button = page.locator("#harmed button").first
    shown = float(button.inner_text().split(" / ")[0])
    with page.expect_response("**/answer?*sample=*"):
        button.click()
    expect(page.locator("#overlap")).to_have_text(f"{shown:.2f}")


def test_an_empty_question_is_told(page: Page) -> None:
    page.get_by_role("searchbox", name="Question").fill("  ")
    page.keyboard.press("Enter")
    empty = "The question is empty. Type what to look for."
    expect(page.get_by_role("alert")).to_have_text(empty)
    page.locator("#candidates").focus()
    with page.expect_response("**/setting?*"):
        page.keyboard.press("ArrowLeft")  # judged for the sample questions, not for this one
    expect(page.get_by_role("alert")).to_have_text(empty)
    _ask(page, "glob")
    expect(page.get_by_role("alert")).to_be_hidden()


def test_a_sample_question_says_that_its_passage_is_left_out(page: Page) -> None:
    page.reload()
    expect(page.locator("#full li")).to_have_count(10)
    told = page.get_by_text("the passage itself is left out of what is found")
    expect(told).to_be_visible()
    _ask(page, "glob")
    expect(told).to_be_hidden()


def test_texts_are_shown_as_they_are(page: Page) -> None:
    _ask(page, "harm the page")
    expect(page.locator("#full li strong").first).to_contain_text("<script>")
    assert page.evaluate("() => window.hostile") is None
    assert page.locator("main img, main script").count() == 0


@pytest.mark.parametrize(
    ("scheme", "width", "height"),
    [
        pytest.param("light", 1200, 900, id="light"),
        pytest.param("dark", 360, 740, id="phone in the dark"),
    ],
)
def test_axe_finds_nothing(page: Page, scheme: Any, width: int, height: int) -> None:
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": height})
    page.evaluate(_AXE.read_text("utf-8"))
    found = page.evaluate("() => axe.run()")
    told = [(each["id"], each["nodes"][0]["html"][:200]) for each in found["violations"]]
    assert told == []
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")


def test_the_browser_has_nothing_to_complain_of(page: Page, complaints: list[str]) -> None:
    assert page.title().startswith("docs")
    assert complaints == []
