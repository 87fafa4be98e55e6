import contextlib
import io
import os
import pty
import subprocess
import sys
import time
from pathlib import Path

import pytest
from qdrant_client import models
from rich.console import Console

from mrl_adapters.cli import terminal
from mrl_adapters.cli.results import Hit, answered
from mrl_adapters.progress import Progress
from mrl_adapters.qdrant import connect


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What a terminal of 100 columns would be sent as progress."""
    written = io.StringIO()
    console = Console(file=written, force_terminal=True, width=100, color_system=None)
    monkeypatch.setattr(terminal, "errors", console)
    return written


def test_a_bar_shows_how_far_it_is(screen: io.StringIO) -> None:
    with terminal.progress_bars() as report:
        report(Progress("indexing files", 1, 4, 0.1))
        report(Progress("indexing files", 4, 4, 0.2))
    assert "Indexing files" in screen.getvalue()
    assert "4/4" in screen.getvalue()


def test_each_phase_has_a_bar_with_its_rate(screen: io.StringIO) -> None:
    with terminal.progress_bars() as report:
        report(Progress("deriving short vectors", 0, 10, 0.0))
        time.sleep(0.01)  # a rate takes time
        report(Progress("deriving short vectors", 5, 10, 1.0))
        time.sleep(0.01)
        report(Progress("deriving short vectors", 10, 10, 2.0))
        report(Progress("verifying points", 5, 20, 2.0))
    shown = screen.getvalue()
    assert "Deriving short vectors" in shown
    assert "10/10" in shown
    assert "/s" in shown
    assert "Verifying points" in shown
    assert " 5/20" in shown


def test_tables_are_drawn_in_a_terminal_and_stay_markdown_in_a_pipe() -> None:
    text = "About.\n\n| name | value |\n|---|---:|\n| " + "long " * 30 + "| 1 |\n"
    drawn, piped = io.StringIO(), io.StringIO()
    terminal.tables(text, Console(file=drawn, force_terminal=True, width=60, color_system=None))
    terminal.tables(text, Console(file=piped, width=60))
    assert "━" in drawn.getvalue() or "─" in drawn.getvalue()
    assert max(map(len, drawn.getvalue().splitlines())) <= 60
    assert piped.getvalue() == text


def test_a_pipe_gets_no_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.StringIO()
    monkeypatch.setattr(terminal, "errors", Console(file=written))
    with terminal.progress_bars() as report:
        report(Progress("indexing files", 4, 4, 0.1))
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


def shown(message: str, width: int = 40) -> list[str]:
    """What a terminal is sent."""
    written = io.StringIO()
    console = Console(file=written, force_terminal=True, width=width, color_system=None)
    terminal.tell("Error", "bold red", message, console)
    return written.getvalue().splitlines()


def test_a_long_message_breaks_between_words_whatever_they_are_made_of() -> None:
    assert shown("Collection 'a-name-of-thirty-five-characters-x' has no short vector.") == [
        "Error: Collection",
        "'a-name-of-thirty-five-characters-x' has",
        "no short vector.",
    ]


@pytest.mark.parametrize(
    "copied",
    [
        "mrl-adapters migrate notes --stages 64,256",
        "pip install 'mrl-adapters[langchain,openai]'",
        "update_collection(vectors_config={'short_64': Diff(hnsw=Hnsw(m=0, payload_m=16))})",
        "stages=(64, 128, 256, 512, 1024, 2048, 3072)",
    ],
)
@pytest.mark.parametrize("ending", ["", ". And some more.", "), or some more"])
def test_what_is_copied_from_a_message_is_in_one_line(copied: str, ending: str) -> None:
    lines = shown(f"This is wrong. Do that: {copied}{ending}")
    [line] = [line for line in lines if copied in line]
    assert len(line) <= max(40, len(copied) + 2)
    assert len(lines) > 1


def test_a_pipe_gets_a_message_in_one_line() -> None:
    written = io.StringIO()
    terminal.tell("Error", "bold red", "word " * 50 + "end", Console(file=written, width=40))
    assert written.getvalue() == "Error: " + "word " * 50 + "end\n"


def test_a_warning_in_80_columns_breaks_no_word_and_no_command(
    tmp_path: Path,
) -> None:
    name = "product-descriptions-of-the-whole-catalogue"
    with connect(path=str(tmp_path)) as client:
        client.create_collection(name, models.VectorParams(size=32, distance="Cosine"))
    main = "from mrl_adapters.cli import main; main()"
    screen, child = pty.openpty()
    command = [sys.executable, "-c", main, "search", name, "bees", "--path", str(tmp_path)]
    with os.fdopen(screen, "rb", buffering=0) as read:
        with os.fdopen(child, "wb") as write:
            done = subprocess.run(  # noqa: S603 - this interpreter, the command under test
                command, stderr=write, env={**os.environ, "COLUMNS": "80"}, check=False
            )
        sent = b""
        with contextlib.suppress(OSError):  # how Linux says that nobody can write any more
            while more := read.read(4096):
                sent += more
    lines = sent.decode().splitlines()
    told = lines[next(at for at, line in enumerate(lines) if "Collection" in line) :]
    assert done.returncode == 1
    assert f"Collection '{name}' has no short" in told[0]
    command_line = f"mrl-adapters migrate {name} --stages 16 --path {tmp_path}"
    warned = [line for line in told[1 : told.index(command_line)] if line]
    assert " ".join(warned).endswith("Add it, without embedding anything again:")
    assert all(len(line) <= 80 for line in warned)
