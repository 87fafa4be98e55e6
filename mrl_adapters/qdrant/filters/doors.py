"""The one door for filters, built here or given as Qdrant's own, before any engine sees them."""

import math
from typing import Any

from pydantic import BaseModel
from qdrant_client import models

from mrl_adapters.errors import ConfigurationError
from mrl_adapters.qdrant.filters.limits import DEEPEST, check_nesting

# One term may itself be built of this many filters, within the group that it stands in.
_TERM_DEPTH = 6
_OPPOSITE = {True: False, False: True, None: None}


def admitted(given: models.Filter | None) -> models.Filter | None:
    """Check a filter that points are searched, read or counted by.

    Args:
        given: The filter, passed on as it is.

    Returns:
        The filter; None if it restricts nothing.

    Raises:
        ConfigurationError: A bound is NaN or infinite, or the filter is nested too deep.
    """
    if given is None:
        return None
    _check(given, 0, "filter")
    return given if restricts(given) else None


def for_deletion(given: models.Filter | None) -> models.Filter | None:
    """Check a filter that points are deleted by.

    Args:
        given: The filter, passed on as it is; None is no filter.

    Raises:
        ConfigurationError: It restricts nothing, so that every point would be deleted; or a bound
            is NaN or infinite, or the filter is nested too deep.
    """
    if given is not None and admitted(given) is None:
        msg = (
            "The filter is empty, or holds for every point: it would delete everything. To delete "
            "everything, leave the filter out (LangChain: delete(); LlamaIndex: clear())."
        )
        raise ConfigurationError(msg)
    return given


def restricts(given: models.Filter) -> bool:
    """Tell whether a filter is not known to hold for every point.

    Args:
        given: A filter whose nesting has been checked.
    """
    return _holds(given) is not True


def _holds(condition: Any) -> bool | None:
    """Tell whether a condition holds for every point or for none; None if that depends."""
    if isinstance(condition, models.Filter):
        should = _listed(condition.should)
        parts = [_holds(each) for each in _listed(condition.must)]
        parts += [_OPPOSITE[_holds(each)] for each in _listed(condition.must_not)]
        parts += [_enough(should, 1)] if should else []
        if (some := condition.min_should) is not None:
            parts.append(_enough(some.conditions, some.min_count))
        return False if False in parts else None if None in parts else True
    if isinstance(condition, models.HasIdCondition) and not condition.has_id:
        return False
    match = getattr(condition, "match", None)
    return False if isinstance(match, models.MatchAny) and not match.any else None


def _enough(conditions: list[Any], least: int) -> bool | None:
    parts = [_holds(each) for each in conditions]
    if parts.count(True) >= least:
        return True
    return False if len(parts) - parts.count(False) < least else None


def _listed(clause: Any) -> list[Any]:
    return clause if isinstance(clause, list) else [] if clause is None else [clause]


def _check(value: Any, depth: int, where: str) -> None:
    """Walk through models, lists and numbers; names come from the innermost key."""
    if isinstance(value, float):
        if not math.isfinite(value):
            msg = (
                f"Filter on {where!r}: {value} is no number that can be stored or compared. Leave "
                "the condition out, or give a finite number."
            )
            raise ConfigurationError(msg)
    elif isinstance(value, BaseModel):
        if isinstance(value, models.Filter):
            depth += 1
            if depth > DEEPEST + _TERM_DEPTH:
                check_nesting(depth)
        where = getattr(value, "key", where)
        for part in value.__dict__.values():
            if part is not None and not isinstance(part, str | int):
                _check(part, depth, where)
    elif isinstance(value, list | tuple) and not isinstance(value[0] if value else 0, int | str):
        for part in value:
            _check(part, depth, where)
