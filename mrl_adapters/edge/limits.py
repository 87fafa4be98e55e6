"""Check what enters the engine's log: what it cannot read back must never get into it.

The engine writes an operation to its log, applies it, and answers; whoever opens the collection
next reads the log again. Its writer takes any depth, its reader gives up at 128 levels of nesting
(and with it the whole collection), and a call stack ends somewhere beyond a thousand. Everything
here therefore walks level by level, without recursion: a cycle is nothing but a great depth.

The limits are the measured ones less a margin for the operation around the value: a payload is
read back down to 123 levels, a filter down to about 120 in the log.

Source: https://docs.rs/serde_cbor/latest/serde_cbor/struct.Deserializer.html
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, SupportsFloat

from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from mrl_adapters.errors import ConfigurationError

MAX_PAYLOAD_DEPTH = 100
"""Levels of a payload: mappings and lists inside each other, the payload itself included."""

MAX_PAYLOAD_BYTES = 32 << 20
"""About how large one payload may be: texts and keys by their length, other values 8 bytes."""

MAX_FILTER_DEPTH = 100
"""Levels of a filter in the log: 2 for each filter inside another, 3 in min_should, 4 in nested."""

MAX_FILTER_CONDITIONS = 100_000
"""Models in one filter, all levels together."""

MAX_FORMULA_DEPTH = 200
"""Levels of a formula: 2 for each expression inside another."""

MAX_FORMULA_PARTS = 100_000
"""Parts of a formula on one level."""

FILTER_LEVELS = {"Filter": 2, "MinShould": 1, "NestedCondition": 2}
"""Levels that these models add in the log: a filter is a mapping and a list of conditions."""

MIN_INTEGER = -(2**63)
MAX_INTEGER = 2**64 - 1
"""Integers beyond are kept as floats by the engine, which changes them."""

_VALUE_BYTES = 8
_PLAIN = frozenset({bool, type(None)})
_QUOTED = re.compile(r'"[^"]*"')


def check_payload(payload: Mapping[str, Any], owner: str, *, above: int = 0) -> bool:
    """Refuse a payload that would not come back from the log as it is.

    Returns whether it is JSON as it stands: dicts with texts for keys, lists, texts, numbers,
    nothing of another class. `above` counts the levels above it where it is written.
    """
    size = 0
    others: list[Any] = [] if type(payload) is dict else [payload]
    level: list[Any] = [payload]
    allowed = max(MAX_PAYLOAD_DEPTH - above, 0)
    for _ in range(allowed):
        deeper: list[Any] = []
        for container in level:
            # Counted not once but as often as it is found: a few lists that hold each other many
            # times are exponentially large when they are written.
            size += _look_into(container, deeper, others, owner)
            if size > MAX_PAYLOAD_BYTES:
                raise _too_large(owner)
        if not deeper:
            return not others
        level = deeper
    message = (
        f"{owner}: nested more than {allowed} levels deep, or holds itself; the engine's log could "
        "not be read back. Nothing was written. Flatten it, or store the deep part as a JSON "
        "string."
    )
    raise ConfigurationError(message)


def _look_into(container: Any, deeper: list[Any], others: list[Any], owner: str) -> int:
    """Return about the bytes of a mapping's or list's own values.

    `deeper` gets the values that hold others, `others` what has to be converted to become JSON.
    """
    size = _VALUE_BYTES * len(container)
    values: Iterable[Any] = container
    if type(container) is dict or isinstance(container, Mapping):
        values = container.values()
        try:
            size += len("".join(container))
        except TypeError:  # keys that are no text are written as text, or refused then
            _check_keys(container, owner)
            others.append(container)
    for value in values:
        kind = type(value)
        if kind is str:
            size += len(value)
        elif kind is dict or kind is list:
            deeper.append(value)
        elif kind is int or kind is float:
            if not MIN_INTEGER <= value <= MAX_INTEGER:  # NaN is not
                _check_number(value, container, owner)
        elif kind not in _PLAIN:
            others.append(value)
            if _holds_values(value):
                deeper.append(value)
    return size


def _check_keys(container: Mapping[Any, Any], owner: str) -> None:
    """Refuse keys that would be written as the same text: one of their values would be lost."""
    written: dict[str, Any] = {}
    for key in container:
        try:
            [text] = to_jsonable_python({key: None})
        except (TypeError, ValueError):  # the conversion says so
            return
        if text in written:
            message = (
                f"{owner}: the keys {written[text]!r} and {key!r} are both written as {text!r}, "
                "and one of their values would be lost. Nothing was written. Rename one of them."
            )
            raise ConfigurationError(message)
        written[text] = key


def path_depth(path: str | None) -> int:
    """Return the levels that a payload lies deep when it is set under a path like ``a.b[0]``."""
    if not path:
        return 0
    plain = _QUOTED.sub("", path)
    return 1 + plain.count(".") + plain.count("[")


def check_filter_size(depth: int, conditions: int) -> None:
    """Refuse a filter that the log could not give back, while it is walked."""
    if depth > MAX_FILTER_DEPTH:
        message = (
            f"The filter is nested too deeply (or holds itself): about {MAX_FILTER_DEPTH // 2} "
            "filters inside each other are read back from the engine's log, half as many nested "
            "conditions. Nothing was done. Put the conditions side by side in one must or should."
        )
        raise ConfigurationError(message)
    if conditions > MAX_FILTER_CONDITIONS:
        message = (
            f"The filter has more than {MAX_FILTER_CONDITIONS:,} conditions. Nothing was done. "
            "Use MatchAny for many values of one key, HasIdCondition for many ids."
        )
        raise ConfigurationError(message)


def check_formula(formula: object) -> None:
    """Refuse a formula that the engine cannot work out, before it is converted.

    It is not logged, but the engine and the conversion walk it by recursion.
    """
    level: list[object] = [formula]
    for _ in range(MAX_FORMULA_DEPTH):
        deeper: list[object] = []
        for part in level:
            if isinstance(part, BaseModel):
                if type(part).__name__ not in FILTER_LEVELS:
                    deeper += part.__dict__.values()
            elif isinstance(part, list):
                deeper += part
            elif not isinstance(part, (str, int)):
                check_bound(part, "number in a formula")
        if not deeper:
            return
        if len(deeper) > MAX_FORMULA_PARTS:
            break
        level = deeper
    message = (
        f"The formula is nested too deeply (or holds itself), or has more than "
        f"{MAX_FORMULA_PARTS:,} parts: about {MAX_FORMULA_DEPTH // 2} expressions inside each "
        "other are worked out. Put the terms side by side in one sum or mult."
    )
    raise ConfigurationError(message)


def check_bound(value: object, what: str) -> None:
    """Refuse NaN and infinity in a filter or formula: the log keeps no bound for them.

    What deletes nothing now would delete every point that has a number, at the next opening.
    """
    if isinstance(value, SupportsFloat) and not math.isfinite(value):
        message = (
            f"The {what} is {value}, expected a finite number. Nothing was done. Leave "
            "it out; IsEmptyCondition and IsNullCondition find values that are missing."
        )
        raise ConfigurationError(message)


def _holds_values(value: Any) -> bool:
    """Return whether the engine's binding, or the conversion to JSON, looks into a value."""
    return isinstance(value, (Mapping, Sequence, AbstractSet)) and not isinstance(
        value, (str, bytes, bytearray, memoryview)
    )


def _where(container: Any, value: Any) -> str:
    if isinstance(container, Mapping):
        return next(f" under {key!r}" for key, held in container.items() if held is value)
    return " in a list"


def _too_large(owner: str) -> ConfigurationError:
    return ConfigurationError(
        f"{owner}: takes more than {MAX_PAYLOAD_BYTES >> 20} MiB. Nothing was "
        "written. Split the text, or store it elsewhere and its address here."
    )


def _check_number(value: float, container: Any, owner: str) -> None:
    """Refuse a number of unusual size if the engine would change it."""
    if isinstance(value, int):
        message = (
            f"{owner}: holds an integer{_where(container, value)} of {value.bit_length()} bits, "
            "expected -2**63 to 2**64 - 1: it would be stored as a float of another value. "
            "Nothing was written. Store it as a string."
        )
        raise ConfigurationError(message)
    if not math.isfinite(value):
        message = (
            f"{owner}: holds {value}{_where(container, value)}, which JSON cannot "
            "say. Nothing was written. Leave the key out, or set it to None."
        )
        raise ConfigurationError(message)
