"""Convert a payload's values to JSON's own; :mod:`mrl_adapters.qdrant.payload` has the table."""

import dataclasses
import datetime as dt
import decimal
import enum
import math
import numbers
import pathlib
import uuid
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

import numpy as np
from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from mrl_adapters.edge import MAX_PAYLOAD_BYTES, MAX_PAYLOAD_DEPTH, is_text

MAX_DEPTH = MAX_PAYLOAD_DEPTH
"""Levels of a payload, itself included: the embedded engine's log is read to 128."""

MAX_BYTES = MAX_PAYLOAD_BYTES
"""About how large a payload may be: what a server takes in one request."""

VALUE_BYTES = 8
"""What any value counts for, beside the length of texts."""

INTEGERS = range(-(2**63), 2**63)
"""Those that every engine and both protocols hold: gRPC has no larger ones."""

_SHOWN_STEPS = 8
_FINER = {"ns", "ps", "fs", "as"}  # than what Python's own times hold
_AS_TEXT = (decimal.Decimal, dt.date, dt.time, dt.timedelta, uuid.UUID)


HALF = "half a surrogate pair, which no engine can hold. Decode that text anew."


class Refusal(Exception):  # noqa: N818 - the caller turns it into an error that names the owner
    """A value that cannot be stored, and why; the way to it is added from the inside out."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.path: list[object] = []

    def where(self) -> str:
        """Write the way to the value, such as ``, metadata.pages[3]``."""
        steps = [
            f"[{step}]" if isinstance(step, int) else f".{step}" for step in reversed(self.path)
        ]
        if len(steps) > _SHOWN_STEPS:
            steps[_SHOWN_STEPS:] = ["..."]
        # Keys may hold what no terminal can show.
        text = "".join(steps).lstrip(".").encode(errors="replace").decode()
        return f", {text}" if text else ""


class Conversion:
    """Convert one payload, as long as there is room for it and it does not hold itself."""

    def __init__(self) -> None:
        self._room = MAX_BYTES
        self._around: set[int] = set()

    def value(self, value: Any, levels: int) -> Any:  # noqa: PLR0911 - a table of kinds
        """Convert one value."""
        self._take(VALUE_BYTES)
        if isinstance(value, enum.Enum):
            return self.value(value.value, levels)
        if value is None or isinstance(value, (bool, np.bool_)):
            return None if value is None else bool(value)
        if isinstance(value, str):
            return self._text(value)
        # Before integers: to NumPy a timedelta64 is one.
        if isinstance(value, (np.datetime64, np.timedelta64)):
            return _stamp(value)
        if isinstance(value, numbers.Integral):
            return _integer(int(value))
        if isinstance(value, (float, np.floating)):
            return _finite(float(value))
        if isinstance(value, _AS_TEXT):
            return self._text(_standard(value))
        if isinstance(value, pathlib.PurePath):
            return self._text(str(value))
        if isinstance(value, (bytes, bytearray, memoryview)):
            return self._text(_decoded(bytes(value)))
        return self._container(value, levels)

    def _container(self, value: Any, levels: int) -> Any:
        if isinstance(value, np.ndarray) and not value.ndim:
            return self.value(value[()], levels)
        if id(value) in self._around:
            msg = "it holds itself. Break the cycle."
            raise Refusal(msg)
        if levels == 0:
            msg = (
                f"more than {MAX_DEPTH} levels deep: the engine's log could not be read back. "
                "Flatten it, or store the deep part as a JSON string."
            )
            raise Refusal(msg)
        self._around.add(id(value))
        try:
            parts = _parts(value)
            if isinstance(parts, Mapping):
                return self._object(parts, levels - 1)
            return self._list(parts, levels - 1)
        finally:
            self._around.discard(id(value))

    def _object(self, mapping: Mapping[Any, Any], levels: int) -> dict[str, Any]:
        converted: dict[str, Any] = {}
        for key, value in mapping.items():
            name = self._key(key)
            if name in converted:
                msg = f"two keys would become {name!r}, one of them is {key!r}. Rename one."
                raise Refusal(msg)
            try:
                converted[name] = self.value(value, levels)
            except Refusal as refusal:
                refusal.path.append(name)
                raise
        return converted

    def _list(self, values: Iterable[Any], levels: int) -> list[Any]:
        converted = []
        for place, value in enumerate(values):
            try:
                converted.append(self.value(value, levels))
            except Refusal as refusal:
                refusal.path.append(place)
                raise
        return converted

    def _key(self, key: Any) -> str:
        if isinstance(key, enum.Enum):
            return self._key(key.value)
        if isinstance(key, str):
            return self._text(key)
        if isinstance(key, numbers.Integral) and not isinstance(key, bool):
            return str(int(key))
        msg = f"the key {key!r} is {type(key).__name__}, expected a string. Write it as one."
        raise Refusal(msg)

    def _text(self, text: str) -> str:
        if not is_text(text):
            raise Refusal(HALF)
        self._take(len(text))
        return str.__str__(text)

    def _take(self, size: int) -> None:
        self._room -= size
        if self._room < 0:
            msg = (
                f"the payload is larger than {MAX_BYTES >> 20} MiB. Split the text, or store it "
                "elsewhere and its address here."
            )
            raise Refusal(msg)


def _parts(value: Any) -> Mapping[Any, Any] | Iterable[Any]:  # noqa: PLR0911 - a table of kinds
    """Open whatever holds other values."""
    if isinstance(value, Mapping):
        return value
    if isinstance(value, np.ndarray):
        return list(value)  # tolist() makes numbers of its times
    if isinstance(value, AbstractSet):
        try:
            return sorted(value)
        except TypeError:
            return sorted(value, key=repr)  # in an order that does not change from run to run
    if isinstance(value, Sequence):
        return value
    if isinstance(value, BaseModel):
        return {name: getattr(value, name) for name in type(value).model_fields}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {each.name: getattr(value, each.name) for each in dataclasses.fields(value)}
    raise Refusal(no_form(value))


def no_form(value: object) -> str:
    """Return why a type cannot be stored."""
    return (
        f"{type(value).__name__} has no JSON form. Leave it out, or convert it to a string, a "
        "number, a list or a dict."
    )


def _integer(value: int) -> int:
    if value not in INTEGERS:
        msg = (
            f"an integer of {value.bit_length()} bits, expected -2**63 to 2**63 - 1: engines would "
            "change it. Store it as a string."
        )
        raise Refusal(msg)
    return value


def _finite(value: float) -> float:
    if not math.isfinite(value):
        msg = f"{value} has no JSON form. Leave the key out, or pass None for what is missing."
        raise Refusal(msg)
    return value


def _stamp(value: np.datetime64 | np.timedelta64) -> str:
    standard = value.item()
    if np.datetime_data(value.dtype)[0] in _FINER:
        coarse: Any = value.astype(f"{value.dtype.kind}8[us]")
        standard = coarse.item() if coarse == value else None
    if not isinstance(standard, (dt.date, dt.timedelta)):
        msg = (
            f"{value!r} is no time, or one that microseconds cannot say. Leave the key out, pass "
            "None for what is missing, or store it as a string."
        )
        raise Refusal(msg)
    return _standard(standard)


def _standard(value: Any) -> str:
    # pandas' NaT is a datetime that does not equal itself.
    if not value.is_finite() if isinstance(value, decimal.Decimal) else value != value:  # noqa: PLR0124
        msg = f"{value} has no JSON form. Leave the key out, or pass None for what is missing."
        raise Refusal(msg)
    text: str = to_jsonable_python(value)
    return text


def _decoded(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        msg = f"{len(value)} bytes that are no UTF-8 text. Store them as base64, or elsewhere."
        raise Refusal(msg) from None
