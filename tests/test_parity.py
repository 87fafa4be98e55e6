"""The parity table names tests that are there, and says something of every neighbour."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / ".github" / "docs" / "parity.md"
_ROW = re.compile(r"^\| (?P<what>[^|]+) \|(?P<rest>.*)\| `(?P<file>[\w/]+\.py)::(?P<test>\w+)` \|$")
NEIGHBOURS = ("langchain-qdrant", "llama-index-vector-stores-qdrant", "MatryoshkaRetriever")


def table() -> list[str]:
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line.startswith("|")]


def rows() -> list[object]:
    return [pytest.param(line, id=line.split("|")[1].strip()) for line in table()[2:]]


def names_in(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in ast.walk(tree) if isinstance(node, kinds)}


def test_the_table_has_a_column_a_neighbour() -> None:
    assert all(name in table()[0] for name in NEIGHBOURS)
    assert len(rows()) > 20


@pytest.mark.parametrize("line", rows())
def test_each_row_names_a_test_that_is_there(line: str) -> None:
    row = _ROW.match(line)
    assert row is not None, line
    assert row["rest"].count("|") == 4 - 1, "a cell a neighbour, and one of this package"
    assert row["rest"].rpartition("|")[2].strip(), "this package's own cell says something"
    assert row["test"].startswith("test_")
    assert row["test"] in names_in(ROOT / row["file"])
