"""Synthetic vectors lose as much when they are cut as the published model does."""

import numpy as np
import pytest

from mrl_adapters.bench.synthetic import nested_vectors, topics_of
from mrl_adapters.evaluation import overlap_at_k
from mrl_adapters.evaluation.exact import exact_search
from mrl_adapters.vectors import truncate


def drawn(count: int, dimensions: int, **options) -> np.ndarray:
    return np.concatenate(list(nested_vectors(count, dimensions, **options)))


def test_vectors_are_float32_of_unit_length_in_bounded_blocks():
    blocks = list(nested_vectors(5000, 16, topics=3))
    assert [len(block) for block in blocks] == [4096, 904]
    assert blocks[0].dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(blocks[0], axis=1), 1, rtol=1e-5)


def test_the_same_seed_gives_the_same_vectors_however_many_are_taken():
    long, short = (drawn(count, 8, topics=4, seed=3) for count in (5000, 100))
    np.testing.assert_array_equal(long[:100], short)
    assert not np.array_equal(drawn(100, 8, topics=4, seed=4), short)


def test_leading_numbers_are_the_largest():
    energy = (drawn(2000, 64, topics=16) ** 2).mean(axis=0)
    assert energy[:8].sum() > 3 * energy[-8:].sum()


def test_half_of_3072_dimensions_keeps_what_was_published():
    """89.5 % of the exact top 10, Supabase's figure for text-embedding-3-large."""
    vectors = drawn(12_200, 3072, topics=topics_of(12_000), seed=0)
    documents, queries = vectors[200:], vectors[:200]
    exact = exact_search(documents, queries, 10)
    half = exact_search(truncate(documents, 1536), truncate(queries, 1536), 10)
    kept = overlap_at_k(half.indices, exact.indices, 10).mean()
    assert kept == pytest.approx(0.895, abs=0.02)


@pytest.mark.parametrize(("count", "topics"), [(10, 1), (1250, 10), (1_000_000, 8000)])
def test_a_topic_has_about_a_hundred_texts(count: int, topics: int):
    assert topics_of(count) == topics
