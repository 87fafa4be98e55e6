"""The one door for filters, built here or given as Qdrant's own, before any engine sees them."""

import math
from typing import Any

from pydantic import BaseModel
from qdrant_client import models

from mrl_adapters.errors import ConfigurationError
from mrl_adapters.qdrant.filters.limits import DEEPEST, check_nesting

# One term may itself be built of this many filters, within the group that it stands in.
_TERM_DEPTH = 6
_CLAUSES = ("must", "should", "must_not")


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
    """Tell whether a filter says anything at all.

    Args:
        given: A filter whose nesting has been checked.
    """
    if given.min_should is not None or _listed(given.must_not):
        return True
    should = _listed(given.should)
    return any(map(_says, _listed(given.must))) or bool(should and all(map(_says, should)))


def _says(condition: Any) -> bool:
    return restricts(condition) if isinstance(condition, models.Filter) else True


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
