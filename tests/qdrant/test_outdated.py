"""A collection that becomes another one, or none, behind whoever has it open."""

import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from qdrant_client import models

from mrl_adapters.errors import CollectionMismatchError, DimensionsError
from mrl_adapters.qdrant import (
    CollectionLayout,
    Driver,
    EdgeClient,
    MatryoshkaCollection,
    SearchPlan,
    rotate,
)
from mrl_adapters.qdrant.driver import Client
from mrl_adapters.qdrant.flow import Flow
from mrl_adapters.qdrant.query import Search
from mrl_adapters.qdrant.server import IN_PROCESS

Documents = Callable[..., np.ndarray]
Drive = Callable[[Any], Any]
LAYOUT = CollectionLayout(32, (8,), model="our-model")
TEXT = models.Filter(
    must=[models.FieldCondition(key="n", range=models.Range(gte=0))],
)

DOORS: dict[str, tuple[Callable[[MatryoshkaCollection, np.ndarray], Flow[Any]], Any]] = {
    "search": (lambda docs, vector: docs.search([Search(vector, 3), Search(vector, 1)]), [[], []]),
    "filtered search": (
        lambda docs, vector: docs.search([Search(vector, 3, query_filter=TEXT)]),
        [[]],
    ),
    "get": (lambda docs, _: docs.get(["a", "7"]), []),
    "scroll": (lambda docs, _: docs.scroll(), []),
    "scroll with a limit": (lambda docs, _: docs.scroll(TEXT, limit=2), []),
    "count": (lambda docs, _: docs.count(), 0),
    "filtered count": (lambda docs, _: docs.count(TEXT), 0),
    "delete by id": (lambda docs, _: docs.delete(["a"]), None),
    "delete by filter": (lambda docs, _: docs.delete(None, TEXT), None),
    "delete all": (lambda docs, _: docs.delete(), None),
}


@pytest.fixture(params=[LAYOUT, None], ids=["a layout", "no layout"])
def docs(
    request: pytest.FixtureRequest, drive: Drive, name: str, documents: Documents
) -> MatryoshkaCollection:
    """An open collection that holds two documents."""
    opened = MatryoshkaCollection(name, layout=request.param)
    drive(opened.add(["a", "7"], documents(2), [{"n": 0}, {"n": 1}]))
    return opened


@pytest.mark.parametrize("door", DOORS)
def test_reading_what_was_deleted_finds_nothing_and_does_not_make_it(
    client: Client,
    drive: Drive,
    documents: Documents,
    docs: MatryoshkaCollection,
    door: str,
) -> None:
    act, nothing = DOORS[door]
    client.delete_collection(docs.name)
    assert drive(act(docs, documents(1)[0])) == nothing
    assert drive(act(docs, documents(1)[0])) == nothing
    assert not client.collection_exists(docs.name)


@pytest.mark.parametrize("ids", [["b"], ["7"], ["7", "b", "7"]], ids=str)
def test_adding_to_what_was_deleted_makes_it_anew(
    client: Client, drive: Drive, documents: Documents, docs: MatryoshkaCollection, ids: list[str]
) -> None:
    before = client.get_collection(docs.name).config.params.vectors
    client.delete_collection(docs.name)
    acknowledged: set[str] = set()
    payloads: list[dict[str, Any]] = [{} for _ in ids]
    drive(docs.add(ids, documents(len(ids), seed=1), payloads, acknowledged=acknowledged))
    assert client.get_collection(docs.name).config.params.vectors == before
    assert acknowledged == set(ids)
    assert drive(docs.count()) == len(set(ids))
    assert len(drive(docs.search([Search(documents(1)[0], 9)]))[0]) == len(set(ids))


@pytest.mark.parametrize("door", DOORS)
def test_what_was_deleted_and_made_anew_by_others_is_used_as_it_is(
    client: Client, drive: Drive, name: str, documents: Documents, door: str
) -> None:
    act, nothing = DOORS[door]
    docs = MatryoshkaCollection(name)
    drive(docs.add(["a"], documents(1), [{"n": 0}]))
    client.delete_collection(name)
    other = MatryoshkaCollection(name, layout=CollectionLayout(16, (4,)))
    drive(other.add(["a", "7"], documents(2, 16), [{"n": 0}, {"n": 1}]))
    found = drive(act(docs, documents(1, 16)[0]))
    assert (found != nothing) == (not door.startswith("delete"))
    drive(docs.add(["b"], documents(1, 16), [{}]))
    assert drive(docs.count()) == drive(other.count())
    with pytest.raises(DimensionsError):
        drive(docs.add(["c"], documents(1), [{}]))


