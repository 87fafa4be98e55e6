"""Turn files into passages, cut where texts divide."""

import bisect
import hashlib
import itertools
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from mrl_adapters.errors import ConfigurationError, MissingExtraError
from mrl_adapters.evaluation.records import Record, number_lines, read_records

if TYPE_CHECKING:
    from langchain_text_splitters import RecursiveCharacterTextSplitter

_PASSAGE_CHARACTERS = 800  # about 200 tokens: a few paragraphs that speak of one thing
_OVERLAP_CHARACTERS = 80
# Part of every file's digest: what another way of cutting made is not up to date.
_SCHEME = f"1:{_PASSAGE_CHARACTERS}:{_OVERLAP_CHARACTERS}"
_HEADING = re.compile(r"(?P<marks>#{1,6})[ \t]+(?P<title>.*?)[ \t#]*$")
_FENCE = re.compile(r"[ ]{0,3}(```|~~~)")


@dataclass(frozen=True)
class Passage:
    """A piece of a file, small enough to embed.

    Args:
        text: What is embedded and shown.
        title: The heading above it (Markdown), the record's id (JSON lines), or the file's name.
        line: Where it begins, counted from 1; None in JSON lines.
    """

    text: str
    title: str
    line: int | None


@dataclass(frozen=True)
class SourceFile:
    """One file, cut into passages.

    Args:
        path: Absolute.
        digest: Changes with the file's content and with the way it is cut.
        passages: In the file's order; none if it holds no text.
        blank: How many of its documents hold no text: records, or the whole file.
    """

    path: Path
    digest: str
    passages: tuple[Passage, ...]
    blank: int = 0


def read_file(path: Path) -> SourceFile:
    """Read a file and cut it into passages."""
    text = read_text(path)
    suffix = path.suffix.lower()
    documents = (
        [_record(record) for record in read_records(number_lines(text.split("\n")), path)]
        if suffix == ".jsonl"
        else [tuple(_passages(text, path.name, markdown=suffix == ".md"))]
    )
    digest = hashlib.sha256(f"{_SCHEME}{text}".encode()).hexdigest()[:32]
    passages = tuple(itertools.chain.from_iterable(documents))
    return SourceFile(path, digest, passages, sum(not document for document in documents))


def read_text(path: Path) -> str:
    """Read a text file."""
    try:
        # Opening a pipe would wait for somebody to write into it.
        if not stat.S_ISREG(path.stat().st_mode):
            msg = f"{path} is no regular file. Leave it out."
            raise ConfigurationError(msg)
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{path} cannot be read as UTF-8 text: {error}. Convert it, or leave it out."
        raise ConfigurationError(msg) from error


def _record(record: Record) -> tuple[Passage, ...]:
    """Take a line of a JSON lines file as a document of its own, whatever it is called."""
    pieces = _pieces(record.text, markdown=False)
    return tuple(Passage(piece, record.id, None) for piece, _ in pieces)


def _passages(text: str, name: str, *, markdown: bool) -> Iterator[Passage]:
    ends_of_lines = [match.start() for match in re.finditer("\n", text)]
    headings = _headings(text) if markdown else []
    lines_of_headings = [line for line, _ in headings]
    for piece, start in _pieces(text, markdown=markdown):
        line = bisect.bisect_left(ends_of_lines, start) + 1
        above = bisect.bisect_right(lines_of_headings, line)
        yield Passage(piece, headings[above - 1][1] if above else name, line)


def _pieces(text: str, *, markdown: bool) -> Iterator[tuple[str, int]]:
    """Cut a text; yield each piece that says anything with the place where it begins."""
    for document in _splitter(markdown=markdown).create_documents([text]):
        # A piece of rules and brackets alone has nothing to be found by.
        if any(character.isalnum() for character in document.page_content):
            yield document.page_content, document.metadata["start_index"]


@cache
def _splitter(*, markdown: bool) -> "RecursiveCharacterTextSplitter":
    try:
        from langchain_text_splitters import Language, RecursiveCharacterTextSplitter
    except ModuleNotFoundError as error:
        package, extra = "langchain-text-splitters", "cli"
        raise MissingExtraError(package, extra) from error
    separators = (
        RecursiveCharacterTextSplitter.get_separators_for_language(Language.MARKDOWN)
        if markdown
        else ["\n\n", "\n", " ", ""]
    )
    return RecursiveCharacterTextSplitter(
        separators,
        is_separator_regex=markdown,
        chunk_size=_PASSAGE_CHARACTERS,
        chunk_overlap=_OVERLAP_CHARACTERS,
        add_start_index=True,
    )


def _headings(text: str) -> list[tuple[int, str]]:
    """List the headings of a Markdown text with their lines, each with those above it."""
    found: list[tuple[int, str]] = []
    open_levels: list[tuple[int, str]] = []
    fence = ""
    for number, line in enumerate(text.split("\n"), 1):
        if match := _FENCE.match(line):
            fence = "" if fence == match[1] else fence or match[1]
        elif not fence and (match := _HEADING.match(line)) and match["title"]:
            level = len(match["marks"])
            open_levels = [opened for opened in open_levels if opened[0] < level]
            open_levels.append((level, match["title"]))
            found.append((number, " > ".join(title for _, title in open_levels)))
    return found
