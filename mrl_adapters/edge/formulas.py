"""Convert the formulas of `models.FormulaQuery` into the engine's.

Source: https://qdrant.tech/documentation/concepts/hybrid-queries/#score-boosting
"""

from collections.abc import Callable
from typing import Any

import qdrant_edge as edge
from qdrant_client import models

from mrl_adapters.edge.client_models import set_fields
from mrl_adapters.edge.filters import edge_condition
from mrl_adapters.edge.limits import check_formula, check_payload


def edge_formula(query: models.FormulaQuery) -> edge.Formula:
    """Convert a formula."""
    check_formula(query.formula)
    defaults = query.defaults or {}
    check_payload(defaults, "The formula's defaults")
    return edge.Formula(_expression(query.formula), defaults)


def _expression(given: Any) -> Any:
    if isinstance(given, str):
        return edge.Expression.Variable(given)
    if isinstance(given, (int, float)):
        return edge.Expression.Constant(float(given))
    kind = type(given).__name__
    if kind in _LISTS or kind in _SINGLES:
        [value] = set_fields(given).values()
        if kind in _LISTS:
            return _LISTS[kind]([_expression(part) for part in value])
        return _SINGLES[kind](_expression(value))
    if kind in _OTHERS:
        return _OTHERS[kind](given)
    return edge.Expression.Condition(edge_condition(given))


def _div(given: models.DivExpression) -> Any:
    parts = given.div
    left, right = _expression(parts.left), _expression(parts.right)
    return edge.Expression.Div(left, right, parts.by_zero_default)


def _geo_distance(given: models.GeoDistance) -> Any:
    parts = given.geo_distance
    origin = edge.GeoPoint(parts.origin.lon, parts.origin.lat)
    return edge.Expression.GeoDistance(origin, parts.to)


def _decay(kind: edge.DecayKind) -> Callable[[Any], Any]:
    def convert(given: Any) -> Any:
        [parts] = set_fields(given).values()
        target = None if parts.target is None else _expression(parts.target)
        return edge.Expression.Decay(
            kind, _expression(parts.x), target, parts.midpoint, parts.scale
        )

    return convert


_LISTS: dict[str, Callable[[list[Any]], Any]] = {
    "SumExpression": edge.Expression.Sum,
    "MultExpression": edge.Expression.Mult,
    "MaxExpression": edge.Expression.Max,
    "MinExpression": edge.Expression.Min,
}

_SINGLES: dict[str, Callable[[Any], Any]] = {
    "NegExpression": edge.Expression.Neg,
    "AbsExpression": edge.Expression.Abs,
    "SqrtExpression": edge.Expression.Sqrt,
    "ExpExpression": edge.Expression.Exp,
    "Log10Expression": edge.Expression.Log10,
    "LnExpression": edge.Expression.Ln,
    "AcoshExpression": edge.Expression.Acosh,
}

_OTHERS: dict[str, Callable[[Any], Any]] = {
    "DivExpression": _div,
    "PowExpression": lambda given: edge.Expression.Pow(
        _expression(given.pow.base), _expression(given.pow.exponent)
    ),
    "GeoDistance": _geo_distance,
    "DatetimeExpression": lambda given: edge.Expression.Datetime(given.datetime),
    "DatetimeKeyExpression": lambda given: edge.Expression.DatetimeKey(given.datetime_key),
    "LinDecayExpression": _decay(edge.DecayKind.Lin),
    "ExpDecayExpression": _decay(edge.DecayKind.Exp),
    "GaussDecayExpression": _decay(edge.DecayKind.Gauss),
}
