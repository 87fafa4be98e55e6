"""A payload is stored the same through every door, and as qdrant-client's local mode stores it."""

import enum
import math
import uuid
from collections import UserList, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel
from qdrant_client import QdrantClient, models

from mrl_adapters.edge import EdgeClient
from mrl_adapters.errors import ConfigurationError

Client = EdgeClient | QdrantClient
Door = Callable[[Client, dict[Any, Any]], object]


class Kind(enum.Enum):
    TEXT = "text"


class Level(enum.IntEnum):
    HIGH = 3


class Word(str, enum.Enum):
    ONE = "one"


class Text(str):
    __slots__ = ()


class Source(BaseModel):
    page: int
    price: Decimal


@dataclass
class Place:
    name: str
    at: datetime


def points(payload: Any) -> list[models.PointStruct]:
    build = models.PointStruct.model_construct
    return [build(id=1, vector={"v": [1.0]}, payload=payload)]


def columns(payload: Any) -> models.Batch:
    return models.Batch.model_construct(ids=[1], vectors={"v": [[1.0]]}, payloads=[payload])


def changed(payload: Any) -> models.SetPayload:
    return models.SetPayload.model_construct(payload=payload, points=[1], filter=None, key=None)


def updated(client: Client, operation: Any) -> object:
    return client.batch_update_points("docs", [operation])


DOORS: dict[str, Door] = {
    "upsert": lambda c, p: c.upsert("docs", points(p)),
    "upsert with a buffer": lambda c, p: c.upsert(
        "docs",
        [
            models.PointStruct.model_construct(
                id=1,
                vector={"v": np.ones(1, np.float32) if isinstance(c, EdgeClient) else [1.0]},
                payload=p,
            )
        ],
    ),
    "upsert of columns": lambda c, p: c.upsert("docs", columns(p)),
    "upload_points": lambda c, p: c.upload_points("docs", points(p)),
    "upload_collection": lambda c, p: c.upload_collection(
        "docs", [{"v": [1.0]}], payload=[p], ids=[1]
    ),
    "overwrite_payload": lambda c, p: c.overwrite_payload("docs", p, [1]),
    "set_payload": lambda c, p: (c.clear_payload("docs", [1]), c.set_payload("docs", p, [1])),
    "a batch that upserts": lambda c, p: updated(
        c,
        models.UpsertOperation(
            upsert=models.PointsList.model_construct(
                points=points(p), update_filter=None, update_mode=None
            )
        ),
    ),
    "a batch that upserts columns": lambda c, p: updated(
        c,
        models.UpsertOperation(
            upsert=models.PointsBatch.model_construct(
                batch=columns(p), update_filter=None, update_mode=None
            )
        ),
    ),
    "a batch that overwrites": lambda c, p: updated(
        c, models.OverwritePayloadOperation.model_construct(overwrite_payload=changed(p))
    ),
}

VALUES: dict[str, Any] = {
    "a decimal beyond floats": Decimal(9007199254740993),
    "a decimal": Decimal("1.10"),
    "bytes": b"abc",
    "bytes beyond ASCII": "naïve 文".encode(),
    "a bytearray": bytearray(b"abc"),
    "a moment": datetime(2024, 5, 1, 12, 30, 0, 5, tzinfo=timezone.utc),
    "a day": date(2024, 5, 1),
    "a time": time(12, 30),
    "a duration": timedelta(days=1, seconds=5),
    "a UUID": uuid.UUID(int=5),
    "a path": Path("/a/b"),
    "a tuple": (1, (2.5, b"x")),
    "a set": {b"x"},
    "a frozen set": frozenset({Decimal(3)}),
    "a queue": deque([Decimal(1), 2]),
    "an enum": Kind.TEXT,
    "an enum of integers": Level.HIGH,
    "an enum of texts": Word.ONE,
    "a text of another class": Text("x"),
    "a float of NumPy": np.float64(0.1),
    "a model": Source(page=3, price=Decimal("9.90")),
    "a dataclass": Place("x", datetime(2024, 5, 1, tzinfo=timezone.utc)),
    "keys of integers": {1: Decimal(1), "2": {3: b"x"}},
    "deep": {"a": [{"b": (b"x", [Decimal(2)])}]},
    "plain": {"a": [1, 2.5, None, True, "x", {}, []]},
}


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[EdgeClient, QdrantClient]]:
    local = QdrantClient(":memory:")
    with EdgeClient(tmp_path_factory.mktemp("payloads")) as embedded:
        for client in (embedded, local):
            client.create_collection("docs", {"v": models.VectorParams(size=1, distance="Dot")})
            client.upsert("docs", points({"old": True}))
        yield embedded, local
    local.close()


