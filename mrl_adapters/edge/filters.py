"""Convert `models.Filter` into the engine's filter, losslessly or not at all.

Every model is taken apart by name: a class or a field that is not listed here (a newer client may
bring one) raises NotImplementedError instead of being dropped, for a dropped condition would give
a wrong answer.

Source: https://qdrant.tech/documentation/concepts/filtering/
"""

from collections.abc import Callable
from datetime import date, datetime, timezone
from typing import Any, TypeAlias

import numpy as np
import qdrant_edge as edge
from pydantic import BaseModel
from qdrant_client import models

from mrl_adapters.edge.client_models import parsed, refuse_fields, set_fields
from mrl_adapters.edge.limits import FILTER_LEVELS, check_bound, check_filter_size
from mrl_adapters.edge.names import PointId, naming_ids
from mrl_adapters.errors import ConfigurationError

_Presence: TypeAlias = edge.IsEmptyCondition | edge.IsNullCondition


def edge_filter(condition: models.Filter | None) -> edge.Filter | None:
    """Convert a filter."""
    if condition is None:
        return None
    if isinstance(condition, dict):
        condition = parsed(models.Filter, condition)
    _check(condition)
    try:
        return _filter(condition)
    except ConfigurationError:
        raise
    except (TypeError, ValueError, OverflowError) as error:
        message = f"The embedded engine cannot take this filter: {error}"
        raise ConfigurationError(message) from error


def edge_condition(condition: Any) -> Any:
    """Convert a single condition, such as one that a formula counts with."""
    if not isinstance(condition, BaseModel):
        raise _unknown(condition)
    _check(condition)
    return _condition(condition)


def _filter(given: models.Filter) -> edge.Filter:
    # An empty list is left out: inside a nested filter the engine takes should=[] for "nothing
    # matches", everywhere else for "no such clause".
    clauses = {
        name: [_condition(part) for part in (value if isinstance(value, list) else [value])]
        for name in ("must", "should", "must_not")
        if (value := getattr(given, name))
    }
    enough = given.min_should
    return edge.Filter(**clauses, min_should=None if enough is None else _min_should(enough))


def _check(root: BaseModel) -> None:
    """Refuse a tree of models that the rest of this file would not read, or the log not give back.

    Without recursion: a filter may be as deep as its maker likes.
    """
    waiting: list[tuple[BaseModel, int]] = [(root, 0)]
    seen = 0
    while waiting:
        model, above = waiting.pop()
        kind = type(model).__name__
        known = _KNOWN.get(kind)
        if known is None:
            raise _unknown(model)
        seen += 1
        depth = above + FILTER_LEVELS.get(kind, 0)
        check_filter_size(depth, seen + len(waiting))
        fields = set_fields(model)
        refuse_fields(model, fields.keys() - known)
        for name, value in fields.items():
            for part in value if isinstance(value, list) else (value,):
                if isinstance(part, BaseModel):
                    waiting.append((part, depth))
                elif isinstance(part, dict):
                    raise _unknown(part)
                elif not isinstance(part, _EXACT):
                    check_bound(part, f"filter's {kind}.{name}")


def _unknown(value: object) -> NotImplementedError:
    kind = type(value)
    return NotImplementedError(
        f"The embedded engine has no filter condition {kind.__module__}.{kind.__qualname__}. "
        "Use the conditions of qdrant_client.models, or connect to a Qdrant server."
    )


def _min_should(given: models.MinShould) -> edge.MinShould:
    if given.min_count < 1:
        message = f"min_should has min_count {given.min_count}. Expected 1 or more."
        raise ConfigurationError(message)
    conditions = [_condition(part) for part in given.conditions]
    if len(conditions) < given.min_count:
        # Never met. The engine forgets such a clause where others stand beside it, so it is told
        # by a condition that no point meets.
        return edge.MinShould([edge.HasIdCondition(set())], 1)
    return edge.MinShould(conditions, given.min_count)


def _condition(given: Any) -> Any:
    """Convert one condition by its class."""
    convert = _CONDITIONS.get(type(given).__name__)
    if convert is None:
        raise _unknown(given)
    return convert(given)


def _field(given: models.FieldCondition) -> edge.FieldCondition | _Presence | edge.Filter:
    """Convert a condition on a payload field, which must say exactly one thing.

    The engine would join several by OR, a reader expects AND: both are avoided. Its own
    ``is_empty`` of a field calls the array of a path like ``a[]`` empty if one of its elements
    is, unlike its condition of that name, which is therefore used for both.
    """
    tests = set_fields(given)
    key = tests.pop("key")
    if len(tests) != 1:
        names = " and ".join(sorted(tests)) or "nothing"
        message = (
            f"FieldCondition on {key!r} sets {names}; expected exactly one test. "
            "Write one FieldCondition for each and put them in must or should."
        )
        raise ConfigurationError(message)
    [(name, value)] = tests.items()
    if name in _PRESENCE:
        presence = _PRESENCE[name](key)
        return presence if value else edge.Filter(must_not=[presence])
    return edge.FieldCondition(key, **{name: _FIELD_TESTS[name](value)})


def _match(given: BaseModel) -> Any:
    [value] = set_fields(given).values()
    return _MATCHES[type(given).__name__](value)


def _match_value(value: Any) -> edge.MatchValue:
    # The binding reads a Python bool as an integer, and integers never equal booleans in a
    # payload. NumPy's bool is no integer, so that it arrives as what it is.
    plain: Any = np.bool_(value) if isinstance(value, bool) else value
    return edge.MatchValue(plain)


