"""Refuse one thing where a list of them is expected: a string would be taken letter by letter."""

from collections.abc import Iterable
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
        shown = repr(given)
        if len(shown) > _SHOWN:
            shown = f"{shown[:_SHOWN]}..."
        msg = f"{name} is {shown} ({type(given).__name__}), expected a list of {kind}: pass a list."
        raise ConfigurationError(msg)
    return values
