"""Rotating a collection that exists: in place, resumable, unnoticed by those who search."""

import itertools
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qdrant_client import QdrantClient, models

from mrl_adapters.errors import CollectionMismatchError, ConfigurationError, MigrationError
from mrl_adapters.progress import Progress
from mrl_adapters.qdrant import (
    CollectionLayout,
    Driver,
    EdgeClient,
    MatryoshkaCollection,
    SearchPlan,
    rotate,
)
from mrl_adapters.qdrant.description import short_vectors
from mrl_adapters.qdrant.driver import Client
from mrl_adapters.qdrant.layout import METADATA_KEY
from mrl_adapters.qdrant.points import derive
from mrl_adapters.qdrant.query import Search
from mrl_adapters.qdrant.rotation import companion_name, open_layout
from mrl_adapters.vectors import FloatArray, Rotation, normalize

DIMENSIONS = 32
# Named, so that the local mode uses it as well.
PLAN = SearchPlan(oversampling=1, min_candidates=10, stages=(8,))
WRITES = (
    "create_collection",
    "upsert",
    "update_collection",
    "create_vector_name",
    "update_vectors",
    "delete_vector_name",
    "delete",
)


class PulledPlugError(Exception):
    """The process dies here."""


def turned(count: int, seed: int = 0) -> FloatArray:
    """Vectors whose energy lies along hidden directions: slices of them say little."""
    rng = np.random.default_rng(7)
    hidden, _ = np.linalg.qr(rng.normal(size=(DIMENSIONS, DIMENSIONS)))
    spectrum = np.arange(1, DIMENSIONS + 1) ** -1.0
    made = (np.random.default_rng(seed).normal(size=(count, DIMENSIONS)) * spectrum) @ hidden.T
    return normalize(made.astype(np.float32))


def fill(driver: Driver, collection: MatryoshkaCollection, vectors: FloatArray) -> None:
    ids = [str(row) for row in range(len(vectors))]
    driver.run(collection.add(ids, vectors, [{"row": row} for row in range(len(ids))]))


def plain(driver: Driver, name: str, vectors: FloatArray) -> MatryoshkaCollection:
    """Make a collection of plain slices, and open it."""
    collection = MatryoshkaCollection(name, layout=CollectionLayout(DIMENSIONS, (4, 8)))
    fill(driver, collection, vectors)
    return collection


def top(driver: Driver, collection: MatryoshkaCollection, query: FloatArray) -> set[str]:
    [hits] = driver.run(collection.search([Search(query, 10)], PLAN))
    assert len(hits) == 10
    return {str(hit.id) for hit in hits}


def stored(client: Client, name: str) -> dict[str, dict[str, FloatArray]]:
    """Every vector of every point."""
    records, _ = client.scroll(name, limit=10_000, with_vectors=True)
    return {
        str(record.id): {
            key: np.asarray(vector, dtype=np.float32)
            for key, vector in (record.vector if isinstance(record.vector, dict) else {}).items()
        }
        for record in records
    }


def assert_derived(driver: Driver, client: Client, name: str) -> CollectionLayout:
    """Every point has the short vectors of the collection's layout, and no others."""
    layout = driver.run(open_layout(name))
    for vectors in stored(client, name).values():
        assert set(vectors) == set(layout.vector_names)
        for key, short in derive(vectors["full"], layout).items():
            np.testing.assert_allclose(vectors[key], short, atol=2e-3)
    return layout