def _range(given: models.Range | models.DatetimeRange) -> Any:
    bounds = set_fields(given)
    if isinstance(given, models.DatetimeRange):
        # The log does not say of what kind a range without bounds is, and its reader takes every
        # number for it. Any moment is meant: no stamp can be earlier than this one.
        moments = {name: _moment(value) for name, value in bounds.items()}
        return edge.RangeDateTime(**moments or {"gte": "0000-01-01T00:00:00+23:59"})
    return edge.RangeFloat(**bounds)


def _moment(value: date | str) -> str:
    """Write a moment as RFC 3339; one without a time zone is UTC, as on the server."""
    if isinstance(value, str):  # of a model that was made unchecked
        return value
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=timezone.utc)).isoformat()
    return value.isoformat()


def _point(given: models.GeoPoint) -> edge.GeoPoint:
    return edge.GeoPoint(given.lon, given.lat)


def _line(given: models.GeoLineString) -> list[edge.GeoPoint]:
    return [_point(point) for point in given.points]


def _box(given: models.GeoBoundingBox) -> edge.GeoBoundingBox:
    return edge.GeoBoundingBox(_point(given.top_left), _point(given.bottom_right))


def _radius(given: models.GeoRadius) -> edge.GeoRadius:
    return edge.GeoRadius(_point(given.center), given.radius)


def _polygon(given: models.GeoPolygon) -> edge.GeoPolygon:
    return edge.GeoPolygon(_line(given.exterior), [_line(hole) for hole in given.interiors or []])


def _nested(given: models.NestedCondition) -> edge.NestedCondition:
    return edge.NestedCondition(given.nested.key, _filter(given.nested.filter))


def _slice(given: models.SliceCondition) -> Any:
    # The binding has this class, its type stub does not mention it.
    build: Any = vars(edge)["SliceCondition"]
    return build(total=given.slice.total, index=given.slice.index)


def _has_id(given: models.HasIdCondition) -> edge.HasIdCondition:
    with naming_ids(given.has_id):
        ids: set[PointId] = set(given.has_id)
        return edge.HasIdCondition(ids)


_CONDITIONS: dict[str, Callable[[Any], Any]] = {
    "FieldCondition": _field,
    "IsEmptyCondition": lambda given: edge.IsEmptyCondition(given.is_empty.key),
    "IsNullCondition": lambda given: edge.IsNullCondition(given.is_null.key),
    "HasIdCondition": _has_id,
    "HasVectorCondition": lambda given: edge.HasVectorCondition(given.has_vector),
    "NestedCondition": _nested,
    "SliceCondition": _slice,
    "Filter": _filter,
}

_FIELD_TESTS: dict[str, Callable[[Any], Any]] = {
    "match": _match,
    "range": _range,
    "geo_bounding_box": _box,
    "geo_radius": _radius,
    "geo_polygon": _polygon,
    "values_count": lambda given: edge.ValuesCount(**set_fields(given)),
}

_PRESENCE: dict[str, Callable[[str], _Presence]] = {
    "is_empty": edge.IsEmptyCondition,
    "is_null": edge.IsNullCondition,
}

_MATCHES: dict[str, Callable[[Any], Any]] = {
    "MatchValue": _match_value,
    "MatchText": edge.MatchText,
    "MatchTextAny": edge.MatchTextAny,
    "MatchPhrase": edge.MatchPhrase,
    "MatchPrefix": edge.MatchPrefix,
    "MatchSubstring": edge.MatchSubstring,
    "MatchAny": lambda values: edge.MatchAny(list(values)),
    "MatchExcept": lambda values: edge.MatchExcept(list(values)),
}

_EXACT = (str, int)  # what cannot be NaN; the usual values, told apart quickly

_BOUNDS = frozenset({"lt", "lte", "gt", "gte"})

# Every model that may stand in a filter, with the fields that the functions above read.
_KNOWN: dict[str, frozenset[str]] = {
    "Filter": frozenset({"must", "should", "must_not", "min_should"}),
    "MinShould": frozenset({"conditions", "min_count"}),
    "FieldCondition": frozenset({"key", *_FIELD_TESTS, *_PRESENCE}),
    "IsEmptyCondition": frozenset({"is_empty"}),
    "IsNullCondition": frozenset({"is_null"}),
    "PayloadField": frozenset({"key"}),
    "HasIdCondition": frozenset({"has_id"}),
    "HasVectorCondition": frozenset({"has_vector"}),
    "SliceCondition": frozenset({"slice"}),
    "Slice": frozenset({"total", "index"}),
    "NestedCondition": frozenset({"nested"}),
    "Nested": frozenset({"key", "filter"}),
    "MatchValue": frozenset({"value"}),
    "MatchText": frozenset({"text"}),
    "MatchTextAny": frozenset({"text_any"}),
    "MatchPhrase": frozenset({"phrase"}),
    "MatchPrefix": frozenset({"prefix"}),
    "MatchSubstring": frozenset({"substring"}),
    "MatchAny": frozenset({"any"}),
    "MatchExcept": frozenset({"except_"}),
    "Range": _BOUNDS,
    "DatetimeRange": _BOUNDS,
    "ValuesCount": _BOUNDS,
    "GeoPoint": frozenset({"lon", "lat"}),
    "GeoBoundingBox": frozenset({"top_left", "bottom_right"}),
    "GeoRadius": frozenset({"center", "radius"}),
    "GeoPolygon": frozenset({"exterior", "interiors"}),
    "GeoLineString": frozenset({"points"}),
}
