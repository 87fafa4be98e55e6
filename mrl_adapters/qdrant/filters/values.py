"""Values to compare with, read as they would be stored."""

import datetime as dt
from collections.abc import Collection, Mapping
from enum import Enum
from typing import Any

import numpy as np

from mrl_adapters.errors import ConfigurationError
from mrl_adapters.qdrant.conversion import Conversion, Refusal


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
