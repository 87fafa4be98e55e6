"""A copy that others keep from settling: nothing is deleted or switched before it is equal."""

import contextlib
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from qdrant_client import models

from mrl_adapters.maintenance import client as client_module
from mrl_adapters.maintenance import copy
from mrl_adapters.maintenance.checkpoint import read_checkpoint
from mrl_adapters.maintenance.point_copies import PointCopies, same_value
from mrl_adapters.qdrant import CopyTarget, Driver, EdgeClient, MatryoshkaCollection, migrate
from mrl_adapters.qdrant.flow import ask

POINTS = 40
TARGET = CopyTarget("copy", delete_source=True)


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "_POINTS_PER_PAGE", 10)
    monkeypatch.setattr(copy, "MAX_PASSES", 2)


@pytest.fixture(params=["local", "edge"])
def client(request: pytest.FixtureRequest, open_engine: Callable[[str], Any]) -> Any:
    return open_engine(request.param)


def fresh(number: int) -> list[float]:
    return np.random.default_rng(number).normal(size=32).tolist()


def upsert(client: Any, number: int, turn: int) -> None:
    client.upsert("docs", [models.PointStruct(id=number, vector=fresh(turn), payload={"t": turn})])


def readd(client: Any, number: int, turn: int) -> None:
    client.delete("docs", [number])
    upsert(client, number, turn)


def swap(client: Any, number: int, turn: int) -> None:
    """Delete one and add another: the number of points stays."""
    client.delete("docs", [1 + turn % 9])
    upsert(client, 10_000 + turn, turn)


CHANGES: dict[str, Callable[[Any, int, int], Any]] = {
    "replaced": upsert,
    "added": lambda client, _, turn: upsert(client, 1_000 + turn, turn),
    "deleted": lambda client, _, turn: client.delete("docs", [turn % POINTS]),
    "payload only": lambda client, number, turn: client.set_payload("docs", {"t": turn}, [number]),
    "payload gone": lambda client, _, turn: client.clear_payload("docs", [turn % POINTS]),
    "true for one": lambda client, number, turn: client.set_payload(
        "docs", {"number": 1 if turn % 2 else True}, [number]
    ),
    "vector only": lambda client, number, turn: client.update_vectors(
        "docs", [models.PointVectors(id=number, vector=fresh(turn))]
    ),
    "added again": readd,
    "one for another": swap,
}


def contents(client: Any, name: str) -> dict[Any, Any]:
    records, _ = client.scroll(name, limit=10_000, with_payload=True)
    return {record.id: record.payload for record in records}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("when", ["always", "behind the last page"])
def test_what_did_not_settle_is_neither_deleted_nor_done_and_is_compared_again(
    client: Any, legacy: Callable[..., Any], change: str, when: str
) -> None:
    if change == "payload gone" and not hasattr(client, "clear_payload"):
        pytest.skip("the embedded engine cannot clear payloads")
    legacy(client, count=POINTS)
    turn = 0
    expected: dict[Any, Any] = {}

    def write(progress: Any) -> None:
        nonlocal turn, expected
        last = progress.phase == "verifying points" and progress.done >= POINTS and not turn
        if when == "always" or last:
            turn += 1
            CHANGES[change](client, 0, turn)
            expected = contents(client, "docs")

    done = migrate(client, "docs", stages=(8,), mode="copy", target=TARGET, progress=write)

    # A deletion behind the last page is still seen by that pass's count, and done in another.
    assert done.settled == (change == "deleted" and when != "always")
    checkpoint = read_checkpoint(client.get_collection("copy"))
    assert checkpoint is not None
    assert checkpoint.state == ("done" if done.settled else "verifying")
    if not done.settled:
        assert contents(client, "docs") == expected
        again = migrate(client, "docs", stages=(8,), mode="copy", target=TARGET)
        assert (again.settled, again.resumed) == (True, True)
        assert again.passes
    assert not client.collection_exists("docs")
    assert contents(client, "copy") == expected


@pytest.mark.parametrize("when", ["always", "behind the last page"])
def test_an_alias_is_switched_only_to_what_settled(
    open_engine: Callable[[str], Any], legacy: Callable[..., Any], when: str
) -> None:
    client = open_engine("local")
    legacy(client, count=POINTS)
    live = models.CreateAlias(collection_name="docs", alias_name="live")
    client.update_collection_aliases([models.CreateAliasOperation(create_alias=live)])

    def switched() -> list[tuple[str, str]]:
        return [(each.alias_name, each.collection_name) for each in client.get_aliases().aliases]

    turn = iter(range(1_000))

    def write(progress: Any) -> None:
        if when == "always" or (progress.phase, progress.done) == ("verifying points", POINTS):
            upsert(client, 0, next(turn))

    target = CopyTarget("copy")
    assert not migrate(
        client, "live", stages=(8,), mode="copy", target=target, progress=write
    ).settled
    assert switched() == [("live", "docs")]
    assert migrate(client, "live", stages=(8,), mode="copy", target=target).settled
    assert switched() == [("live", "copy")]


