"""Random filters over random payloads give what Qdrant's documented rules give.

Three judges: the embedded engine, the brute-force reading of the rules below, and qdrant-client's
local mode.

Source: https://qdrant.tech/documentation/concepts/filtering/
"""

import math
import re
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from qdrant_client import QdrantClient, models

from mrl_adapters.qdrant import EdgeClient

POINTS = 8
KEYS = ("a", "b", "o", "g")
NAMES = ("here", "there")


# --- the rules ------------------------------------------------------------------------------


def values_at(payload: Any, path: str) -> list[Any]:
    """Follow a path like a.b, a[].b, a[0]; an array is one value unless [] opens it."""
    found = [payload]
    for step in re.findall(r"[^.\[\]]+|\[\d*\]", path):
        if step == "[]":
            found = [item for each in found if isinstance(each, list) for item in each]
        elif step.startswith("["):
            at = int(step[1:-1])
            found = [each[at] for each in found if isinstance(each, list) and at < len(each)]
        else:
            found = [each[step] for each in found if isinstance(each, dict) and step in each]
    return found


def is_empty(payload: Any, path: str) -> bool:
    return all(each is None or each == [] for each in values_at(payload, path))


def is_null(payload: Any, path: str) -> bool:
    return any(
        each is None or (isinstance(each, list) and None in each)
        for each in values_at(payload, path)
    )


def within(bounds: Any, value: Any) -> bool:
    return (
        (bounds.lt is None or value < bounds.lt)
        and (bounds.lte is None or value <= bounds.lte)
        and (bounds.gt is None or value > bounds.gt)
        and (bounds.gte is None or value >= bounds.gte)
    )


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def same_kind(left: Any, right: Any) -> bool:
    return type(left) is type(right) and left == right


def matches(match: Any, value: Any) -> bool:  # noqa: PLR0911  # one return for each kind
    text = value if isinstance(value, str) else None
    if isinstance(match, models.MatchValue):
        return same_kind(match.value, value)
    if isinstance(match, models.MatchAny):
        return any(same_kind(each, value) for each in match.any)
    if isinstance(match, models.MatchExcept):
        return not any(same_kind(each, value) for each in match.except_)
    if text is None:
        return False
    if isinstance(match, models.MatchText):
        wanted = words(match.text)
        return bool(wanted) and set(wanted) <= set(words(text))
    if isinstance(match, models.MatchTextAny):
        return bool(set(words(match.text_any)) & set(words(text)))
    if isinstance(match, models.MatchPhrase):
        wanted, given_words = words(match.phrase), words(text)
        return bool(wanted) and any(
            given_words[at : at + len(wanted)] == wanted for at in range(len(given_words))
        )
    if isinstance(match, models.MatchPrefix):
        return text.startswith(match.prefix)
    assert isinstance(match, models.MatchSubstring)
    return match.substring in text


def moment(text: str) -> datetime | None:
    try:
        parsed = datetime.fromisoformat(text.replace("Z", "+00:00"))  # Python 3.10 knows no Z
    except ValueError:
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=timezone.utc)


def metres(one: dict[str, float], other: models.GeoPoint) -> float:
    lat1, lat2 = math.radians(one["lat"]), math.radians(other.lat)
    half = math.sin((lat2 - lat1) / 2) ** 2
    half += (
        math.cos(lat1) * math.cos(lat2) * math.sin(math.radians(other.lon - one["lon"]) / 2) ** 2
    )
    return 2 * 6_371_000 * math.asin(math.sqrt(half))


def is_place(value: Any) -> bool:
    return isinstance(value, dict) and {"lat", "lon"} <= value.keys()


def field_holds(test: models.FieldCondition, value: Any) -> bool:
    """Judge one value; an array holds if one of its elements does, null never."""
    if isinstance(value, list):
        return any(item is not None and scalar_holds(test, item) for item in value)
    return value is not None and scalar_holds(test, value)


def scalar_holds(test: models.FieldCondition, value: Any) -> bool:
    if test.match is not None:
        return matches(test.match, value)
    if isinstance(test.range, models.Range):
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return number and within(test.range, value)
    if isinstance(test.range, models.DatetimeRange):
        when = moment(value) if isinstance(value, str) else None
        return when is not None and within(test.range, when)
    if test.geo_radius is not None:
        centre, radius = test.geo_radius.center, test.geo_radius.radius
        return is_place(value) and metres(value, centre) < radius
    box = test.geo_bounding_box
    assert box is not None
    return (
        is_place(value)
        and box.top_left.lon < value["lon"] < box.bottom_right.lon
        and box.bottom_right.lat < value["lat"] < box.top_left.lat
    )


