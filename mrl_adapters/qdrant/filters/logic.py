"""Join terms by and, or and not, so that nothing collapses into its opposite.

Qdrant reads an empty list of conditions as no restriction, also under ``should``, where logic says
that nothing holds. So what holds always or never is a bool here until the very end.
"""

from collections.abc import Iterable
from typing import TypeAlias

from qdrant_client import models

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
    """Give the conditions of a filter that has them under one clause alone; None of any other."""
    if not isinstance(term, models.Filter):
        return None
    said = [name for name, value in term.__dict__.items() if value]
    return list(getattr(term, clause)) if said == [clause] else None
