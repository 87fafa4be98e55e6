"""Simulated codes against the engine's own."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from numpy.typing import NDArray
from qdrant_client import models

from mrl_adapters.demo.codes import BITS, bytes_per_vector, encode
from mrl_adapters.edge import EdgeClient
from mrl_adapters.vectors import FloatArray, normalize

_POINTS, _SIZE, _QUESTIONS, _HITS = 1500, 64, 20, 200
_TURBO = {4: "bits4", 2: "bits2", 1: "bits1"}


@pytest.fixture(scope="module")
def vectors() -> tuple[FloatArray, FloatArray]:
    """Documents and questions whose first numbers say most, as nested models make them."""
    rng = np.random.default_rng(0)
    weights = np.linspace(2, 0.3, _SIZE)
    drawn = rng.standard_normal((_POINTS + _QUESTIONS, _SIZE)) * weights
    unit = normalize(drawn)
    return unit[:_POINTS], unit[_POINTS:]


def _quantization(bits: int) -> models.QuantizationConfig:
    if bits in _TURBO:
        turbo = models.TurboQuantQuantizationConfig(bits=_TURBO[bits], always_ram=True)
        return models.TurboQuantization(turbo=turbo)
    int8 = models.ScalarQuantizationConfig(type=models.ScalarType.INT8, always_ram=True)
    return models.ScalarQuantization(scalar=int8)


Engine = Callable[[int], tuple[NDArray[np.int64], FloatArray]]


@pytest.fixture(scope="module")
def engine(
    tmp_path_factory: pytest.TempPathFactory, vectors: tuple[FloatArray, FloatArray]
) -> Iterator[Engine]:
    """Ask the engine by its codes: rows and scores of the best, both (questions, hits)."""
    folder = tmp_path_factory.mktemp("codes")
    documents, questions = vectors
    with EdgeClient(folder) as client:
        client.create_collection(
            "codes",
            {
                str(bits): models.VectorParams(
                    size=_SIZE,
                    distance=models.Distance.COSINE,
                    quantization_config=_quantization(bits),
                    hnsw_config=models.HnswConfigDiff(m=8, ef_construct=16),
                )
                for bits in (8, *_TURBO)
            },
            optimizers_config=models.OptimizersConfigDiff(indexing_threshold=10),
        )
        listed = documents.tolist()
        batch = models.Batch(
            ids=list(range(_POINTS)), vectors={str(bits): listed for bits in (8, *_TURBO)}
        )
        client.upsert("codes", batch)
    with EdgeClient(folder) as client:  # closing has built the codes

        def ask(bits: int) -> tuple[NDArray[np.int64], FloatArray]:
            found = [
                client.query_points(
                    "codes",
                    query=question,
                    using=str(bits),
                    limit=_HITS,
                    with_payload=False,
                    search_params=models.SearchParams(
                        hnsw_ef=_POINTS, quantization=models.QuantizationSearchParams(rescore=False)
                    ),
                ).points
                for question in questions.tolist()
            ]
            rows = [[hit.id for hit in hits] for hits in found]
            return np.array(rows), np.array([[hit.score for hit in hits] for hits in found])

        yield ask


def test_int8_codes_score_as_the_engines(
    engine: Engine, vectors: tuple[FloatArray, FloatArray]
) -> None:
    rows, scores = engine(8)
    documents, questions = vectors
    exact = np.take_along_axis(questions @ documents.T, rows, axis=1)
    assert np.abs(scores - exact).mean() > 1e-3, "the engine has not used its codes"
    coded = encode(documents, 8)
    simulated = np.take_along_axis(coded.questions(questions) @ coded.documents.T, rows, axis=1)
    assert np.abs(scores - simulated).mean() < 1e-5


@pytest.mark.parametrize("bits", _TURBO)
def test_turbo_codes_err_as_much_as_the_engines(
    engine: Engine, vectors: tuple[FloatArray, FloatArray], bits: int
) -> None:
    rows, scores = engine(bits)
    documents, questions = vectors
    exact = questions @ documents.T
    coded = encode(documents, bits)
    simulated = coded.questions(questions) @ coded.documents.T
    best = np.argsort(-simulated, axis=1)[:, :_HITS]
    theirs = np.abs(scores - np.take_along_axis(exact, rows, axis=1)).mean()
    ours = np.abs(np.take_along_axis(simulated - exact, best, axis=1)).mean()
    assert ours == pytest.approx(theirs, rel=0.1)


def test_fewer_bits_err_more(vectors: tuple[FloatArray, FloatArray]) -> None:
    documents, questions = vectors
    exact = questions @ documents.T
    errors = []
    for bits in BITS:
        coded = encode(documents, bits)
        errors.append(np.abs(coded.questions(questions) @ coded.documents.T - exact).mean())
    assert errors[0] == 0
    assert errors == sorted(errors)
    assert [bytes_per_vector(64, bits) for bits in BITS] == [256, 64, 32, 16, 8]


def test_lengths_and_zeros_stay() -> None:
    rng = np.random.default_rng(1)
    vectors = (rng.standard_normal((50, 16)) * 40).astype(np.float32)
    vectors[3] = 0
    for bits in (4, 2, 1):
        lengths = np.linalg.norm(encode(vectors, bits).documents, axis=1)
        np.testing.assert_allclose(lengths, np.linalg.norm(vectors, axis=1), rtol=1e-5)
    assert np.isfinite(encode(np.ones((3, 4), dtype=np.float32), 8).documents).all()
