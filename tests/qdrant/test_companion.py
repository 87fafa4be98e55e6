"""A rotation's companion is known by its owner; whatever else has its name is left alone."""

from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pytest
from qdrant_client import models
from qdrant_client.http.exceptions import UnexpectedResponse

from mrl_adapters.errors import CollectionMismatchError, EngineError, MigrationError
from mrl_adapters.qdrant import (
    CollectionLayout,
    CopyTarget,
    Driver,
    MatryoshkaCollection,
    audit,
    migrate,
    plan_migration,
    repair,
    rotate,
)
from mrl_adapters.qdrant.companion import companion_name, drop_companion, owned_by, owner_of
from mrl_adapters.qdrant.driver import Client
from mrl_adapters.qdrant.loading import Load
from mrl_adapters.qdrant.rotation import load_rotation, open_layout, store_rotation
from mrl_adapters.vectors import Rotation


def kept_by(rotation: Rotation) -> CollectionLayout:
    """The least layout that has a rotation."""
    return CollectionLayout(rotation.full_dimensions, (rotation.dimensions,), rotation=rotation)


DIMENSIONS = 16
ROWS = np.random.default_rng(0).normal(size=(60, DIMENSIONS)).astype(np.float32)
ROTATION = Rotation.fit(ROWS, 4)
DOT = models.VectorParams(size=DIMENSIONS, distance=models.Distance.DOT)
WORDS = {"words": models.SparseVectorParams()}


# Not over the gateway as well: it checks every one of some thousand requests.
pytestmark = pytest.mark.parametrize(
    "client",
    ["edge", "local", pytest.param("server", marks=pytest.mark.server)],
    indirect=True,
)


def own(client: Client, name: str, vectors: Any, point: Any, **options: Any) -> None:
    """Make a collection as its user might."""
    client.create_collection(name, vectors, **options)
    if point is not None:
        struct = models.PointStruct(id=1, vector=point, payload={"mine": True})
        client.upsert(name, [struct], wait=True)


ONES = [1.0] * DIMENSIONS
STRANGERS: dict[str, Callable[[Client, str], None]] = {
    "unnamed": lambda c, name: own(c, name, DOT, ONES),
    "unnamed and empty": lambda c, name: own(c, name, DOT, None),
    "another vector": lambda c, name: own(c, name, {"text": DOT}, {"text": ONES}),
    "row by cosine": lambda c, name: own(
        c, name, {"row": DOT.model_copy(update={"distance": models.Distance.COSINE})}, {"row": ONES}
    ),
    "row with other points": lambda c, name: own(c, name, {"row": DOT}, {"row": ONES}),
    "row and another": lambda c, name: own(c, name, {"row": DOT, "b": DOT}, {"row": ONES}),
    "row and words": lambda c, name: own(
        c, name, {"row": DOT}, {"row": ONES}, sparse_vectors_config=WORDS
    ),
    "words alone": lambda c, name: own(c, name, {}, None, sparse_vectors_config=WORDS),
    "two stages": lambda c, name: own(
        c, name, CollectionLayout(DIMENSIONS, (4,)).vectors_config(), {"full": ONES}
    ),
    "another's companion": lambda c, name: own(
        c, name, {"row": DOT}, {"row": ONES}, metadata=owned_by("elsewhere")
    ),
}


def fill(driver: Driver, name: str, layout: CollectionLayout) -> None:
    ids = [str(row) for row in range(len(ROWS))]
    driver.run(MatryoshkaCollection(name, layout=layout).add(ids, ROWS, [{} for _ in ids]))


def load(driver: Driver, name: str) -> None:
    """Begin a load that keeps back what the rotation is fitted on."""
    layout = CollectionLayout(DIMENSIONS, (4,), rotation="auto")
    driver.run(Load(MatryoshkaCollection(name, layout=layout)).add(["a"], ROWS[:1], [{}]))


