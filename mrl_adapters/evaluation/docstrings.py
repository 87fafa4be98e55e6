"""The built-in corpus: the docstrings of the Python standard library on this machine.

Thousands of real English texts that need no download and no licence question. They are read
with :mod:`ast` from the source files; nothing is imported or run. What C code implements
(``math``, ``itertools``) has no source here and is not part of it.
"""

import ast
import os
import sysconfig
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from mrl_adapters.errors import ConfigurationError
from mrl_adapters.evaluation.datasets import Dataset

Kind: TypeAlias = Literal["module", "class", "function", "method"]
_Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef
_Documented: TypeAlias = ast.Module | ast.ClassDef | _Function

_SKIPPED_FOLDERS = frozenset(
    {
        "__pycache__",
        "_bundled",  # ensurepip's wheels
        "dist-packages",
        "idle_test",
        "pydoc_data",  # the language reference as one generated module
        "site-packages",
        "test",
        "tests",
        "turtledemo",
    }
)
_MAX_SIGNATURE = 200  # characters; a longer one would drown the text it belongs to
_MIN_BODY_WORDS = 8  # a shorter body ("Raises ValueError.") answers no question
_MIN_SUMMARY_WORDS = 3


@dataclass(frozen=True, slots=True)
class Docstring:
    """One docstring of the standard library.

    Args:
        id: Dotted name, such as ``shutil.copytree``; unique in the corpus.
        kind: ``module``, ``class``, ``function`` or ``method``.
        signature: The name as one would call it, such as ``shutil.copytree(src, dst, ...)``.
        text: Signature and whole docstring: what to embed and to show.
        summary: First paragraph of the docstring, on one line.
        body: Everything after the first paragraph; empty where there is none.
        path: Source file below the standard library's folder, with forward slashes.
    """

    id: str
    kind: Kind
    signature: str
    text: str
    summary: str
    body: str
    path: str


def docstrings(folder: Path | None = None) -> Iterator[Docstring]:
    """Read the docstrings of all public names of the standard library.

    Private names (leading underscore), test packages and installed packages are left out, and
    so are files that cannot be parsed. Of a name that is defined more than once, as in the
    branches of an ``if``, the first definition with a docstring counts.

    Yields:
        Docstrings in a fixed order: files by path, names as they stand in the file.
    """
    root = Path(sysconfig.get_paths()["stdlib"]) if folder is None else folder
    files = _files(root)
    if not files:
        msg = (
            f"No Python source file below {root}: this Python keeps its standard library "
            "elsewhere or without sources. Pass folder=... or index texts of your own."
        )
        raise ConfigurationError(msg)
    seen: set[str] = set()
    for relative in files:
        for entry in _entries(root, relative):
            if entry.id not in seen:
                seen.add(entry.id)
                yield entry


def docstring_dataset(folder: Path | None = None) -> Dataset:
    """Make a judged set of the docstrings: the summary line asks, its own body is the answer.

    Only docstrings with both take part. A summary or a body that occurs more than once is left
    out altogether, since its judgement would be a coin flip.

    Args:
        folder: Read the Python files of this folder instead of the standard library.

    Returns:
        A dataset with as many queries as documents and one relevant document a query.

    Raises:
        ConfigurationError: The folder holds no Python file.
    """
    entries = [
        entry
        for entry in docstrings(folder)
        if len(entry.summary.split()) >= _MIN_SUMMARY_WORDS
        and len(entry.body.split()) >= _MIN_BODY_WORDS
    ]
    summaries = Counter(_folded(entry.summary) for entry in entries)
    bodies = Counter(_folded(entry.body) for entry in entries)
    kept = [
        entry
        for entry in entries
        if summaries[_folded(entry.summary)] == bodies[_folded(entry.body)] == 1
    ]
    return Dataset(
        documents={entry.id: entry.body for entry in kept},
        queries={entry.id: entry.summary for entry in kept},
        qrels={entry.id: {entry.id: 1} for entry in kept},
        name="standard library docstrings",
    )


