"""Values that fields are compared with: numbers, dates, and whatever is stored as one of them.

Qdrant keeps whole numbers in 64 bits and floats as floats. A match is exact and finds whole numbers
alone; a range finds both, but an engine without an index rounds whole numbers to the next float
before it compares, one with an index does not, and a server may read a bound that takes 16 or 17
digits one unit off. From 2**51 on, where that tells, whole numbers next to a bound are therefore
listed one by one (about 500 of them for nanosecond stamps), and what holds for the rest is a range.

Dates are texts in payloads, compared as moments.
"""

import datetime as dt
import math
import re
import sys
from collections.abc import Collection, Iterable, Mapping
from decimal import Decimal
from enum import Enum
from typing import Any

import numpy as np
from qdrant_client import models

from mrl_adapters.errors import ConfigurationError
from mrl_adapters.qdrant.conversion import Conversion, Refusal
from mrl_adapters.qdrant.filters.logic import Term, all_of, any_of, negated


def compared(name: str, value: Any) -> Any:
    """Read a value, or each one of a collection: dates stay dates, the rest is as it is stored.

    Args:
        name: The key that it is compared with, for messages.
        value: What a filter holds.

    Returns:
        A text, number, bool, date or None; a list of these for a collection.

    Raises:
        ConfigurationError: It has no such form, so that no stored value can be equal to it.
    """
    if isinstance(value, Collection) and not isinstance(
        value, str | bytes | bytearray | memoryview | Mapping
    ):
        return [_one(name, each) for each in value]
    return _one(name, value)


def _one(name: str, value: Any) -> Any:
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, np.datetime64):
        value = value.astype("datetime64[us]").item()
    if value is None or isinstance(value, str | int | float | dt.date):
        return value
    try:
        return Conversion().value(value, 0)
    except Refusal:
        msg = (
            f"Filter on {name!r}: a {type(value).__name__} cannot be compared. Pass text, a "
            "number, a bool, a date or None, or a list of these where several are possible."
        )
        raise ConfigurationError(msg) from None


_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}.*)?")


def as_moment(value: object) -> dt.date | None:
    """Read a date or a moment.

    Returns:
        The date or datetime; None if it is neither. One without a time zone is UTC.
    """
    if isinstance(value, dt.date):
        return value if value == value else None  # noqa: PLR0124 - pandas' NaT, which is no date
    if not isinstance(value, str) or not _DATE.fullmatch(value):
        return None
    try:
        # Python 3.10 does not read Z, nor fractions but of 3 or 6 digits.
        return models.DatetimeRange.model_validate({"gte": value}).gte
    except ValueError:
        return None


def moment_within(path: str, **bounds: dt.date) -> Term:
    """Lie between moments."""
    return models.FieldCondition(key=path, range=models.DatetimeRange(**bounds))


_SMALLEST, _LARGEST = -(2**63), 2**63 - 1
# Below, a range compares whole numbers exactly on every engine.
_SMALL = 2**49
_WIDE = 2**51
_OPPOSITE = {"gt": "lt", "gte": "lte", "lt": "gt", "lte": "gte"}
# What serde_json reads exactly: mantissas below 2**53 (one digit more for ".0"), and powers of ten
# that are floats themselves.
_EXACT_MANTISSA = 2**53 // 10
_EXACT_POWERS = range(-22, 22)
_LARGEST_POWER = 308


def check_number(name: str, value: float) -> float:
    """Refuse numbers that no engine can hold."""
    if isinstance(value, float):
        if not math.isfinite(value):
            msg = (
                f"Filter on {name!r}: {value} cannot be stored, so it cannot be compared. Leave "
                "the condition out, or give a finite number."
            )
            raise ConfigurationError(msg)
    elif not _SMALLEST <= value <= _LARGEST:
        msg = (
            f"Filter on {name!r}: {value} is beyond the whole numbers that can be stored, "
            f"{_SMALLEST} to {_LARGEST}. Store and compare such numbers as text, or as floats."
        )
        raise ConfigurationError(msg)
    return value


