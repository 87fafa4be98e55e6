"""``mrl-adapters demo``: what it serves, where, and what it says where it cannot."""

import importlib.util
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import mrl_adapters.demo.serve as serving
from mrl_adapters.cli import quickstart
from mrl_adapters.demo.workbench import Workbench
from mrl_adapters.embeddings import WordLlamaEmbedder
from mrl_adapters.langchain import MatryoshkaVectorStore
from mrl_adapters.qdrant import CollectionLayout, connect

Shown = list[tuple[Workbench, dict[str, Any]]]


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Shown:
    """What would be served; nothing is."""
    served: Shown = []

    def record(workbench: Workbench, bound: socket.socket, **options: Any) -> None:
        options["ready"]()
        served.append((workbench, {**options, "address": serving.address_of(bound)}))

    monkeypatch.setattr(serving, "serve", record)
    return served


@pytest.fixture
def store(tmp_path: Path) -> Path:
    with connect(path=str(tmp_path / "store")) as client:
        layout = CollectionLayout(256, (64,))
        made = MatryoshkaVectorStore(client, "docs", WordLlamaEmbedder(), layout=layout)
        made.add_texts(["Bees make honey.", "Cows give milk.", "Trains run on rails."])
    return tmp_path / "store"


def test_a_collection_is_shown(run: Any, store: Path, shown: Shown) -> None:
    result = run("demo", "-c", "docs", "--path", store, "--port", "0", "--no-browser")
    assert result.exit_code == 0, result.output
    (workbench, options), *_ = shown
    corpus = workbench.corpus
    assert {passage.snippet for passage in corpus.passages} == {
        "Bees make honey.",
        "Cows give milk.",
        "Trains run on rails.",
    }
    assert not options["browser"]
    assert options["address"].startswith("http://127.0.0.1:")
    assert f"docs: {options['address']}" in result.stdout
    assert "Warning" not in result.stderr


def test_files_are_shown(run: Any, notes: Path, shown: Shown, tmp_path: Path) -> None:
    (notes / "broken.txt").write_bytes(b"\xff\xfe\xff")
    result = run("demo", notes, "--port", "0")
    assert result.exit_code == 0, result.output
    titles = {passage.title for passage in shown[0][0].corpus.passages}
    assert {"animals.txt:1", "Trains · trains.md:1", "moon · records.jsonl"} <= titles
    assert "broken.txt" in result.stderr
    assert shown[0][1]["browser"]
    assert not list(tmp_path.glob("store*"))


def test_the_docstrings_are_shown_by_default(
    run: Any, library: Path, shown: Shown, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = quickstart.open_corpus
    monkeypatch.setattr(quickstart, "open_corpus", lambda: opened(tmp_path / "quick", library))
    result = run("demo", "--port", "0", "--no-browser")
    assert result.exit_code == 0, result.output
    corpus = shown[0][0].corpus
    assert corpus.questions.given
    assert corpus.questions.texts[:4] == quickstart.QUESTIONS
    assert "rrf" in shown[0][0].engine.hybrids
    assert "shutil.copytree" in {passage.title for passage in corpus.passages}


def test_real_questions_judge(run: Any, store: Path, shown: Shown, tmp_path: Path) -> None:
    asked = tmp_path / "asked.txt"
    asked.write_text("who makes honey?\nwhat runs on rails?\n")
    line = ("demo", "-c", "docs", "--path", store, "--port", "0", "--questions", asked)
    assert run(*line).exit_code == 0
    assert shown[0][0].corpus.questions.texts == ("who makes honey?", "what runs on rails?")


def test_another_host_is_warned_of(run: Any, store: Path, shown: Shown) -> None:
    result = run("demo", "-c", "docs", "--path", store, "--host", "0.0.0.0", "--port", "0")  # noqa: S104
    assert result.exit_code == 0
    assert "whoever reaches this machine can read and search these texts" in result.stderr
    assert shown[0][1]["address"].startswith("http://127.0.0.1:")


def test_a_port_in_use_is_told(run: Any, store: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = run("demo", "-c", "docs", "--path", store, "--port", port)
    assert result.exit_code == 1
    assert f"Port {port} of 127.0.0.1 cannot be used: Address already in use" in result.stderr
    assert "--port 0" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["notes", "--collection", "docs"], "pass one of them"),
        (["--path", "store"], "with --collection"),
        (["--url", "http://127.0.0.1:1"], "with --collection"),
        (["--model", "wordllama"], "with files or --collection"),
        (["missing.txt", "--port", "0"], "missing.txt"),
    ],
)
def test_what_does_not_go_together_is_told(run: Any, arguments: list[str], told: str) -> None:
    result = run("demo", *arguments)
    assert result.exit_code in {1, 2}
    assert told in " ".join(result.stderr.replace("│", " ").split())


@pytest.mark.parametrize("package", ["starlette", "uvicorn", "plotly", "jinja2"])
def test_a_missing_package_is_told_before_anything_is_read(
    run: Any, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    assert importlib.util.find_spec(package)
    monkeypatch.setitem(sys.modules, package, None)
    result = run("demo", "-c", "docs", "--port", "0")
    assert result.exit_code == 1
    assert f"{package} is not installed. Run: pip install 'mrl-adapters[demo]'" in result.stderr


def test_the_page_is_served_until_it_is_interrupted(
    run: Any, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import uvicorn

    pages: list[str] = []

    def serve_one(server: uvicorn.Server, sockets: list[socket.socket]) -> None:
        del server
        pages.append(f"http://127.0.0.1:{sockets[0].getsockname()[1]}/")
        raise KeyboardInterrupt

    opened: list[str] = []
    monkeypatch.setattr(uvicorn.Server, "run", serve_one)
    monkeypatch.setattr("webbrowser.open", opened.append)
    result = run("demo", "-c", "docs", "--path", store, "--port", "0")
    assert result.exit_code == 0, result.output
    assert opened == pages


@pytest.mark.parametrize(
    ("sent", "code"),
    [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 0)],
    ids=["terminated", "terminal closed", "Ctrl-C"],
)
def test_nothing_is_left_behind_by_a_page_that_is_ended(
    tmp_path: Path, sent: signal.Signals, code: int
) -> None:
    notes, scratch = tmp_path / "notes", tmp_path / "scratch"
    notes.mkdir()
    scratch.mkdir()
    for number in range(3):
        (notes / f"{number}.md").write_text(f"Bees make honey in hive {number}.", "utf-8")
    command = [sys.executable, "-m", "mrl_adapters", "demo", notes, "--port", "0", "--no-browser"]
    environment = {**os.environ, "TMPDIR": str(scratch), "PYTHONUNBUFFERED": "1"}
    if signal.getsignal(sent) is signal.SIG_IGN:
        pytest.skip(f"{sent.name} is ignored by what runs the tests, and by what they start")
    with subprocess.Popen(  # noqa: S603 - this package's own command
        command, stdout=subprocess.PIPE, env=environment, text=True
    ) as served:
        try:
            assert served.stdout
            assert "Ctrl-C ends it" in served.stdout.readline()
            assert list(scratch.iterdir())
            served.send_signal(sent)
            assert served.wait(60) == code
        finally:
            served.kill()
    assert not list(scratch.iterdir())
