"""Points: ids that come back, short vectors that estimate well, requests that stay small."""

import math
import uuid
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from qdrant_client import models
from qdrant_client.http.api.points_api import jsonable_encoder

from mrl_adapters.errors import ConfigurationError, DimensionsError, EmbeddingError
from mrl_adapters.qdrant import CollectionLayout
from mrl_adapters.qdrant.engine import EDGE, SERVER
from mrl_adapters.qdrant.ids import ID_KEY
from mrl_adapters.qdrant.points import (
    PointBatch,
    check_query,
    checked_queries,
    checked_vectors,
    columns,
    derive,
)
from mrl_adapters.vectors import truncate

CANONICAL = "0f8fad5b-d9cb-469f-a165-70867728950e"
DISTANCES = ["Cosine", "Dot", "Euclid", "Manhattan"]
LIMIT_BYTES = 5_000_000


def documents(count: int, dimensions: int, seed: int = 0) -> np.ndarray:
    """Vectors whose energy falls along the dimensions, as in nested models; lengths differ."""
    rng = np.random.default_rng(seed)
    decay = 1 / np.sqrt(1 + np.arange(dimensions))
    lengths = rng.uniform(0.2, 5, size=(count, 1))
    return (rng.normal(size=(count, dimensions)) * decay * lengths).astype(np.float32)


def body(points: list[models.PointStruct]) -> bytes:
    """The bytes that the client sends for these points."""
    return jsonable_encoder(models.PointsList(points=points)).encode()


# Short vectors


def test_under_cosine_the_short_vectors_have_unit_length() -> None:
    full = documents(5, 32)
    short = derive(full, CollectionLayout(32, (4, 8)))
    assert list(short) == ["short_4", "short_8"]
    assert short["short_8"] == pytest.approx(truncate(full, 8))


@pytest.mark.parametrize("distance", ["Dot", "Euclid", "Manhattan"])
@pytest.mark.parametrize("shape", [(32,), (5, 32)])
def test_under_other_distances_they_have_the_length_of_the_full_vector(
    distance: str, shape: tuple[int, ...]
) -> None:
    full = documents(5, 32)[: shape[0]].reshape(-1)[: math.prod(shape)].reshape(shape)
    short = derive(full, CollectionLayout(32, (8,), distance))["short_8"]
    assert short.dtype == np.float32
    assert short.shape == (*shape[:-1], 8)
    assert np.linalg.norm(short, axis=-1) == pytest.approx(np.linalg.norm(full, axis=-1), rel=1e-5)


def test_lengths_beyond_the_square_root_of_float32_survive() -> None:
    full = np.full((1, 4), 1e25, dtype=np.float32)
    short = derive(full, CollectionLayout(4, (2,), "Dot"))["short_2"]
    assert np.linalg.norm(short.astype(np.float64)) == pytest.approx(2e25)


def test_only_the_stages_asked_for_are_derived() -> None:
    layout = CollectionLayout(32, (4, 8, 16))
    assert list(derive(documents(1, 32)[0], layout, [8])) == ["short_8"]


def test_the_models_recipe_is_followed() -> None:
    full = documents(3, 32) + 1
    layout = CollectionLayout(32, (8,), reduction="layernorm_prefix")
    expected = truncate(full, 8, reduction="layernorm_prefix")
    assert derive(full, layout)["short_8"] == pytest.approx(expected)


@pytest.mark.parametrize("distance", ["Dot", "Euclid", "Manhattan"])
def test_the_full_length_finds_more_of_the_truth_than_unit_length(distance: str) -> None:
    def ranked(points: np.ndarray, query: np.ndarray) -> np.ndarray:
        if distance == "Dot":
            return np.argsort(-(points @ query))
        order = 2 if distance == "Euclid" else 1
        return np.argsort(np.linalg.norm(points - query, ord=order, axis=1))

    full, queries = documents(400, 64), documents(40, 64, seed=1)
    layout = CollectionLayout(64, (16,), distance)
    lengthened, unit = derive(full, layout)["short_16"], truncate(full, 16)
    found = {"lengthened": 0, "unit": 0}
    for query in queries:
        truth = set(ranked(full, query)[:10])
        found["lengthened"] += len(
            truth & set(ranked(lengthened, derive(query, layout)["short_16"])[:40])
        )
        found["unit"] += len(truth & set(ranked(unit, truncate(query, 16))[:40]))
    assert found["lengthened"] > 1.1 * found["unit"]


