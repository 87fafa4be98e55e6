"""Filters as LangChain users write them: a plain dict over metadata, or Qdrant's own Filter."""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from qdrant_client import models

from mrl_adapters.errors import ConfigurationError
from mrl_adapters.langchain.documents import METADATA_KEY

MetadataFilter: TypeAlias = models.Filter | Mapping[str, Any]


def to_filter(given: MetadataFilter | None) -> models.Filter | None:
    """Build Qdrant's filter.

    A dict maps metadata keys to what they must be; all of its entries must hold:

    - ``{"source": "a.md"}`` equal, or one of the values where the metadata is a list;
    - ``{"source": ["a.md", "b.md"]}`` one of these;
    - ``{"source": None}`` missing, null or an empty list;
    - ``{"page": {"$gte": 3, "$lt": 9}}`` operators: $eq, $ne, $in, $nin, $gt, $gte, $lt, $lte
      (numbers, dates), $exists;
    - ``{"author": {"name": "Ada"}}`` nested metadata (so does ``{"author.name": "Ada"}``);
    - ``{"$or": [...]}``, ``{"$and": [...]}``, ``{"$not": {...}}``.

    $ne, $nin and $not also hold where the key is missing.

    Args:
        given: Such a dict, a Qdrant filter (used as it is: its keys start with ``metadata.``), or
            None.

    Raises:
        ConfigurationError: An operator is unknown, or a value has no such comparison.
    """
    if given is None or isinstance(given, models.Filter):
        return given
    if not isinstance(given, Mapping):
        msg = (
            f"filter is {type(given).__name__}, expected a dict over metadata such as "
            "{'source': 'a.md'} or a qdrant_client.models.Filter."
        )
        raise ConfigurationError(msg)
    return models.Filter(must=_conditions(given, METADATA_KEY)) if given else None


def _conditions(given: Mapping[str, Any], prefix: str) -> list[models.Condition]:
    conditions: list[models.Condition] = []
    for key, wanted in given.items():
        if key in {"$and", "$or"}:
            each: list[models.Condition] = [
                models.Filter(must=_conditions(one, prefix)) for one in wanted
            ]
            conditions.append(
                models.Filter(must=each) if key == "$and" else models.Filter(should=each)
            )
        elif key == "$not":
            conditions.append(_negated(models.Filter(must=_conditions(wanted, prefix))))
        elif key.startswith("$"):
            raise _unknown(key)
        else:
            conditions += _field(f"{prefix}.{key}", wanted)
    return conditions


def _field(key: str, wanted: object) -> list[models.Condition]:
    if not isinstance(wanted, Mapping):
        return [_equal(key, wanted)]
    if any(str(name).startswith("$") for name in wanted):
        return [_operator(key, str(name), value) for name, value in wanted.items()]
    return _conditions(wanted, key)


def _operator(key: str, name: str, value: Any) -> models.Condition:
    if name in _OPERATORS:
        return _OPERATORS[name](key, value)
    if name in {"$gt", "$gte", "$lt", "$lte"}:
        return _range(key, name[1:], value)
    raise _unknown(name)


def _equal(key: str, value: Any) -> models.Condition:
    if value is None:
        return models.IsEmptyCondition(is_empty=models.PayloadField(key=key))
    if isinstance(value, str | bool | int):
        return models.FieldCondition(key=key, match=models.MatchValue(value=value))
    if isinstance(value, float):
        return models.FieldCondition(key=key, range=models.Range(gte=value, lte=value))
    if isinstance(value, dt.date):
        return models.FieldCondition(key=key, range=models.DatetimeRange(gte=value, lte=value))
    if isinstance(value, Sequence | set | frozenset):
        return models.Filter(should=[_equal(key, one) for one in value] or [_never()])
    msg = (
        f"Filter on {key!r}: a {type(value).__name__} cannot be compared. Pass a string, number, "
        "bool, date, None or a list of these."
    )
    raise ConfigurationError(msg)


def _range(key: str, bound: str, value: Any) -> models.Condition:
    if isinstance(value, bool) or not isinstance(value, int | float | str | dt.date):
        msg = (
            f"Filter on {key!r}: ${bound} compares numbers and dates, found "
            f"{type(value).__name__} {value!r}."
        )
        raise ConfigurationError(msg)
    if isinstance(value, int | float):
        return models.FieldCondition(key=key, range=models.Range(**{bound: value}))
    try:
        return models.FieldCondition(
            key=key, range=models.DatetimeRange.model_validate({bound: value})
        )
    except ValueError:
        msg = (
            f"Filter on {key!r}: ${bound} compares numbers and dates, found the string {value!r}. "
            "Write dates as 2026-01-31 or 2026-01-31T12:00:00Z."
        )
        raise ConfigurationError(msg) from None


def _negated(condition: models.Condition) -> models.Filter:
    return models.Filter(must_not=[condition])


def _never() -> models.Condition:
    return models.HasIdCondition(has_id=[])


def _unknown(name: str) -> ConfigurationError:
    return ConfigurationError(
        f"Filter operator {name!r} is not known. Use $and, $or, $not, $gt, $gte, $lt, $lte, "
        f"{', '.join(_OPERATORS)}, or pass a qdrant_client.models.Filter."
    )


def _exists(key: str, wanted: Any) -> models.Condition:
    missing = models.IsEmptyCondition(is_empty=models.PayloadField(key=key))
    return _negated(missing) if wanted else missing


_OPERATORS: dict[str, Callable[[str, Any], models.Condition]] = {
    "$eq": _equal,
    "$ne": lambda key, value: _negated(_equal(key, value)),
    "$in": _equal,
    "$nin": lambda key, value: _negated(_equal(key, value)),
    "$exists": _exists,
}
