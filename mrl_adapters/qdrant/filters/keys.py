"""Metadata keys as Qdrant's paths: what a key may name, and how that is written.

Source: https://qdrant.tech/documentation/concepts/payload/#nested-payload (JSON paths; a name with
other characters than letters, digits, _ and - stands in double quotes, and no escape exists).
"""

import re
from collections.abc import Mapping, Sequence
from itertools import product

from mrl_adapters.edge import is_text
from mrl_adapters.errors import ConfigurationError

_PLAIN = re.compile(r"[A-Za-z0-9_-]+")
_STEP = re.compile(r'(?:"(?P<quoted>[^"\\]*)"|(?P<name>[^"\\.\[\]]+))(?P<members>(?:\[\d*\])*)')
_MOST_READINGS = 64


def paths(
    keys: Sequence[str], prefix: str | None = None, indexes: Mapping[str, str] | None = None
) -> list[str]:
    """List the payload paths that a metadata key may mean.

    A key with dots or brackets means a metadata key of that very name, and also a path into nested
    metadata: ``a.b``, ``a[].b`` (of every member of an array), ``a[0]``. Double quotes make a name
    of what they enclose: ``"a.b"`` and ``site."a.b"`` have one meaning. Where just one of the
    meanings has a payload index, that one is meant.

    Args:
        keys: The key; several for a key within a key.
        prefix: Name of the payload field that the metadata stand under; None for the payload
            itself.
        indexes: Payload field to index type, of the collection that is searched.

    Returns:
        Paths, the literal meaning first.
    """
    if len(keys) == 1 and _PLAIN.fullmatch(keys[0]):  # nearly always
        return [keys[0] if prefix is None else f"{written(prefix)}.{keys[0]}"]
    readings = [_readings(key) for key in keys]
    steps = 1
    for each in readings:
        steps *= len(each)
    if steps > _MOST_READINGS:
        msg = (
            f"Filter key {'.'.join(keys)!r} can be read in {steps} ways, at most "
            f"{_MOST_READINGS} are tried. Put names that hold dots or brackets in double quotes."
        )
        raise ConfigurationError(msg)
    found = [
        ".".join(reading if prefix is None else (written(prefix), *reading))
        for reading in product(*readings)
    ]
    indexed = [path for path in found if indexes and path in indexes]
    return indexed if len(indexed) == 1 else list(dict.fromkeys(found))


def _readings(key: str) -> list[str]:
    """Write one key as a literal name, where it can be one, and as the path that it may be."""
    _check_text(key)
    literal = [_quoted(key)] if is_nameable(key) else []
    path = _path(key)
    found = literal if path is None or path in literal else [*literal, path]
    if not found:
        msg = (
            f"Filter key {key!r}: Qdrant cannot name a field that holds a double quote or a "
            "backslash. Double quotes may only enclose a whole name, as in "
            '"odd key" or author."odd key".'
        )
        raise ConfigurationError(msg)
    return found


def _path(key: str) -> str | None:
    """Write a key as a path, with quotes where Qdrant needs them; None if it is none."""
    steps: list[str] = []
    at = 0
    while step := _STEP.match(key, at):
        quoted, name, members = step.group("quoted", "name", "members")
        steps.append(_quoted(name if quoted is None else quoted) + members)
        at = step.end()
        if at == len(key):
            return ".".join(steps)
        if key[at] != ".":
            return None
        at += 1
    return None


def is_nameable(name: str) -> bool:
    """Return whether a path can name a field."""
    return '"' not in name and "\\" not in name


def written(name: str) -> str:
    """Write a field's name as a path, in quotes where Qdrant needs them."""
    if not is_nameable(name):
        msg = (
            f"The payload key {name!r} holds a double quote or a backslash, so that no filter can "
            "name it. Metadata under such a key can be read, not filtered by."
        )
        raise ConfigurationError(msg, found=name)
    return _quoted(name)


def _quoted(name: str) -> str:
    return name if _PLAIN.fullmatch(name) else f'"{name}"'


def _check_text(key: str) -> None:
    if not is_text(key):
        msg = f"Filter key {key!r} holds half of a character (a lone surrogate), which is no text."
        raise ConfigurationError(msg)
