"""Drawn vectors behave as the real ones that they were learnt from, which round topics do not."""

import numpy as np
import pytest

from mrl_adapters.bench import Likeness, fit_likeness, likeness_table
from mrl_adapters.bench.likeness import TOLERANCE, behaviour
from mrl_adapters.bench.synthetic import nested_vectors, topics_of
from mrl_adapters.embeddings import WordLlamaEmbedder
from mrl_adapters.errors import ConfigurationError
from mrl_adapters.evaluation import docstring_dataset
from mrl_adapters.vectors import FloatArray, normalize


@pytest.fixture(scope="module")
def real() -> FloatArray:
    """Docstrings of the standard library, by a real model."""
    texts = [text for text in docstring_dataset().documents.values() if text.strip()]
    return normalize(WordLlamaEmbedder().embed_array(texts))


@pytest.fixture(scope="module")
def likeness(real: FloatArray) -> Likeness:
    return fit_likeness(real)


def drawn(likeness: Likeness, count: int, seed: int) -> FloatArray:
    return np.concatenate([*likeness.draw(count, seed)])


def test_curves_lie_by_those_of_the_real_vectors(likeness: Likeness) -> None:
    """Also with another seed than the one that the parameters were chosen by."""
    again = behaviour(drawn(likeness, likeness.sample, seed=1), seed=1)
    assert likeness.real.distance(likeness.drawn) <= TOLERANCE
    assert likeness.real.distance(again) <= 1.5 * TOLERANCE, likeness_table(likeness)


def test_vectors_about_round_topics_do_not(real: FloatArray, likeness: Likeness) -> None:
    count, width = likeness.sample, real.shape[1]
    nested = np.concatenate([*nested_vectors(count, width, topics=topics_of(count))])
    assert likeness.real.distance(behaviour(nested)) > 2 * TOLERANCE


def test_vectors_are_float32_of_unit_length_in_bounded_blocks(likeness: Likeness) -> None:
    blocks = [*likeness.draw(5_000)]
    assert [len(block) for block in blocks] == [4_096, 904]
    assert blocks[0].dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(blocks[1], axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(np.concatenate(blocks), drawn(likeness, 5_000, seed=0))


def test_the_table_shows_both(likeness: Likeness) -> None:
    told = likeness_table(likeness)
    assert "cut to 32" in told
    assert f"| real | {likeness.real.kept[0]:.3f}" in told
    assert f"| drawn | {likeness.drawn.kept[0]:.3f}" in told


def test_too_few_vectors_teach_nothing() -> None:
    with pytest.raises(ConfigurationError, match=r"999 vectors are too few .* 1,000"):
        fit_likeness(np.ones((999, 8), dtype=np.float32))
