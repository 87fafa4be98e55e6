import io
import time

import pytest
from rich.console import Console

from mrl_adapters.cli import terminal
from mrl_adapters.cli.results import Hit, answered
from mrl_adapters.qdrant.migration.progress import Progress


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What a terminal of 100 columns would be sent as progress."""
    written = io.StringIO()
    console = Console(file=written, force_terminal=True, width=100, color_system=None)
    monkeypatch.setattr(terminal, "errors", console)
    return written


def test_a_bar_shows_how_far_it_is(screen: io.StringIO) -> None:
    with terminal.progress_bar("Indexing", 4) as advance:
        advance(1)
        advance(3)
    assert "Indexing" in screen.getvalue()
    assert "4/4" in screen.getvalue()


def test_each_phase_has_a_bar_with_its_rate(screen: io.StringIO) -> None:
    with terminal.point_phases() as report:
        report(Progress("fill", 0, 10, 0.0))
        time.sleep(0.01)  # a rate takes time
        report(Progress("fill", 5, 10, 1.0))
        time.sleep(0.01)
        report(Progress("fill", 10, 10, 2.0))
        report(Progress("verify", 5, 20, 2.0))
    shown = screen.getvalue()
    assert "Fill points" in shown
    assert "10/10" in shown
    assert "/s" in shown
    assert "Verify points" in shown
    assert " 5/20" in shown


def test_a_pipe_gets_no_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.StringIO()
    monkeypatch.setattr(terminal, "errors", Console(file=written))
    with terminal.progress_bar("Indexing", 4) as advance:
        advance(4)
    with terminal.waiting("Closing"):
        pass
    assert written.getvalue() == ""


def test_a_wait_of_unknown_length_is_shown(screen: io.StringIO) -> None:
    with terminal.waiting("Closing"):
        pass
    assert "Closing" in screen.getvalue()


def drawn(hits: list[Hit], width: int, lines: int) -> list[str]:
    written = io.StringIO()
    Console(file=written, width=width).print(answered("what?", hits, lines=lines))
    return [line.rstrip() for line in written.getvalue().splitlines()]


def test_a_snippet_takes_the_lines_it_may_and_says_that_more_follows() -> None:
    hit = Hit("title", "", "one two three four five six seven", 0.5)
    assert drawn([hit], 20, 2) == [
        "what?",
        "  0.50 title",
        "       one two three",
        "       four five si…",
    ]


def test_a_snippet_that_fits_is_whole_and_on_one_line() -> None:
    hit = Hit("title", " (x)", "short\n\n text [with] brackets", 0.25)
    assert drawn([hit], 60, 1)[1:] == ["  0.25 title (x)", "       short text [with] brackets"]