def equals_one_of(path: str, values: Iterable[float], index: str | None) -> list[Term]:
    """Hold one of some numbers, each exactly.

    Args:
        path: The field.
        values: Whole numbers and floats, checked.
        index: Type of the field's payload index, None without one.

    Returns:
        Terms of which one has to hold.
    """
    whole: list[int] = []
    found: list[Term] = []
    for value in dict.fromkeys(values):
        if isinstance(value, float) and not value.is_integer():
            found.append(_within(path, *_neighbours(value)))
        elif not _SMALLEST <= value <= _LARGEST:
            found.append(_float_twin(path, float(value)))
        elif index == "integer":
            # It holds nothing but whole numbers.
            whole.append(int(value))
        elif abs(value) < _SMALL:
            found.append(_within(path, float(value), float(value)))
        else:
            whole.append(int(value))
            if float(value) == value:
                found.append(_float_twin(path, float(value)))
    return [*_matches(path, whole), *found]


def number_within(path: str, bound: str, value: float) -> Term:
    """Lie on one side of a number."""
    if abs(value) < _WIDE:
        low, high = _neighbours(float(value))
        return _range(path, **{bound: low if bound in {"gte", "lt"} else high})
    sign = 1 if bound.startswith("g") else -1
    return _beyond(path, sign, value * sign, strictly=not bound.endswith("e"))


def _beyond(path: str, sign: int, value: float, *, strictly: bool) -> Term:
    """Exceed a large number, both with their signs changed if ``sign`` is -1."""
    exact = float(value)
    # The first float that is beyond, and the first whole number: from 2**53 on they differ.
    first = exact if (exact > value if strictly else exact >= value) else _above(exact)
    first_whole = math.floor(value) + 1 if strictly else math.ceil(value)
    too_small = _whole(_rounding_to(first), first_whole)
    missed = _whole(first_whole, math.floor(_above(first)) + 1)
    bound = "gte" if sign > 0 else "lte"
    reached = _range(path, **{bound: sign * first})
    if too_small:  # but rounded to the first float that is beyond
        listed = any_of(_matches(path, (sign * each for each in too_small)))
        at_first = all_of([_within(path, sign * first, sign * first), negated(listed)])
        reached = any_of([_range(path, **{bound: sign * _above(first)}), at_first])
    return any_of([reached, *_matches(path, (sign * each for each in missed))])


def _float_twin(path: str, value: float) -> Term:
    """Hold a large float, and none of the whole numbers that are rounded to it."""
    low, high = _neighbours(value)
    between = _whole(_rounding_to(low), math.floor(_above(high)) + 1)
    others = (each for each in between if low <= float(each) <= high and each != value)
    return all_of([_within(path, low, high), negated(any_of(_matches(path, others)))])


def _neighbours(value: float) -> tuple[float, float]:
    """Return the least and the largest float that count as equal to one."""
    _, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    mantissa = int("".join(map(str, digits)))
    if mantissa < _EXACT_MANTISSA and exponent in _EXACT_POWERS:
        return value, value
    # The neighbours of the least floats are zero, or many times as large.
    if abs(value) < sys.float_info.min and _read(mantissa, int(exponent)) == abs(value):
        return value, value
    return _below(value), _above(value)


def _read(mantissa: int, exponent: int) -> float:
    """Read a float below the normal ones as serde_json does: in two divisions."""
    steps = -exponent - _LARGEST_POWER
    return mantissa / 10.0**_LARGEST_POWER / 10.0**steps


def _above(value: float) -> float:
    following = math.nextafter(value, math.inf)
    return following if math.isfinite(following) else value


def _below(value: float) -> float:
    return -_above(-value)


def _rounding_to(value: float) -> int:
    """Return the least whole number that, as a float, is not below a float."""
    at = (math.floor(_below(value)) + math.ceil(value)) // 2
    while float(at) < value:
        at += 1
    return at


def _whole(start: int, stop: int) -> range:
    """List whole numbers, but none far beyond those that can be stored."""
    return range(max(start, _SMALLEST), min(stop, _LARGEST + 2))


def _matches(path: str, values: Iterable[int]) -> list[Term]:
    held = [each for each in values if _SMALLEST <= each <= _LARGEST]
    if not held:
        return []
    if len(held) == 1:
        return [models.FieldCondition(key=path, match=models.MatchValue(value=held[0]))]
    return [models.FieldCondition(key=path, match=models.MatchAny(any=held))]


def _within(path: str, low: float, high: float) -> Term:
    return _range(path, gte=low, lte=high)


def _range(path: str, **bounds: float) -> Term:
    return models.FieldCondition(key=path, range=models.Range(**bounds))
