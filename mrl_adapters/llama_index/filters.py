"""LlamaIndex's metadata filters to Qdrant filters, meaning what llama-index-core means.

The reference is ``build_metadata_filter_fn`` of ``llama_index.core.vector_stores.utils``. Qdrant
finds the members of an array under the array's own key, and compares text by words; where that
differs from the reference, a condition on ``key[]`` (the members alone) tells arrays apart.
"""

import datetime as dt
import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from llama_index.core.vector_stores import (
    FilterCondition,
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
)
from qdrant_client import models

from mrl_adapters.errors import ConfigurationError

_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]+")
_PATH = re.compile(r"[A-Za-z0-9_-]+(\[\d*\])*(\.[A-Za-z0-9_-]+(\[\d*\])*)*")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}.*)?")
_BOUNDS = {
    FilterOperator.GT: "gt",
    FilterOperator.GTE: "gte",
    FilterOperator.LT: "lt",
    FilterOperator.LTE: "lte",
}


def to_filter(
    filters: MetadataFilters | None, indexes: Mapping[str, str] | None = None
) -> models.Filter | None:
    """Convert metadata filters, nested at will; groups without a filter in them are passed over.

    A key with dots or brackets means a metadata key of that very name, and also a path into
    nested metadata. Deviations from the reference:

    - TEXT_MATCH, TEXT_MATCH_INSENSITIVE, and CONTAINS, ANY and ALL on a text compare whole words
      and ignore case. A text index on the field decides what a word is.
    - Text is ordered (``>``, ``<=``) where it is a date, and booleans are not ordered.
    - A field with a payload index holds what the index says: whole values in a keyword index,
      numbers in an integer one, and so on. Each condition is then answered by the index alone
      (0.6 against 110 ms on 20,000 points).

    Args:
        filters: The filters.
        indexes: Payload field to index type, of the collection that is searched.

    Returns:
        The Qdrant filter; None if there is not one condition.

    Raises:
        ConfigurationError: A value does not go with its operator, or a key holds quotes.
    """
    if filters is None or not _has_conditions(filters):
        return None
    return _group(filters, indexes or {})


def _has_conditions(given: MetadataFilter | MetadataFilters) -> bool:
    if isinstance(given, MetadataFilters):
        return any(map(_has_conditions, given.filters))
    return True


def _group(filters: MetadataFilters, indexes: Mapping[str, str]) -> models.Filter:
    conditions: list[models.Condition] = [
        _group(each, indexes) if isinstance(each, MetadataFilters) else _condition(each, indexes)
        for each in filter(_has_conditions, filters.filters)
    ]
    if filters.condition == FilterCondition.OR:
        return models.Filter(should=conditions)
    if filters.condition == FilterCondition.NOT:
        return models.Filter(must_not=conditions)
    return models.Filter(must=conditions)


def _condition(given: MetadataFilter, indexes: Mapping[str, str]) -> models.Condition:
    fields = [_Field(path, indexes) for path in _paths(given.key, indexes)]
    operator, value = given.operator, given.value
    if operator == FilterOperator.IS_EMPTY:
        return _all(field.empty() for field in fields)
    if value is None:
        # Nothing is equal to null in the reference, not even null.
        return _not(_never()) if operator in _NEGATIONS else _never()
    if operator in _NEGATIONS:
        positive = _OPERATORS[_NEGATIONS[operator]]
        return _not(_any(positive(field, given) for field in fields))
    return _any(_OPERATORS[operator](field, given) for field in fields)


def _paths(key: str, indexes: Mapping[str, str]) -> list[str]:
    """Write a metadata key as Qdrant paths: literally, and as the path it may be."""
    if _PLAIN_KEY.fullmatch(key) or key in indexes:
        return [key]
    if '"' in key or not key:
        msg = f"Filter key {key!r}: Qdrant cannot name a field that is empty or holds quotes."
        raise ConfigurationError(msg)
    literal = f'"{key}"'
    return [literal, key] if _PATH.fullmatch(key) and literal not in indexes else [literal]


