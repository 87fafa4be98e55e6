"""Cut texts into passages, where they divide."""

import bisect
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from mrl_adapters.cli.loaders import Part
from mrl_adapters.errors import ConfigurationError, MissingExtraError

if TYPE_CHECKING:
    from langchain_text_splitters import RecursiveCharacterTextSplitter

_WHOLE = 4  # a block of code is kept whole up to so many times the size of a passage
_HEADING = re.compile(r"(?P<marks>#{1,6})[ \t]+(?P<title>.*?)[ \t#]*$")
_FENCE = re.compile(r"[ ]{0,3}(```|~~~)")
_ADORNMENT = re.compile(r"([=\-`:.'\"~^_*+#])\1{2,}\s*$")


@dataclass(frozen=True)
class Cutting:
    """How texts are cut.

    Args:
        size: Characters that a passage holds at most; 800, about 200 tokens, are a few paragraphs
            that speak of one thing. Blocks of code are kept whole up to four times as many.
        overlap: Characters that a passage repeats of the one before, where a paragraph is cut.
        least: A passage of fewer characters is joined to the next one.
    """

    size: int = 800
    overlap: int = 80
    least: int = 40

    def __post_init__(self) -> None:
        """Refuse what no text can be cut by."""
        for name, most in (("overlap", self.size - 1), ("least", self.size)):
            value = getattr(self, name)
            if value > most:
                msg = (
                    f"{name} is {value:,} characters. Expected at most {most:,}, "
                    f"for passages of {self.size:,}."
                )
                raise ConfigurationError(msg, found=value, expected=most)


@dataclass(frozen=True)
class Passage:
    """A piece of a file, small enough to embed.

    Args:
        text: What is embedded and shown.
        title: The heading above it, the name of its page, row or record, or the file's name.
        line: Where it begins, counted from 1; None where the file has no lines of its own.
    """

    text: str
    title: str
    line: int | None


def cut(part: Part, name: str, cutting: Cutting) -> Iterator[Passage]:
    """Cut a text of a file into passages."""
    text = part.text
    ends_of_lines = [match.start() for match in re.finditer("\n", text)]
    headings = _HEADINGS[part.language](text) if part.language in _HEADINGS else []
    lines_of_headings = [line for line, _ in headings]
    for piece, start in _pieces(text, part.language, cutting):
        line = bisect.bisect_left(ends_of_lines, start) + 1
        above = bisect.bisect_right(lines_of_headings, line)
        title = part.title or (headings[above - 1][1] if above else name)
        yield Passage(piece, title, None if part.line is None else part.line + line - 1)


def _pieces(text: str, language: str, cutting: Cutting) -> Iterator[tuple[str, int]]:
    """Yield each piece that says anything with the place where it begins."""
    spans: list[tuple[int, int]] = []
    place = 0
    blocks = _code_blocks(text) if language == "markdown" else []
    whole = [(begin, end) for begin, end in blocks if end - begin <= _WHOLE * cutting.size]
    for begin, end in [*whole, (len(text), len(text))]:
        prose = _split(text[place:begin], language, cutting)
        cuts = [(place + start, place + stop) for start, stop in prose]
        for number, span in enumerate([*cuts, (begin, end)] if begin < end else cuts):
            # A block of code stays with what introduces and follows it, if there is room.
            beside = number == len(cuts) or (number == 0 and place > 0)
            fits = spans and span[1] - spans[-1][0] <= cutting.size
            if spans and ((beside and fits) or _length(text, spans[-1]) < cutting.least):
                spans[-1] = (spans[-1][0], span[1])
            else:
                spans.append(span)
        place = end
    if len(spans) > 1 and _length(text, spans[-1]) < cutting.least:
        spans.pop()
        spans[-1] = (spans[-1][0], len(text))
    for begin, end in spans:
        piece = text[begin:end]
        # A piece of rules and brackets alone has nothing to be found by.
        if any(character.isalnum() for character in piece):
            yield piece.strip(), begin + len(piece) - len(piece.lstrip())


def _length(text: str, span: tuple[int, int]) -> int:
    return len(text[slice(*span)].strip())


def _split(text: str, language: str, cutting: Cutting) -> list[tuple[int, int]]:
    """Cut a text into spans of bounded length."""
    return [
        (start, start + len(document.page_content))
        for document in _splitter(language, cutting).create_documents([text])
        for start in [document.metadata["start_index"]]
    ]


@cache
def _splitter(language: str, cutting: Cutting) -> "RecursiveCharacterTextSplitter":
    try:
        from langchain_text_splitters import Language, RecursiveCharacterTextSplitter
    except ModuleNotFoundError as error:
        package, extra = "langchain-text-splitters", "cli"
        raise MissingExtraError(package, extra) from error
    separators = (
        RecursiveCharacterTextSplitter.get_separators_for_language(Language(language))
        if language
        else ["\n\n", "\n", " ", ""]
    )
    return RecursiveCharacterTextSplitter(
        separators,
        is_separator_regex=bool(language),
        chunk_size=cutting.size,
        chunk_overlap=cutting.overlap,
        add_start_index=True,
    )


def _code_blocks(text: str) -> list[tuple[int, int]]:
    """Find the fenced blocks of a Markdown text: where each begins and ends."""
    found: list[tuple[int, int]] = []
    fence, begin, place = "", 0, 0
    for line in text.splitlines(keepends=True):
        if match := _FENCE.match(line):
            if not fence:
                fence, begin = match[1], place
            elif fence == match[1]:
                fence = ""
                found.append((begin, place + len(line.rstrip("\n"))))
        place += len(line)
    return found


def _markdown_headings(text: str) -> list[tuple[int, str]]:
    """List the headings of a Markdown text with their lines, each with those above it."""
    found: list[tuple[int, int, str]] = []
    fence = ""
    for number, line in enumerate(text.split("\n"), 1):
        if match := _FENCE.match(line):
            fence = "" if fence == match[1] else fence or match[1]
        elif not fence and (match := _HEADING.match(line)) and match["title"]:
            found.append((number, len(match["marks"]), match["title"]))
    return _with_those_above(found)


def _rst_headings(text: str) -> list[tuple[int, str]]:
    """List the headings of a reStructuredText: lines that are underlined, perhaps overlined."""
    found: list[tuple[int, int, str]] = []
    styles: list[tuple[str, bool]] = []  # the order in which they appear gives the levels
    lines = text.split("\n")
    for number, (title, under) in enumerate(itertools.pairwise(lines), 1):
        match = _ADORNMENT.match(under)
        wide_enough = match is not None and len(under.rstrip()) >= len(title.strip())
        if not (match and wide_enough and title.strip()) or _ADORNMENT.match(title):
            continue
        over = number > 1 and lines[number - 2].rstrip() == under.rstrip()
        style = (match[1], over)
        if style not in styles:
            styles.append(style)
        found.append((number - over, styles.index(style), title.strip()))
    return _with_those_above(found)


def _with_those_above(headings: list[tuple[int, int, str]]) -> list[tuple[int, str]]:
    """Write before each heading those that it stands under."""
    found: list[tuple[int, str]] = []
    opened: list[tuple[int, str]] = []
    for line, level, title in headings:
        opened = [each for each in opened if each[0] < level]
        opened.append((level, title))
        found.append((line, " > ".join(each for _, each in opened)))
    return found


_HEADINGS = {"markdown": _markdown_headings, "rst": _rst_headings}
