"""Metrics by hand, by property, and against trec_eval's implementation."""

from collections.abc import Callable
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrl_adapters import ConfigurationError
from mrl_adapters.evaluation import mrr, ndcg_at_k, overlap_at_k, recall_at_k


def test_overlap_counts_shared_ids_among_the_first_k() -> None:
    found = [["a", "b", "x"], ["c", "d", "e"]]
    exact = [["b", "a", "x"], ["e", "f", "g"]]
    assert overlap_at_k(found, exact, 2).tolist() == [1.0, 0.0]
    assert overlap_at_k(found, exact, 3).tolist() == [1.0, pytest.approx(1 / 3)]


def test_overlap_takes_arrays_and_lists_alike() -> None:
    found, exact = [[1, 2, 3]], [[3, 2, 9]]
    expected = overlap_at_k(found, exact, 3)
    assert overlap_at_k(np.array(found), np.array(exact), 3) == expected
    assert overlap_at_k(np.array(found), exact, 3) == expected


def test_a_document_listed_twice_is_found_once() -> None:
    assert overlap_at_k([["a", "a"]], [["a", "b"]], 2) == 0.5


def test_equal_scores_are_equal_hits() -> None:
    found, exact = [["a", "c"]], [["a", "b"]]
    assert overlap_at_k(found, exact, 2) == 0.5
    tied = overlap_at_k(found, exact, 2, found_scores=[[0.9, 0.5]], exact_scores=[[0.9, 0.5]])
    assert tied == 1.0
    below = overlap_at_k(found, exact, 2, found_scores=[[0.9, 0.49]], exact_scores=[[0.9, 0.5]])
    assert below == 0.5


def test_only_scores_of_the_first_k_count() -> None:
    overlap = overlap_at_k(
        [["c", "d"]],
        [["a", "b"]],
        1,
        found_scores=[[0.5, 0.9]],
        exact_scores=[[0.9, 0.5]],
    )
    assert overlap == 0.0


def test_missing_places_are_no_hits_and_a_short_truth_is_enough() -> None:
    assert overlap_at_k([[]], [["a"]], 10) == 0.0
    assert overlap_at_k([["a"]], [["a"]], 10) == 1.0
    assert overlap_at_k([[]], [[]], 10) == 1.0
    assert overlap_at_k(np.array([[4, -1]]), np.array([[4, -1]]), 2) == 1.0
    ragged = overlap_at_k(
        np.array([[4, -1]]),
        np.array([[5, 6]]),
        2,
        found_scores=[[0.7, np.nan]],
        exact_scores=[[0.8, 0.7]],
    )
    assert ragged == 0.5
    nothing = overlap_at_k(
        [[]], [[]], 2, found_scores=np.empty((1, 0)), exact_scores=np.empty((1, 0))
    )
    assert nothing == 1.0


def test_no_query_has_no_overlap() -> None:
    assert overlap_at_k([], [], 10).shape == (0,)


def test_overlap_refuses_what_does_not_fit() -> None:
    with pytest.raises(ConfigurationError, match="rankings of 1 and exact rankings of 2"):
        overlap_at_k([["a"]], [["a"], ["b"]])
    with pytest.raises(ConfigurationError, match="Ties need both"):
        overlap_at_k([["a"]], [["a"]], found_scores=[[1.0]])
    with pytest.raises(ConfigurationError, match="k is 0"):
        overlap_at_k([["a"]], [["a"]], 0)


@given(
    st.lists(st.permutations(range(12)), min_size=1, max_size=4),
    st.integers(1, 14),
    st.randoms(use_true_random=False),
)
def test_overlap_is_the_share_of_the_sets(exact: list[list[int]], k: int, random: Random) -> None:
    found = [random.sample(range(20), 12) for _ in exact]
    expected = [
        len(set(mine[:k]) & set(best[:k])) / min(k, len(best))
        for mine, best in zip(found, exact, strict=True)
    ]
    assert overlap_at_k(found, exact, k).tolist() == pytest.approx(expected)


QRELS = {"q1": {"a": 2, "b": 1, "z": 0}, "q2": {"c": 1}, "q3": {"d": 0}, "q4": {"e": -1, "f": 1}}
RANKINGS = {"q1": ["x", "b", "a"], "q4": ["e", "f"], "q9": ["a"]}


def test_judged_metrics_by_hand() -> None:
    # q3 has no relevant document and does not count; q2 found nothing.
    assert recall_at_k(RANKINGS, QRELS, 2).tolist() == [0.5, 0.0, 1.0]
    assert mrr(RANKINGS, QRELS, 3).tolist() == [0.5, 0.0, 0.5]
    second, third = 1 / np.log2(3), 1 / np.log2(4)
    q1 = (second + 2 * third) / (2 + second)
    assert ndcg_at_k(RANKINGS, QRELS, 3).tolist() == pytest.approx([q1, 0.0, second])


def test_a_relevant_document_listed_twice_counts_once() -> None:
    twice = {"q2": ["c", "c"]}
    qrels = {"q2": {"c": 1, "g": 1}}
    assert recall_at_k(twice, qrels).tolist() == [0.5]
    assert ndcg_at_k(twice, qrels) < 1


@pytest.mark.parametrize("metric", [recall_at_k, ndcg_at_k, mrr])
def test_judged_metrics_refuse_what_cannot_be_measured(metric: Callable[..., object]) -> None:
    with pytest.raises(ConfigurationError, match="No query has a relevant document"):
        metric({}, {"q": {"d": 0}})
    with pytest.raises(ConfigurationError, match="k is 0, expected at least 1"):
        metric(RANKINGS, QRELS, 0)


@given(st.integers(0, 10_000), st.integers(1, 25))
def test_judged_metrics_are_those_of_trec_eval(seed: int, k: int) -> None:
    measures = pytest.importorskip("ir_measures")
    rng = np.random.default_rng(seed)
    qrels = {
        f"q{q}": {f"d{d}": int(rng.integers(-1, 4)) for d in rng.permutation(30)[:8]} | {"d99": 1}
        for q in range(6)
    }
    # Many equal scores, and q5 found nothing at all.
    scores = {
        f"q{q}": {f"d{d}": float(rng.integers(0, 6)) for d in rng.permutation(30)[:20]}
        for q in range(5)
    }
    # trec_eval puts equal scores in falling order of their ids.
    rankings = {
        query: sorted(found, key=lambda document: (found[document], document), reverse=True)
        for query, found in scores.items()
    }
    places = {
        query: {document: -float(place) for place, document in enumerate(ranking)}
        for query, ranking in rankings.items()
    }
    for metric, measure, run in (
        (recall_at_k, measures.R @ k, scores),
        (ndcg_at_k, measures.nDCG @ k, scores),
        # Not computed by trec_eval, where there is a cut, and with another order of ties.
        (mrr, measures.RR @ k, places),
    ):
        theirs = {row.query_id: row.value for row in measures.iter_calc([measure], qrels, run)}
        expected = [theirs.get(query, 0.0) for query in qrels]
        assert metric(rankings, qrels, k).tolist() == pytest.approx(expected)
