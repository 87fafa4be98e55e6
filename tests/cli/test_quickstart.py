import re
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from qdrant_client import models
from typer.testing import CliRunner

from mrl_adapters.cli.app import app
from mrl_adapters.cli.corpus import NAME, Corpus
from mrl_adapters.cli.quickstart import QUESTIONS
from mrl_adapters.embeddings import WordLlamaEmbedder
from mrl_adapters.langchain import MatryoshkaVectorStore
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


@pytest.mark.parametrize(
    "made_of", [{}, {"index": {"package": "0.0.0"}, "texts": 1}, {"index": None, "texts": None}]
)
def test_an_index_that_is_not_known_to_be_complete_is_made_anew(
    quickstart: Any, tmp_path: Path, made_of: dict[str, Any]
) -> None:
    with connect(path=str(tmp_path / "index")) as client:
        client.update_collection(NAME, metadata={"mrl_adapters_quickstart": made_of})
    assert "embedded and indexed in" in quickstart("copy")
    assert "indexed by an earlier run" in quickstart("copy")


def test_an_index_that_lost_points_is_made_anew(
    quickstart: Any, library: Path, tmp_path: Path
) -> None:
    with connect(path=str(tmp_path / "index")) as client:
        Corpus(client, library).store.delete(["shutil.copytree"])
    assert titles(quickstart("copy a directory tree"))[0] == "shutil.copytree"


def test_collections_of_the_user_in_the_same_folder_stay(
    run: Any, library: Path, tmp_path: Path
) -> None:
    names = ("docstrings", "docs", "quickstart")
    with connect(path=str(tmp_path)) as client:
        for name in names:
            store = MatryoshkaVectorStore(client, name, WordLlamaEmbedder())
            store.add_texts(["mine"], ids=["mine"])
    for _ in range(2):
        command = ("quickstart", "copy", "--path", tmp_path, "--sources", library)
        assert run(*command).exit_code == 0
    with connect(path=str(tmp_path)) as client:
        assert [client.count(name).count for name in names] == [1, 1, 1]
        assert client.count(NAME).count > 1


@pytest.mark.parametrize("metadata", [None, {"mrl_adapters_quickstart": "yes"}, {"of": "others"}])
def test_a_strangers_collection_of_that_name_is_refused(
    run: Any, library: Path, tmp_path: Path, metadata: dict[str, Any] | None
) -> None:
    with connect(path=str(tmp_path)) as client:
        params = models.VectorParams(size=4, distance=models.Distance.COSINE)
        client.create_collection(NAME, params, metadata=metadata)
        client.upsert(NAME, [models.PointStruct(id=1, vector=[1.0, 2.0, 3.0, 4.0])])
    result = run("quickstart", "copy", "--path", tmp_path, "--sources", library)
    assert result.exit_code == 1
    assert "was not made by quickstart" in result.stderr
    assert result.stderr.count("\n") == 1
    with connect(path=str(tmp_path)) as client:
        assert client.count(NAME).count == 1


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
