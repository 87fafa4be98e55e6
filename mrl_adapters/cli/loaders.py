"""Read files of many kinds as texts: what is Markdown or nearly so becomes Markdown."""

import csv
import io
import logging
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mrl_adapters.errors import ConfigurationError, MissingExtraError, MRLError
from mrl_adapters.evaluation.records import number_lines, read_records

# Source files, by the name that langchain-text-splitters gives their language.
_LANGUAGES = {
    suffix: language
    for language, suffixes in {
        "c": ".c .h",
        "cpp": ".cc .cpp .hpp",
        "csharp": ".cs",
        "elixir": ".ex .exs",
        "go": ".go",
        "haskell": ".hs",
        "java": ".java",
        "js": ".js .jsx .mjs",
        "kotlin": ".kt",
        "latex": ".tex",
        "lua": ".lua",
        "markdown": ".md .markdown",
        "perl": ".pl .pm",
        "php": ".php",
        "powershell": ".ps1",
        "proto": ".proto",
        "python": ".py .pyi",
        "rst": ".rst",
        "ruby": ".rb",
        "rust": ".rs",
        "scala": ".scala",
        "swift": ".swift",
        "ts": ".ts .tsx",
    }.items()
    for suffix in suffixes.split()
}
_SNIFFED = 4_096  # characters that show which delimiter a table has


@dataclass(frozen=True)
class Part:
    """A text that a file holds: all of it, or a page, a row or a record.

    Args:
        text: What it says.
        language: How it divides: "markdown", a programming language, or "" for plain text.
        title: Its own; None for the heading above each passage, or the file's name.
        line: Where it begins in the file, counted from 1; None where lines are not the file's.
    """

    text: str
    language: str = ""
    title: str | None = None
    line: int | None = None


def load(path: Path, content: bytes) -> list[Part]:
    """Read the texts of a file.

    Raises:
        ConfigurationError: It is not what its name says.
        MissingExtraError: What reads files of its kind is not installed.
    """
    suffix = path.suffix.lower()
    loader = _LOADERS.get(suffix)
    if loader is None:
        return [Part(decode(path, content), _LANGUAGES.get(suffix, ""), line=1)]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what a file does that its format forbids
            return list(loader(path, content))
    except MRLError:
        raise
    except Exception as error:
        # Readers of foreign files raise whatever their parsers do.
        msg = (
            f"{path} cannot be read as {suffix}: {error or type(error).__name__}. "
            "Convert it, or leave it out."
        )
        raise ConfigurationError(msg, path=path) from error


def decode(path: Path, content: bytes) -> str:
    """Read bytes as text."""
    try:
        return io.TextIOWrapper(io.BytesIO(content), encoding="utf-8-sig").read()
    except UnicodeDecodeError as error:
        msg = f"{path} cannot be read as UTF-8 text: {error}. Convert it, or leave it out."
        raise ConfigurationError(msg, path=path) from error


def _records(path: Path, content: bytes) -> Iterator[Part]:
    """Take each line of a JSON lines file as a document of its own, whatever it is called."""
    lines = decode(path, content).split("\n")
    for record in read_records(number_lines(lines), path):
        yield Part(record.text, title=record.id)


def _rows(path: Path, content: bytes) -> Iterator[Part]:
    """Take each row of a table as a document: its cells, under the names of their columns."""
    text = decode(path, content)
    try:
        dialect = csv.Sniffer().sniff(text[:_SNIFFED], delimiters=",;\t|")
    except csv.Error:  # one column alone
        dialect = csv.excel_tab if path.suffix.lower() == ".tsv" else csv.excel
    reader = csv.reader(io.StringIO(text, newline=""), dialect)
    names = next(reader, [])
    ended = reader.line_num
    for number, cells in enumerate(reader, 1):
        named = zip(names + [""] * (len(cells) - len(names)), cells, strict=False)
        said = [f"{name}: {cell}" if name else cell for name, cell in named if cell.strip()]
        if said:
            yield Part("\n".join(said), title=f"{path.name}, row {number}", line=ended + 1)
        ended = reader.line_num


def _web_page(path: Path, content: bytes) -> Iterator[Part]:
    try:
        from bs4 import BeautifulSoup
        from markdownify import MarkdownConverter
    except ImportError as error:
        raise _missing("markdownify") from error
    del path
    page = BeautifulSoup(content, "html.parser")
    for unread in page(["script", "style", "template", "noscript", "svg", "head"]):
        unread.decompose()
    converter = MarkdownConverter(
        heading_style="ATX",
        strip=["a", "img"],
        table_infer_header=True,  # else one without headings gets an empty row of them
        escape_asterisks=False,
        escape_underscores=False,
        escape_misc=False,
    )
    yield Part(converter.convert_soup(page), "markdown")


def _word(path: Path, content: bytes) -> Iterator[Part]:
    try:
        import mammoth
    except ImportError as error:
        raise _missing("mammoth") from error
    page = mammoth.convert_to_html(
        io.BytesIO(content), convert_image=mammoth.images.img_element(lambda _: {"src": ""})
    )
    yield from _web_page(path, page.value.encode())


def _pages(path: Path, content: bytes) -> Iterator[Part]:
    try:
        from pypdf import PdfReader
    except ImportError as error:
        raise _missing("pypdf") from error
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # it tells of every flaw it works around
    for number, page in enumerate(PdfReader(io.BytesIO(content)).pages, 1):
        yield Part(page.extract_text(), title=f"{path.name}, page {number}")


def _notebook(path: Path, content: bytes) -> Iterator[Part]:
    try:
        import nbformat
    except ImportError as error:
        raise _missing("nbformat") from error
    notebook = nbformat.reads(decode(path, content), as_version=4)
    language = notebook.metadata.get("kernelspec", {}).get("language", "")
    cells = [
        f"```{language}\n{cell.source}\n```" if cell.cell_type == "code" else cell.source
        for cell in notebook.cells
        if cell.source.strip()
    ]
    yield Part("\n\n".join(cells), "markdown")


def _missing(package: str) -> MissingExtraError:
    extra = "files"
    return MissingExtraError(package, extra)


_LOADERS: dict[str, Callable[[Path, bytes], Iterator[Part]]] = {
    ".jsonl": _records,
    **dict.fromkeys((".csv", ".tsv"), _rows),
    **dict.fromkeys((".html", ".htm", ".xhtml"), _web_page),
    ".docx": _word,
    ".pdf": _pages,
    ".ipynb": _notebook,
}
SUFFIXES = frozenset({".txt", *_LANGUAGES, *_LOADERS})
"""Kinds of files that are read."""
EXPECTED = ".txt, .md, .rst, .jsonl, .csv, .html, .pdf, .docx, .ipynb or source files"
"""The same, for a message."""
