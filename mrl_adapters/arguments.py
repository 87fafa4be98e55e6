"""Check arguments once, for every room: by name, before anything is done."""

import contextlib
import difflib
import math
import numbers
import operator
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, SupportsFloat, SupportsIndex, TypeVar, cast

import numpy as np

from mrl_adapters.errors import ConfigurationError

T = TypeVar("T")

_SHOWN = 60


def require_list(values: Iterable[T], name: str, kind: str, *, one: type = str) -> Iterable[T]:
    """Return what was given, if it is a list or anything else that is read one by one."""
    if isinstance(values, list):
        return values
    given: Any = values
    lone = isinstance(given, (str, bytes, bytearray, one)) or not isinstance(given, Iterable)
    # A pydantic model (a document, a node) is read one by one too: field by field.
    if lone or hasattr(type(given), "model_fields"):
        msg = f"{name} is {_shown(given)}, expected a list of {kind}: pass a list."
        raise ConfigurationError(msg)
    return values


def require_members(values: Iterable[T], name: str, one: type, instead: str) -> Iterator[T]:
    """Yield what was given, as long as each is of one class."""
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


# Engines count in 32 or 64 bits and reserve room for what they are asked for.
MOST = 2**31 - 1


def refuse_unknown(whose: str, given: Mapping[str, Any], known: Collection[str]) -> None:
    """Refuse options that nobody reads, a misspelt one say."""
    unknown = [name for name in given if name not in known]
    if not unknown:
        return
    near = difflib.get_close_matches(str(unknown[0]), known, n=1)
    meant = f" Did you mean {near[0]!r}?" if near else ""
    listed = f"It has: {', '.join(known)}" if known else "It has none; leave it out"
    msg = f"{whose} has no option {unknown[0]!r}.{meant} {listed}."
    raise ConfigurationError(msg, found=unknown[0], expected=tuple(known))


def whole(name: str, value: object, least: int = 1) -> int:
    """Read a whole number: Python's or NumPy's, no truth value, no text, no fraction."""
    if type(value) is int and least <= value <= MOST:
        return value
    if not isinstance(value, bool) and isinstance(value, numbers.Integral):
        read = operator.index(cast(SupportsIndex, value))
        if least <= read <= MOST:
            return read
    raise _wrong(name, value, f"a whole number from {least} to {MOST}")


def number(
    name: str, value: object, expected: str, least: float = -math.inf, most: float = math.inf
) -> float:
    """Read a finite number: Python's or NumPy's, no truth value, no text."""
    if type(value) is float and math.isfinite(value) and least <= value <= most:
        return value
    if not isinstance(value, bool) and isinstance(value, numbers.Real):
        with contextlib.suppress(OverflowError):
            read = float(cast(SupportsFloat, value))
            if math.isfinite(read) and least <= read <= most:
                return read
    raise _wrong(name, value, expected)


def flag(name: str, value: object) -> bool:
    """Read a truth value: True or False, Python's or NumPy's."""
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    raise _wrong(name, value, "True or False")


def refuse_others(
    name: str, found: object, allowed: tuple[object, ...], *, whose: str | None = None
) -> None:
    """Refuse a value that is none of a list, of an argument or of one of somebody's options."""
    if found not in allowed:
        said = f"{name}={found!r}"
        msg = f"{f'{whose}({said})' if whose else said}: expected one of {allowed}."
        raise ConfigurationError(msg, found=found, expected=allowed)


def _wrong(name: str, value: object, expected: str) -> ConfigurationError:
    return ConfigurationError(
        f"{name} is {value!r}, expected {expected}.", found=value, expected=expected
    )
