"""Pages of programs that move from another store by their import alone: each pair, and its run."""

import ast
import contextlib
import io
import re
from pathlib import Path
from typing import Any

EXAMPLES = Path(__file__).parents[1] / "examples"
_PROGRAM = re.compile(r"^## ([^\n]+)\n\n```diff\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def programs(page: str) -> dict[str, str]:
    """Read the programs of a page by their titles; each is a diff of its two halves."""
    text = (EXAMPLES / page).read_text(encoding="utf-8")
    found = dict(_PROGRAM.findall(text))
    assert text.count("```diff") == len(found)
    return found


def half(program: str, sign: str) -> str:
    """Take one of a pair's two programs."""
    return "\n".join(line[1:] for line in program.splitlines() if line[:1] in {sign, " ", ""})


def check_imports(program: str, before: str, after: str) -> None:
    """Raise if a pair differs in more than what it imports from two packages."""
    for sign, package in (("-", before), ("+", after)):
        lines = [line[1:] for line in program.splitlines() if line.startswith(sign)]
        statements = ast.parse("\n".join(lines)).body
        assert all(isinstance(each, ast.ImportFrom) for each in statements)
        assert package in {each.module for each in statements if isinstance(each, ast.ImportFrom)}


def printed(source: str, names: dict[str, Any]) -> str:
    """Run a program with some names given, which gets its own beside them; return its output."""
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec(compile(source, "a program of the page", "exec"), names)  # noqa: S102 - our own page
    return out.getvalue()