def test_a_finished_copy_with_other_points_keeps_its_source(
    client: Any, legacy: Callable[..., Any]
) -> None:
    legacy(client, count=POINTS)
    assert migrate(client, "docs", stages=(8,), mode="copy", target="copy").settled
    client.delete("docs", [3])
    with pytest.raises(Exception, match=r"differ, in number: 39 points, 40 in the copy"):
        migrate(client, "docs", stages=(8,), mode="copy", target=TARGET)
    assert client.collection_exists("docs")


@pytest.mark.parametrize("engine", ["edge", "local"])
def test_no_acknowledged_write_of_a_store_is_lost_to_a_deleted_source(
    open_engine: Callable[[str], Any], legacy: Callable[..., Any], engine: str
) -> None:
    client = open_engine(engine)
    legacy(client, count=POINTS, full_name="full")
    migrate(client, "docs", stages=(8,))
    stop, acknowledged = threading.Event(), set()

    def write() -> None:
        driver, docs = Driver(client), MatryoshkaCollection("docs")
        # Refused once its collection is gone.
        with contextlib.suppress(Exception):
            while not stop.is_set():
                identifier = str(1_000 + len(acknowledged))
                driver.run(docs.add([identifier], [fresh(len(acknowledged))], [{}]))
                acknowledged.add(int(identifier))

    thread = threading.Thread(target=write)
    thread.start()
    settled = False
    for _ in range(30):
        done = migrate(client, "docs", stages=(8,), mode="copy", target=TARGET)
        settled = done.settled
        if settled:
            break
        assert client.collection_exists("docs")
        stop.set()
        thread.join()
    stop.set()
    thread.join()
    assert settled
    kept = set(contents(client, "copy"))
    if client.collection_exists("docs"):  # written after the deletion: a collection made anew
        anew = set(contents(client, "docs"))
        assert min(anew, default=1_000) >= 1_000  # none of the old one's points
        kept |= anew
    assert acknowledged <= kept


def test_an_edge_copy_is_proved_equal_while_its_stores_wait(
    open_engine: Callable[[str], Any],
    legacy: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client = open_engine("edge")
    legacy(client, count=POINTS)
    order: list[str] = []
    waiting: list[threading.Thread] = []
    delete_collection = EdgeClient.delete_collection
    difference = PointCopies.difference

    def compared(*args: Any) -> Any:
        store = threading.Thread(target=lambda: Driver(client).run(read()))
        store.start()
        store.join(timeout=0.05)
        waiting.append(store)
        order.append("compared")
        return difference(*args)

    def read() -> Any:
        yield from ask(lambda _: order.append("store"))

    def deleted(self: EdgeClient, name: str, **options: Any) -> bool:
        order.append("deleted")
        return delete_collection(self, name, **options)

    monkeypatch.setattr(PointCopies, "difference", compared)
    monkeypatch.setattr(EdgeClient, "delete_collection", deleted)
    assert migrate(client, "docs", stages=(8,), mode="copy", target=TARGET).settled
    for each in waiting:
        each.join()
    assert order == ["compared", "deleted", "store"]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


@given(VALUES)
def test_a_payload_is_the_same_as_itself_and_as_itself_one_float_unit_off(value: Any) -> None:
    def off(each: Any) -> Any:
        if isinstance(each, float):
            return float(np.nextafter(each, np.inf)) if 1e-300 < abs(each) < 1e300 else each
        if isinstance(each, list):
            return [off(member) for member in each]
        return (
            {key: off(member) for key, member in each.items()} if isinstance(each, dict) else each
        )

    assert same_value(value, value)
    assert same_value(value, off(value))
    assert not same_value({"a": value}, {"a": value, "b": None})
    assert not same_value([value], [value, value])


@pytest.mark.parametrize(
    ("here", "there"),
    [(1, True), (0, False), (1.0, True), (None, False), ("1", 1), ([], {}), (1.5, 1.5000001)],
)
def test_payloads_that_differ_are_told_apart(here: object, there: object) -> None:
    assert not same_value({"a": [here]}, {"a": [there]})
