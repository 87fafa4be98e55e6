"""What the engine's log could not give back is refused before anything is written."""

import math
from collections import UserList, deque
from collections.abc import Callable
from decimal import Decimal
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qdrant_client import models

from mrl_adapters.edge import EdgeClient, limits
from mrl_adapters.edge.limits import (
    MAX_FILTER_CONDITIONS,
    MAX_FILTER_DEPTH,
    MAX_FORMULA_DEPTH,
    MAX_PAYLOAD_BYTES,
    MAX_PAYLOAD_DEPTH,
    check_payload,
    path_depth,
)
from mrl_adapters.edge.requests import MAX_PREFETCH_DEPTH
from mrl_adapters.errors import ConfigurationError

IDS = [1, 2, 3]
EVERYTHING = models.Filter(must=[models.HasIdCondition(has_id=IDS)])
Door = Callable[[EdgeClient, dict[str, Any]], object]
FilterDoor = Callable[[EdgeClient, models.Filter], object]


def point(payload: dict[str, Any]) -> models.PointStruct:
    return models.PointStruct.model_construct(id=1, vector={"a": [1.0]}, payload=payload)


# The levels that a door puts above the payload.
DOORS: dict[str, tuple[Door, int]] = {
    "upsert": (lambda c, p: c.upsert("docs", [point(p)]), 0),
    "batch": (
        lambda c, p: c.upsert(
            "docs",
            models.Batch.model_construct(ids=[1], vectors={"a": [[1.0]]}, payloads=[p]),
        ),
        0,
    ),
    "upload_points": (lambda c, p: c.upload_points("docs", [point(p)]), 0),
    "set_payload": (lambda c, p: c.set_payload("docs", p, [1]), 0),
    "set_payload under a key": (lambda c, p: c.set_payload("docs", p, [1], key="x.y[0]"), 3),
    "set_payload by filter": (lambda c, p: c.set_payload("docs", p, EVERYTHING), 0),
    "overwrite_payload": (lambda c, p: c.overwrite_payload("docs", p, [1]), 0),
    "overwrite_payload by filter": (lambda c, p: c.overwrite_payload("docs", p, EVERYTHING), 0),
    "batch_update_points": (
        lambda c, p: c.batch_update_points(
            "docs",
            [
                models.ClearPayloadOperation(clear_payload=models.PointIdsList(points=[2])),
                models.SetPayloadOperation(
                    set_payload=models.SetPayload.model_construct(
                        payload=p, points=[1], filter=None, key=None
                    )
                ),
            ],
        ),
        0,
    ),
    "metadata": (lambda c, p: c.update_collection("docs", metadata=p), 0),
}
FILTER_DOORS: dict[str, FilterDoor] = {
    "delete": lambda c, f: c.delete("docs", f),
    "delete by selector": lambda c, f: c.delete(
        "docs", models.FilterSelector.model_construct(filter=f)
    ),
    "set_payload": lambda c, f: c.set_payload("docs", {"b": 1}, f),
    "overwrite_payload": lambda c, f: c.overwrite_payload("docs", {"b": 1}, f),
    "delete_payload": lambda c, f: c.delete_payload("docs", ["n"], f),
    "clear_payload": lambda c, f: c.clear_payload("docs", f),
    "delete_vectors": lambda c, f: c.delete_vectors("docs", ["a"], f),
    "upsert": lambda c, f: c.upsert("docs", [point({"b": 1})], update_filter=f),
    "update_vectors": lambda c, f: c.update_vectors(
        "docs", [models.PointVectors(id=1, vector={"a": [2.0]})], update_filter=f
    ),
    "batch_update_points": lambda c, f: c.batch_update_points(
        "docs",
        [
            models.UpsertOperation(
                upsert=models.PointsList(points=[models.PointStruct(id=2, vector={})])
            ),
            models.DeleteOperation(delete=models.FilterSelector.model_construct(filter=f)),
        ],
    ),
    "count": lambda c, f: c.count("docs", f),
    "scroll": lambda c, f: c.scroll("docs", f),
    "query_points": lambda c, f: c.query_points("docs", [1.0], using="a", query_filter=f),
    "prefetch": lambda c, f: c.query_points(
        "docs",
        [1.0],
        using="a",
        prefetch=models.Prefetch.model_construct(query=[1.0], using="a", filter=f),
    ),
    "facet": lambda c, f: c.facet("docs", "n", facet_filter=f),
}


