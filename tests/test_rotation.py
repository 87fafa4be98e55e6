"""Rotation: the arithmetic by properties, the gain on real vectors."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from mrl_adapters.embeddings import WordLlamaEmbedder
from mrl_adapters.errors import ConfigurationError, DimensionsError, EmbeddingError
from mrl_adapters.evaluation.docstrings import docstrings
from mrl_adapters.evaluation.exact import exact_search
from mrl_adapters.vectors import FloatArray, Rotation, truncate


def clustered(n: int, dimensions: int, seed: int = 0) -> FloatArray:
    """Vectors whose energy lies along a few hidden directions, as embeddings' does."""
    rng = np.random.default_rng(seed)
    hidden, _ = np.linalg.qr(rng.normal(size=(dimensions, dimensions)))
    spectrum = np.arange(1, dimensions + 1) ** -1.0
    vectors = (rng.normal(size=(n, dimensions)) * spectrum + 0.3 * spectrum) @ hidden.T
    return np.asarray(vectors, dtype=np.float32)


def shortlist_recall(
    documents: FloatArray, queries: FloatArray, shorten: Callable[[FloatArray], FloatArray]
) -> float:
    """Share of the exact top 10 that a shortlist of 8 * 10 by short vectors holds."""
    truth = exact_search(documents, queries, 10).indices
    shortlist = exact_search(shorten(documents), shorten(queries), 80).indices
    return float(np.mean((truth[:, :, None] == shortlist[:, None]).any(axis=2)))


shapes = st.tuples(st.integers(2, 24), st.integers(24, 80), st.integers(0, 10_000))


@settings(deadline=None)
@given(shapes)
def test_rows_are_orthonormal(shape: tuple[int, int, int]) -> None:
    dimensions, n, seed = shape
    rotation = Rotation.fit(clustered(n, dimensions, seed), dimensions)
    np.testing.assert_allclose(rotation.rows @ rotation.rows.T, np.eye(dimensions), atol=1e-5)


@settings(deadline=None)
@given(shapes)
def test_the_whole_rotation_keeps_every_inner_product(shape: tuple[int, int, int]) -> None:
    dimensions, n, seed = shape
    vectors = clustered(n, dimensions, seed)
    turned = Rotation.fit(vectors, dimensions).apply(vectors)
    np.testing.assert_allclose(turned @ turned.T, vectors @ vectors.T, rtol=1e-4, atol=1e-5)


@settings(deadline=None)
@given(shapes, st.integers(1, 5))
def test_the_order_and_the_batches_of_the_sample_do_not_matter(
    shape: tuple[int, int, int], batches: int
) -> None:
    dimensions, n, seed = shape
    vectors = clustered(n, dimensions, seed)
    shuffled = np.random.default_rng(seed).permutation(vectors)
    whole = Rotation.fit(vectors, dimensions)
    assert Rotation.fit(np.array_split(shuffled, batches), dimensions).id == whole.id


def test_the_order_does_not_matter_where_only_a_part_is_used() -> None:
    vectors = clustered(3_000, 8)
    shuffled = np.random.default_rng(1).permutation(vectors)
    one = Rotation.fit(np.array_split(vectors, 7), 8, limit=500)
    other = Rotation.fit(np.array_split(shuffled, 13), 8, limit=500)
    assert one == other
    assert Rotation.fit(vectors, 8, limit=9) == Rotation.fit(list(shuffled), 8, limit=9)
    assert one != Rotation.fit(vectors, 8, limit=500, seed=1)
    assert one != Rotation.fit(vectors, 8)


def test_energies_fall_and_are_what_the_sample_holds_along_each_row() -> None:
    vectors = clustered(500, 16)
    rotation = Rotation.fit(vectors, 16)
    unit = truncate(vectors, 16)
    held = (rotation.apply(unit) ** 2).mean(axis=0)
    np.testing.assert_allclose(rotation.energies, held, rtol=1e-3, atol=1e-6)
    assert (np.diff(rotation.energies) <= 0).all()
    assert rotation.energies.sum() == pytest.approx(1, abs=1e-5)


def test_no_other_directions_hold_more_energy_than_the_leading_rows() -> None:
    vectors = truncate(clustered(500, 16), 16)
    rotation = Rotation.fit(vectors, 4)
    kept = (rotation.apply(vectors) ** 2).sum()
    rng = np.random.default_rng(0)
    for _ in range(20):
        other, _ = np.linalg.qr(rng.normal(size=(16, 4)))
        assert ((vectors @ other) ** 2).sum() < kept


