"""Check options once, for plans, searches and both adapters: by name, before anything is done."""

import contextlib
import difflib
import math
import numbers
import operator
from collections.abc import Collection, Mapping
from typing import Any, SupportsFloat, SupportsIndex, cast

import numpy as np

from mrl_adapters.errors import ConfigurationError

# Engines count in 32 or 64 bits and reserve room for what they are asked for.
MOST = 2**31 - 1


def refuse_unknown(whose: str, given: Mapping[str, Any], known: Collection[str]) -> None:
    """Refuse options that nobody reads, a misspelt one say.

    Args:
        whose: What was given them, as the subject of the message.
        given: The options.
        known: The names that there are, in the order in which to list them.

    Raises:
        ConfigurationError: There is another.
    """
    unknown = [name for name in given if name not in known]
    if not unknown:
        return
    near = difflib.get_close_matches(str(unknown[0]), known, n=1)
    meant = f" Did you mean {near[0]!r}?" if near else ""
    listed = f"It has: {', '.join(known)}" if known else "It has none; leave it out"
    msg = f"{whose} has no option {unknown[0]!r}.{meant} {listed}."
    raise ConfigurationError(msg, found=unknown[0], expected=tuple(known))


def whole(name: str, value: object, least: int = 1) -> int:
    """Read a whole number: Python's or NumPy's, no truth value, no text, no fraction.

    Args:
        name: The option, for the message.
        value: What was given.
        least: The smallest allowed.

    Raises:
        ConfigurationError: It is none, or out of range.
    """
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
    """Read a finite number: Python's or NumPy's, no truth value, no text.

    Args:
        name: The option, for the message.
        value: What was given.
        expected: What would be right, for the message.
        least: The smallest allowed.
        most: The greatest allowed.

    Raises:
        ConfigurationError: It is none, is NaN or infinite, or is out of range.
    """
    if type(value) is float and math.isfinite(value) and least <= value <= most:
        return value
    if not isinstance(value, bool) and isinstance(value, numbers.Real):
        with contextlib.suppress(OverflowError):
            read = float(cast(SupportsFloat, value))
            if math.isfinite(read) and least <= read <= most:
                return read
    raise _wrong(name, value, expected)


def flag(name: str, value: object) -> bool:
    """Read a truth value: True or False, Python's or NumPy's.

    Args:
        name: The option, for the message.
        value: What was given.

    Raises:
        ConfigurationError: It is something else.
    """
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    raise _wrong(name, value, "True or False")


def _wrong(name: str, value: object, expected: str) -> ConfigurationError:
    return ConfigurationError(
        f"{name} is {value!r}, expected {expected}.", found=value, expected=expected
    )
