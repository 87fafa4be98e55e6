"""Commands over a store that may not be written to: reading works, writing says so in a line."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="folders have no permissions")


def test_it_is_searched_and_audited_and_nothing_else(
    run: Callable[..., Result], notes: Path, tmp_path: Path, seal: Callable[[Path], None]
) -> None:
    store = tmp_path / "store"
    reading = [
        ("search", "docs", "honey", "--path", store),
        ("audit", "docs", "--path", store),
        ("list", "--path", store),
        ("info", "docs", "--path", store),
    ]
    assert run("index", notes, "--collection", "docs", "--path", store).exit_code == 0
    before = [(done.exit_code, done.stdout) for done in (run(*words) for words in reading)]
    seal(store)
    files = {str(each): each.stat().st_mtime_ns for each in store.rglob("*")}
    assert [(done.exit_code, done.stdout) for done in (run(*words) for words in reading)] == before
    (notes / "new.txt").write_text("Something new.")
    done = run("index", notes, "--collection", "docs", "--path", store)
    assert done.exit_code != 0
    assert "is read-only: it can be searched" in " ".join(done.output.split()), done.output
    assert {str(each): each.stat().st_mtime_ns for each in store.rglob("*")} == files