def holds(  # noqa: PLR0911  # one return for each kind
    test: Any, point_id: int | None, payload: Any, names: frozenset[str]
) -> bool:
    if isinstance(test, models.Filter):
        return filter_holds(test, point_id, payload, names)
    if isinstance(test, models.HasIdCondition):
        return point_id in test.has_id
    if isinstance(test, models.HasVectorCondition):
        return test.has_vector in names
    if isinstance(test, models.IsEmptyCondition):
        return is_empty(payload, test.is_empty.key)
    if isinstance(test, models.IsNullCondition):
        return is_null(payload, test.is_null.key)
    if isinstance(test, models.NestedCondition):
        return any(
            filter_holds(test.nested.filter, point_id, each, names)
            for each in values_at(payload, test.nested.key + "[]")
            if isinstance(each, dict)
        )
    assert isinstance(test, models.FieldCondition)
    if test.is_empty is not None:
        return is_empty(payload, test.key) is test.is_empty
    if test.is_null is not None:
        return is_null(payload, test.key) is test.is_null
    found = values_at(payload, test.key)
    if test.values_count is not None:
        sizes = [len(each) if isinstance(each, list) else int(each is not None) for each in found]
        return any(within(test.values_count, size) for size in sizes or [0])
    return any(field_holds(test, each) for each in found)


def listed(tests: Any) -> list[Any]:
    return tests if isinstance(tests, list) else [] if tests is None else [tests]


def filter_holds(
    test: models.Filter, point_id: int | None, payload: Any, names: frozenset[str]
) -> bool:
    def judge(tests: Any) -> list[bool]:
        return [holds(each, point_id, payload, names) for each in listed(tests)]

    enough = test.min_should
    should = judge(test.should)
    return (
        all(judge(test.must))
        and not any(judge(test.must_not))
        and (not should or any(should))
        and (enough is None or sum(judge(enough.conditions)) >= enough.min_count)
    )


# --- random payloads and filters ------------------------------------------------------------

integers = st.integers(-2, 3)
floats = st.sampled_from([-1.5, 0.0, 0.5, 1.0, 2.0])
strings = st.sampled_from(["x", "y", "", "1", "Red big", "big red dog", "bigger", "true"])
moments = st.sampled_from(
    ["2024-05-01", "2024-05-01T10:00:00", "2024-05-01T10:00:00+02:00", "2024-05-02T00:00:00Z"]
)
places = st.fixed_dictionaries(
    {"lat": st.sampled_from([-10.0, 0.0, 52.5]), "lon": st.sampled_from([-5.0, 0.0, 13.4])}
)
scalars = st.one_of(integers, floats, strings, moments, st.booleans(), st.none(), places)
arrays = st.lists(scalars | st.lists(integers, max_size=2), max_size=3)
objects = st.dictionaries(st.sampled_from(["a", "b"]), scalars | arrays, max_size=2)
payloads = st.dictionaries(
    st.sampled_from(KEYS), scalars | arrays | objects | st.lists(objects, max_size=3), max_size=4
)
paths = st.sampled_from(
    ["a", "b", "o", "g", "a[]", "a[0]", "o.a", "o[].a", "o[].b", "o[1].a", "zz"]
)


