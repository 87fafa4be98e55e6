"""SearchPlan: every knob is checked, and the shortlists come out as documented."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrl_adapters.errors import ConfigurationError
from mrl_adapters.qdrant import SearchPlan
from mrl_adapters.qdrant.plan import Plan, layered

WRONG = {
    "oversampling": [0.5, math.nan, math.inf, True, "8", None, 10**400],
    "min_candidates": [0, -1, 2.5, True, "100", None, 2**31],
    "hnsw_ef": [0, 1.0, False, "128"],
    "exact": [1, "yes", None],
    "stages": [(), 64, "64", (0,), (64.0,), (True,), {64: 1}],
    "funnel_factor": [0.9, math.inf, None],
    "rescore": ["no", 0],
    "consistency": ["some", 0, True, 1.5],
    "timeout_s": [0, 0.5, True],
}


@pytest.mark.parametrize(
    ("knob", "value"), [(knob, value) for knob in WRONG for value in WRONG[knob]], ids=repr
)
def test_values_that_a_knob_cannot_have_are_refused_by_name(knob: str, value: object) -> None:
    for make in (lambda: SearchPlan(**{knob: value}), lambda: SearchPlan().merge({knob: value})):  # type: ignore[arg-type] # wrong on purpose
        with pytest.raises(ConfigurationError, match=f"^SearchPlan's {knob} is .*expected"):
            make()


def test_numpys_numbers_are_read_as_pythons() -> None:
    plan = SearchPlan(
        oversampling=np.float32(4),
        min_candidates=np.int64(50),
        exact=np.True_,
        stages=np.array([64, 256]),  # type: ignore[arg-type] # as a caller may have it
    )
    assert plan == SearchPlan(oversampling=4.0, min_candidates=50, exact=True, stages=(64, 256))
    assert [type(each) for each in (plan.oversampling, plan.min_candidates, plan.exact)] == [
        float,
        int,
        bool,
    ]


PLANS = st.one_of(
    st.none(),
    st.builds(SearchPlan, min_candidates=st.integers(1, 9), exact=st.booleans()),
    st.dictionaries(st.sampled_from(["min_candidates", "hnsw_ef", "timeout_s"]), st.integers(1, 9)),
)


@given(st.lists(PLANS, max_size=4), PLANS)
def test_layered_changes_do_what_they_do_one_after_the_other(
    changes: list[Plan | None], base: Plan | None
) -> None:
    expected = start = SearchPlan().merge(base)
    for each in changes:
        expected = expected.merge(each)
    assert start.merge(layered(*changes)) == expected


def test_a_change_that_is_neither_plan_nor_dict_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="plan is 'exact', expected a SearchPlan"):
        SearchPlan().merge("exact")  # type: ignore[arg-type] # wrong on purpose
    for changes in (["exact", {"exact": True}], [{"exact": True}, "exact"], ["exact"]):
        with pytest.raises(ConfigurationError, match="plan is 'exact', expected a SearchPlan"):
            layered(*changes)  # type: ignore[arg-type] # wrong on purpose


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
