"""SearchPlan: every knob is checked, and the shortlists come out as documented."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrl_adapters.errors import ConfigurationError
from mrl_adapters.qdrant import SearchPlan


@pytest.mark.parametrize(
    ("knob", "value", "expected"),
    [
        ("oversampling", 0.5, "a number >= 1"),
        ("oversampling", math.nan, "a number >= 1"),
        ("oversampling", math.inf, "finite"),
        ("min_candidates", 0, "at least 1"),
        ("hnsw_ef", 0, "at least 1"),
        ("funnel_factor", 0.9, "finite, >= 1"),
        ("funnel_factor", math.inf, "finite, >= 1"),
        ("timeout_s", 0, "at least 1"),
    ],
)
def test_values_outside_their_range_are_refused_by_name(
    knob: str, value: float, expected: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        SearchPlan(**{knob: value})
    assert str(caught.value) == f"SearchPlan({knob}={value!r}): expected {expected}."


def test_no_stage_at_all_is_refused_with_the_way_to_say_it() -> None:
    with pytest.raises(ConfigurationError, match=r"at least one stage \(or exact=True\)"):
        SearchPlan(stages=())


def test_stages_are_kept_shortest_first_and_once() -> None:
    assert SearchPlan(stages=(256, 64, 256)).stages == (64, 256)


def test_the_defaults_take_eight_times_the_results_and_no_fewer_than_a_hundred() -> None:
    plan = SearchPlan()
    assert (plan.candidates(4), plan.candidates(20), plan.candidates(10, offset=40)) == (
        100,
        160,
        400,
    )


def test_the_beam_is_never_narrower_than_the_shortlist_unless_it_was_set() -> None:
    assert SearchPlan().beam(100) == 128
    assert SearchPlan().beam(500) == 500
    assert SearchPlan(hnsw_ef=64).beam(500) == 64


def test_a_funnel_widens_by_its_factor_towards_the_shortest_stage() -> None:
    assert SearchPlan(funnel_factor=4).shortlists(3, k=10) == [1600, 400, 100]


@given(
    st.floats(1, 100),
    st.integers(1, 500),
    st.floats(1, 10),
    st.integers(1, 4),
    st.integers(1, 200),
    st.integers(0, 200),
)
def test_every_stage_hands_on_at_least_what_the_next_needs(
    oversampling: float, least: int, factor: float, stages: int, k: int, offset: int
) -> None:
    plan = SearchPlan(oversampling=oversampling, min_candidates=least, funnel_factor=factor)
    lists = plan.shortlists(stages, k, offset)
    assert len(lists) == stages
    assert lists == sorted(lists, reverse=True)
    assert lists[-1] == plan.candidates(k, offset) >= max(k + offset, least)


def test_merge_changes_only_what_it_is_told() -> None:
    plan = SearchPlan(oversampling=4, hnsw_ef=77)
    assert plan.merge(None) is plan
    assert plan.merge({"oversampling": 16}) == SearchPlan(oversampling=16, hnsw_ef=77)
    assert plan.merge(SearchPlan(exact=True)) == SearchPlan(exact=True)


def test_merge_checks_the_new_values() -> None:
    with pytest.raises(ConfigurationError, match="oversampling"):
        SearchPlan().merge({"oversampling": 0})


def test_merge_refuses_an_unknown_knob_and_lists_the_known_ones() -> None:
    with pytest.raises(ConfigurationError, match=r"no option 'overampling'.*oversampling"):
        SearchPlan().merge({"overampling": 4})