def bounds(kind: Any, values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.dictionaries(st.sampled_from(["lt", "lte", "gt", "gte"]), values, max_size=2).map(
        lambda given_bounds: kind(**given_bounds)
    )


texts = st.sampled_from(["big", "red", "big red", "x", "Red big", "igge", "dog zebra"])
match_tests = st.one_of(
    st.one_of(integers, strings, st.booleans()).map(lambda value: models.MatchValue(value=value)),
    st.one_of(st.lists(integers, max_size=3), st.lists(strings, max_size=3)).map(
        lambda values: models.MatchAny(any=values)
    ),
    st.one_of(st.lists(integers, max_size=3), st.lists(strings, max_size=3)).map(
        lambda values: models.MatchExcept(**{"except": values})
    ),
    texts.map(lambda text: models.MatchText(text=text)),
    texts.map(lambda text: models.MatchTextAny(text_any=text)),
    texts.map(lambda text: models.MatchPhrase(phrase=text)),
    texts.map(lambda text: models.MatchPrefix(prefix=text)),
    texts.map(lambda text: models.MatchSubstring(substring=text)),
)
stamps = st.sampled_from(
    [
        datetime(2024, 5, 1, 9, tzinfo=timezone.utc),
        datetime(2024, 5, 1, 10, tzinfo=timezone.utc),
        datetime(2024, 5, 2, tzinfo=timezone.utc),
    ]
)
boxes = st.builds(
    lambda north, west: models.GeoBoundingBox(
        top_left=models.GeoPoint(lat=north, lon=west),
        bottom_right=models.GeoPoint(lat=north - 15, lon=west + 15),
    ),
    st.sampled_from([5.0, 60.0]),
    st.sampled_from([-6.0, 3.0]),
)
rings = st.builds(
    lambda lat, radius: models.GeoRadius(center=models.GeoPoint(lat=lat, lon=0.0), radius=radius),
    st.sampled_from([0.0, 45.0]),
    st.sampled_from([1000.0, 800_000.0, 2_000_000.0]),
)
field_tests = st.one_of(
    st.builds(lambda key, match: models.FieldCondition(key=key, match=match), paths, match_tests),
    st.builds(
        lambda key, test: models.FieldCondition(key=key, range=test),
        paths,
        bounds(models.Range, floats) | bounds(models.DatetimeRange, stamps),
    ),
    st.builds(
        lambda key, test: models.FieldCondition(key=key, values_count=test),
        paths,
        bounds(models.ValuesCount, st.integers(0, 3)),
    ),
    st.builds(lambda key, box: models.FieldCondition(key=key, geo_bounding_box=box), paths, boxes),
    st.builds(lambda key, ring: models.FieldCondition(key=key, geo_radius=ring), paths, rings),
    st.builds(
        lambda key, wanted: models.FieldCondition(key=key, is_empty=wanted), paths, st.booleans()
    ),
    st.builds(
        lambda key, wanted: models.FieldCondition(key=key, is_null=wanted), paths, st.booleans()
    ),
    paths.map(lambda key: models.IsEmptyCondition(is_empty=models.PayloadField(key=key))),
    paths.map(lambda key: models.IsNullCondition(is_null=models.PayloadField(key=key))),
)
simple_tests = st.one_of(
    field_tests,
    st.lists(st.integers(0, POINTS), max_size=4).map(
        lambda ids: models.HasIdCondition(has_id=list(ids))
    ),
    st.sampled_from(NAMES).map(lambda name: models.HasVectorCondition(has_vector=name)),
)


def filters_of(tests: st.SearchStrategy[Any]) -> st.SearchStrategy[models.Filter]:
    some = st.none() | tests | st.lists(tests, max_size=3)
    counted = st.builds(
        lambda conditions, count: models.MinShould(conditions=conditions, min_count=count),
        st.lists(tests, max_size=3),
        st.integers(1, 3),
    )
    return st.builds(
        models.Filter, must=some, should=some, must_not=some, min_should=st.none() | counted
    )


def nested_of(tests: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.builds(
        lambda key, inner: models.NestedCondition(nested=models.Nested(key=key, filter=inner)),
        st.sampled_from(["o", "a"]),
        filters_of(tests),
    )


any_filter = filters_of(
    st.recursive(simple_tests | nested_of(field_tests), filters_of, max_leaves=5)
)


# --- the tests ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[EdgeClient, QdrantClient]]:
    local = QdrantClient(":memory:")
    with EdgeClient(tmp_path_factory.mktemp("filters")) as embedded:
        for client in (embedded, local):
            client.create_collection(
                "docs",
                {name: models.VectorParams(size=1, distance="Dot") for name in NAMES},
            )
        yield embedded, local
    local.close()


def found_ids(client: EdgeClient | QdrantClient, condition: models.Filter) -> set[Any]:
    return {point.id for point in client.scroll("docs", scroll_filter=condition, limit=100)[0]}


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    documents=st.lists(payloads, min_size=POINTS, max_size=POINTS),
    conditions=st.lists(any_filter, min_size=1, max_size=6),
)
@example(
    documents=[{}] * POINTS,
    conditions=[  # more of min_should than there are conditions
        models.Filter(
            should=models.HasIdCondition(has_id=[0]),
            min_should=models.MinShould(
                conditions=[models.HasIdCondition(has_id=[0])] * count, min_count=count + 1
            ),
        )
        for count in range(2)
    ],
)
@example(
    documents=[{"a": [None, -1]}] * POINTS,  # neither empty, though one of its elements is
    conditions=[models.Filter(must=models.FieldCondition(key="a[]", is_empty=True))],
)
def test_a_filter_selects_what_its_rules_say(
    engines: tuple[EdgeClient, QdrantClient],
    documents: list[dict[str, Any]],
    conditions: list[models.Filter],
) -> None:
    names = [frozenset(NAMES[: 1 + row % 2]) for row in range(POINTS)]
    points = [
        models.PointStruct(id=row, vector={key: [1.0] for key in names[row]}, payload=payload)
        for row, payload in enumerate(documents)
    ]
    embedded, local = engines
    for client in engines:
        client.upsert("docs", points)
    for condition in conditions:
        expected = {
            row
            for row, payload in enumerate(documents)
            if filter_holds(condition, row, payload, names[row])
        }
        assert found_ids(embedded, condition) == expected
        assert embedded.count("docs", count_filter=condition).count == len(expected)
        assert found_ids(local, condition) == expected