def test_what_was_made_anew_otherwise_than_asked_for_is_refused_by_what_differs(
    client: Client, drive: Drive, name: str, documents: Documents
) -> None:
    docs = MatryoshkaCollection(name, layout=LAYOUT)
    drive(docs.add(["a"], documents(1), [{}]))
    client.delete_collection(name)
    drive(
        MatryoshkaCollection(name, layout=CollectionLayout(32, (4,))).add(["b"], documents(1), [{}])
    )
    with pytest.raises(CollectionMismatchError, match=r"has stages \(4,\)"):
        drive(docs.add(["c"], documents(1), [{}]))
    assert client.count(name).count == 1


def test_a_saved_plan_goes_with_its_collection(
    client: Client, drive: Drive, documents: Documents, docs: MatryoshkaCollection
) -> None:
    drive(docs.save_plan(SearchPlan(oversampling=3)))
    client.delete_collection(docs.name)
    assert drive(docs.count()) == 0
    assert docs.plan == SearchPlan()
    drive(docs.add(["b"], documents(1), [{}]))
    assert docs.plan == SearchPlan()


def test_a_refusal_that_has_another_cause_is_told_as_it_is(
    client: Client, drive: Drive, documents: Documents, docs: MatryoshkaCollection
) -> None:
    bad = models.Filter(must=[models.HasVectorCondition(has_vector="no such vector")])
    with pytest.raises(DimensionsError):
        drive(docs.search([Search(documents(1, 16)[0], 1)]))
    with pytest.raises(DimensionsError):
        drive(docs.add(["b"], documents(1, 16), [{}]))
    assert drive(docs.count()) == 2
    assert client.collection_exists(docs.name)
    assert drive(docs.count(bad)) == 0


def _until_refused(flow: Flow[Any], client: Client) -> Any:
    """Drive a flow up to the moment at which it has been refused, and not yet looked why."""
    step = next(flow)
    while True:
        try:
            answer = IN_PROCESS.carry_out(step, client)
        except Exception as error:  # noqa: BLE001 - what any engine raises
            return flow.throw(error)
        step = flow.send(answer)


def _resumed(flow: Flow[Any], request: Any) -> Flow[Any]:
    """Go on with a flow from a request that it waits for."""
    try:
        while True:
            request = flow.send((yield request))
    except StopIteration as end:
        return end.value


@pytest.mark.parametrize("count", [2, 3, 5])
def test_searches_refused_together_during_a_rotation_all_go_on(
    client: Client, driver: Driver, name: str, documents: Documents, count: int
) -> None:
    if not isinstance(client, EdgeClient):
        pytest.skip("local mode searches full vectors alone, and the stand-in cannot rotate")
    docs = MatryoshkaCollection(name)
    vectors = documents(200, clusters=4)
    driver.run(docs.add([f"d{row}" for row in range(200)], vectors, [{} for _ in range(200)]))
    layout = docs.layout
    rotate(client, name)
    flows = [docs.search([Search(vectors[row], 1)]) for row in range(count)]
    pending = [(flow, _until_refused(flow, client)) for flow in flows]
    found = [driver.run(_resumed(flow, request)) for flow, request in pending]
    assert [hits[0][0].payload["_mrl_id"] for hits in found] == [f"d{row}" for row in range(count)]
    assert docs.layout != layout


def test_searches_and_adds_at_once_find_a_deleted_collection_alike(
    client: Client, driver: Driver, documents: Documents, docs: MatryoshkaCollection
) -> None:
    client.delete_collection(docs.name)
    vector = documents(1)[0]

    async def all_at_once() -> list[Any]:
        flows: list[Flow[Any]] = [docs.search([Search(vector, 3)]) for _ in range(4)]
        flows.append(docs.add(["b"], documents(1), [{}]))
        flows += [docs.count() for _ in range(4)]
        return await asyncio.gather(*map(driver.arun, flows))

    *searched, stored, _, _, _, _ = asyncio.run(all_at_once())
    assert stored == 1
    assert all(len(found) == 1 and len(found[0]) <= 1 for found in searched)
    assert driver.run(docs.count()) == 1
