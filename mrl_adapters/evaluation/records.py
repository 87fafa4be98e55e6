"""Read JSON lines: each a text, with a title and an id where it has them."""

import gzip
import json
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from mrl_adapters.errors import ConfigurationError

_ID_FIELDS = ("_id", "id", "doc_id")
_SHOWN = 80  # characters of a line that a message quotes
_TOLD = 5  # lines that are named


class Record(NamedTuple):
    """One line: its number, counted from 1, the id, and title and text joined by a space."""

    line: int
    id: str
    text: str


def read_records(lines: Iterable[tuple[int, str]], source: Path) -> Iterator[Record]:
    """Read each line of a JSON lines file.

    Lines that share an id are all given: which of them counts is the caller's to say.

    Raises:
        ConfigurationError: Lines that are no records, the first five of them named, once the last
            line was read.
    """
    faults = 0
    told: list[str] = []
    for number, line in lines:
        try:
            found: Any = json.loads(line)
        except (ValueError, RecursionError) as error:
            fault: str | None = f" is not JSON that can be read: {error}"
        else:
            found = {"text": found} if isinstance(found, str) else found
            expected = _fault(found)
            fault = f": expected {expected}, found {line[:_SHOWN]!r}" if expected else None
        if fault:
            faults += 1
            told += [f"line {number}{fault}"] if faults <= _TOLD else []
            continue
        key = next((found[name] for name in _ID_FIELDS if found.get(name) is not None), number)
        # A column of whole numbers that had an empty cell was written as one of floats.
        key = int(key) if isinstance(key, float) else key
        yield Record(number, str(key), f"{found.get('title') or ''} {found['text']}".strip())
    if faults:
        more = f"; and {faults - _TOLD:,} more lines" if faults > _TOLD else ""
        msg = f"{source}, {'; '.join(told)}{more}."
        raise ConfigurationError(msg)


def number_lines(text: Iterable[str]) -> Iterator[tuple[int, str]]:
    """Number lines from 1, and leave out those that are blank."""
    for number, line in enumerate(text, 1):
        if line.strip():
            yield number, line.strip("\r\n")


def file_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Read the lines of a file, plain or compressed, as :func:`number_lines` numbers them."""
    if not path.is_file():
        what = "is no regular file" if path.exists() else "does not exist"
        msg = f"{path} {what}. Pass the path of a file, plain or ending in .gz."
        raise ConfigurationError(msg)
    open_text = gzip.open if path.suffix == ".gz" else open
    try:
        # utf-8-sig: files that passed through a spreadsheet begin with a byte order mark.
        with open_text(path, "rt", encoding="utf-8-sig") as file:
            yield from number_lines(file)
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        msg = f"{path} cannot be read as UTF-8 text: {error}. Convert it, or pass another file."
        raise ConfigurationError(msg) from error


def _fault(found: Any) -> str | None:
    """Return what a line should have been; None if it is in order."""
    if not isinstance(found, dict) or not isinstance(found.get("text"), str):
        return "a string or an object with a string 'text'"
    if not isinstance(found.get("title") or "", str):
        return "a title that is a string"
    ids = [found[name] for name in _ID_FIELDS if found.get(name) is not None]
    if ids and not _is_id(ids[0]):
        return "an id that is a string or a whole number"
    used = (
        found["text"],
        found.get("title") or "",
        *(identifier for identifier in ids if isinstance(identifier, str)),
    )
    if not all(map(_encodable, used)):
        return "whole characters, not one half of a surrogate pair"
    return None


def _is_id(value: object) -> bool:
    if isinstance(value, float):
        return value.is_integer()
    return isinstance(value, str | int) and not isinstance(value, bool)


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