def layout(rotation: Any) -> CollectionLayout:
    return CollectionLayout(DIMENSIONS, (4,), rotation=rotation)


# Ways to bring a rotation to collection "new", which does not exist, or to "docs", which does.
DOORS: dict[str, tuple[str, Callable[[Driver, Any, str], Any]]] = {
    "create": ("new", lambda driver, _, name: fill(driver, name, layout(ROTATION))),
    "create by auto": ("new", lambda driver, _, name: fill(driver, name, layout("auto"))),
    "load": ("new", lambda driver, _, name: load(driver, name)),
    "store": ("new", lambda driver, _, name: driver.run(store_rotation(name, kept_by(ROTATION)))),
    "drop": ("new", lambda driver, _, name: driver.run(drop_companion(name))),
    "rotate": ("docs", lambda _, client, name: rotate(client, name)),
    "rotate by one": ("docs", lambda _, client, name: rotate(client, name, rotation=ROTATION)),
    "migrate": ("bare", lambda _, c, name: migrate(c, name, stages=(4,), rotation="auto")),
    "plan": ("bare", lambda _, c, name: plan_migration(c, name, stages=(4,), rotation=ROTATION)),
    "copy": (
        "bare",
        lambda _, c, name: migrate(
            c, name, stages=(4,), mode="copy", rotation="auto", target=f"{name}_2"
        ),
    ),
}


def everything(client: Client) -> dict[str, Any]:
    """Every collection with its settings and points."""
    names = sorted(each.name for each in client.get_collections().collections)
    return {
        name: (
            client.get_collection(name).config,
            client.scroll(name, limit=100, with_vectors=True)[0],
        )
        for name in names
    }


@pytest.mark.parametrize("stranger", STRANGERS)
def test_a_collection_that_only_has_the_name_is_refused_before_anything_is_written(
    driver: Driver, client: Client, name: str, stranger: str
) -> None:
    fill(driver, f"{name}_docs", CollectionLayout(DIMENSIONS, (4,)))
    own(client, f"{name}_bare", DOT, ONES)
    points = [models.PointStruct(id=row, vector=each.tolist()) for row, each in enumerate(ROWS)]
    client.upsert(f"{name}_bare", points, wait=True)
    for whose in ("new", "docs", "bare", "bare_2"):
        STRANGERS[stranger](client, companion_name(f"{name}_{whose}"))
    before = everything(client)
    for door, (whose, bring) in DOORS.items():
        with pytest.raises(CollectionMismatchError, match="nothing was written") as caught:
            bring(driver, client, f"{name}_{whose}")
        assert companion_name(f"{name}_{whose}") in str(caught.value) or door == "copy"
        assert everything(client) == before, door


@pytest.mark.parametrize("stranger", ["unnamed", "row with other points", "another's companion"])
def test_a_deleted_source_takes_its_own_rotation_along_and_nobody_elses_collection(
    driver: Driver, client: Client, name: str, stranger: str
) -> None:
    fill(driver, name, layout(ROTATION))
    driver.run(drop_companion(name))
    STRANGERS[stranger](client, companion_name(name))
    with pytest.raises(CollectionMismatchError, match=r"Restore that collection"):
        driver.run(open_layout(name))
    before = everything(client)[companion_name(name)]
    with pytest.raises((CollectionMismatchError, MigrationError)):
        migrate(
            client, name, stages=(4,), mode="copy", target=CopyTarget(f"{name}_2", None, None, True)
        )
    assert everything(client)[companion_name(name)] == before


def test_a_companion_says_whose_it_is(driver: Driver, client: Client, name: str) -> None:
    fill(driver, name, layout(ROTATION))
    companion = companion_name(name)
    assert owner_of(client.get_collection(companion)) == name
    for maintain in (audit, repair, rotate):
        with pytest.raises(MigrationError, match=f"holds the rotation of '{name}'"):
            maintain(client, companion)
    driver.run(drop_companion(name))
    assert not client.collection_exists(companion)


