"""Join terms by and, or and not, and check whole filters, before any engine sees them.

Qdrant reads an empty list of conditions as no restriction, also under ``should``, where logic says
that nothing holds. So what holds always or never is a bool here until the very end.
"""

import math
from collections.abc import Iterable
from typing import Any, TypeAlias

from pydantic import BaseModel
from qdrant_client import models

from mrl_adapters.errors import ConfigurationError

# True holds for every point, False for none.
Term: TypeAlias = bool | models.Condition


def all_of(terms: Iterable[Term]) -> Term:
    """Hold where every term does; everywhere if there are none.

    Args:
        terms: The terms.
    """
    kept: list[models.Condition] = []
    for term in terms:
        if term is False:
            return False
        if not isinstance(term, bool):
            kept += _only(term, "must") or [term]
    if len(kept) == 1:
        return kept[0]
    return models.Filter(must=kept) if kept else True


def any_of(terms: Iterable[Term]) -> Term:
    """Hold where one of the terms does; nowhere if there are none.

    Args:
        terms: The terms.
    """
    kept: list[models.Condition] = []
    for term in terms:
        if term is True:
            return True
        if not isinstance(term, bool):
            kept += _only(term, "should") or [term]
    if len(kept) == 1:
        return kept[0]
    return models.Filter(should=kept) if kept else False


def negated(term: Term) -> Term:
    """Hold where a term does not.

    Args:
        term: The term.
    """
    if isinstance(term, bool):
        return not term
    if refused := _only(term, "must_not"):
        return any_of(refused)
    return models.Filter(must_not=_only(term, "should") or [term])


def as_filter(term: Term) -> models.Filter:
    """Build the filter that a term is; one that always holds has no conditions.

    Args:
        term: The term.
    """
    if term is True:
        return models.Filter()
    if term is False:
        # Qdrant has no word for it, and none of the ids that there are is among no ids.
        return models.Filter(must=[models.HasIdCondition(has_id=[])])
    if isinstance(term, models.Filter) and term.should is None:
        return term
    # A ``should`` never stands at the root: there it would be joined with a prefetch's own.
    return models.Filter(must=[term])


def _only(term: models.Condition, clause: str) -> list[models.Condition] | None:
    """Return the conditions of a filter that has them under one clause alone; None of any other."""
    if not isinstance(term, models.Filter):
        return None
    said = [name for name, value in term.__dict__.items() if value]
    return list(getattr(term, clause)) if said == [clause] else None


# Groups within groups. The log's reader stops at 128 levels and counts three or four for each.
DEEPEST = 24


def check_nesting(depth: int) -> None:
    """Refuse a filter that is nested too deep, before it is followed any further.

    Args:
        depth: Groups within groups so far.

    Raises:
        ConfigurationError: There are too many; a filter that holds itself has no end.
    """
    if depth > DEEPEST:
        msg = (
            f"Filter: nested more than {DEEPEST} deep, or it holds itself. Write it flatter: the "
            "conditions of one $and or $or can stand in one list."
        )
        raise ConfigurationError(msg)


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
    """Return whether a filter is not known to hold for every point."""
    return _holds(given) is not True


def _holds(condition: Any) -> bool | None:
    """Return whether a condition holds for every point or for none; None if that depends."""
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