def test_rotating_raises_recall_and_leaves_one_kind_of_short_vector(
    driver: Driver, client: Client, name: str
) -> None:
    vectors, queries = turned(600), turned(30, seed=1)
    opened = plain(driver, name, vectors)
    exact = [
        {
            str(hit.id)
            for hit in driver.run(opened.search([Search(query, 10)], SearchPlan(exact=True)))[0]
        }
        for query in queries
    ]

    def recall() -> float:
        hits = [top(driver, opened, query) for query in queries]
        return float(np.mean([len(a & b) / 10 for a, b in zip(exact, hits, strict=True)]))

    before = recall()
    result = rotate(client, name)
    # The same object, which had the collection open before.
    assert recall() > before + 0.2
    layout = assert_derived(driver, client, name)
    assert isinstance(layout.rotation, Rotation)
    assert layout.stages == (4, 8)
    assert result.to_dict() == {
        "collection_name": name,
        "rotation": layout.rotation.id,
        "replaced": None,
        "stages": (4, 8),
        "points": 600,
        "written": 600,
        "dropped_plan": False,
        "settled": True,
        "resumed": False,
        "elapsed_s": result.elapsed_s,
    }


def test_full_vectors_and_payloads_stay(driver: Driver, client: Client, name: str) -> None:
    plain(driver, name, turned(100))
    before = {key: vectors["full"] for key, vectors in stored(client, name).items()}
    rotate(client, name)
    after = stored(client, name)
    for key, full in before.items():
        np.testing.assert_array_equal(after[key]["full"], full)
    records = driver.run(MatryoshkaCollection(name).scroll())
    assert sorted((record.payload or {})["row"] for record in records) == list(range(100))


def test_the_same_points_give_the_same_rotation_and_change_nothing(
    driver: Driver, client: Client, name: str
) -> None:
    plain(driver, name, turned(100))
    first = rotate(client, name)
    second = rotate(client, name)
    assert second.rotation == second.replaced == first.rotation
    assert second.written == 0
    assert_derived(driver, client, name)


def test_a_rotation_is_replaced_by_another_with_other_stages(
    driver: Driver, client: Client, name: str
) -> None:
    plain(driver, name, turned(100))
    first = rotate(client, name)
    second = rotate(client, name, stages=[6], flatten=0.5)
    assert second.replaced == first.rotation != second.rotation
    layout = assert_derived(driver, client, name)
    assert layout.stages == (6,)
    assert client.count(companion_name(name)).count == 6


def test_a_given_rotation_is_used(driver: Driver, client: Client, name: str) -> None:
    plain(driver, name, turned(100))
    rotation = Rotation.fit(turned(500, seed=2), 8, flatten="auto")
    assert rotate(client, name, rotation=rotation).rotation == rotation.id
    assert driver.run(open_layout(name)).rotation == rotation


def test_settings_of_the_short_vectors_are_kept(driver: Driver, client: Client, name: str) -> None:
    layout = CollectionLayout(DIMENSIONS, (8,), quantization=None, hnsw_m=24, model="some-model")
    fill(driver, MatryoshkaCollection(name, layout=layout), turned(100))
    rotate(client, name)
    found = driver.run(open_layout(name))
    assert found.model == "some-model"
    if isinstance(client, EdgeClient):  # local mode keeps no such settings
        assert (found.quantization, found.hnsw_m) == (None, 24)


def test_a_lost_rotation_is_fitted_anew(driver: Driver, client: Client, name: str) -> None:
    plain(driver, name, turned(100))
    rotate(client, name)
    client.delete_collection(companion_name(name))
    with pytest.raises(CollectionMismatchError):
        driver.run(open_layout(name))
    rotate(client, name)
    assert_derived(driver, client, name)


def test_searches_go_on_while_it_runs(driver: Driver, client: Client, name: str) -> None:
    vectors = turned(300)
    opened = plain(driver, name, vectors)
    before = top(driver, opened, vectors[0])
    phases: list[str] = []

    def look(step: Progress) -> None:
        phases.append(step.phase)
        assert top(driver, opened, vectors[0]) == before
        assert top(driver, MatryoshkaCollection(name), vectors[0]) == before

    rotate(client, name, progress=look)
    assert list(dict.fromkeys(phases)) == [
        "fitting a rotation",
        "deriving short vectors",
        "verifying points",
    ]
    assert phases == sorted(phases, key=list(dict.fromkeys(phases)).index)
    assert top(driver, opened, vectors[0]) == top(driver, MatryoshkaCollection(name), vectors[0])