# What is refused


NAMES = ["document 'a'", "document 'b'"]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e300])
def test_nan_and_infinity_are_refused_naming_the_document(bad: float) -> None:
    with pytest.raises(EmbeddingError, match=r"The vector of document 'b' holds NaN or infinity"):
        checked_vectors([[1.0, 2.0], [bad, 1.0]], NAMES, 2)


def test_zero_vectors_may_be_stored_but_not_asked_by() -> None:
    vectors = [[0.0, 0.0], [1.0, 1.0]]
    assert checked_vectors(vectors, NAMES, None).tolist() == vectors
    with pytest.raises(EmbeddingError, match=r"document 'a' is all zeros.*is the text empty\?"):
        checked_queries(vectors, NAMES, 2)


def test_nan_is_found_beside_zeros() -> None:
    with pytest.raises(EmbeddingError, match=r"document 'b' holds NaN"):
        checked_vectors([[0.0, 0.0], [np.nan, 1.0]], NAMES, 2)


def test_a_wrong_width_is_refused_with_both_sizes() -> None:
    with pytest.raises(DimensionsError, match="returned 2 dimensions, the collection holds 3"):
        checked_vectors([[1.0, 2.0], [1.0, 2.0]], NAMES, 3)


def test_ragged_vectors_are_refused_with_their_sizes() -> None:
    with pytest.raises(DimensionsError, match=r"several sizes \(\[1, 2\]\), expected one size"):
        checked_vectors([[1.0, 2.0], [1.0]], NAMES, None)


@pytest.mark.parametrize("vectors", [[[1.0, 2.0]], [1.0, 2.0], [[[1.0]], [[2.0]]]])
def test_other_than_one_vector_a_text_is_refused(vectors: Any) -> None:
    with pytest.raises(EmbeddingError, match="for 2 texts, expected one vector a text"):
        checked_vectors(vectors, NAMES, None)


@pytest.mark.parametrize("magnitude", [1e-45, 1e-30, 1.0, 1e30, 3e38])
def test_a_query_of_any_magnitude_of_float32_passes(magnitude: float) -> None:
    check_query(np.full(3, magnitude, dtype=np.float32), 3)


@pytest.mark.parametrize(
    ("query", "kind", "message"),
    [
        ([1.0, 2.0], DimensionsError, "returned 2 dimensions, the collection holds 3"),
        ([[1.0, 2.0, 3.0]], EmbeddingError, r"array of shape \(1, 1, 3\) for 1 texts"),
        ([1.0, np.nan, 3.0], EmbeddingError, "vector of the query holds NaN or infinity"),
        ([1.0, np.inf, -np.inf], EmbeddingError, "vector of the query holds NaN or infinity"),
        ([0.0, 0.0, 0.0], EmbeddingError, "vector of the query is all zeros"),
    ],
)
def test_a_query_that_finds_nothing_is_refused_with_its_fault(
    query: Any, kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message):
        check_query(np.array(query, dtype=np.float32), 3)


@pytest.mark.parametrize("distance", ["Dot", "Euclid", "Manhattan"])
def test_numbers_that_float16_would_make_infinite_are_refused(distance: str) -> None:
    full = np.array([[1.0, 2.0], [1.0, -70_000.0]], dtype=np.float32)
    with pytest.raises(EmbeddingError, match=r"document 'b'.*65504.*full_datatype='float32'"):
        columns(full, CollectionLayout(2, (1,), distance), NAMES)
    kept = columns(full, CollectionLayout(2, (1,), distance, full_datatype="float32"), NAMES)
    assert kept["full"] is full


