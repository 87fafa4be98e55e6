"""Ids: every spelling of one reaches one point, and the caller's own spelling comes back."""

import tempfile
import uuid
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qdrant_client import models

from mrl_adapters.errors import ConfigurationError
from mrl_adapters.qdrant import CollectionLayout, Driver, MatryoshkaCollection, connect
from mrl_adapters.qdrant.driver import Client
from mrl_adapters.qdrant.engine import EDGE
from mrl_adapters.qdrant.ids import (
    ID_KEY,
    PointId,
    earlier_ids,
    id_text,
    id_texts,
    original_id,
    point_id,
    spelled_otherwise,
)
from mrl_adapters.qdrant.points import PointBatch

CANONICAL = "0f8fad5b-d9cb-469f-a165-70867728950e"
DIGITS = CANONICAL.replace("-", "")
SPELLINGS = [
    CANONICAL,
    CANONICAL.upper(),
    DIGITS,
    DIGITS.upper(),
    f"{{{CANONICAL}}}",
    f"urn:uuid:{CANONICAL}",
    f"URN:UUID:{CANONICAL.upper()}",
]
NAMESPACE = uuid.UUID("6d726c5f-6164-5074-8572-735f69647300")
LAYOUT = CollectionLayout(4, (2,))
VECTOR = np.ones((1, 4), np.float32)


def spelt(identifier: uuid.UUID) -> list[Any]:
    """Every way to write one UUID, an object among them."""
    text = str(identifier)
    return [
        identifier,
        text,
        text.upper(),
        identifier.hex,
        identifier.hex.upper(),
        f"{{{text}}}",
        identifier.urn,
        identifier.urn.upper(),
    ]


# Which point an id stands for


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_of_a_uuid_that_qdrant_reads_is_that_uuid(spelling: str) -> None:
    assert point_id(spelling) == CANONICAL


@pytest.mark.parametrize("text", ["0", "7", str(2**63), str(2**64 - 1)])
def test_the_digits_of_an_integer_are_that_integer(text: str) -> None:
    assert point_id(text) == int(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", "é", "a" * 5000, "07", "+7", "-1", "1.0", " 7", "7 ", "1_0", "٣", str(2**64)),
        *(
            f"{{{DIGITS}}}",
            f"urn:uuid:{DIGITS}",
            f" {CANONICAL}",
            f"{CANONICAL}\n",
            f"uuid:{DIGITS}",
        ),
    ],
)
def test_what_qdrant_does_not_read_is_a_string_like_any_other(text: str) -> None:
    assert point_id(text) == str(uuid.uuid5(NAMESPACE, text))
    assert earlier_ids(text) == []


def test_the_ids_of_collections_already_written_do_not_change() -> None:
    assert point_id("doc-1") == "6177c2b9-056d-59f6-8851-148051264439"


@given(st.text())
def test_strings_get_the_uuid_of_version_5_that_the_standard_library_gives(text: str) -> None:
    if not isinstance(point_id(text), int):
        assert point_id(text) == str(uuid.uuid5(NAMESPACE, text))


@given(st.text(), st.text())
def test_different_strings_get_different_points(one: str, other: str) -> None:
    assert (point_id(one) == point_id(other)) == (one == other)


@given(st.text() | st.uuids().flatmap(lambda each: st.sampled_from(spelt(each)).map(str)))
@settings(max_examples=200)
def test_the_caller_gets_back_the_id_that_it_gave(identifier: str) -> None:
    point = batch_of(identifier).requests(EDGE)[0][0]
    assert original_id(point.id, point.payload) == identifier


def batch_of(*ids: str) -> PointBatch:
    full = np.ones((len(ids), 2), np.float32)
    return PointBatch(ids, {"full": full}, [{"a": 1}] * len(ids))


def test_the_payload_holds_the_original_only_where_the_points_id_does_not_say_it() -> None:
    points = batch_of(CANONICAL, "7", "mine", DIGITS).requests(EDGE)[0]
    assert [point.payload for point in points] == [
        {"a": 1},
        {"a": 1},
        {"a": 1, ID_KEY: "mine"},
        {"a": 1, ID_KEY: DIGITS},
    ]


# What is taken for an id


