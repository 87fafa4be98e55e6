"""Payload values: converted once, the same on every engine; what cannot be stored is refused."""

import collections
import dataclasses
import datetime as dt
import decimal
import enum
import math
import pathlib
import tempfile
import types
import uuid
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from mrl_adapters.errors import ConfigurationError
from mrl_adapters.qdrant import CollectionLayout, Driver, MatryoshkaCollection, connect
from mrl_adapters.qdrant.conversion import MAX_BYTES, MAX_DEPTH
from mrl_adapters.qdrant.payload import PlainPayloads, plain_payload, plain_payloads

UTC = dt.timezone.utc


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class Word(str, enum.Enum):
    A = "a"


@dataclasses.dataclass
class Page:
    number: int
    size: Any = None


class Author(BaseModel):
    name: str
    born: dt.date


class Missing(dt.datetime):
    """pandas' NaT: a datetime that is none, and does not equal itself."""

    __hash__ = dt.datetime.__hash__

    def __eq__(self, other: object) -> bool:
        return False

    def __ne__(self, other: object) -> bool:
        return True


def nested(levels: int) -> Any:
    """A value of so many levels."""
    value: Any = {"end": 1}
    for _ in range(levels - 1):
        value = [value]
    return value


CONVERTED: list[tuple[Any, Any]] = [
    (np.int64(3), 3),
    (np.uint8(3), 3),
    (np.float32(0.5), 0.5),
    (np.float64(0.1), 0.1),
    (np.bool_(True), True),
    (np.str_("a"), "a"),
    (np.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
    (np.array(3.5), 3.5),
    (np.array(["2024-01-01"], "M8[ns]"), ["2024-01-01T00:00:00"]),
    (np.datetime64("2024-01-01"), "2024-01-01"),
    (np.datetime64("2024-01-01T12:00:00.5", "ns"), "2024-01-01T12:00:00.500000"),
    (np.timedelta64(3, "s"), "PT3S"),
    (decimal.Decimal("19.90"), "19.90"),
    (b"123", "123"),
    (bytearray(b"a"), "a"),
    (memoryview(b"a"), "a"),
    (dt.date(2024, 1, 1), "2024-01-01"),
    (dt.datetime(2024, 1, 1, 12), "2024-01-01T12:00:00"),  # noqa: DTZ001 - as users have it
    (dt.datetime(2024, 1, 1, 12, tzinfo=UTC), "2024-01-01T12:00:00Z"),
    (
        dt.datetime(2024, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=2))),
        "2024-01-01T00:00:00+02:00",
    ),
    (dt.time(1, 2), "01:02:00"),
    (dt.timedelta(days=1, seconds=2), "P1DT2S"),
    (uuid.UUID(int=7), "00000000-0000-0000-0000-000000000007"),
    (Colour.RED, "red"),
    (Level.HIGH, 3),
    (Word.A, "a"),
    (pathlib.PurePosixPath("/a/b"), "/a/b"),
    (pathlib.PureWindowsPath("a/b"), "a\\b"),
    ((1, 2), [1, 2]),
    (collections.deque([1, 2]), [1, 2]),
    (range(2), [0, 1]),
    ({3, 1, 2}, [1, 2, 3]),
    (frozenset({"b", "a"}), ["a", "b"]),
    ({1: "a", 2: {3: 4}}, {"1": "a", "2": {"3": 4}}),
    (types.MappingProxyType({"a": (1,)}), {"a": [1]}),
    (collections.OrderedDict(a=1), {"a": 1}),
    (Page(3, {1}), {"number": 3, "size": [1]}),
    (Author(name="x", born=dt.date(2000, 1, 1)), {"name": "x", "born": "2000-01-01"}),
    (-(2**63), -(2**63)),
    (2**63 - 1, 2**63 - 1),
    ("a\0b", "a\0b"),
    ("x" * 1_000_000, "x" * 1_000_000),
    ({"": {"a.b": 1, "é": 2, "[0]": 3}}, {"": {"a.b": 1, "é": 2, "[0]": 3}}),
    (nested(MAX_DEPTH - 1), nested(MAX_DEPTH - 1)),
]

CYCLE: list[Any] = []
CYCLE.append({"again": CYCLE})
WIDE: list[Any] = ["x"]
for _ in range(60):
    WIDE = [WIDE, WIDE]
LONG: dict[str, Any] = {}
LONG["a"] = {"b": [LONG, LONG]}

REFUSED: dict[str, tuple[Any, str]] = {
    "NaN": (math.nan, "k: nan has no JSON form.*None"),
    "infinity": (-math.inf, "k: -inf"),
    "NaN in a list": ([1.0, math.nan], r"k\[1\]: nan"),
    "NumPy's NaN": (np.float32("nan"), "k: nan"),
    "an array with NaN": (np.array([[0.0], [np.nan]]), r"k\[1\]\[0\]: nan"),
    "a decimal NaN": (decimal.Decimal("NaN"), "k: NaN"),
    "a missing time": (Missing(2024, 1, 1), "has no JSON form.*None"),
    "not a time": (np.datetime64("NaT"), "is no time"),
    "nanoseconds": (np.datetime64("2024-01-01T00:00:00.123456789"), "microseconds"),
    "years": (np.timedelta64(3, "Y"), "is no time"),
    "64 bits": (2**63, "an integer of 64 bits"),
    "NumPy's 64 bits": (np.uint64(2**64 - 1), "an integer of 64 bits"),
    "65 bits": ({"deep": [-(2**64)]}, r"k\.deep\[0\]: an integer of 65 bits"),
    "half a pair": ("\ud83d", "k: half a surrogate pair"),
    "half a pair as a key": ({"a\udc00": 1}, "half a surrogate pair"),
    "bytes": (b"\xff", "no UTF-8"),
    "a key of bytes": ({b"a": 1}, "the key b'a' is bytes"),
    "a key that is true": ({True: 1}, "the key True is bool"),
    "no key": ({None: 1}, "the key None is NoneType"),
    "two keys that become one": ({1: "a", "1": "b"}, "two keys would become '1'"),
    "a complex number": (1j, "complex has no JSON form"),
    "an object": (object(), "object has no JSON form"),
    "a class": (Page, "type has no JSON form"),
    "a generator": ((each for each in "a"), "generator has no JSON form"),
    "a function": (print, "has no JSON form"),
    "a field": (Page(1, math.nan), r"k\.size: nan"),
    "a cycle": (CYCLE, "holds itself"),
    "a cycle of dicts": (LONG, "holds itself"),
    "too many levels": (nested(MAX_DEPTH), "more than 100 levels"),
    "a million levels": (nested(1_000_000), "more than 100 levels"),
    "a long text": ("x" * (MAX_BYTES + 1), "larger than 32 MiB"),
    "a few lists that are many": (WIDE, "larger than 32 MiB"),
}