def test_the_sign_of_each_row_is_fixed() -> None:
    rows = Rotation.fit(clustered(200, 12), 12).rows
    assert (rows[np.arange(12), np.abs(rows).argmax(axis=1)] > 0).all()


def test_lengths_in_the_sample_do_not_matter() -> None:
    vectors = truncate(clustered(300, 8), 8)
    lengths = np.exp2(np.arange(300) % 7).astype(np.float32)[:, None]
    scaled = Rotation.fit(vectors * lengths, 8)
    np.testing.assert_allclose(scaled.rows, Rotation.fit(vectors, 8).rows, atol=1e-4)


def test_one_vector_turns_as_it_does_in_a_batch() -> None:
    vectors = clustered(100, 12)
    rotation = Rotation.fit(vectors, 6)
    for turn in (rotation.apply, rotation.project):
        np.testing.assert_allclose(turn(vectors)[3], turn(vectors[3]), rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(turn(vectors, 2), turn(vectors)[:, :2], rtol=1e-4, atol=1e-6)


def test_without_flattening_project_is_apply() -> None:
    vectors = clustered(100, 12)
    rotation = Rotation.fit(vectors, 6, flatten=0)
    np.testing.assert_array_equal(rotation.project(vectors), rotation.apply(vectors))


def test_full_flattening_makes_the_energies_equal() -> None:
    vectors = truncate(clustered(2_000, 8), 8)
    flat = Rotation.fit(vectors, 8, flatten=1.0).project(vectors)
    energies = (flat**2).mean(axis=0)
    np.testing.assert_allclose(energies, energies[0], rtol=1e-3)


def test_directions_that_the_sample_does_not_know_are_not_blown_up() -> None:
    vectors = np.zeros((50, 8), dtype=np.float32)
    vectors[:, :2] = clustered(50, 2)
    rotation = Rotation.fit(vectors, 8, flatten=1.0)
    assert np.abs(rotation.project(np.eye(8, dtype=np.float32))).max() <= 1001


def test_queries_count_as_much_as_documents() -> None:
    documents = np.tile(np.eye(4, dtype=np.float32)[:1], (1_000, 1))
    queries = np.eye(4, dtype=np.float32)[1:2]
    rotation = Rotation.fit(documents, 2, queries=queries)
    np.testing.assert_allclose(rotation.energies, [0.5, 0.5], atol=1e-6)
    np.testing.assert_allclose(np.abs(rotation.rows).sum(axis=0), [1, 1, 0, 0], atol=1e-6)


def test_saved_and_loaded_it_is_the_same(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("rotation") / "docs.rotation"
    rotation = Rotation.fit(clustered(100, 12), 6, flatten=0.5)
    rotation.save(path)
    loaded = Rotation.load(path)
    assert loaded == rotation
    assert hash(loaded) == hash(rotation)
    assert loaded.flatten == 0.5
    np.testing.assert_array_equal(loaded.rows, rotation.rows)


def test_the_id_tells_rotations_apart() -> None:
    rotation = Rotation.fit(clustered(100, 12), 6)
    other_flattening = Rotation(rotation.rows, rotation.energies, 0.5)
    other_rows = Rotation(rotation.rows[::-1], rotation.energies, 0.25)
    other_energies = Rotation(rotation.rows, rotation.energies[::-1], 0.25)
    fewer = Rotation(rotation.rows[:5], rotation.energies[:5], 0.25)
    ids = {each.id for each in (rotation, other_flattening, other_rows, other_energies, fewer)}
    assert len(ids) == 5
    assert rotation != "a rotation"
    assert repr(rotation) == f"Rotation(id='{rotation.id}', 12 -> 6, flatten=0.25)"


def test_a_rotation_cannot_be_changed() -> None:
    vectors = clustered(100, 12)
    rotation = Rotation.fit(vectors, 6)
    with pytest.raises(ValueError, match="read-only"):
        rotation.rows[0, 0] = 1


def test_a_file_that_holds_something_else_is_named(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    path = tmp_path_factory.mktemp("rotation") / "notes.txt"
    path.write_text("hello")
    with pytest.raises(ConfigurationError, match=r"notes\.txt holds no rotation"):
        Rotation.load(path)
    with pytest.raises(FileNotFoundError):
        Rotation.load(path.with_name("absent"))


@pytest.mark.parametrize(
    ("rows", "energies", "flatten", "message"),
    [
        (np.ones((2, 4)), np.ones(2), 0.25, "not orthonormal: off by 4"),
        (np.eye(4)[0], np.ones(1), 0.25, r"shape \(4,\), expected \(m, d\)"),
        (np.eye(4)[:, :2], np.ones(4), 0.25, r"shape \(4, 2\)"),
        (np.eye(4), np.ones(3), 0.25, r"energies have shape \(3,\)"),
        (np.eye(4), -np.ones(4), 0.25, "energies"),
        (np.eye(4), np.zeros(4), 0.25, "not all zero"),
        (np.eye(4), np.ones(4), 1.5, r"flatten=1\.5"),
    ],
)
def test_what_is_no_rotation_is_refused(
    rows: FloatArray, energies: FloatArray, flatten: float, message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Rotation(rows, energies, flatten)


def test_a_sample_that_cannot_be_fitted_is_refused() -> None:
    vectors = clustered(20, 12)
    with pytest.raises(ConfigurationError, match=r"holds 5 vectors.*at least 8"):
        Rotation.fit(vectors[:5], 8)
    with pytest.raises(ConfigurationError, match="holds 0 vectors"):
        Rotation.fit([], 8)
    with pytest.raises(DimensionsError, match="Cannot fit 13 rows"):
        Rotation.fit(vectors, 13)
    with pytest.raises(DimensionsError, match="of 12 and of 6 dimensions"):
        Rotation.fit([vectors, vectors[:, :6]], 4)
    with pytest.raises(DimensionsError, match="queries have 6 dimensions, the sample 12"):
        Rotation.fit(vectors, 4, queries=vectors[:, :6])
    with pytest.raises(EmbeddingError, match="NaN"):
        Rotation.fit(np.full((20, 4), np.nan), 4)


def test_vectors_of_another_model_are_refused() -> None:
    rotation = Rotation.fit(clustered(20, 12), 6)
    with pytest.raises(DimensionsError, match="12 dimensions, found shape"):
        rotation.apply(np.ones(6))
    with pytest.raises(DimensionsError, match="6 rows, 7 are asked for"):
        rotation.project(np.ones(12), 7)


def test_all_zero_vectors_of_the_sample_are_left_out() -> None:
    vectors = clustered(100, 8)
    padded: list[FloatArray | NDArray[np.float64]] = [np.zeros((5, 8)), vectors, np.zeros(8)]
    assert Rotation.fit(padded, 8) == Rotation.fit(vectors, 8)


def test_auto_flattening_takes_what_recalls_most() -> None:
    vectors = clustered(2_000, 48)
    chosen = Rotation.fit(vectors, 12, flatten="auto")
    documents, queries = truncate(vectors[300:], 48), truncate(vectors[:300], 48)

    def recall(flatten: float) -> float:
        rotation = Rotation(chosen.rows, chosen.energies, flatten)
        return shortlist_recall(documents, queries, lambda v: truncate(rotation.project(v), 12))

    assert recall(chosen.flatten) >= max(map(recall, (0.0, 0.25, 0.5))) - 0.01


def test_auto_flattening_asks_the_queries_where_there_are_any() -> None:
    vectors = clustered(1_000, 24)
    chosen = Rotation.fit(vectors, 8, flatten="auto", queries=clustered(50, 24, seed=1))
    assert chosen.flatten in {0.0, 0.25, 0.5}


def test_auto_flattening_of_too_small_a_sample_is_the_default() -> None:
    assert Rotation.fit(clustered(30, 8), 8, flatten="auto").flatten == 0.25


def test_an_untrained_layout_gets_most_of_its_recall_back() -> None:
    vectors = truncate(clustered(3_000, 64), 64)
    documents, queries = vectors[200:], vectors[:200]
    rotation = Rotation.fit(documents, 16)
    plain = shortlist_recall(documents, queries, lambda v: truncate(v, 16))
    rotated = shortlist_recall(documents, queries, lambda v: truncate(rotation.project(v), 16))
    assert plain < 0.9
    assert rotated > 0.97


@pytest.fixture(scope="module")
def texts() -> list[str]:
    return [entry.text for entry in docstrings()]


@pytest.mark.parametrize(("stage", "least_gain"), [(32, 0.08), (64, 0.02)])
def test_recall_of_real_shortlists_rises(texts: list[str], stage: int, least_gain: float) -> None:
    vectors = WordLlamaEmbedder().embed_array(texts)
    documents, queries = vectors[::2], vectors[1::8]
    rotation = Rotation.fit(documents, stage)
    plain = shortlist_recall(documents, queries, lambda v: truncate(v, stage))
    rotated = shortlist_recall(documents, queries, lambda v: truncate(rotation.project(v), stage))
    assert rotated > plain + least_gain