def test_what_others_write_meanwhile_gets_its_short_vectors(
    driver: Driver, client: Client, name: str
) -> None:
    opened = plain(driver, name, turned(200))
    fresh = iter(turned(10_000, seed=4))
    written = 0

    def write(_: Progress) -> None:
        nonlocal written
        written += 1
        # A new point, and another full vector for an old one.
        changed = np.stack([next(fresh), next(fresh)])
        driver.run(opened.add([f"new {written}", "7"], changed, [{}, {}]))

    result = rotate(client, name, progress=write)
    assert written > 3
    assert result.points == 200 + written
    assert_derived(driver, client, name)
    write(None)  # type: ignore[arg-type] # the argument is not used
    assert_derived(driver, client, name)
    assert opened.layout is not None
    assert isinstance(opened.layout.rotation, Rotation)


def plug(client: Client, monkeypatch: pytest.MonkeyPatch, calls: int, *, after: bool) -> None:
    """Fail in the given write, before or after it took effect."""
    made = itertools.count()

    def fused(method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            call_number = next(made)
            if call_number > calls or (call_number == calls and not after):
                raise PulledPlugError
            answer = method(*args, **kwargs)
            if call_number == calls:
                raise PulledPlugError
            return answer

        return call

    for each in WRITES:
        monkeypatch.setattr(client, each, fused(getattr(client, each)))


@pytest.fixture
def local() -> Iterator[QdrantClient]:
    client = QdrantClient(":memory:")
    yield client
    client.close()


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("begins_rotated", [False, True], ids=["plain", "rotated"])
def test_interrupted_at_any_write_it_is_finished_by_the_next_run(
    local: QdrantClient, monkeypatch: pytest.MonkeyPatch, *, after: bool, begins_rotated: bool
) -> None:
    driver = Driver(local)
    vectors = turned(60)
    crashes = 0
    while True:
        name = f"docs_{crashes}"
        opened = plain(driver, name, vectors)
        if begins_rotated:
            rotate(local, name, flatten=0)
        with monkeypatch.context() as patched:
            plug(local, patched, crashes, after=after)
            try:
                rotate(local, name)
            except PulledPlugError:
                crashes += 1
            else:
                break
        top(driver, opened, vectors[0])
        top(driver, MatryoshkaCollection(name), vectors[0])
        rotate(local, name)
        assert_derived(driver, local, name)
        assert local.count(companion_name(name)).count == 8
    assert crashes > 8
    expected = driver.run(open_layout(f"docs_{crashes}")).rotation
    for crash in range(crashes):
        resumed = driver.run(open_layout(f"docs_{crash}")).rotation
        assert isinstance(resumed, Rotation)
        assert isinstance(expected, Rotation)
        # Not their ids: local mode changes the last digits of vectors when it searches.
        np.testing.assert_allclose(resumed.rows, expected.rows, atol=1e-5)


def test_a_resumed_run_keeps_what_it_had_begun_with(
    local: QdrantClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain(Driver(local), "docs", turned(60))
    rotation = Rotation.fit(turned(100, seed=9), 6)
    with monkeypatch.context() as patched:
        monkeypatch.setattr(
            local, "update_vectors", lambda *_, **__: (_ for _ in ()).throw(PulledPlugError)
        )
        with pytest.raises(PulledPlugError):
            rotate(local, "docs", stages=[6], rotation=rotation)
        patched.undo()
    monkeypatch.undo()
    result = rotate(local, "docs")
    assert result.resumed
    assert (result.rotation, result.stages) == (rotation.id, (6,))
    assert not rotate(local, "docs").resumed


def test_a_foreign_collection_is_rotated_with_stages(client: Client, name: str) -> None:
    client.create_collection(
        name, vectors_config=models.VectorParams(size=32, distance=models.Distance.COSINE)
    )
    points = [
        models.PointStruct(id=row, vector=vector.tolist(), payload={})
        for row, vector in enumerate(turned(100))
    ]
    client.upsert(name, points=points, wait=True)
    hint = r"no short vectors.*(--stages 16|stages=\(16,\))"  # the local mode has no command
    with pytest.raises(CollectionMismatchError, match=hint):
        rotate(client, name)
    result = rotate(client, name, stages=[8])
    layout = Driver(client).run(open_layout(name))
    assert isinstance(layout.rotation, Rotation)
    assert (layout.full_name, layout.rotation.id) == ("", result.rotation)
    hits = top(Driver(client), MatryoshkaCollection(name), turned(100)[5])
    assert "5" in hits


def test_one_of_several_vectors_is_named(client: Client, name: str) -> None:
    params = models.VectorParams(size=DIMENSIONS, distance=models.Distance.COSINE)
    client.create_collection(name, {"dense": params, "title": params})
    points = [
        models.PointStruct(id=row, vector={"dense": vector.tolist()}, payload={})
        for row, vector in enumerate(turned(100))
    ]
    client.upsert(name, points, wait=True)
    with pytest.raises(MigrationError, match="full_name"):
        rotate(client, name, stages=[8])
    rotate(client, name, stages=[8], full_name="dense")
    assert Driver(client).run(open_layout(name)).full_name == "dense"
    assert rotate(client, name).written == 0


def test_rotated_by_an_alias_it_is_opened_by_either_name(local: QdrantClient) -> None:
    plain(Driver(local), "docs", turned(60))
    alias = models.CreateAlias(collection_name="docs", alias_name="live")
    local.update_collection_aliases([models.CreateAliasOperation(create_alias=alias)])
    assert rotate(local, "live").collection_name == "docs"
    layouts = [Driver(local).run(open_layout(each)) for each in ("docs", "live")]
    assert isinstance(layouts[0].rotation, Rotation)
    assert layouts[0] == layouts[1]
    local.delete_collection(companion_name("docs"))
    with pytest.raises(CollectionMismatchError, match=r"'docs__rotation', which does not exist"):
        Driver(local).run(open_layout("live"))


def test_a_saved_plan_goes_with_the_short_vectors_it_was_made_for(
    driver: Driver, client: Client, name: str
) -> None:
    plain(driver, name, turned(60))
    described = (client.get_collection(name).config.metadata or {})[METADATA_KEY]
    plan = {"plan": {"oversampling": 3.0, "stages": [8]}}
    client.update_collection(name, metadata={METADATA_KEY: {**described, **plan}})
    assert rotate(client, name).dropped_plan
    assert "plan" not in (client.get_collection(name).config.metadata or {})[METADATA_KEY]
    assert not rotate(client, name).dropped_plan


def test_what_cannot_be_rotated_is_refused(driver: Driver, client: Client, name: str) -> None:
    with pytest.raises(MigrationError, match="does not exist"):
        rotate(client, name)
    driver.run(MatryoshkaCollection(name, layout=CollectionLayout(DIMENSIONS, (8,))).ensure(32))
    with pytest.raises(ConfigurationError, match="holds 0 vectors"):
        rotate(client, name)
    client.delete_collection(name)
    plain(driver, name, turned(6))
    with pytest.raises(ConfigurationError, match="holds 6 vectors"):
        rotate(client, name)
    assert set(short_vectors(client.get_collection(name))) == {None}


def test_the_metadata_says_which_rotation(driver: Driver, client: Client, name: str) -> None:
    plain(driver, name, turned(60))
    result = rotate(client, name)
    metadata = client.get_collection(name).config.metadata or {}
    assert metadata[METADATA_KEY]["rotation"] == result.rotation
    assert metadata[METADATA_KEY]["stages"] == [4, 8]


KILLED = """
import os, signal, sys
from mrl_adapters.qdrant import connect, rotate

path, steps = sys.argv[1], int(sys.argv[2])
client = connect(path=path)
for each in ("upsert", "update_collection", "create_vector_name", "update_vectors",
             "delete_vector_name", "delete"):
    def fused(*args, method=getattr(client, each), **kwargs):
        global steps
        steps -= 1
        answer = method(*args, **kwargs)
        if not steps:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer
    setattr(client, each, fused)
rotate(client, "docs")
print("finished")
"""


def killed(path: str, steps: int) -> bool:
    """Rotate in a process that is killed after so many writes; tell whether it was."""
    done = subprocess.run(  # noqa: S603 - this test's own script
        [sys.executable, "-c", KILLED, path, str(steps)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL or done.stdout == "finished\n", done.stderr
    return done.returncode != 0


@pytest.mark.parametrize("steps", [3, pytest.param(0, marks=pytest.mark.slow, id="all")])
def test_killed_on_the_embedded_engine_it_is_finished_by_the_next_run(
    tmp_path: Path, steps: int
) -> None:
    vectors = turned(60)
    rotations: list[str] = []
    for kill in [steps] if steps else range(1, 40):
        path = str(tmp_path / f"vectors_{kill}")
        with EdgeClient(path) as client:
            plain(Driver(client), "docs", vectors)
        died = killed(path, kill)
        with EdgeClient(path) as client:
            top(Driver(client), MatryoshkaCollection("docs"), vectors[0])
            rotations.append(rotate(client, "docs").rotation)
            assert_derived(Driver(client), client, "docs")
        if not died:
            break
    with EdgeClient(str(tmp_path / "never_killed")) as client:
        plain(Driver(client), "docs", vectors)
        assert set(rotations) == {rotate(client, "docs").rotation}


def test_results_are_plain_data(local: QdrantClient) -> None:
    plain(Driver(local), "docs", turned(60))
    assert json.loads(json.dumps(rotate(local, "docs").to_dict()))["stages"] == [4, 8]


def test_a_large_collection_is_sampled_all_over(
    driver: Driver, client: Client, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mrl_adapters.maintenance.source._SAMPLED_POINTS", 200)
    monkeypatch.setattr("mrl_adapters.maintenance.client._POINTS_PER_PAGE", 20)
    # By id, the first half lies along one axis, the second half along another.
    vectors = np.zeros((400, DIMENSIONS), dtype=np.float32)
    vectors[:200, 5] = vectors[200:, 9] = 1
    points = [
        models.PointStruct(id=row, vector={"full": vector.tolist()}, payload={})
        for row, vector in enumerate(vectors)
    ]
    config = models.VectorParams(size=DIMENSIONS, distance=models.Distance.COSINE)
    client.create_collection(name, vectors_config={"full": config})
    client.upsert(name, points=points, wait=True)
    steps: list[Progress] = []
    rotate(client, name, stages=[2], progress=steps.append)
    rotation = driver.run(open_layout(name)).rotation
    assert isinstance(rotation, Rotation)
    np.testing.assert_allclose(rotation.energies, [0.5, 0.5], atol=0.2)
    fitted = [step for step in steps if step.phase == "fitting a rotation"]
    assert (fitted[-1].done, fitted[-1].total) == (200, 200)


def test_a_companion_lost_in_the_middle_starts_it_over(
    local: QdrantClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain(Driver(local), "docs", turned(60))
    with monkeypatch.context() as patched:
        plug(local, patched, 5, after=False)
        with pytest.raises(PulledPlugError):
            rotate(local, "docs", flatten=0)
    local.delete_collection(companion_name("docs"))
    result = rotate(local, "docs")
    assert not result.resumed
    layout = assert_derived(Driver(local), local, "docs")
    assert isinstance(layout.rotation, Rotation)
    assert layout.rotation.flatten == 0.25