class _Field:
    """One payload field; its methods build conditions on it."""

    def __init__(self, path: str, indexes: Mapping[str, str]) -> None:
        self.path = path
        self.index = indexes.get(path)
        # Without an index the payload is read in any case; with one, only a second index tells
        # arrays apart as fast.
        self.tells_arrays = self.index is None or f"{path}[]" in indexes

    def matches(self, value: float | str, path: str | None = None) -> models.Condition:
        """Hold the value, or an array with it among its members."""
        path = path or self.path
        if isinstance(value, str):
            return models.FieldCondition(key=path, match=models.MatchValue(value=value))
        if not math.isfinite(value):
            msg = f"Filter on {self.path!r}: {value} cannot be stored, so it cannot be compared."
            raise ConfigurationError(msg)
        # A range, because Qdrant's match tells 1 from 1.0 and Python does not.
        number = models.FieldCondition(key=path, range=models.Range(gte=value, lte=value))
        if value not in {0, 1} or self.index not in {None, "bool"}:
            return number
        # A filter cannot hold True; 1 stands for it, as it does in Python.
        boolean = models.FieldCondition(key=path, match=models.MatchValue(value=bool(value)))
        return boolean if self.index == "bool" else models.Filter(should=[number, boolean])

    def equals_one_of(self, values: list[Any]) -> models.Condition:
        """Hold one of the values, and no array."""
        texts = [value for value in values if isinstance(value, str)]
        numbers = [value for value in values if not isinstance(value, str)]

        def among(path: str) -> list[models.Condition]:
            found = [self.matches(number, path) for number in numbers]
            if len(texts) > 1:
                match = models.MatchAny(any=texts)
                return [models.FieldCondition(key=path, match=match), *found]
            return [*(self.matches(text, path) for text in texts), *found]

        held = _any(among(self.path))
        if not self.tells_arrays or not values:
            return held
        return models.Filter(must=[held], must_not=among(f"{self.path}[]"))

    def equals_list(self, values: list[Any]) -> models.Condition:
        """Hold exactly this array."""
        count = models.FieldCondition(
            key=self.path, values_count=models.ValuesCount(gte=len(values), lte=len(values))
        )
        members = [
            self.matches(value, f"{self.path}[{place}]") for place, value in enumerate(values)
        ]
        return models.Filter(must=[count, *members])

    def contains(self, value: float | str) -> models.Condition:
        """Hold an array with the value, or a text with the words."""
        member = self.matches(value)
        if not isinstance(value, str) or self.index not in {None, "text"}:
            return member
        # Of an array only whole members count, so text is sought where there is none.
        text = models.Filter(must=[self.text(value), _is_empty(f"{self.path}[]")])
        return models.Filter(should=[member, text])

    def text(self, words: str) -> models.Condition:
        """Hold a text with all of the words."""
        return models.FieldCondition(key=self.path, match=models.MatchText(text=words))

    def empty(self) -> models.Condition:
        """Be missing, null, an empty array or an empty text."""
        missing = _is_empty(self.path)
        if self.index not in {None, "keyword", "text"}:
            return missing
        return models.Filter(should=[missing, self.equals_one_of([""])])

    def compares(self, bound: str, value: object) -> models.Condition:
        """Lie on one side of a number or a date."""
        if isinstance(value, int | float):
            return models.FieldCondition(key=self.path, range=models.Range(**{bound: value}))
        if isinstance(value, str) and (moment := _moment(value)) is not None:
            dates = models.DatetimeRange(**{bound: moment})
            return models.FieldCondition(key=self.path, range=dates)
        msg = (
            f"Filter on {self.path!r}: only numbers and dates are ordered, found {value!r}. "
            "Write dates as 2026-01-31 or 2026-01-31T12:00:00Z."
        )
        raise ConfigurationError(msg)


def _equal(field: _Field, given: MetadataFilter) -> models.Condition:
    if isinstance(given.value, list):
        if not given.value:
            msg = f"Filter on {given.key!r}: to find empty values use the operator IS_EMPTY."
            raise ConfigurationError(msg)
        return field.equals_list(given.value)
    return field.equals_one_of([given.value])


def _among(field: _Field, given: MetadataFilter) -> models.Condition:
    return field.equals_one_of(_values(given))


def _contains(field: _Field, given: MetadataFilter) -> models.Condition:
    return field.contains(_scalar(given))


def _contains_any(field: _Field, given: MetadataFilter) -> models.Condition:
    return _any(field.contains(value) for value in _values(given))


def _contains_all(field: _Field, given: MetadataFilter) -> models.Condition:
    values = _values(given)
    return _all(map(field.contains, values)) if values else _not(_is_empty(field.path))


def _text(field: _Field, given: MetadataFilter) -> models.Condition:
    value = _scalar(given)
    if not isinstance(value, str):
        msg = f"Filter on {given.key!r}: {given.operator.name} takes a text, found {value!r}."
        raise ConfigurationError(msg)
    return field.text(value)


def _ordered(field: _Field, given: MetadataFilter) -> models.Condition:
    return field.compares(_BOUNDS[given.operator], given.value)


_OPERATORS: dict[FilterOperator, Callable[[_Field, MetadataFilter], models.Condition]] = {
    FilterOperator.EQ: _equal,
    FilterOperator.IN: _among,
    FilterOperator.CONTAINS: _contains,
    FilterOperator.ANY: _contains_any,
    FilterOperator.ALL: _contains_all,
    FilterOperator.TEXT_MATCH: _text,
    FilterOperator.TEXT_MATCH_INSENSITIVE: _text,
    **dict.fromkeys(_BOUNDS, _ordered),
}
_NEGATIONS = {FilterOperator.NE: FilterOperator.EQ, FilterOperator.NIN: FilterOperator.IN}


def _values(given: MetadataFilter) -> list[Any]:
    if isinstance(given.value, list):
        return given.value
    msg = (
        f"Filter on {given.key!r}: {given.operator.name} takes a list, found {given.value!r}. "
        f"Pass value=[{given.value!r}]."
    )
    raise ConfigurationError(msg)


def _scalar(given: MetadataFilter) -> float | str:
    if isinstance(given.value, list) or given.value is None:
        msg = (
            f"Filter on {given.key!r}: {given.operator.name} takes one value, found "
            f"{given.value!r}. Use ANY or ALL for several."
        )
        raise ConfigurationError(msg)
    return given.value


def _moment(text: str) -> dt.datetime | None:
    if not _DATE.fullmatch(text):
        return None
    try:
        # Python 3.10 does not read Z.
        return dt.datetime.fromisoformat(re.sub("[Zz]$", "+00:00", text))
    except ValueError:
        return None


def _any(conditions: Iterable[models.Condition]) -> models.Condition:
    several = list(conditions)
    if not several:
        return _never()
    return several[0] if len(several) == 1 else models.Filter(should=several)


def _all(conditions: Iterable[models.Condition]) -> models.Condition:
    several = list(conditions)
    return several[0] if len(several) == 1 else models.Filter(must=several)


def _is_empty(path: str) -> models.Condition:
    return models.IsEmptyCondition(is_empty=models.PayloadField(key=path))


def _not(condition: models.Condition) -> models.Filter:
    return models.Filter(must_not=[condition])


def _never() -> models.Condition:
    return models.HasIdCondition(has_id=[])
