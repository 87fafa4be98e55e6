"""The lower bound keeps its promise, and is not hopelessly loose."""

from collections.abc import Callable
from random import Random
from typing import TypeAlias

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrl_adapters import ConfigurationError
from mrl_adapters.evaluation.bound import lower_bound, queries_needed

# What overlaps look like: nearly all 1, some losing one of ten, a rare query losing everything.
POPULATIONS = {
    "one in twenty loses one": np.r_[np.ones(95), np.full(5, 0.9)],
    "one in a hundred finds nothing": np.r_[np.ones(99), 0.0],
    "mixed": np.r_[np.ones(80), np.full(14, 0.9), np.full(5, 0.8), 0.4],
    "coin": np.array([0.0, 1.0]),
    "spread": np.linspace(0, 1, 11),
}
TRIALS = 400
Bound: TypeAlias = Callable[[np.ndarray], float]


def coverage(population: np.ndarray, size: int, bound: Bound, *, replace: bool = True) -> float:
    rng = np.random.default_rng(size)
    mean = population.mean()
    held = [
        bound(rng.choice(population, size, replace=replace)) <= mean + 1e-12 for _ in range(TRIALS)
    ]
    return float(np.mean(held))


@pytest.mark.parametrize("size", [5, 50, 500])
@pytest.mark.parametrize("name", POPULATIONS)
def test_the_bound_holds_in_at_least_the_promised_share_of_trials(name: str, size: int) -> None:
    assert coverage(POPULATIONS[name], size, lower_bound) >= 0.95
    assert coverage(POPULATIONS[name], size, lambda x: lower_bound(x, 0.8)) >= 0.8


def test_it_holds_for_draws_without_replacement() -> None:
    population = np.repeat(POPULATIONS["mixed"], 3)
    assert coverage(population, 150, lower_bound, replace=False) >= 0.95


def test_the_normal_approximation_would_not_hold() -> None:
    def normal(x: np.ndarray) -> float:
        return float(x.mean() - 1.645 * x.std(ddof=1) / np.sqrt(len(x)))

    assert coverage(POPULATIONS["one in a hundred finds nothing"], 50, normal) < 0.5


def test_it_is_much_tighter_than_hoeffding_where_it_matters() -> None:
    values = np.tile(POPULATIONS["one in twenty loses one"], 10)
    hoeffding = values.mean() - np.sqrt(np.log(20) / 2 / len(values))
    assert lower_bound(values) > 0.985
    assert hoeffding < 0.96


@given(st.lists(st.floats(0, 1), max_size=40), st.floats(0.5, 0.999))
def test_it_is_below_the_mean_and_falls_with_confidence(
    values: list[float], confidence: float
) -> None:
    bound = lower_bound(values, confidence)
    assert 0 <= bound <= (float(np.mean(values)) if values else 0) + 1e-9
    assert lower_bound(values, (1 + confidence) / 2) <= bound


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40), st.randoms(use_true_random=False))
def test_the_order_of_the_values_does_not_matter(values: list[float], random: Random) -> None:
    shuffled = sorted(values, key=lambda _: random.random())
    assert lower_bound(shuffled) == lower_bound(values)


def test_it_refuses_what_is_no_share() -> None:
    with pytest.raises(ConfigurationError, match="expected values from 0 to 1"):
        lower_bound([0.5, 1.5])
    with pytest.raises(ConfigurationError, match="confidence 1"):
        lower_bound([0.5], 1)


def test_the_number_of_queries_needed_is_the_least_that_proves_the_target() -> None:
    needed = queries_needed(0.99)
    assert 300 < needed < 600
    assert lower_bound(np.ones(needed)) >= 0.99 > lower_bound(np.ones(needed - 1))
    assert queries_needed(0.0) == 1
    with pytest.raises(ConfigurationError, match="Cannot prove a mean of 1"):
        queries_needed(1.0)
