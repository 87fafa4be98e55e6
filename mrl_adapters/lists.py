"""Refuse one thing where a list is expected (a string is read by letters), or wrong members."""

from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from mrl_adapters.errors import ConfigurationError

T = TypeVar("T")

_SHOWN = 60


def require_list(values: Iterable[T], name: str, kind: str, *, one: type = str) -> Iterable[T]:
    """Return what was given, if it is a list or anything else that is read one by one.

    Args:
        values: A list, tuple, set, array, generator and so on.
        name: What it is called in the message.
        kind: What it should hold, in the plural.
        one: The class of one of them, which is refused even where it can be read one by one.

    Raises:
        ConfigurationError: It is one string, one ``one``, one document or node, or a number.
    """
    if isinstance(values, list):
        return values
    given: Any = values
    lone = isinstance(given, (str, bytes, bytearray, one)) or not isinstance(given, Iterable)
    # A pydantic model (a document, a node) is read one by one too: field by field.
    if lone or hasattr(type(given), "model_fields"):
        msg = f"{name} is {_shown(given)}, expected a list of {kind}: pass a list."
        raise ConfigurationError(msg)
    return values


def require_each(values: Iterable[T], name: str, one: type, instead: str) -> Iterator[T]:
    """Yield what was given, as long as each is of one class.

    Args:
        values: A list, or anything else that is read one by one.
        name: What it is called in the message.
        one: The class.
        instead: What helps with something else.

    Raises:
        ConfigurationError: It is no list, or the next one in it is of another class.
    """
    for place, each in enumerate(require_list(values, name, f"{one.__name__}s")):
        if not isinstance(each, one):
            msg = f"{name}[{place}] is {_shown(each)}, expected a {one.__name__}. {instead}"
            raise ConfigurationError(msg)
        yield each


def _shown(value: object) -> str:
    text = repr(value)
    if len(text) > _SHOWN:
        text = f"{text[:_SHOWN]}..."
    return f"{text} ({type(value).__name__})"
