"""Terms joined by logic, and filters known to hold everywhere, against plain Python's logic."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from qdrant_client import models

from mrl_adapters.errors import ConfigurationError
from mrl_adapters.qdrant.filters import all_of, any_of, as_filter, for_deletion, negated
from mrl_adapters.qdrant.filters.logic import restricts

KEYS = ("a", "b", "c")
NEVER = [
    models.HasIdCondition(has_id=[]),
    models.FieldCondition(key="a", match=models.MatchAny(any=[])),
]
FIELDS = [models.FieldCondition(key=key, match=models.MatchValue(value=1)) for key in KEYS]
WORLDS = [{"a": bool(n & 1), "b": bool(n & 2), "c": bool(n & 4)} for n in range(8)]


def clause(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | inner | st.lists(inner, max_size=3)


def filters(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[models.Filter]:
    enough = st.builds(
        models.MinShould,
        conditions=st.lists(inner, min_size=1, max_size=3),
        min_count=st.integers(1, 3),
    )
    clauses = clause(inner)
    return st.builds(
        models.Filter, must=clauses, should=clauses, must_not=clauses, min_should=st.none() | enough
    )


def trees(leaves: list[Any]) -> st.SearchStrategy[models.Filter]:
    return filters(st.recursive(st.sampled_from(leaves), filters, max_leaves=6))


def listed(given: Any) -> list[Any]:
    return given if isinstance(given, list) else [] if given is None else [given]


def holds(condition: Any, world: dict[str, bool]) -> bool:
    if condition in NEVER:
        return False
    if not isinstance(condition, models.Filter):
        return world[condition.key]
    should, enough = listed(condition.should), condition.min_should
    return (
        all(holds(each, world) for each in listed(condition.must))
        and not any(holds(each, world) for each in listed(condition.must_not))
        and (not should or any(holds(each, world) for each in should))
        and (not enough or sum(holds(c, world) for c in enough.conditions) >= enough.min_count)
    )


@given(trees([*NEVER, models.Filter()]))
def test_a_filter_of_constants_restricts_where_it_is_false(made: models.Filter) -> None:
    assert restricts(made) is not holds(made, {})


@given(trees([*NEVER, models.Filter(), *FIELDS]))
def test_what_may_be_false_somewhere_restricts(made: models.Filter) -> None:
    if not all(holds(made, world) for world in WORLDS):
        assert restricts(made)
        assert for_deletion(made) is made
    elif not restricts(made):
        with pytest.raises(ConfigurationError, match="would delete everything"):
            for_deletion(made)


TERMS = st.recursive(
    st.booleans() | st.sampled_from(FIELDS),
    lambda inner: st.tuples(st.sampled_from(["all", "any", "not"]), st.lists(inner, max_size=3)),
    max_leaves=10,
)


def term(drawn: Any) -> Any:
    if not isinstance(drawn, tuple):
        return drawn
    joined, parts = drawn[0], [term(each) for each in drawn[1]]
    return {"all": all_of, "any": any_of, "not": lambda p: negated(any_of(p))}[joined](parts)


def truth(drawn: Any, world: dict[str, bool]) -> bool:
    if not isinstance(drawn, tuple):
        return drawn if isinstance(drawn, bool) else world[drawn.key]
    parts = [truth(each, world) for each in drawn[1]]
    return {"all": all(parts), "any": any(parts), "not": not any(parts)}[drawn[0]]


@given(TERMS)
def test_joined_terms_hold_where_plain_logic_does(drawn: Any) -> None:
    made = as_filter(term(drawn))
    assert not made.should  # at the root it would be joined with a prefetch's own
    for world in WORLDS:
        assert holds(made, world) is truth(drawn, world)
