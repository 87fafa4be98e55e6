"""Payload values: one conversion to JSON's own before any engine, so that all store the same.

=============================================  =================================================
Given                                          Stored
=============================================  =================================================
str, bool, None                                as it is
int, NumPy integers                            as it is, from -2**63 to 2**63 - 1
float, NumPy floats                            as it is, where finite
NumPy bool                                     bool
dict and other mappings                        an object; keys that are integers become digits
list, tuple, deque, other sequences, arrays    a list
set, frozenset                                 a list, sorted where its members can be
date, datetime, time, NumPy datetime64         ISO 8601, such as ``2024-01-01T12:00:00Z``
timedelta, NumPy timedelta64                   ISO 8601, such as ``P1DT2S``
Decimal, UUID, Path                            their text
bytes, bytearray, memoryview                   text, where it is UTF-8
Enum                                           its value
dataclass, pydantic model                      an object of its fields
=============================================  =================================================

Refused, with the document and the key: NaN and infinity (None says that a value is missing),
integers beyond 64 bits, bytes that are no UTF-8, half surrogate pairs, keys that are neither
strings nor integers, two keys that would become one, cycles, more than ``MAX_DEPTH`` levels or
``MAX_BYTES`` (see :mod:`mrl_adapters.qdrant.conversion`), and every other type.

Engines may give back a float of 16 or 17 digits one unit off in the last place.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mrl_adapters.arguments import require_list
from mrl_adapters.edge import is_text
from mrl_adapters.errors import ConfigurationError
from mrl_adapters.qdrant.conversion import (
    INTEGERS,
    MAX_BYTES,
    MAX_DEPTH,
    VALUE_BYTES,
    Conversion,
    Refusal,
    no_form,
)

_SMALLEST, _LARGEST = INTEGERS[0], INTEGERS[-1]


class PlainPayloads(list[dict[str, Any]]):
    """Payloads that hold nothing but JSON's own values: checked once, and not again."""


def plain_payloads(payloads: Sequence[Mapping[str, Any]], owners: Sequence[str]) -> PlainPayloads:
    """Convert payloads to JSON's own values.

    Returns:
        The payloads, those as they are where there is nothing to convert.
    """
    if isinstance(payloads, PlainPayloads):
        return payloads
    require_list(payloads, "payloads", "dicts", one=Mapping)
    return PlainPayloads(map(plain_payload, payloads, owners))


def plain_payload(payload: Mapping[str, Any], owner: str) -> dict[str, Any]:
    """Convert a payload to JSON's own values.

    Returns:
        The payload itself where there is nothing to convert, else a converted copy.
    """
    if type(payload) is dict and _is_plain(payload):
        return payload
    try:
        plain = Conversion().value(payload, MAX_DEPTH)
        if not isinstance(plain, dict):
            raise Refusal(no_form(payload))  # noqa: TRY301 - told below, with its owner
    except Refusal as refusal:
        whose = f"{owner[:1].upper()}{owner[1:]}{refusal.where()}"
        msg = f"{whose}: {refusal.reason} Nothing of it was written."
        raise ConfigurationError(msg) from None
    return plain


def _is_plain(payload: dict[str, Any]) -> bool:
    """Return whether there is nothing to convert or refuse, the usual case, without recursion."""
    room = MAX_BYTES
    level: list[Any] = [payload]
    for _ in range(MAX_DEPTH):
        deeper: list[Any] = []
        for container in level:
            # Counted before it is looked into: lists that hold each other many times are
            # exponentially large when written.
            room -= VALUE_BYTES * len(container)
            if room < 0 or (size := _plain_bytes(container, deeper)) is None:
                return False
            room -= size
        if not deeper:
            return room >= 0
        level = deeper
    return False


def _plain_bytes(container: Any, deeper: list[Any]) -> int | None:  # noqa: C901 - inlined: it runs for every document
    """Measure the texts of a dict or list, and set aside what it holds; None if it is not plain."""
    values: Iterable[Any] = container
    texts: list[str] = []
    if type(container) is dict:
        values = container.values()
        texts += container
    for value in values:
        kind = type(value)
        if kind is str:
            texts.append(value)
        elif kind is int:
            if not _SMALLEST <= value <= _LARGEST:
                return None
        elif kind is float:
            if not math.isfinite(value):
                return None
        elif kind is dict or kind is list:
            deeper.append(value)
        elif kind is not bool and value is not None:
            return None
    try:
        joined = "".join(texts)
    except TypeError:  # a key that is no string
        return None
    return len(joined) if joined.isascii() or is_text(joined) else None