@pytest.mark.parametrize(
    ("given_id", "text"),
    [
        ("doc", "doc"),
        ("", ""),
        (7, "7"),
        (np.int64(7), "7"),
        (np.uint64(2**64 - 1), str(2**64 - 1)),
        (np.str_("doc"), "doc"),
        (-1, "-1"),
        (2**64, str(2**64)),
        (uuid.UUID(CANONICAL), CANONICAL),
    ],
)
def test_strings_integers_and_uuids_are_ids(given_id: Any, text: str) -> None:
    assert id_text(given_id, "ids[0]") == text


@pytest.mark.parametrize(
    "wrong", [None, True, np.True_, 1.0, np.float64(1), b"7", (1,), ["a"], object(), "\ud83d"]
)
def test_what_is_no_id_is_refused_by_its_place(wrong: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^ids\[1\] is "):
        id_texts(["good", wrong])


@pytest.mark.parametrize("lone", ["doc", b"doc", 7, uuid.UUID(CANONICAL), None, 1.5])
def test_one_id_where_a_list_is_expected_is_refused(lone: Any) -> None:
    with pytest.raises(ConfigurationError, match="pass a list"):
        id_texts(lone)


# Against engines


@pytest.fixture(params=["edge", "local"])
def client(request: pytest.FixtureRequest, tmp_path: Any) -> Any:
    opened: Any = (
        connect(path=str(tmp_path / "vectors"))
        if request.param == "edge"
        else connect(location=":memory:")
    )
    yield opened
    opened.close()


UUIDS = [uuid.UUID(int=number) for number in (0, 7, 2**127 + 5, uuid.UUID(CANONICAL).int)]
FAMILIES: list[list[Any]] = [
    *map(spelt, UUIDS),
    *([number, str(number), np.uint64(number)] for number in (0, 7, 17, 2**63 + 1, 2**64 - 1)),
    *([text] for text in ("doc-1", "", "007", " 7", "+17", f"{{{DIGITS}}}", "é")),
    [-1, "-1"],
    [2**64, str(2**64)],
]
SPELT = st.integers(0, len(FAMILIES) - 1).flatmap(
    lambda family: st.tuples(st.just(family), st.sampled_from(FAMILIES[family]))
)
STEPS = st.tuples(st.sampled_from(["add", "get", "delete"]), st.lists(SPELT, max_size=6))


@pytest.mark.parametrize("engine", ["edge", "local"])
def test_a_store_answers_as_a_dictionary_does_whatever_the_spelling(engine: str) -> None:
    client: Client = (
        connect(path=tempfile.mkdtemp()) if engine == "edge" else connect(location=":memory:")
    )
    driver = Driver(client)
    collection = MatryoshkaCollection("d", layout=LAYOUT)
    driver.run(collection.ensure(4))

    @settings(max_examples=60, deadline=None)
    @given(st.lists(STEPS, max_size=8))
    def check(steps: list[tuple[str, list[tuple[int, Any]]]]) -> None:
        driver.run(collection.delete())
        known: dict[int, tuple[str, int]] = {}
        for number, (action, chosen) in enumerate(steps):
            ids = [spelling for _, spelling in chosen]
            if action == "add":
                payloads = [{"n": 100 * number + row} for row in range(len(ids))]
                vectors = np.ones((len(ids), 4), np.float32)
                stored = driver.run(collection.add(ids, vectors, payloads))
                assert stored == len({family for family, _ in chosen})
                for (family, spelling), payload in zip(chosen, payloads, strict=True):
                    known[family] = (id_text(spelling, "id"), payload["n"])
            elif action == "delete":
                driver.run(collection.delete(ids))
                for family, _ in chosen:
                    known.pop(family, None)
            else:
                records = driver.run(collection.get(ids))
                expected = [
                    known[each] for each in dict.fromkeys(f for f, _ in chosen) if each in known
                ]
                found = [
                    (original_id(each.id, each.payload), (each.payload or {})["n"])
                    for each in records
                ]
                assert found == expected
            assert driver.run(collection.count()) == len(known)

    check()
    client.close()


# What other programs and earlier versions wrote


def write(client: Client, point: PointId, **payload: Any) -> None:
    vector = {"full": [1.0] * 4, "short_2": [1.0] * 2}
    client.upsert("d", [models.PointStruct(id=point, vector=vector, payload=payload)])


@pytest.fixture
def collection(client: Client) -> MatryoshkaCollection:
    made = MatryoshkaCollection("d", layout=LAYOUT)
    Driver(client).run(made.ensure(4))
    return made


def earlier(client: Client, text: str) -> None:
    """Write as the first versions did: under a UUIDv5 of whatever is no canonical UUID."""
    write(client, str(uuid.uuid5(NAMESPACE, text)), n="earlier", **{ID_KEY: text})


WRITERS: dict[str, Any] = {
    "an integer of another program": (lambda c: write(c, 17, n="other"), ["17", 17]),
    "an integer that an earlier version stored": (lambda c: earlier(c, "17"), ["17", 17]),
    "digits that another program wrote": (
        lambda c: write(c, DIGITS, n="other"),
        spelt(uuid.UUID(CANONICAL)),
    ),
    "digits that an earlier version stored": (
        lambda c: earlier(c, DIGITS),
        spelt(uuid.UUID(CANONICAL)),
    ),
    "upper case that an earlier version stored": (
        lambda c: earlier(c, CANONICAL.upper()),
        spelt(uuid.UUID(CANONICAL)),
    ),
    "braces that an earlier version stored": (
        lambda c: earlier(c, f"{{{CANONICAL}}}"),
        spelt(uuid.UUID(CANONICAL)),
    ),
}
CASES = [
    pytest.param(writer, spelling, id=f"{name}, as {spelling!r}")
    for name, (writer, spellings) in WRITERS.items()
    for spelling in spellings
]


@pytest.mark.parametrize(("writer", "spelling"), CASES)
def test_points_of_others_and_of_earlier_versions_are_read_and_deleted(
    client: Client, collection: MatryoshkaCollection, writer: Any, spelling: Any
) -> None:
    driver = Driver(client)
    writer(client)
    write(client, 18, n="bystander")
    assert len(driver.run(collection.get([spelling]))) == 1
    driver.run(collection.delete([spelling]))
    assert driver.run(collection.get([spelling])) == []
    assert client.count("d").count == 1


@pytest.mark.parametrize(
    ("writer", "spelling"),
    # Adding under a canonical UUID does not look for other spellings of earlier versions.
    [
        case
        for case in CASES
        if "earlier" not in str(case.id) or spelled_otherwise(id_text(case.values[1], "id"))
    ],
)
def test_points_of_others_and_of_earlier_versions_are_replaced(
    client: Client, collection: MatryoshkaCollection, writer: Any, spelling: Any
) -> None:
    driver = Driver(client)
    writer(client)
    assert driver.run(collection.add([spelling], VECTOR, [{"n": "new"}])) == 1
    assert client.count("d").count == 1
    found = driver.run(collection.get([spelling]))[0]
    assert found.payload is not None
    assert found.payload["n"] == "new"
    assert original_id(found.id, found.payload) == id_text(spelling, "id")


@pytest.mark.parametrize("spelling", ["17", 17])
def test_a_twin_that_an_earlier_version_made_is_read_first_and_goes_when_it_is_replaced(
    client: Client, collection: MatryoshkaCollection, spelling: Any
) -> None:
    driver = Driver(client)
    write(client, 17, n="other")
    earlier(client, "17")
    assert [(each.payload or {})["n"] for each in driver.run(collection.get([spelling]))] == [
        "earlier"
    ]
    driver.run(collection.add([spelling], VECTOR, [{"n": "new"}]))
    assert client.count("d").count == 1
    assert [(each.payload or {})["n"] for each in driver.run(collection.get([spelling]))] == ["new"]


def test_adding_asks_for_nothing_more_unless_an_id_may_lie_elsewhere(
    client: Client, collection: MatryoshkaCollection, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    retrieve = type(client).retrieve

    def counted(self: Any, *args: Any, **kwargs: Any) -> Any:
        asked.append(kwargs["ids"])
        return retrieve(self, *args, **kwargs)

    monkeypatch.setattr(type(client), "retrieve", counted)
    driver = Driver(client)
    driver.run(collection.add(["doc", CANONICAL], np.ones((2, 4), np.float32), [{}, {}]))
    assert asked == []
    driver.run(collection.add(["doc", "17"], np.ones((2, 4), np.float32), [{}, {}]))
    assert asked == [[str(uuid.uuid5(NAMESPACE, "17")), 17]]


def test_of_an_id_that_is_there_twice_the_last_one_counts(
    client: Client, collection: MatryoshkaCollection
) -> None:
    ids = [DIGITS, "a", CANONICAL, 7, "7"]
    payloads = [{"n": number} for number in range(5)]
    driver = Driver(client)
    assert driver.run(collection.add(ids, np.ones((5, 4), np.float32), payloads)) == 3
    records = driver.run(collection.get(ids))
    assert [(each.payload or {})["n"] for each in records] == [2, 1, 4]