def fill(client: EdgeClient) -> None:
    client.create_collection("docs", {"a": models.VectorParams(size=1, distance="Dot")})
    client.create_payload_index("docs", "n", "integer")
    client.upsert(
        "docs",
        [
            models.PointStruct(id=at, vector={"a": [float(at)]}, payload={"n": at, "g": {"m": at}})
            for at in IDS
        ],
    )


@pytest.fixture(scope="module")
def docs(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with EdgeClient(tmp_path_factory.mktemp("limits")) as client:
        fill(client)
        yield client


def state(client: EdgeClient) -> object:
    return client.scroll("docs", with_vectors=True), client.get_collection("docs").config


def chain(levels: int, *, kind: type = dict) -> Any:
    """Make a value of so many levels; a mapping is the outermost."""
    value: Any = 1
    for _ in range(levels - 1):
        value = {"a": value} if kind is dict else kind([value])
    return {"k": value}


def around(kind: str, inner: Any) -> models.Filter:
    if kind == "min_should":
        clause = models.MinShould.model_construct(conditions=[inner], min_count=1)
        return models.Filter.model_construct(min_should=clause)
    if kind == "nested":
        nested = models.Nested.model_construct(key="g", filter=inner)
        return models.Filter.model_construct(
            must=[models.NestedCondition.model_construct(nested=nested)]
        )
    return models.Filter.model_construct(**{kind: [inner]})


def field(**test: Any) -> models.FieldCondition:
    return models.FieldCondition.model_construct(key="n", **test)


def bomb() -> dict[str, Any]:
    """Give a few lists that are larger than the disk when written."""
    value: Any = "x"
    for _ in range(60):
        value = [value, value]
    return {"k": value}


def cycle() -> dict[str, Any]:
    value: dict[str, Any] = {}
    value["self"] = [value]
    return value


NOT_KEPT: dict[str, Callable[[], dict[str, Any]]] = {
    "a level too many": lambda: chain(MAX_PAYLOAD_DEPTH + 1),
    "5,000 mappings": lambda: chain(5_000),
    "5,000 lists": lambda: chain(5_000, kind=list),
    "5,000 tuples": lambda: chain(5_000, kind=tuple),
    "5,000 lists of another class": lambda: chain(5_000, kind=UserList),
    "5,000 queues": lambda: chain(5_000, kind=deque),
    "a cycle": cycle,
    "too large a text": lambda: {"k": "x" * (MAX_PAYLOAD_BYTES + 1)},
    "too many numbers": lambda: {"k": [0] * (MAX_PAYLOAD_BYTES // 8 + 1)},
    "too large a key": lambda: {"k" * (MAX_PAYLOAD_BYTES + 1): 1},
    "NaN": lambda: {"k": [{"l": math.nan}]},
    "infinity": lambda: {"k": -math.inf},
    "an integer above 64 bits": lambda: {"k": 2**64},
    "an integer below 64 bits": lambda: {"k": [-(2**63) - 1]},
    "an integer beyond floats": lambda: {"k": 2**2000},
    "a lone surrogate": lambda: {"k": "\ud800"},
    "a lone surrogate in a key": lambda: {"\ud800": 1},
    "an object": lambda: {"k": object()},
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("what", NOT_KEPT)
def test_a_payload_that_the_log_cannot_keep_changes_nothing(
    docs: EdgeClient, door: str, what: str
) -> None:
    before = state(docs)
    with pytest.raises(ConfigurationError):
        DOORS[door][0](docs, NOT_KEPT[what]())
    assert state(docs) == before


@pytest.mark.parametrize("door", DOORS)
def test_half_a_surrogate_pair_is_named_in_one_line(docs: EdgeClient, door: str) -> None:
    ways = {"['k']": {"k": "\ud800"}, "['k'][0]['l']": {"k": [{"l": "x\udfff"}]}}
    for way, payload in ways.items():
        with pytest.raises(ConfigurationError) as caught:
            DOORS[door][0](docs, payload)
        assert f"JSON form: {way} holds half a surrogate pair" in str(caught.value)
        assert "\n" not in str(caught.value)
    with pytest.raises(ConfigurationError, match=r"the key '.udc00' in \['k'\] holds half"):
        DOORS[door][0](docs, {"k": {"\udc00": 1}})


def test_lists_that_are_larger_when_written_than_in_memory_are_refused(docs: EdgeClient) -> None:
    with pytest.raises(ConfigurationError, match="Point 1: takes more than 32 MiB"):
        docs.upsert("docs", [point(bomb())])


def test_the_error_names_the_point_and_the_key(docs: EdgeClient) -> None:
    with pytest.raises(ConfigurationError, match="Point 1: holds nan under 'year'"):
        docs.upsert("docs", [point({"metadata": {"year": math.nan}})])
    with pytest.raises(
        ConfigurationError, match="'n' of 65 bits, expected -2\\*\\*63 to 2\\*\\*64"
    ):
        docs.upsert("docs", [point({"n": 2**64})])
    with pytest.raises(ConfigurationError, match="Metadata of collection 'docs': nested more than"):
        docs.update_collection("docs", metadata=chain(200))


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("kind", [dict, list])
def test_the_deepest_payload_is_the_same_after_reopening(
    tmp_path: Path, door: str, kind: type
) -> None:
    write, above = DOORS[door]
    with EdgeClient(tmp_path) as client:
        fill(client)
        write(client, chain(MAX_PAYLOAD_DEPTH - above, kind=kind))
        before = state(client)
        with pytest.raises(ConfigurationError, match="nested more than"):
            write(client, chain(MAX_PAYLOAD_DEPTH - above + 1, kind=kind))
    with EdgeClient(tmp_path) as client:
        assert state(client) == before


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(),
    lambda inner: st.lists(inner) | st.tuples(inner) | st.dictionaries(st.text(), inner),
)


@settings(deadline=None, max_examples=50)
@given(JSON)
def test_a_payload_of_plain_values_passes(value: Any) -> None:
    assert check_payload({"k": value}, "Point 1") is ("(" not in repr(json_shape(value)))


def json_shape(value: Any) -> Any:
    """Give a value with every text and number left out: what brackets it is written with."""
    if isinstance(value, dict):
        return {at: json_shape(each) for at, each in enumerate(value.values())}
    if isinstance(value, (list, tuple)):
        return type(value)(json_shape(each) for each in value)
    return None


BOUNDS = [math.nan, math.inf, -math.inf]
PLACE = models.GeoPoint(lon=0.0, lat=0.0)


def place(lon: float) -> models.GeoPoint:
    return models.GeoPoint.model_construct(lon=lon, lat=0.0)


NOT_FINITE: dict[str, Callable[[float], models.Filter]] = {
    **{
        name: lambda bound, name=name: models.Filter.model_construct(
            must=[field(range=models.Range.model_construct(**{name: bound}))]
        )
        for name in ("gt", "gte", "lt", "lte")
    },
    "beside a finite bound": lambda bound: models.Filter.model_construct(
        must=[field(range=models.Range(gte=0.0, lte=bound))]
    ),
    "not in a list": lambda bound: models.Filter.model_construct(
        must_not=field(range=models.Range(gte=bound))
    ),
    "min_should": lambda bound: around("min_should", field(range=models.Range(gte=bound))),
    "deep": lambda bound: around("nested", around("should", field(range=models.Range(lt=bound)))),
    "radius": lambda bound: models.Filter.model_construct(
        must=[field(geo_radius=models.GeoRadius.model_construct(center=PLACE, radius=bound))]
    ),
    "place": lambda bound: models.Filter.model_construct(
        must=[field(geo_radius=models.GeoRadius.model_construct(center=place(bound), radius=1.0))]
    ),
    "box": lambda bound: models.Filter.model_construct(
        must=[
            field(
                geo_bounding_box=models.GeoBoundingBox.model_construct(
                    top_left=PLACE, bottom_right=place(bound)
                )
            )
        ]
    ),
    "values_count": lambda bound: models.Filter.model_construct(
        must=[field(values_count=models.ValuesCount.model_construct(gt=bound))]
    ),
    "match": lambda bound: models.Filter.model_construct(
        must=[field(match=models.MatchValue.model_construct(value=bound))]
    ),
    "match any": lambda bound: models.Filter.model_construct(
        must=[field(match=models.MatchAny.model_construct(any=[1, bound]))]
    ),
}


@pytest.mark.parametrize("door", FILTER_DOORS)
@pytest.mark.parametrize("where", NOT_FINITE)
def test_a_filter_that_is_not_finite_changes_nothing(
    docs: EdgeClient, door: str, where: str
) -> None:
    before = state(docs)
    for bound in BOUNDS:
        with pytest.raises(ConfigurationError, match=f"is {bound}, expected a finite number"):
            FILTER_DOORS[door](docs, NOT_FINITE[where](bound))
    assert state(docs) == before


def doubled() -> models.Filter:
    inner: Any = field(match=models.MatchValue(value=1))
    for _ in range(40):
        inner = models.Filter.model_construct(must=[inner, inner])
    return inner


def self_holding() -> models.Filter:
    outer = models.Filter()
    outer.must = [outer]
    return outer


LEVELS = {"must": 2, "should": 2, "must_not": 2, "min_should": 3, "nested": 4}


@cache
def deep_filter(kind: str, deep: int) -> models.Filter:
    inner: Any = models.Filter.model_construct(must=[field(match=models.MatchValue(value=-1))])
    for _ in range(deep):
        inner = around(kind, inner)
    return inner


@pytest.mark.parametrize("door", FILTER_DOORS)
def test_a_filter_that_the_log_cannot_keep_changes_nothing(
    docs: EdgeClient, door: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MAX_FILTER_CONDITIONS", 1_000)
    before = state(docs)
    for kind, levels in LEVELS.items():
        for deep in (MAX_FILTER_DEPTH // levels + 1, 5_000):
            with pytest.raises(ConfigurationError, match="nested too deeply"):
                FILTER_DOORS[door](docs, deep_filter(kind, deep))
    for endless in (self_holding, doubled):
        with pytest.raises(ConfigurationError, match=r"nested too deeply|conditions"):
            FILTER_DOORS[door](docs, endless())
    many = [field(is_null=True)] * 1_000
    with pytest.raises(ConfigurationError, match="more than 1,000 conditions"):
        FILTER_DOORS[door](docs, models.Filter.model_construct(should=many))
    assert state(docs) == before


def test_a_filter_may_have_many_conditions_but_not_any_number(docs: EdgeClient) -> None:
    many = [field(is_null=True)] * (MAX_FILTER_CONDITIONS - 1)
    assert docs.count("docs", models.Filter.model_construct(should=many)).count == 0
    with pytest.raises(ConfigurationError, match="more than 100,000 conditions"):
        docs.count("docs", models.Filter.model_construct(should=[*many, many[0]]))


POLYGON = models.GeoLineString(
    points=[models.GeoPoint(lon=a, lat=b) for a, b in ((0, 0), (1, 0), (1, 1), (0, 0))]
)
DEEPEST_CONDITION = field(geo_polygon=models.GeoPolygon(exterior=POLYGON, interiors=[POLYGON]))


@pytest.mark.parametrize("kind", LEVELS)
def test_the_deepest_filter_is_read_back_from_the_log(tmp_path: Path, kind: str) -> None:
    inner: Any = models.Filter(must=[DEEPEST_CONDITION])
    for _ in range((MAX_FILTER_DEPTH - 2) // LEVELS[kind]):
        inner = around(kind, inner)
    with EdgeClient(tmp_path) as client:
        fill(client)
        for door in FILTER_DOORS.values():
            door(client, inner)
        before = state(client)
    with EdgeClient(tmp_path) as client:
        assert state(client) == before


def test_a_range_of_any_moment_means_the_same_after_reopening(tmp_path: Path) -> None:
    moment = models.Filter(must=[models.FieldCondition(key="t", range=models.DatetimeRange())])
    stamps = {1: 5, 2: "2024-05-01", 3: "0000-01-01T00:00:00+23:59", 4: [1.5, "9999-12-31"]}
    with EdgeClient(tmp_path) as client:
        fill(client)
        client.upsert(
            "docs",
            [models.PointStruct(id=at, vector={}, payload={"t": t}) for at, t in stamps.items()],
        )
        client.delete("docs", moment)
        assert [each.id for each in client.scroll("docs")[0]] == [1]
    with EdgeClient(tmp_path) as client:
        assert [each.id for each in client.scroll("docs")[0]] == [1]


@pytest.mark.parametrize(
    ("path", "levels"),
    [(None, 0), ("a", 1), ("a.b", 2), ("a[0].b", 3), ('"a.b[0]".c', 2), ("a[]", 2)],
)
def test_a_path_is_as_deep_as_it_has_parts(path: str | None, levels: int) -> None:
    assert path_depth(path) == levels


def test_a_payload_may_be_any_mapping(docs: EdgeClient) -> None:
    check_payload(MappingProxyType({"k": deque([1])}), "Point 1")
    with pytest.raises(ConfigurationError, match="holds nan in a list"):
        check_payload(MappingProxyType({3: deque([math.nan])}), "Point 1")


NUMBER_CLASSES = [np.float32, np.float64, Decimal]


@pytest.mark.parametrize("door", FILTER_DOORS)
@pytest.mark.parametrize("kind", NUMBER_CLASSES)
def test_a_bound_of_another_class_is_judged_alike(docs: EdgeClient, door: str, kind: Any) -> None:
    before = state(docs)
    for bound in ("nan", "inf", "-inf"):
        with pytest.raises(ConfigurationError, match="expected a finite number"):
            FILTER_DOORS[door](docs, NOT_FINITE["gte"](kind(bound)))
    assert state(docs) == before


def summed(levels: int) -> Any:
    formula: Any = "$score"
    for _ in range(levels):
        formula = models.SumExpression.model_construct(sum=[formula])
    return formula


def summed_forever() -> Any:
    formula = models.SumExpression(sum=[])
    formula.sum.append(formula)
    return formula


def summed_twice() -> Any:
    formula: Any = "$score"
    for _ in range(40):
        formula = models.SumExpression.model_construct(sum=[formula, formula])
    return formula


BAD_FORMULAS: dict[str, Callable[[], Any]] = {
    "too deep": lambda: summed(MAX_FORMULA_DEPTH // 2),
    "3,000 levels": lambda: summed(3_000),
    "a cycle": summed_forever,
    "doubled at each level": summed_twice,
    "NaN": lambda: models.SumExpression(sum=["$score", math.nan]),
    "infinity": lambda: models.MultExpression(mult=["$score", math.inf]),
    "NaN for zero": lambda: models.DivExpression(
        div=models.DivParams(left=1.0, right=0.0, by_zero_default=math.nan)
    ),
    "NaN in a filter": lambda: models.SumExpression.model_construct(
        sum=["$score", NOT_FINITE["gte"](math.nan)]
    ),
    "a filter too deep": lambda: models.SumExpression.model_construct(
        sum=["$score", deep_filter("must", 200)]
    ),
}


def boosted(client: EdgeClient, formula: Any, **defaults: Any) -> models.QueryResponse:
    query = models.FormulaQuery.model_construct(formula=formula, defaults=defaults)
    first = models.Prefetch(query=[1.0], using="a", limit=3)
    return client.query_points("docs", query, prefetch=first)


@pytest.mark.parametrize("what", BAD_FORMULAS)
def test_a_formula_that_cannot_be_worked_out_is_refused(docs: EdgeClient, what: str) -> None:
    with pytest.raises(ConfigurationError, match=r"nested too deeply|finite number"):
        boosted(docs, BAD_FORMULAS[what]())


def test_the_deepest_formula_is_worked_out(docs: EdgeClient) -> None:
    found = boosted(docs, summed(MAX_FORMULA_DEPTH // 2 - 1)).points
    assert [each.id for each in found] == [3, 2, 1]


@pytest.mark.parametrize("value", [math.nan, chain(3_000), cycle(), bomb()])
def test_defaults_of_a_formula_are_checked_as_payloads_are(docs: EdgeClient, value: Any) -> None:
    with pytest.raises(ConfigurationError, match="The formula's defaults"):
        boosted(docs, "x", x=value)


@pytest.mark.parametrize("levels", [65, 3_000])
def test_prefetches_inside_each_other_end_somewhere(docs: EdgeClient, levels: int) -> None:
    inner = models.Prefetch(query=[1.0], using="a", limit=3)
    for _ in range(levels - 1):
        inner = inner.model_copy(update={"prefetch": inner})
    with pytest.raises(ConfigurationError, match="more than 64 prefetches"):
        docs.query_points("docs", [1.0], using="a", prefetch=inner)
    if levels == MAX_PREFETCH_DEPTH + 1:
        assert docs.query_points("docs", [1.0], using="a", prefetch=inner.prefetch).points