def unsigned(client: Client, name: str, rotation: Rotation | None) -> None:
    """A companion as earlier versions made it."""
    companion = companion_name(name)
    params = DOT.model_copy(update={"hnsw_config": models.HnswConfigDiff(m=0), "on_disk": True})
    client.create_collection(companion, {"row": params})
    if rotation is not None:
        driver = Driver(client)
        driver.run(store_rotation(f"{name}_aside", kept_by(rotation)))
        records, _ = client.scroll(
            companion_name(f"{name}_aside"), limit=100, with_vectors=True, with_payload=True
        )
        points = [
            models.PointStruct(id=each.id, vector=each.vector, payload=each.payload)
            for each in records
        ]
        client.upsert(companion, points, wait=True)
        driver.run(drop_companion(f"{name}_aside"))


@pytest.mark.parametrize("rotation", [ROTATION, None], ids=["filled", "empty"])
def test_a_companion_of_an_earlier_version_is_known_by_what_it_holds(
    driver: Driver, client: Client, name: str, rotation: Rotation | None
) -> None:
    unsigned(client, name, rotation)
    fill(driver, name, layout(ROTATION))
    assert driver.run(open_layout(name)).rotation == ROTATION
    assert owner_of(client.get_collection(companion_name(name))) == name
    rotate(client, name, flatten=0.5)
    driver.run(drop_companion(name))
    assert not client.collection_exists(companion_name(name))


def test_points_that_somebody_put_into_a_companion_stay(
    driver: Driver, client: Client, name: str
) -> None:
    fill(driver, name, layout(ROTATION))
    companion = companion_name(name)
    mine = models.PointStruct(id=1, vector={"row": ONES}, payload={"mine": True})
    client.upsert(companion, [mine], wait=True)
    rotate(client, name, flatten=0.5)
    assert client.retrieve(companion, [1])[0].payload == {"mine": True}
    wider = Rotation.fit(np.random.default_rng(1).normal(size=(60, 24)).astype(np.float32), 4)
    for lose in (drop_companion(name), store_rotation(name, kept_by(wider))):
        with pytest.raises(CollectionMismatchError, match="holds points that are not"):
            driver.run(lose)
    migrate(
        client, name, stages=(4,), mode="copy", target=CopyTarget(f"{name}_2", delete_source=True)
    )
    assert not client.collection_exists(name)
    assert client.retrieve(companion, [1])[0].payload == {"mine": True}


def test_a_collection_restored_under_another_name_keeps_its_rotation(
    driver: Driver, client: Client, name: str
) -> None:
    # What a snapshot restored under another name gives: the companion names its old owner.
    unsigned(client, name, ROTATION)
    client.update_collection(companion_name(name), metadata=owned_by("before"))
    rotated = layout(ROTATION)
    client.create_collection(name, rotated.vectors_config(), metadata=rotated.metadata())
    fill(driver, name, layout(None))
    assert driver.run(load_rotation(name, ROTATION.id)) == ROTATION
    rotate(client, name, flatten=0.5)
    assert owner_of(client.get_collection(companion_name(name))) == name


@pytest.mark.parametrize(("status", "wanted"), [(403, EngineError), (500, UnexpectedResponse)])
def test_a_key_that_may_not_read_the_companion_is_told_which_access_it_needs(
    client: Client,
    driver: Driver,
    name: str,
    status: int,
    wanted: type[Exception],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fill(driver, name, layout(ROTATION))
    companion, exists = companion_name(name), client.collection_exists

    def refused(collection_name: str, **options: Any) -> bool:
        if collection_name == companion:
            raise UnexpectedResponse(status, "no", b"no access to it", httpx.Headers())
        return exists(collection_name, **options)

    monkeypatch.setattr(client, "collection_exists", refused)
    with pytest.raises(wanted, match="no access to it") as told:
        driver.run(MatryoshkaCollection(name).open())
    assert (f"read access to {companion!r}" in str(told.value)) == (wanted is EngineError)
