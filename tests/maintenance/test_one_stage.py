"""From two stages to one and back, in place and by copy, with everything that goes with it."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from qdrant_client import models

from mrl_adapters.errors import CollectionMismatchError
from mrl_adapters.evaluation import OpenCollection, save_plan, tune
from mrl_adapters.maintenance import audit, migrate, plan_migration, repair, rotate
from mrl_adapters.qdrant import (
    CollectionLayout,
    Driver,
    MatryoshkaCollection,
    OneStageWarning,
    Search,
    SearchPlan,
)
from mrl_adapters.qdrant.driver import Client
from mrl_adapters.qdrant.engine import engine_of

Documents = Callable[..., np.ndarray]
ONE = CollectionLayout(32, (), model="ours", hnsw_m=24)


def opened(driver: Driver, name: str = "docs") -> CollectionLayout:
    layout = driver.run(MatryoshkaCollection(name).open(must_exist=True))
    assert layout is not None
    return layout


def fill(driver: Driver, layout: CollectionLayout, vectors: np.ndarray, name: str = "docs") -> None:
    docs = MatryoshkaCollection(name, layout=layout)
    driver.run(docs.add([*range(len(vectors))], vectors, [{"n": 1}] * len(vectors)))


def answers(driver: Driver, question: np.ndarray, name: str = "docs") -> list[Any]:
    [hits] = driver.run(MatryoshkaCollection(name).search([Search(question, 10)]))
    return [hit.id for hit in hits]


@pytest.mark.parametrize("mode", ["in_place", "copy"])
@pytest.mark.parametrize("rotation", [None, "auto"])
def test_there_and_back(client: Client, documents: Documents, mode: Any, rotation: Any) -> None:
    driver, vectors = Driver(client), documents(60)
    fill(driver, CollectionLayout(32, (4, 8), model="ours", rotation=rotation), vectors)
    expected = answers(driver, vectors[3])
    save_plan(OpenCollection(MatryoshkaCollection("docs"), driver), SearchPlan(min_candidates=60))
    names = ("docs", "docs") if mode == "in_place" else ("one", "two")
    target: Any = {} if mode == "in_place" else {"target": names[0]}

    steps = " ".join(plan_migration(client, "docs", stages=(), mode=mode, **target).steps)
    assert ("graph" in steps, "derive" in steps) == (True, False)
    done = migrate(client, "docs", stages=(), mode=mode, **target)

    assert (done.stages, done.points) == ((), 60)
    layout = opened(driver, names[0])
    assert (layout.stages, layout.model, layout.full_has_graph) == ((), "ours", True)
    if engine_of(client).has_indexes:  # the local mode keeps no settings
        assert layout.quantization == "int8"
    assert answers(driver, vectors[3], names[0]) == expected
    held = client.get_collection(names[0]).config.params.vectors
    assert list(held) == ["full"]
    assert not client.collection_exists(f"{names[0]}__rotation")
    report = audit(client, names[0])
    assert (report.ok, report.missing, report.stages) == (True, 0, ())
    assert repair(client, names[0]).filled == 0
    assert migrate(client, names[0], stages=(), mode="in_place").written == 0  # once more

    target = {} if mode == "in_place" else {"target": names[1]}
    assert migrate(client, names[0], stages=(16,), mode=mode, rotation=rotation, **target).settled
    layout = opened(driver, names[1])
    assert (layout.stages, layout.model) == ((16,), "ours")
    assert bool(layout.rotation) == bool(rotation)
    assert answers(driver, vectors[3], names[1]) == expected
    assert audit(client, names[1]).ok


def test_a_store_that_is_open_meanwhile_goes_on(client: Client, documents: Documents) -> None:
    driver, vectors = Driver(client), documents(60)
    fill(driver, CollectionLayout(32, (4, 8)), vectors)
    docs = MatryoshkaCollection("docs", plan={"stages": (4,)})
    driver.run(docs.search([Search(vectors[0], 5)]))
    migrate(client, "docs", stages=())
    other = MatryoshkaCollection("docs", plan={"min_candidates": 50})
    assert len(driver.run(other.search([Search(vectors[0], 5)]))[0]) == 5
    driver.run(docs.add([99], vectors[:1], [{}]))  # its layout is gone, and found out
    assert docs.layout.stages == ()


def test_rotating_what_has_no_stages_is_refused_with_the_way(
    client: Client, documents: Documents
) -> None:
    fill(Driver(client), ONE, documents(40))
    with pytest.raises(CollectionMismatchError, match=r"no short vectors.*(--stages|stages=)"):
        rotate(client, "docs")
    assert opened(Driver(client)).stages == ()
    rotate(client, "docs", stages=(8,))
    assert (opened(Driver(client)).stages, opened(Driver(client)).model) == ((8,), "ours")


def test_somebody_elses_collection_becomes_one_of_one_stage(
    client: Client, documents: Documents
) -> None:
    params = models.VectorParams(size=32, distance=models.Distance.COSINE)
    client.create_collection("docs", vectors_config=params)
    driver, vectors = Driver(client), documents(30)
    points = [
        models.PointStruct(id=number, vector=each.tolist()) for number, each in enumerate(vectors)
    ]
    client.upsert("docs", points=points)
    with pytest.warns(OneStageWarning):
        expected = answers(driver, vectors[0])
    migrate(client, "docs", stages=())
    assert answers(driver, vectors[0]) == expected
    assert opened(driver).stages == ()


def test_tuning_tries_the_graph_of_the_full_vectors(client: Client, documents: Documents) -> None:
    driver = Driver(client)
    fill(driver, ONE, documents(400))
    store = OpenCollection(MatryoshkaCollection("docs"), driver)
    result = tune(store, target_overlap=0.9, k=5, queries=documents(300, seed=4))
    assert {trial.plan.stages for trial in result.explored} == {None}
    assert all(trial.label.startswith("one stage") for trial in result.explored)
    assert result.chosen.overlap >= 0.9
    save_plan(store, result.plan)
    again = MatryoshkaCollection("docs")
    assert len(driver.run(again.search([Search(documents(1)[0], 5)]))[0]) == 5
    assert again.plan == result.plan