@pytest.mark.parametrize(("value", "stored"), CONVERTED, ids=lambda each: type(each).__name__)
def test_values_are_converted_as_the_table_says(value: Any, stored: Any) -> None:
    plain = plain_payload({"k": value}, "document 'd'")
    assert plain == {"k": stored}
    assert type(plain["k"]) is type(stored)


@pytest.mark.parametrize(("value", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_stored_is_refused_by_document_and_key(value: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^Document 'd', .*{message}"):
        plain_payload({"good": 1, "k": value}, "document 'd'")


def test_a_payload_that_is_plain_already_is_not_copied() -> None:
    payload = {"text": "é", "n": 1, "x": 0.5, "b": True, "none": None, "l": [{"a": [1, "b"]}]}
    assert plain_payload(payload, "document 'd'") is payload
    checked = plain_payloads([payload], ["document 'd'"])
    assert isinstance(checked, PlainPayloads)
    assert plain_payloads(checked, ["document 'd'"]) is checked


def test_what_is_converted_is_a_copy() -> None:
    payload = {"when": dt.date(2024, 1, 1), "deep": {"tags": {1}}}
    plain_payload(payload, "document 'd'")
    assert payload == {"when": dt.date(2024, 1, 1), "deep": {"tags": {1}}}


@pytest.mark.parametrize("payload", [None, [1], "text", 3])
def test_a_payload_is_a_mapping(payload: Any) -> None:
    with pytest.raises(ConfigurationError, match="Document 'd'"):
        plain_payload(payload, "document 'd'")


# On engines

LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**65), 2**65)
    | st.floats()
    | st.text()
    | st.text(st.characters(codec=None, categories=["Cs", "L", "Cc"]), max_size=4)
    | st.binary(max_size=4)
    | st.decimals()
    | st.dates()
    | st.datetimes()
    | st.datetimes(timezones=st.sampled_from([UTC, dt.timezone(dt.timedelta(minutes=-90))]))
    | st.times()
    | st.timedeltas()
    | st.uuids()
    | st.sampled_from([*Colour, *Level, *Word, pathlib.PurePosixPath("/a"), object(), 1j])
    | st.floats(width=32).map(np.float32)
    | st.integers(-128, 127).map(np.int8)
    | st.integers(0, 2**64 - 1).map(np.uint64)
    | st.lists(st.floats(), max_size=3).map(np.array)
    | st.frozensets(st.integers(0, 9) | st.text(max_size=2), max_size=3)
)
KEYS = st.text(max_size=6) | st.integers(-3, 3) | st.sampled_from(["a.b", "a[0]", "", "é", "\0"])
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(KEYS, inner, max_size=3)
    ),
    max_leaves=8,
)


def same(one: Any, other: Any) -> bool:
    """Compare two payloads; engines may give a float back one unit off."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return one == other or math.isclose(one, other, rel_tol=1e-15)
    return type(one) is type(other) and one == other


def test_any_payload_is_refused_everywhere_or_reads_back_the_same_from_every_engine() -> None:
    paths = [tempfile.mkdtemp()]
    clients: list[Any] = [connect(path=paths[0]), connect(location=":memory:")]
    layout = CollectionLayout(4, (2,))
    written: list[dict[str, Any]] = []
    outcomes = collections.Counter[str]()

    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.dictionaries(st.text(max_size=4), VALUES, max_size=4))
    def store(payload: dict[str, Any]) -> None:
        identifier = f"document {len(written)}"
        try:
            expected = plain_payload(payload, identifier)
        except ConfigurationError:
            outcomes["refused"] += 1
            expected = None
        for client in clients:
            driver, collection = Driver(client), MatryoshkaCollection("d", layout=layout)
            add = collection.add([identifier], np.ones((1, 4), np.float32), [payload])
            if expected is None:
                with pytest.raises(ConfigurationError):
                    driver.run(add)
                continue
            driver.run(add)
            (record,) = driver.run(collection.get([identifier]))
            assert record.payload is not None
            assert record.payload.pop("_mrl_id") == identifier
            assert same(record.payload, expected)
        if expected is not None:
            outcomes["stored"] += 1
            written.append(expected)

    store()
    assert min(outcomes["stored"], outcomes["refused"]) > 15
    clients[0].close()
    with connect(path=paths[0]) as reopened:
        collection = MatryoshkaCollection("d", layout=layout)
        ids = [f"document {number}" for number in range(len(written))]
        records = Driver(reopened).run(collection.get(ids))
        assert len(records) == len(written)
        for record, expected in zip(records, written, strict=True):
            assert same({**(record.payload or {}), "_mrl_id": ""}, {**expected, "_mrl_id": ""})
