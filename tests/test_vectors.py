"""Every sentence of truncate's docstring, and what must hold for any vector."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from mrl_adapters.errors import ConfigurationError, DimensionsError, EmbeddingError
from mrl_adapters.vectors import as_vectors, normalize, truncate

ORDINARY = st.floats(-100, 100, width=32, allow_subnormal=False)
ANY_FINITE = st.floats(allow_nan=False, allow_infinity=False, width=32)


def batches(elements: st.SearchStrategy[float] = ORDINARY) -> st.SearchStrategy[np.ndarray]:
    shapes = st.tuples(st.integers(1, 5), st.integers(1, 24))
    return shapes.flatmap(lambda shape: npst.arrays(np.float32, shape, elements=elements))


def layer_norm(vectors: np.ndarray) -> np.ndarray:
    """The whole formula of torch.nn.functional.layer_norm without weights."""
    wide = vectors.astype(np.float64)
    mean = wide.mean(axis=-1, keepdims=True)
    variance = wide.var(axis=-1, keepdims=True)
    return (wide - mean) / np.sqrt(variance + 1e-5)


def test_one_vector_gives_one_vector() -> None:
    assert truncate([3.0, 4.0, 12.0], 2).tolist() == pytest.approx([0.6, 0.8])


def test_a_batch_gives_a_batch() -> None:
    short = truncate([[3.0, 4.0, 12.0], [0.0, -2.0, 1.0]], 2)
    assert short.shape == (2, 2)
    assert short == pytest.approx(np.array([[0.6, 0.8], [0.0, -1.0]]))


def test_an_empty_batch_of_known_width_gives_an_empty_batch() -> None:
    assert truncate(np.empty((0, 8)), 4).shape == (0, 4)


@pytest.mark.parametrize("given_as", [np.float64, np.float32, np.float16, np.int64])
def test_the_result_is_float32_whatever_comes_in(given_as: type) -> None:
    assert truncate(np.array([1, 2, 3, 4], dtype=given_as), 2).dtype == np.float32


def test_the_argument_is_left_as_it_was() -> None:
    vector = np.array([3.0, 4.0, 12.0], dtype=np.float32)
    truncate(vector, 2, reduction="layernorm_prefix")
    assert vector.tolist() == [3.0, 4.0, 12.0]


@pytest.mark.parametrize("reduction", ["prefix", "layernorm_prefix", "none"])
def test_all_zero_rows_stay_zero(reduction: str) -> None:
    short = truncate([[0.0, 0.0, 0.0], [1.0, 2.0, 4.0]], 2, reduction=reduction)
    assert short[0].tolist() == [0.0, 0.0]
    assert np.linalg.norm(short[1]) == pytest.approx(1)


def test_a_row_whose_prefix_is_zero_stays_zero() -> None:
    assert truncate([0.0, 0.0, 7.0], 2).tolist() == [0.0, 0.0]


def test_a_model_not_trained_to_nest_is_sliced_all_the_same() -> None:
    vector = [1.0, 2.0, 3.0, 4.0]
    assert truncate(vector, 2, reduction="none").tolist() == truncate(vector, 2).tolist()


@pytest.mark.parametrize("dimensions", [0, -1, 4])
def test_dimensions_outside_the_vector_are_refused(dimensions: int) -> None:
    with pytest.raises(DimensionsError, match=rf"3 dimensions to {dimensions}.*from 1 to 3"):
        truncate([1.0, 2.0, 3.0], dimensions)


@pytest.mark.parametrize("vectors", [1.0, [[[1.0]]], [], [[], []]])
def test_other_shapes_are_refused(vectors: object) -> None:
    with pytest.raises(ConfigurationError, match=r"shape .*expected \(d,\) or \(n, d\)"):
        truncate(vectors, 1)


@pytest.mark.parametrize("reduction", ["heads", "projection"])
def test_models_with_their_own_short_vectors_are_refused(reduction: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"its own {reduction} cannot be sliced"):
        truncate([1.0, 2.0, 3.0], 2, reduction=reduction)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_are_refused_by_row(bad: float) -> None:
    with pytest.raises(EmbeddingError, match="Vector 1 holds NaN or infinity"):
        truncate([[1.0, 2.0], [1.0, bad], [bad, 1.0]], 1)


def test_infinities_that_cancel_are_found() -> None:
    with pytest.raises(EmbeddingError, match="Vector 0"):
        truncate([np.inf, -np.inf, 1.0], 2)


def test_numbers_beyond_float32_are_refused_as_infinite() -> None:
    with pytest.raises(EmbeddingError, match="NaN or infinity"):
        truncate([1e300, 1.0], 1)


def test_finite_numbers_whose_sum_overflows_are_taken() -> None:
    largest = float(np.finfo(np.float32).max)
    short = truncate([largest, largest, -1.0], 2)
    assert short == pytest.approx(np.array([1, 1]) / np.sqrt(2))


def test_as_vectors_does_not_copy_what_is_float32_already() -> None:
    vectors = np.ones((3, 4), dtype=np.float32)
    assert np.shares_memory(as_vectors(vectors), vectors)


@given(batches(ANY_FINITE), st.data())
def test_every_short_vector_has_unit_length_or_is_zero(
    vectors: np.ndarray, data: st.DataObject
) -> None:
    dimensions = data.draw(st.integers(1, vectors.shape[1]))
    short = truncate(vectors, dimensions)
    lengths = np.linalg.norm(short.astype(np.float64), axis=1)
    expected = vectors[:, :dimensions].any(axis=1).astype(float)
    assert lengths == pytest.approx(expected, abs=1e-6)


@given(batches(), st.data())
def test_a_short_vector_points_where_the_prefix_points(
    vectors: np.ndarray, data: st.DataObject
) -> None:
    dimensions = data.draw(st.integers(1, vectors.shape[1]))
    prefix = vectors[:, :dimensions].astype(np.float64)
    along = (truncate(vectors, dimensions) * prefix).sum(axis=1)
    assert along == pytest.approx(np.linalg.norm(prefix, axis=1), rel=1e-5)


@given(batches(), st.data())
def test_truncating_twice_is_truncating_once(vectors: np.ndarray, data: st.DataObject) -> None:
    dimensions = data.draw(st.integers(1, vectors.shape[1]))
    via = data.draw(st.integers(dimensions, vectors.shape[1]))
    once = truncate(vectors, dimensions)
    assert truncate(once, dimensions) == pytest.approx(once, abs=1e-6)
    # A prefix that is far smaller than what is cut off first may underflow on the way.
    share = np.abs(vectors[:, :dimensions]).max(axis=1) / (np.abs(vectors).max(axis=1) + 1e-30)
    kept = (share > 1e-30) | (share == 0)
    assert truncate(truncate(vectors, via), dimensions)[kept] == pytest.approx(once[kept], abs=1e-5)


@given(batches(), st.data(), st.sampled_from([1e-30, 1e-3, 0.5, 3.0, 1e30]))
def test_the_length_of_the_full_vector_does_not_matter(
    vectors: np.ndarray, data: st.DataObject, factor: float
) -> None:
    dimensions = data.draw(st.integers(1, vectors.shape[1]))
    # Both sides are rounded to float32 alike, or the small members of one would be lost.
    scaled = (vectors * np.float32(factor)).astype(np.float32)
    usable = np.isfinite(scaled).all(axis=1) & ((np.abs(scaled) > 1e-30) | (vectors == 0)).all(
        axis=1
    )
    assert truncate(scaled[usable], dimensions) == pytest.approx(
        truncate(vectors[usable], dimensions), abs=1e-5
    )


@given(batches(), st.data())
def test_the_layer_norm_recipe_equals_the_full_formula(
    vectors: np.ndarray, data: st.DataObject
) -> None:
    dimensions = data.draw(st.integers(1, vectors.shape[1]))
    normed = layer_norm(vectors)[:, :dimensions]
    lengths = np.linalg.norm(normed, axis=1, keepdims=True)
    # Where the prefix holds nothing but the mean, its direction is rounding.
    told = lengths[:, 0] > 1e-6
    ours = truncate(vectors, dimensions, reduction="layernorm_prefix")
    assert ours[told] == pytest.approx((normed / np.where(lengths, lengths, 1))[told], abs=1e-4)


def test_layer_norm_keeps_small_differences_around_a_large_mean() -> None:
    vector = np.array([1000.0, 1000.001, 999.999, 1000.0], dtype=np.float32)
    wide = vector.astype(np.float64) - vector.astype(np.float64).mean()
    expected = wide[:3] / np.linalg.norm(wide[:3])
    ours = truncate(vector, 3, reduction="layernorm_prefix")
    assert ours == pytest.approx(expected, abs=1e-6)


def test_layer_norm_of_a_constant_vector_is_zero() -> None:
    assert not truncate(np.full(768, 0.1), 256, reduction="layernorm_prefix").any()


def test_layer_norm_takes_the_largest_numbers() -> None:
    largest = float(np.finfo(np.float32).max)
    ours = truncate([largest, -largest, largest, -largest], 2, reduction="layernorm_prefix")
    assert ours == pytest.approx(np.array([1, -1]) / np.sqrt(2))


@pytest.mark.parametrize("magnitude", [1e-45, 1e-38, 1e-20, 1e20, 1e38])
def test_any_magnitude_of_float32_is_normalised(magnitude: float) -> None:
    unit = normalize(np.full((2, 3), magnitude, dtype=np.float32))
    assert unit == pytest.approx(np.full((2, 3), 1 / np.sqrt(3)), rel=1e-6)


@given(batches(ANY_FINITE))
def test_one_vector_is_normalised_as_a_batch_of_one_is(vectors: np.ndarray) -> None:
    alone = np.stack([normalize(row) for row in vectors])
    assert alone == pytest.approx(normalize(vectors), rel=1e-6)