def stored(client: Client) -> Any:
    return client.retrieve("docs", [1])[0].payload


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES.keys())
def test_every_door_stores_what_local_mode_stores(
    pair: tuple[EdgeClient, QdrantClient], door: str, value: Any
) -> None:
    embedded, local = pair
    for client in pair:
        DOORS[door](client, {"k": value, "n": 1})
    assert stored(embedded) == stored(local)
    assert repr(stored(embedded)) == repr(stored(local))  # 1 and 1.0, and True, are equal


LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(),
    st.decimals(allow_nan=False, allow_infinity=False),
    st.text().map(str.encode),
    st.dates(),
    st.uuids(),
)
ANY = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(st.text(), inner, max_size=3),
        st.dictionaries(st.integers(), inner, max_size=3),
    ),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.text(), ANY, max_size=3), st.sampled_from(sorted(DOORS)))
def test_any_payload_is_stored_as_local_mode_stores_it(
    pair: tuple[EdgeClient, QdrantClient], payload: dict[str, Any], door: str
) -> None:
    embedded, local = pair
    if (
        door == "set_payload"
    ):  # where there is no payload, the engine keeps nulls and local mode drops them
        payload = {key: value for key, value in payload.items() if value is not None}
    for client in pair:
        DOORS[door](client, payload)
    assert same(stored(embedded), stored(local))


def same(found: Any, expected: Any) -> bool:
    """Compare, floats to their last digit but one: the engine's log rounds the last."""
    if isinstance(expected, dict):
        return found.keys() == expected.keys() and all(
            same(found[each], expected[each]) for each in expected
        )
    if isinstance(expected, list):
        return len(found) == len(expected) and all(map(same, found, expected))
    if isinstance(expected, float):
        return isinstance(found, float) and math.isclose(found, expected, rel_tol=1e-15)
    return bool(found == expected) and type(found) is type(expected)


# Local mode and servers take none of these; here they are taken, alike at every door.
MORE: dict[str, tuple[Any, Any]] = {
    "a float32": (np.float32(0.5), 0.5),
    "an integer of NumPy": (np.int16(7), 7),
    "a truth of NumPy": (np.bool_(True), True),
    "an array": (np.arange(4).reshape(2, 2), [[0, 1], [2, 3]]),
    "a read-only mapping": (MappingProxyType({"a": b"x"}), {"a": "x"}),
    "a list of another class": (UserList([1, b"x"]), [1, "x"]),
    "a memoryview": (memoryview(b"abc"), "abc"),
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(("value", "expected"), MORE.values(), ids=MORE.keys())
def test_every_door_takes_the_same_other_classes(
    pair: tuple[EdgeClient, QdrantClient], door: str, value: Any, expected: Any
) -> None:
    DOORS[door](pair[0], {"k": value})
    assert stored(pair[0]) == {"k": expected}


REFUSED: dict[str, tuple[dict[Any, Any], str]] = {
    "keys of the same text": ({1: "i", "1": "s"}, "keys 1 and '1' are both written as '1'"),
    "deep keys of the same text": ({"a": [{True: 1, "true": 2}]}, "both written as 'true'"),
    "a float and its text": ({"a": {1.5: 1, "1.5": 2}}, r"both written as '1\.5'"),
    "nothing and its text": ({"a": {None: 1, "None": 2}}, "both written as 'None'"),
    "a key that has no text": ({object(): 1}, "no JSON form"),
    "bytes that are no text": ({"k": b"\xff"}, r"\['k'\] is of class bytes: .*can't decode"),
    "deep bytes that are no text": ({"k": [{"l": b"\xff"}]}, r"\['k'\]\[0\]\['l'\] is of class"),
    "an object": ({"k": object()}, r"\['k'\] is of class object: .*not known to JSON"),
    "complex numbers": ({"k": np.ones(1, np.complex64)}, r"\['k'\] is of class ndarray"),
    "not a number, in an array": ({"k": np.array([np.nan])}, "holds nan"),
    "moments finer than Python's": ({"k": np.datetime64(1, "ns")}, r"\['k'\] is of class datetime"),
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(("payload", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_every_door_refuses_what_has_no_json_form(
    pair: tuple[EdgeClient, QdrantClient], door: str, payload: dict[Any, Any], words: str
) -> None:
    client, _ = pair
    before = {} if door == "set_payload" else {"old": True}  # which clears it first
    client.overwrite_payload("docs", {"old": True}, [1])
    with pytest.raises(ConfigurationError, match=words):
        DOORS[door](client, payload)
    assert stored(client) == before
