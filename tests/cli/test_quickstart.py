import json
import re
import shutil
import sysconfig
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from mrl_adapters.cli.app import app
from mrl_adapters.cli.corpus import Corpus
from mrl_adapters.cli.quickstart import QUESTIONS
from mrl_adapters.qdrant import connect


@pytest.fixture(scope="session")
def indexed(library: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The index that a first run leaves behind."""
    folder = tmp_path_factory.mktemp("first") / "index"
    command = ["quickstart", "copy", "--path", str(folder), "--sources", str(library)]
    result = CliRunner().invoke(app, command)
    assert "embedded and indexed in" in result.stdout
    return folder


@pytest.fixture
def quickstart(run: Any, library: Path, indexed: Path, tmp_path: Path) -> Any:
    """Run the command over the small library once more."""
    shutil.copytree(indexed, tmp_path / "index")

    def invoke(*arguments: object) -> str:
        result = run("quickstart", "--path", tmp_path / "index", "--sources", library, *arguments)
        assert result.exit_code == 0
        return str(result.stdout)

    return invoke


def titles(output: str) -> list[str]:
    """Names of the results, best first."""
    return re.findall(r"^ +0\.\d\d ([\w.]+)", output, flags=re.MULTILINE)


def test_copying_a_directory_tree_finds_copytree_first(quickstart: Any) -> None:
    assert titles(quickstart("copy a directory tree"))[0] == "shutil.copytree"


def test_results_show_signature_and_summary(quickstart: Any) -> None:
    output = quickstart("copy a directory tree")
    assert "shutil.copytree(src, dst, symlinks=False" in output
    assert "Recursively copy a directory tree and return the destination directory." in output


def test_built_in_questions_are_answered_without_a_question(quickstart: Any) -> None:
    output = quickstart()
    for question in QUESTIONS:
        assert question in output
    assert "textwrap.dedent" in titles(output)


def test_the_second_run_reuses_the_index_and_says_the_same(quickstart: Any, tmp_path: Path) -> None:
    second = quickstart("wrap a paragraph")
    assert "indexed by an earlier run" in second
    shutil.rmtree(tmp_path / "index")
    first = quickstart("wrap a paragraph")
    assert "embedded and indexed in" in first
    assert titles(first) == titles(second)


@pytest.mark.parametrize("damage", ["missing", "other version", "not JSON", "of an older form"])
def test_an_index_that_is_not_known_to_be_complete_is_made_anew(
    quickstart: Any, tmp_path: Path, damage: str
) -> None:
    mark = tmp_path / "index" / "quickstart.json"
    if damage == "missing":
        mark.unlink()
    elif damage == "other version":
        made_of = json.loads(mark.read_text())
        made_of["index"]["package"] = "0.0.0"
        mark.write_text(json.dumps(made_of))
    else:
        mark.write_text("{" if damage == "not JSON" else "{}")
    assert "embedded and indexed in" in quickstart("copy")
    assert "indexed by an earlier run" in quickstart("copy")


def test_an_index_that_lost_points_is_made_anew(
    quickstart: Any, library: Path, tmp_path: Path
) -> None:
    with connect(path=str(tmp_path / "index")) as client:
        Corpus(client, tmp_path / "index", library).store.delete(["shutil.copytree"])
    assert titles(quickstart("copy a directory tree"))[0] == "shutil.copytree"


def test_the_table_counts_the_bytes_of_each_layout(quickstart: Any) -> None:
    output = quickstart("copy")
    texts = int(re.match(r"[\d,]+", output)[0].replace(",", ""))  # type: ignore[index] # the first word is the number
    row = r"^ (256 only|\d+, then 256) +(\S+) +(\S+) ms +(\S+) MB"
    rows = re.findall(row, output, flags=re.MULTILINE)
    assert [(name, memory) for name, _, _, memory in rows] == [
        ("256 only", f"{texts * 256 * 4 / 1e6:.2f}"),
        ("128, then 256", f"{texts * 128 / 1e6:.2f}"),
        ("64, then 256", f"{texts * 64 / 1e6:.2f}"),
    ]
    assert rows[0][1] == "1.000"


def test_no_line_is_wider_than_the_terminal(
    quickstart: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    assert max(map(len, quickstart("copy a directory tree").splitlines())) <= 60


def test_a_folder_in_use_is_told_in_one_line(run: Any, tmp_path: Path) -> None:
    with connect(path=str(tmp_path)):
        result = run("quickstart", "--path", tmp_path)
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ")
    assert str(tmp_path) in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.slow
def test_the_whole_library_is_indexed_and_answers_within_a_minute(run: Any, tmp_path: Path) -> None:
    started = time.monotonic()
    result = run("quickstart", "--path", tmp_path / "index")
    assert time.monotonic() - started < 60
    found = titles(result.stdout)
    assert found[0] == "shutil.copytree"
    assert {"tempfile.TemporaryDirectory", "textwrap.dedent"} <= set(found)
    assert "indexed by an earlier run" in run("quickstart", "--path", tmp_path / "index").stdout
    assert sysconfig.get_paths()["stdlib"] in (tmp_path / "index" / "quickstart.json").read_text()
