"""Every script in examples/ runs as printed and says what it should."""

import ast
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "examples"
SLOW = {"quickstart", "train_matryoshka"}
# What keeps a long one short.
ARGUMENTS = {"train_matryoshka": ["--runs", "1", "--epochs", "1"]}
# What a script must print; any words at all where nothing more is known.
EXPECTED = {
    "benchmark": r"0\.95 \| two-stage 64 int8 \| \d+ candidates",
    "funnel": r"by default \(128\) +0\.99\d.*64, then 128, then full +0\.98\d",
    "langchain_rag": r"shutil\.copytree",
    "langchain_rerank": r"two stages:\n  shutil\.copytree.*re-ranked:\n  os\.makedirs",
    "late_interaction": r"0\.66 Invoices are sent.*6\.2\d Minutes",
    "llama_index_rag": r"Found:\s+0\.\d+ filters\.md: ## By example",
    "migrate_existing": r"2000 of 2000 points.*repaired: 1 points",
    "parent_documents": r"^pathlib\.md: .*\n  found by: .*\n  found by: .*\nshutil\.md: ",
    "rotate_existing": r"64 dimensions: plain 0\.\d+, rotated (0\.9\d+|1\.0)",
    "rotation": r"plain +0\.\d+\n +rotated 0\.9",
    "quickstart": r"shutil\.copytree",
    "several_processes": r"one process: [\d,]+ searches/s; two: [\d,]+ \(\d\.\d\d times\)",
    "sparse_vectors": r"dense +Error E4102.*sparse +Error E4021.*hybrid +Error E4021.*agree by 0\.",
    "stock_store_on_edge": r"bake bread\?.*Sourdough",
    "tenants": r"engine weaves.*ada reads bob/1: \[\]\n *bob still has: \['bob/1', 'bob/2'\]",
    "without_framework": r"0\.\d+ .*shutil\.copytree",
    "train_matryoshka": r"plain +64 +0\.\d+ .*matryoshka +64 +0\.\d+ +\d+\.\d%",
}


def scripts() -> list[object]:
    return [
        pytest.param(path, id=path.stem, marks=pytest.mark.slow if path.stem in SLOW else ())
        for path in sorted(FOLDER.glob("*.py"))
    ]


def missing_modules(path: Path) -> list[str]:
    """Name the packages that a script imports and that are not installed."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imported = {
        alias.name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    } | {
        str(node.module).split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and not node.level
    }
    return sorted(name for name in imported if importlib.util.find_spec(name) is None)


def test_there_are_examples() -> None:
    assert {"quickstart", "langchain_rag", "funnel"} <= {path.stem for path in FOLDER.glob("*.py")}


@pytest.mark.parametrize("script", scripts())
def test_an_example_runs_and_prints_what_it_should(script: Path, tmp_path: Path) -> None:
    if missing := missing_modules(script):
        pytest.skip(f"{script.name} needs {', '.join(missing)}")
    ended = subprocess.run(  # noqa: S603 - our own script
        [sys.executable, str(script), *ARGUMENTS.get(script.stem, [])],
        cwd=tmp_path,
        env={**os.environ, "PYTHONIOENCODING": "utf-8", "NO_COLOR": "1"},
        capture_output=True,
        encoding="utf-8",
        timeout=600,
        check=False,
    )
    if extra := re.search(r"MissingExtraError: (.*)", ended.stderr):
        pytest.skip(f"{script.name}: {extra[1]}")
    assert ended.returncode == 0, ended.stderr
    assert re.search(EXPECTED.get(script.stem, r"\w"), ended.stdout, re.DOTALL), ended.stdout
    assert list(tmp_path.iterdir()) == [], "an example leaves nothing behind"
