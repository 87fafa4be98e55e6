"""Dates and times: texts in payloads, compared as moments."""

import datetime as dt
import re

from qdrant_client import models

from mrl_adapters.qdrant.filters.logic import Term

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}.*)?")


def parsed(value: object) -> dt.date | None:
    """Read a date or a moment.

    Args:
        value: A date, a datetime, or a text as in RFC 3339, also without a time or a time zone.

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


def bounded(path: str, **bounds: dt.date) -> Term:
    """Lie between moments.

    Args:
        path: The field.
        **bounds: gt, gte, lt or lte, each with a date or datetime.
    """
    return models.FieldCondition(key=path, range=models.DatetimeRange(**bounds))
