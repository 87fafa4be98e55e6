"""Rotated collections over every engine: made, opened by name alone, never mixed up."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from qdrant_client import QdrantClient, models

from mrl_adapters.errors import CollectionMismatchError, ConfigurationError, DimensionsError
from mrl_adapters.qdrant import (
    CollectionLayout,
    Driver,
    EdgeClient,
    MatryoshkaCollection,
    SearchPlan,
)
from mrl_adapters.qdrant.commands import command
from mrl_adapters.qdrant.driver import Client
from mrl_adapters.qdrant.loading import Load
from mrl_adapters.qdrant.opening import FIRST_LOAD, UnrotatedWarning
from mrl_adapters.qdrant.points import derive
from mrl_adapters.qdrant.query import Search
from mrl_adapters.qdrant.rotation import (
    companion_name,
    forget_others,
    load_rotation,
    open_layout,
    store_rotation,
)
from mrl_adapters.vectors import FloatArray, Rotation, normalize


def kept_by(rotation: Rotation) -> CollectionLayout:
    """The least layout that has a rotation."""
    return CollectionLayout(rotation.full_dimensions, (rotation.dimensions,), rotation=rotation)


DIMENSIONS = 32
# Named, so that the local mode uses it as well.
PLAN = SearchPlan(oversampling=1, min_candidates=10, stages=(8,))


def turned(count: int, dimensions: int = DIMENSIONS, seed: int = 0) -> FloatArray:
    """Vectors whose energy lies along hidden directions: slices of them say little."""
    rng = np.random.default_rng(7)
    hidden, _ = np.linalg.qr(rng.normal(size=(dimensions, dimensions)))
    spectrum = np.arange(1, dimensions + 1) ** -1.0
    made = (np.random.default_rng(seed).normal(size=(count, dimensions)) * spectrum) @ hidden.T
    return normalize(made.astype(np.float32))


def fill(driver: Driver, collection: MatryoshkaCollection, vectors: FloatArray) -> None:
    ids = [str(row) for row in range(len(vectors))]
    driver.run(collection.add(ids, vectors, [{} for _ in ids]))


def found(
    driver: Driver, collection: MatryoshkaCollection, queries: FloatArray, plan: SearchPlan = PLAN
) -> list[set[str]]:
    answers = driver.run(collection.search([Search(query, 10) for query in queries], plan))
    return [{str(hit.id) for hit in answer} for answer in answers]


def recall(driver: Driver, collection: MatryoshkaCollection, queries: FloatArray) -> float:
    truth = found(driver, collection, queries, SearchPlan(exact=True))
    hits = found(driver, collection, queries)
    return float(np.mean([len(a & b) / len(a) for a, b in zip(truth, hits, strict=True)]))


def rotated(driver: Driver, name: str, vectors: FloatArray, **options: object) -> Rotation:
    """Make a rotated collection of these vectors."""
    layout = CollectionLayout(vectors.shape[1], (4, 8), rotation="auto", **options)  # type: ignore[arg-type]
    collection = MatryoshkaCollection(name, layout=layout)
    fill(driver, collection, vectors)
    assert collection.layout is not None
    assert isinstance(collection.layout.rotation, Rotation)
    return collection.layout.rotation


def test_a_collection_opened_by_name_alone_has_its_rotation(driver: Driver, name: str) -> None:
    vectors = turned(300)
    rotation = rotated(driver, name, vectors)
    opened = MatryoshkaCollection(name)
    assert found(driver, opened, vectors[:5], SearchPlan()) == found(
        driver, opened, vectors[:5], SearchPlan(exact=True)
    )
    assert opened.layout is not None
    assert opened.layout.rotation == rotation
    assert driver.run(open_layout(name)) == opened.layout


def test_stored_short_vectors_are_slices_of_the_rotated_full_ones(
    driver: Driver, name: str
) -> None:
    vectors = turned(300)
    rotation = rotated(driver, name, vectors)
    record = driver.run(MatryoshkaCollection(name).get(["17"], with_vectors=True))[0]
    assert isinstance(record.vector, dict)
    assert set(record.vector) == {"full", f"short_4_{rotation.id}", f"short_8_{rotation.id}"}
    stored = {key: np.asarray(value, dtype=np.float32) for key, value in record.vector.items()}
    expected = normalize(rotation.project(vectors[17], 4))
    np.testing.assert_allclose(stored[f"short_4_{rotation.id}"], expected, atol=1e-5)
    np.testing.assert_allclose(stored["full"], vectors[17], atol=1e-3)


def test_rotated_shortlists_hold_more_of_the_truth(driver: Driver, name: str) -> None:
    vectors, queries = turned(600), turned(50, seed=1)
    plain = MatryoshkaCollection(f"{name}_plain", layout=CollectionLayout(DIMENSIONS, (8,)))
    fill(driver, plain, vectors)
    rotated(driver, name, vectors)
    assert recall(driver, MatryoshkaCollection(name), queries) > 0.2 + recall(
        driver, plain, queries
    )


def test_scores_stay_those_of_the_full_vectors(driver: Driver, name: str) -> None:
    vectors = turned(300)
    rotated(driver, name, vectors, full_datatype="float32")
    [hits] = driver.run(MatryoshkaCollection(name).search([Search(vectors[3], 5)]))
    for hit in hits:
        row = int(hit.id)
        assert hit.score == pytest.approx(float(vectors[3] @ vectors[row]), abs=1e-5)


@pytest.mark.parametrize("distance", ["Dot", "Euclid"])
def test_other_distances_are_rotated_too(driver: Driver, name: str, distance: str) -> None:
    vectors = turned(600) * np.linspace(0.5, 2, 600, dtype=np.float32)[:, None]
    rotated(driver, name, vectors, distance=distance)
    assert recall(driver, MatryoshkaCollection(name), turned(30, seed=1)) > 0.6


def test_what_a_rotation_does_not_fit_is_refused() -> None:
    rotation = Rotation.fit(turned(100), 8)
    with pytest.raises(ConfigurationError, match="Manhattan"):
        CollectionLayout(DIMENSIONS, (8,), "Manhattan", rotation=rotation)
    with pytest.raises(DimensionsError, match=r"does not fit vectors of 32 .* stages \(16,\)"):
        CollectionLayout(DIMENSIONS, (16,), rotation=rotation)
    with pytest.raises(DimensionsError, match="does not fit vectors of 64"):
        CollectionLayout(64, (8,), rotation=rotation)
    with pytest.raises(ConfigurationError, match="rotation='pca'"):
        CollectionLayout(DIMENSIONS, (8,), rotation="pca")  # type: ignore[arg-type]


def test_a_model_that_cannot_be_sliced_can_be_rotated() -> None:
    with pytest.raises(ConfigurationError, match="rotation='auto'"):
        CollectionLayout(DIMENSIONS, (8,), reduction="heads")
    rotation = Rotation.fit(turned(100), 8)
    layout = CollectionLayout(DIMENSIONS, (8,), reduction="heads", rotation=rotation)
    assert layout.metadata()["mrl_adapters"]["rotation"] == rotation.id


def test_a_rotation_takes_the_place_of_the_models_reduction() -> None:
    vectors = turned(100)
    rotation = Rotation.fit(vectors, 8)
    one, other = (
        derive(vectors, CollectionLayout(DIMENSIONS, (8,), reduction=how, rotation=rotation))
        for how in ("prefix", "layernorm_prefix")
    )
    np.testing.assert_array_equal(one[f"short_8_{rotation.id}"], other[f"short_8_{rotation.id}"])


def test_a_rotation_of_ones_own_is_stored_and_compared(driver: Driver, name: str) -> None:
    vectors = turned(50)
    rotation = Rotation.fit(vectors, 8, flatten=0.5)
    layout = CollectionLayout(DIMENSIONS, (4, 8), rotation=rotation)
    fill(driver, MatryoshkaCollection(name, layout=layout), vectors)
    assert driver.run(load_rotation(name, rotation.id)) == rotation
    for accepted in (None, "auto", rotation):
        wanted = CollectionLayout(DIMENSIONS, (4, 8), rotation=accepted)
        opened = driver.run(MatryoshkaCollection(name, layout=wanted).open())
        assert opened is not None
        assert opened.rotation == rotation
    other = CollectionLayout(DIMENSIONS, (4, 8), rotation=Rotation.fit(vectors, 8))
    with pytest.raises(CollectionMismatchError, match=r"flatten=0\.5.*flatten=0\.25"):
        driver.run(MatryoshkaCollection(name, layout=other).open())


def test_a_plain_collection_does_not_pass_for_a_rotated_one(
    client: Client, driver: Driver, name: str
) -> None:
    vectors = turned(50)
    fill(driver, MatryoshkaCollection(name, layout=CollectionLayout(DIMENSIONS, (8,))), vectors)
    wanted = CollectionLayout(DIMENSIONS, (8,), rotation=Rotation.fit(vectors, 8))
    line = re.escape(command("rotate", name, stages=(8,), client=client))
    with pytest.raises(CollectionMismatchError, match=f"has plain slices.*{line}"):
        driver.run(MatryoshkaCollection(name, layout=wanted).open())


def test_a_lost_companion_is_an_error_at_opening(driver: Driver, client: Client, name: str) -> None:
    rotation = rotated(driver, name, turned(300))
    client.delete_collection(companion_name(name))
    with pytest.raises(CollectionMismatchError, match=rf"{rotation.id}.*which does not exist"):
        driver.run(MatryoshkaCollection(name).open())


def test_the_companion_of_another_collection_is_an_error_at_opening(
    driver: Driver, client: Client, name: str
) -> None:
    rotated(driver, name, turned(300))
    other = rotated(driver, f"{name}_other", turned(300, seed=3))
    client.delete_collection(companion_name(name))
    driver.run(store_rotation(name, kept_by(other)))
    with pytest.raises(CollectionMismatchError, match="which does not hold it"):
        driver.run(MatryoshkaCollection(name).open())


@pytest.mark.parametrize(
    ("payload", "what"),
    [({"energy": 1.0}, "holds Rotation"), ({"flatten": 7.0}, "damaged")],
)
def test_a_damaged_rotation_is_an_error_at_opening(
    driver: Driver, client: Client, name: str, payload: dict[str, float], what: str
) -> None:
    rotated(driver, name, turned(300))
    records, _ = client.scroll(companion_name(name), limit=100)
    rows = [record.id for record in records]
    client.set_payload(companion_name(name), payload, points=rows, wait=True)
    with pytest.raises(CollectionMismatchError, match=what):
        driver.run(MatryoshkaCollection(name).open())


def test_a_rotation_with_a_row_lost_is_an_error_at_opening(
    driver: Driver, client: Client, name: str
) -> None:
    rotated(driver, name, turned(300))
    records, _ = client.scroll(companion_name(name), limit=100)
    last = next(each.id for each in records if (each.payload or {})["row"] == 7)
    client.delete(companion_name(name), models.PointIdsList(points=[last]), wait=True)
    with pytest.raises(CollectionMismatchError, match="holds Rotation"):
        driver.run(MatryoshkaCollection(name).open())


def test_without_metadata_the_names_of_the_vectors_tell(
    driver: Driver, client: Client, name: str
) -> None:
    vectors = turned(100)
    layout = CollectionLayout(DIMENSIONS, (4, 8), rotation=Rotation.fit(vectors, 8))
    assert isinstance(layout.rotation, Rotation)
    client.create_collection(name, vectors_config=layout.vectors_config())
    driver.run(store_rotation(name, layout))
    collection = MatryoshkaCollection(name)
    fill(driver, collection, vectors)
    assert collection.layout is not None
    assert collection.layout.rotation == layout.rotation
    client.delete_collection(companion_name(name))
    with pytest.raises(CollectionMismatchError, match="does not exist"):
        driver.run(MatryoshkaCollection(name).open())


def test_a_companion_left_by_a_deleted_collection_does_no_harm(
    driver: Driver, client: Client, name: str
) -> None:
    old = rotated(driver, name, turned(300))
    client.delete_collection(name)
    fresh = rotated(driver, name, turned(300, seed=3))
    assert fresh != old
    client.delete_collection(name)
    wider = rotated(driver, name, turned(300, 48))
    assert driver.run(open_layout(name)).rotation == wider
    with pytest.raises(CollectionMismatchError):
        driver.run(load_rotation(name, fresh.id))


def test_rotations_lie_side_by_side_until_they_are_forgotten(
    driver: Driver, client: Client, name: str
) -> None:
    one, other = Rotation.fit(turned(100), 8), Rotation.fit(turned(100, seed=1), 4)
    for rotation in (one, other):
        driver.run(store_rotation(name, kept_by(rotation)))
    assert driver.run(load_rotation(name, one.id)) == one
    assert driver.run(load_rotation(name, other.id)) == other
    for _ in range(2):
        driver.run(forget_others(name, other.id))
        assert client.count(companion_name(name)).count == 4
        assert driver.run(load_rotation(name, other.id)) == other


def test_a_first_load_that_is_too_small_gets_plain_slices(
    client: Client, driver: Driver, name: str
) -> None:
    layout = CollectionLayout(DIMENSIONS, (4, 8), rotation="auto")
    collection = MatryoshkaCollection(name, layout=layout)
    line = re.escape(command("rotate", name, stages=(4, 8), client=client))
    with pytest.warns(UnrotatedWarning, match=f"needs 32 vectors .* found 31.*{line}"):
        fill(driver, collection, turned(31))
    assert collection.layout is not None
    assert collection.layout.rotation is None
    fill(driver, collection, turned(100))
    assert driver.run(open_layout(name)).rotation is None


def test_auto_fits_on_all_batches_of_the_first_load(driver: Driver, name: str) -> None:
    vectors = turned(200)
    layout = CollectionLayout(DIMENSIONS, (8,), rotation="auto")
    collection = MatryoshkaCollection(name, layout=layout)
    load = Load(collection)
    stored = [driver.run(load.add([str(row)], vectors[row : row + 1], [{}])) for row in range(200)]
    assert set(stored) == {0}
    assert driver.run(collection.count()) == 0
    assert driver.run(load.finish()) == 200
    assert driver.run(load.finish()) == 0
    assert driver.run(collection.count()) == 200
    assert collection.layout is not None
    assert collection.layout.rotation == Rotation.fit(vectors, 8)
    assert driver.run(load.add(["more"], vectors[:1], [{}])) == 1


def test_a_first_load_keeps_back_no_more_than_it_says(
    driver: Driver, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mrl_adapters.qdrant.loading.FIRST_LOAD", 100)
    vectors = turned(140)
    layout = CollectionLayout(DIMENSIONS, (8,), rotation="auto")
    collection = MatryoshkaCollection(name, layout=layout)
    load = Load(collection)
    stored = [
        driver.run(load.add([str(start)], vectors[start : start + 1], [{}])) for start in range(140)
    ]
    assert stored == [0] * 99 + [100] + [1] * 40
    assert FIRST_LOAD == 5_000


def test_a_load_that_fails_leaves_nothing_behind(driver: Driver, name: str) -> None:
    layout = CollectionLayout(DIMENSIONS, (8,), rotation="auto")
    collection = MatryoshkaCollection(name, layout=layout)
    load = Load(collection)
    driver.run(load.add(["good"], turned(1), [{}]))
    with pytest.raises(DimensionsError):
        driver.run(load.add(["bad"], turned(1, 16), [{}]))
    assert driver.run(collection.open()) is None
    fill(driver, collection, turned(60))
    assert driver.run(collection.count()) == 60


def test_the_first_of_two_writers_decides_the_rotation(driver: Driver, name: str) -> None:
    layout = CollectionLayout(DIMENSIONS, (8,), rotation="auto")
    one, other = (MatryoshkaCollection(name, layout=layout) for _ in range(2))
    load = Load(other)
    driver.run(load.add([str(row) for row in range(100)], turned(100), [{}] * 100))
    fill(driver, one, turned(50, seed=5))
    driver.run(load.finish())
    assert one.layout is not None
    assert one.layout.rotation == Rotation.fit(turned(50, seed=5), 8)
    assert other.layout == one.layout


def test_the_same_in_coroutines(drive: Callable[..., object], driver: Driver, name: str) -> None:
    layout = CollectionLayout(DIMENSIONS, (8,), rotation="auto")
    collection = MatryoshkaCollection(name, layout=layout)
    load = Load(collection)
    drive(load.add([str(row) for row in range(100)], turned(100), [{}] * 100))
    drive(load.finish())
    opened = MatryoshkaCollection(name)
    drive(opened.search([Search(turned(1)[0], 3)]))
    assert opened.layout is not None
    assert opened.layout.rotation == Rotation.fit(turned(100), 8)


READER = """
import sys
import numpy as np
from mrl_adapters.qdrant import Driver, MatryoshkaCollection, SearchPlan, connect
from mrl_adapters.qdrant.query import Search

place, where, query = sys.argv[1:]
client = connect(**{place: where})
collection = MatryoshkaCollection("docs")
plan = SearchPlan(oversampling=1, min_candidates=10, stages=(8,))
flow = collection.search([Search(np.load(query), 10)], plan)
print(collection.name, *(hit.id for hit in Driver(client).run(flow)[0]))
client.close()
"""


@pytest.mark.parametrize("place", ["path", "location"])
def test_another_process_opens_it_by_name_alone(place: str, tmp_path: Path) -> None:
    where = str(tmp_path / "vectors")
    client = EdgeClient(where) if place == "path" else QdrantClient(path=where)
    driver = Driver(client)
    vectors = turned(300)
    rotated(driver, "docs", vectors)
    here = found(driver, MatryoshkaCollection("docs"), vectors[:1])[0]
    client.close()
    np.save(tmp_path / "query.npy", vectors[0])
    answer = subprocess.run(  # noqa: S603 - this test's own script
        [sys.executable, "-c", READER, place, where, str(tmp_path / "query.npy")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert set(answer.stdout.split()) == {"docs", *here}
