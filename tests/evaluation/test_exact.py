"""Brute force in blocks."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrl_adapters import ConfigurationError
from mrl_adapters.evaluation.exact import exact_search, rescore


def vectors(rng: np.random.Generator, count: int, size: int) -> np.ndarray:
    # Small whole numbers: inner products are exact, and ties are many.
    return rng.integers(-2, 3, (count, size)).astype(np.float32)


def by_sorting(documents: np.ndarray, queries: np.ndarray, k: int) -> np.ndarray:
    return -np.sort(-(queries @ documents.T), axis=1)[:, :k]


@given(st.integers(0, 1000), st.integers(1, 700), st.integers(1, 40), st.sampled_from([1, 2**17]))
def test_blocks_find_what_sorting_finds(seed: int, count: int, k: int, block_bytes: int) -> None:
    rng = np.random.default_rng(seed)
    documents, queries = vectors(rng, count, 5), vectors(rng, 3, 5)
    found = exact_search(documents, queries, k, block_bytes=block_bytes)
    np.testing.assert_array_equal(found.scores, by_sorting(documents, queries, k))
    scores = np.take_along_axis(queries @ documents.T, found.indices, axis=1)
    np.testing.assert_array_equal(scores, found.scores)
    assert all(len(set(row)) == len(row) for row in found.indices.tolist())


def test_more_queries_than_a_block_and_many_documents() -> None:
    rng = np.random.default_rng(1)
    documents, queries = vectors(rng, 5000, 8), vectors(rng, 700, 8)
    found = exact_search(documents, queries, 10, block_bytes=2**20)
    np.testing.assert_array_equal(found.scores, by_sorting(documents, queries, 10))


def test_equal_scores_stand_in_the_order_of_the_documents() -> None:
    documents = np.ones((20, 2), dtype=np.float32)
    found = exact_search(documents, documents[:1], 20)
    assert found.indices[0].tolist() == list(range(20))


@pytest.mark.parametrize("block_bytes", [1, 2**26])
def test_a_query_does_not_find_its_own_row(block_bytes: int) -> None:
    rng = np.random.default_rng(2)
    documents = rng.standard_normal((300, 4), dtype=np.float32)
    own = np.array([0, 299, -1])
    queries = documents[[0, 299, 5]]
    found = exact_search(documents, queries, 5, exclude=own, block_bytes=block_bytes)
    assert 0 not in found.indices[0]
    assert 299 not in found.indices[1]
    assert 5 in exact_search(documents, queries, 300).indices[2]


def test_a_place_that_only_the_excluded_row_could_fill_is_empty() -> None:
    documents = np.eye(2, dtype=np.float32)
    found = exact_search(documents, documents, 2, exclude=np.array([0, 1]))
    assert found.indices.tolist() == [[1, -1], [0, -1]]
    assert rescore(documents, documents, found.indices, 2).indices.tolist() == [[1, -1], [0, -1]]


def test_rescoring_ranks_a_shortlist_by_other_vectors() -> None:
    rng = np.random.default_rng(3)
    documents = rng.standard_normal((400, 64), dtype=np.float32)
    queries = rng.standard_normal((50, 64), dtype=np.float32)
    everything = np.tile(np.arange(400), (50, 1))
    expected = exact_search(documents, queries, 10)
    found = rescore(documents, queries, everything, 10)
    np.testing.assert_array_equal(found.indices, expected.indices)
    np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-5)


def test_memory_stays_bounded() -> None:
    rng = np.random.default_rng(4)
    documents = rng.standard_normal((200_000, 8), dtype=np.float32)
    queries = rng.standard_normal((512, 8), dtype=np.float32)
    tracemalloc.start()
    exact_search(documents, queries, 10, block_bytes=8 * 2**20)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # All scores at once would be 410 MB.
    assert peak < 40 * 2**20


def test_sizes_that_do_not_fit_are_an_error() -> None:
    with pytest.raises(ConfigurationError, match=r"shape \(3, 2\) with queries of shape \(1, 4\)"):
        exact_search(np.ones((3, 2), np.float32), np.ones((1, 4), np.float32), 1)
    with pytest.raises(ConfigurationError, match="k = 0"):
        exact_search(np.ones((3, 2), np.float32), np.ones((1, 2), np.float32), 0)
