"""The command line in this process, a small library to index, and files of one's own."""

import shutil
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from mrl_adapters.cli.app import app

Run = Callable[..., Result]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command; a defect shows as the exception that it is."""
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.delenv("QDRANT_API_KEY", raising=False)

    def invoke(*arguments: object) -> Result:
        result = CliRunner().invoke(app, [str(each) for each in arguments])
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return invoke


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few modules of the standard library: what the quickstart reads in a test."""
    folder = tmp_path_factory.mktemp("library")
    for name in ("argparse", "csv", "glob", "shutil", "tempfile", "textwrap"):
        shutil.copy(Path(sysconfig.get_paths()["stdlib"], f"{name}.py"), folder)
    return folder


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    """A folder with one file of each kind."""
    folder = tmp_path / "notes"
    (folder / "deep").mkdir(parents=True)
    (folder / "animals.txt").write_text("Bees make honey.\n\nCows give milk.\n")
    (folder / "deep" / "trains.md").write_text("# Trains\n\nA train runs on rails of steel.\n")
    (folder / "records.jsonl").write_text(
        '{"id": "moon", "title": "Moon", "text": "The moon circles the earth."}\n'
        '"The sun shines by day."\n'
    )
    return folder
