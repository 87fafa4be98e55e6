"""Each pair in the page about moving differs in its import alone, and prints the same."""

import ast
import contextlib
import io
import re
import warnings
from pathlib import Path
from typing import Any

import pytest
from langchain_qdrant import QdrantVectorStore

from mrl_adapters.embeddings import WordLlamaEmbedder
from mrl_adapters.langchain import MatryoshkaEmbeddings
from mrl_adapters.qdrant import OneStageWarning, connect

PAGE = Path(__file__).parents[2] / "examples" / "moving_from_langchain_qdrant.md"
PROGRAM = re.compile(r"^## ([^\n]+)\n\n```diff\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PROGRAMS = dict(PROGRAM.findall(PAGE.read_text(encoding="utf-8")))
# Where a program has qdrant-client's local mode, the embedded engine.
EMBEDDED = {
    'QdrantClient(":memory:")': 'connect(path="embedded")',
    'location=":memory:"': 'path="embedded"',
    '"location": ":memory:"': '"path": "embedded"',
    '"numbers", ":memory:"': '"numbers", path="embedded"',
}


def lines(program: str, sign: str) -> list[str]:
    return [line[1:] for line in program.splitlines() if line.startswith(sign)]


def half(program: str, sign: str) -> str:
    return "\n".join(line[1:] for line in program.splitlines() if line[:1] in {sign, " ", ""})


def printed(source: str) -> str:
    """Run a program in the current folder, close what it opened, and return what it prints."""
    embeddings = MatryoshkaEmbeddings(WordLlamaEmbedder(), 256)
    names: dict[str, Any] = {"embeddings": embeddings, "connect": connect}
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec(compile(source, PAGE.name, "exec"), names)  # noqa: S102 - our own page
    for each in names.values():
        if isinstance(each, QdrantVectorStore):
            each.client.close()
    return out.getvalue()


def test_the_page_has_programs() -> None:
    assert len(PROGRAMS) >= 14
    assert PAGE.read_text(encoding="utf-8").count("```diff") == len(PROGRAMS)


@pytest.mark.parametrize("title", PROGRAMS)
def test_a_pair_differs_in_its_import_alone(title: str) -> None:
    for sign, package in (("-", "langchain_qdrant"), ("+", "mrl_adapters.langchain")):
        statements = ast.parse("\n".join(lines(PROGRAMS[title], sign))).body
        assert all(isinstance(each, ast.ImportFrom) for each in statements)
        assert package in {each.module for each in statements}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("title", PROGRAMS)
def test_a_pair_prints_the_same(title: str, tmp_path: Path, monkeypatch) -> None:
    before, after = half(PROGRAMS[title], "-"), half(PROGRAMS[title], "+")
    embedded = after
    for there, here in EMBEDDED.items():
        embedded = embedded.replace(there, here)
    said = {}
    for name, source in {"before": before, "after": after, "embedded": embedded}.items():
        folder = tmp_path / name
        folder.mkdir()
        monkeypatch.chdir(folder)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", OneStageWarning)
            if name == "before":
                warnings.simplefilter("ignore")  # langchain-qdrant's and the local mode's own
            said[name] = printed(source)
    assert said["before"].strip()
    assert said["after"] == said["embedded"] == said["before"]