def _files(root: Path) -> list[Path]:
    """List the public source files below root, relative to it, in a fixed order."""
    found = []
    for folder, subfolders, names in os.walk(root):
        # Pruned here, so that a large site-packages folder is never walked. Debian also keeps
        # build settings in a folder that no import could reach: "config-3.11-x86_64-linux-gnu".
        subfolders[:] = [
            name
            for name in subfolders
            if name not in _SKIPPED_FOLDERS and name.isidentifier() and _public(name)
        ]
        relative = Path(folder).relative_to(root)
        found += [
            relative / name
            for name in names
            if name.endswith(".py") and (_public(name) or name == "__init__.py")
        ]
    return sorted(found, key=Path.as_posix)


def _module(path: Path) -> str:
    """Name the module that a relative path holds."""
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


def _public(name: str) -> bool:
    return not name.startswith("_")


def _entries(root: Path, relative: Path) -> Iterator[Docstring]:
    """Read one file; a file that is not valid Python has no entries."""
    try:
        with warnings.catch_warnings():
            # Old escapes such as "\d" in somebody else's file are no concern of our caller.
            warnings.simplefilter("ignore")
            # Bytes, so that the parser heeds the file's own coding line.
            tree = ast.parse((root / relative).read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError):
        return
    module = _module(relative)
    path = relative.as_posix()
    yield from _entry(tree, module, "module", path)
    yield from _members(tree, module, path, inside_class=False)


def _members(node: ast.AST, prefix: str, path: str, *, inside_class: bool) -> Iterator[Docstring]:
    """Walk public classes and functions, through ``if``, ``try`` and ``with`` blocks too."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef):
            if _public(child.name):
                name = f"{prefix}.{child.name}"
                yield from _entry(child, name, "class", path)
                yield from _members(child, name, path, inside_class=True)
        elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            # What a function defines inside itself cannot be called from outside: no descent.
            if _public(child.name):
                kind: Kind = "method" if inside_class else "function"
                yield from _entry(child, f"{prefix}.{child.name}", kind, path)
        elif isinstance(child, ast.stmt | ast.ExceptHandler):
            yield from _members(child, prefix, path, inside_class=inside_class)


def _entry(node: _Documented, name: str, kind: Kind, path: str) -> Iterator[Docstring]:
    """Make the entry of one definition, if it has a docstring."""
    docstring = (ast.get_docstring(node) or "").strip()
    # A lone surrogate (an escape in somebody's docstring) could be neither stored nor sent.
    docstring = docstring.encode("utf-8", "replace").decode("utf-8")
    if not docstring:
        return
    summary, _, body = docstring.partition("\n\n")
    signature = name
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        signature = _signature(node, name, method=kind == "method")
    yield Docstring(
        id=name,
        kind=kind,
        signature=signature,
        text=f"{signature}\n\n{docstring}",
        summary=" ".join(summary.split()),
        body=body.strip(),
        path=path,
    )


def _signature(node: _Function, name: str, *, method: bool) -> str:
    """Write the call without annotations and without ``self``; a property has no call."""
    decorators = {ast.unparse(decorator).rpartition(".")[2] for decorator in node.decorator_list}
    if method and decorators & {"property", "cached_property"}:
        return name
    for group in [node.args.posonlyargs, node.args.args, node.args.kwonlyargs]:
        for argument in group:
            argument.annotation = None
    if method and "staticmethod" not in decorators:
        # The tree is ours and read once: taking ``self`` out of it harms nobody.
        del (node.args.posonlyargs or node.args.args)[:1]
    signature = f"{name}({ast.unparse(node.args)})"
    return signature if len(signature) <= _MAX_SIGNATURE else f"{name}(...)"


def _folded(text: str) -> str:
    """Compare texts without regard to case and white space."""
    return " ".join(text.casefold().split())