def test_under_cosine_any_magnitude_is_stored_at_unit_length() -> None:
    full = np.array([[3e30, 4e30], [3e-30, 4e-30]], dtype=np.float32)
    stored = columns(full, CollectionLayout(2, (1,)), NAMES)["full"]
    assert stored == pytest.approx(np.array([[0.6, 0.8], [0.6, 0.8]]))


def test_columns_of_different_lengths_are_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"found \[1, 2\]"):
        PointBatch(["a"], {"full": np.ones((2, 2), np.float32)}, [{}, {}])


# Requests


def batch_of(payloads: list[dict[str, Any]], layout: CollectionLayout) -> PointBatch:
    full = documents(len(payloads), layout.dimensions)
    names = [str(index) for index in range(len(payloads))]
    return PointBatch(names, columns(full, layout, names), payloads)


@pytest.mark.parametrize("dimensions", [1536, 3072])
@pytest.mark.parametrize("words", ["plain words ", 'Größe 漢字 \x07\\" '], ids=["ascii", "wide"])
def test_every_request_stays_below_the_limit_and_is_well_filled(
    dimensions: int, words: str
) -> None:
    rng = np.random.default_rng(2)
    payloads = [{"page_content": words * int(rng.integers(0, 900))} for _ in range(400)]
    batch = batch_of(payloads, CollectionLayout(dimensions, (128, 256)))
    requests = batch.requests(SERVER)
    sizes = [len(body(points)) for points in requests]
    assert max(sizes) < LIMIT_BYTES
    assert min(sizes[:-1]) > LIMIT_BYTES / 3
    assert [point.id for points in requests for point in points] == list(range(400))


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False, width=32), min_size=8, max_size=8))
def test_no_float32_is_longer_in_json_than_was_reckoned(numbers: list[float]) -> None:
    batch = PointBatch(["a"], {"full": np.array([numbers], np.float32)}, [{}])
    (points,) = batch.requests(SERVER)
    empty = models.PointStruct.model_construct(id=points[0].id, vector={"full": []}, payload={})
    assert len(body(points)) - len(body([empty])) <= 8 * 24 + len(ID_KEY) + 8


def test_one_huge_payload_goes_alone_and_leaves_the_others_together() -> None:
    payloads: list[dict[str, Any]] = [{"page_content": "short"} for _ in range(100)]
    payloads[50] = {"page_content": "x" * 4_990_000}
    requests = batch_of(payloads, CollectionLayout(256, (64,))).requests(SERVER)
    assert [len(points) for points in requests] == [50, 1, 49]


def test_a_payload_above_the_limit_is_still_sent_since_the_server_takes_more() -> None:
    payloads: list[dict[str, Any]] = [{}, {"page_content": "x" * 6_000_000}, {}]
    requests = batch_of(payloads, CollectionLayout(16, (8,))).requests(SERVER)
    assert [len(points) for points in requests] == [1, 1, 1]


def test_payloads_that_only_the_client_can_write_as_json_are_measured() -> None:
    stamp = {"id": uuid.UUID(CANONICAL)}
    (points,) = batch_of([stamp], CollectionLayout(16, (8,))).requests(SERVER)
    assert CANONICAL in body(points).decode()


def test_the_embedded_engine_gets_arrays_and_one_request() -> None:
    batch = batch_of([{}] * 300, CollectionLayout(1536, (256,)))
    (points,) = batch.requests(EDGE)
    assert len(points) == 300
    assert isinstance(points[0].vector, dict)
    assert {type(vector) for vector in points[0].vector.values()} == {np.ndarray}
    assert {vector.dtype for vector in points[0].vector.values()} == {np.dtype(np.float32)}


def test_a_server_gets_lists_of_floats() -> None:
    (points,) = batch_of([{}], CollectionLayout(16, (8,))).requests(SERVER)
    assert isinstance(points[0].vector, dict)
    assert {type(vector) for vector in points[0].vector.values()} == {list}
    assert {type(number) for vector in points[0].vector.values() for number in vector} == {float}


def test_an_empty_batch_needs_no_request() -> None:
    batch = PointBatch([], {"full": np.empty((0, 4), np.float32)}, [])
    assert batch.requests(SERVER) == []
