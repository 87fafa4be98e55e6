"""Filters are converted losslessly or refused by name."""

from datetime import date, datetime
from typing import Any

import pytest
from qdrant_client import models

from mrl_adapters.edge import EdgeClient

PAYLOADS: dict[int, dict[str, Any]] = {
    1: {"v": True, "place": {"lat": 1.0, "lon": 1.0}},
    2: {"v": False, "place": {"lat": 5.0, "lon": 5.0}},
    3: {"v": 1, "place": [{"lat": 50.0, "lon": 5.0}, {"lat": 2.0, "lon": 2.0}]},
    4: {"v": 0},
    5: {"v": "1", "when": "2024-05-01T00:30:00+02:00"},
    6: {"v": [1, True], "when": "2024-05-01"},
    7: {"v": 1.0, "when": "2024-05-02T00:00:00"},
    8: {"v": None},
    9: {},
}


@pytest.fixture(scope="module")
def docs(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with EdgeClient(tmp_path_factory.mktemp("filters")) as client:
        client.create_collection("docs", models.VectorParams(size=1, distance="Dot"))
        client.upsert(
            "docs",
            [
                models.PointStruct(id=at, vector=[1.0], payload=payload)
                for at, payload in PAYLOADS.items()
            ],
        )
        yield client


def chosen(client: EdgeClient, *must: Any) -> set[Any]:
    condition = models.Filter(must=list(must))
    return {each.id for each in client.scroll("docs", scroll_filter=condition)[0]}


def match(test: Any) -> models.FieldCondition:
    return models.FieldCondition(key="v", match=test)


@pytest.mark.parametrize(
    ("test", "expected"),
    [
        (models.MatchValue(value=True), {1, 6}),
        (models.MatchValue(value=False), {2}),
        (models.MatchValue(value=1), {3, 6}),
        (models.MatchValue(value=0), {4}),
        (models.MatchValue(value="1"), {5}),
        (models.MatchAny(any=[1, 0]), {3, 4, 6}),
        (models.MatchAny(any=["1"]), {5}),
        (models.MatchAny(any=[]), set()),
        (models.MatchExcept(**{"except": [1]}), {1, 2, 4, 5, 6, 7}),
        (models.MatchExcept(**{"except": []}), {1, 2, 3, 4, 5, 6, 7}),
    ],
)
def test_booleans_numbers_and_text_are_kept_apart(
    docs: EdgeClient, test: Any, expected: set[int]
) -> None:
    assert chosen(docs, match(test)) == expected


def test_a_whole_number_stored_as_float_is_found_by_range_only(docs: EdgeClient) -> None:
    one = models.FieldCondition(key="v", range=models.Range(gte=1, lte=1))
    assert chosen(docs, one) == {3, 6, 7}


def test_moments_without_a_time_zone_are_utc(docs: EdgeClient) -> None:
    def since(start: date) -> set[Any]:
        return chosen(
            docs, models.FieldCondition(key="when", range=models.DatetimeRange(gte=start))
        )

    assert since(date(2024, 5, 1)) == {6, 7}
    assert since(datetime(2024, 5, 1)) == {6, 7}  # noqa: DTZ001  # the case under test
    assert since(datetime.fromisoformat("2024-05-01T00:00:00+02:00")) == {5, 6, 7}


def test_places_are_found_in_polygons_with_holes(docs: EdgeClient) -> None:
    def ring(low: float, high: float) -> models.GeoLineString:
        corners = [(low, low), (low, high), (high, high), (high, low), (low, low)]
        return models.GeoLineString(
            points=[models.GeoPoint(lat=lat, lon=lon) for lat, lon in corners]
        )

    def inside(**polygon: Any) -> set[Any]:
        area = models.GeoPolygon(**polygon)
        return chosen(docs, models.FieldCondition(key="place", geo_polygon=area))

    assert inside(exterior=ring(0.0, 6.0)) == {1, 2, 3}
    assert inside(exterior=ring(0.0, 6.0), interiors=[ring(4.0, 5.5)]) == {1, 3}
    assert inside(exterior=ring(0.0, 1.5)) == {1}


def test_slices_share_out_all_points_once(docs: EdgeClient) -> None:
    parts = [
        chosen(docs, models.SliceCondition(slice=models.Slice(total=3, index=index)))
        for index in range(3)
    ]
    assert set.union(*parts) == set(PAYLOADS)
    assert sum(map(len, parts)) == len(PAYLOADS)


def test_one_condition_needs_no_list(docs: EdgeClient) -> None:
    one = match(models.MatchValue(value=1))
    for name, expected in (("must", 2), ("should", 2), ("must_not", 7)):
        given = models.Filter(**{name: one})
        assert docs.count("docs", count_filter=given).count == expected


@pytest.mark.parametrize("clause", ["must", "should", "must_not"])
def test_an_empty_clause_says_nothing_inside_nested_too(docs: EdgeClient, clause: str) -> None:
    empty = models.Filter(**{clause: []})
    assert docs.count("docs", count_filter=empty).count == len(PAYLOADS)
    nested = models.NestedCondition(nested=models.Nested(key="place", filter=empty))
    assert chosen(docs, nested) == {3}


@pytest.mark.parametrize("beside", ["must", "should", "must_not", None])
def test_some_of_no_conditions_never_hold(docs: EdgeClient, beside: str | None) -> None:
    clauses = {} if beside is None else {beside: models.HasIdCondition(has_id=[1])}
    none = models.MinShould(conditions=[], min_count=1)
    assert docs.count("docs", count_filter=models.Filter(**clauses, min_should=none)).count == 0


class NewCondition(models.FieldCondition):
    """A condition of some later client."""


class LaterMatch(models.MatchValue):
    """A match of some later client."""


ONE = match(models.MatchValue(value=1))


@pytest.mark.parametrize(
    ("condition", "named"),
    [
        (NewCondition(key="v", is_null=True), "NewCondition"),
        (match(LaterMatch(value=1)), "LaterMatch"),
        (models.FieldCondition.model_construct(key="v", match={"value": 1}), "dict"),
        ({"key": "v", "match": {"value": 1}}, "dict"),
    ],
)
def test_an_unknown_condition_is_named_not_dropped(
    docs: EdgeClient, condition: Any, named: str
) -> None:
    given = models.Filter.model_construct(must=[condition])
    with pytest.raises(NotImplementedError, match=named):
        docs.count("docs", count_filter=given)
    with pytest.raises(NotImplementedError, match=named):
        docs.delete("docs", models.Filter.model_construct(must_not=condition))


@pytest.mark.parametrize(
    ("build", "named"),
    [
        (lambda extend: extend(models.Filter(must=[ONE])), "Filter.later"),
        (lambda extend: models.Filter.model_construct(must=[extend(ONE)]), "FieldCondition.later"),
        (
            lambda extend: models.Filter.model_construct(
                should=models.FieldCondition.model_construct(
                    key="v", match=extend(models.MatchValue(value=1))
                )
            ),
            "MatchValue.later",
        ),
        (
            lambda extend: models.Filter.model_construct(
                must=[
                    models.NestedCondition.model_construct(
                        nested=extend(models.Nested(key="v", filter=models.Filter()))
                    )
                ]
            ),
            "Nested.later",
        ),
    ],
)
def test_an_unknown_field_is_named_not_dropped(docs: EdgeClient, build: Any, named: str) -> None:
    class Wider:
        """Carry an extra field the way a later client's model would."""

    def extend(model: Any) -> Any:
        widened = model.model_copy()
        widened.__dict__["later"] = Wider()
        return widened

    with pytest.raises(NotImplementedError, match=named):
        docs.count("docs", count_filter=build(extend))


def test_something_else_than_a_filter_is_refused(docs: EdgeClient) -> None:
    with pytest.raises(NotImplementedError, match="list"):
        docs.count("docs", count_filter=[])  # type: ignore[arg-type]  # wrong on purpose


def test_a_field_condition_says_exactly_one_thing(docs: EdgeClient) -> None:
    both = models.FieldCondition(
        key="v", match=models.MatchValue(value=1), range=models.Range(gte=5)
    )
    with pytest.raises(ValueError, match="'v' sets match and range; expected exactly one"):
        chosen(docs, both)
    with pytest.raises(ValueError, match="sets nothing"):
        chosen(docs, models.FieldCondition(key="v"))


def test_a_minimum_below_one_is_refused(docs: EdgeClient) -> None:
    given = models.Filter(min_should=models.MinShould(conditions=[ONE], min_count=0))
    with pytest.raises(ValueError, match="min_count 0"):
        docs.count("docs", count_filter=given)


# --- payload indexes ------------------------------------------------------------------------

TYPED: dict[str, tuple[Any, list[Any]]] = {
    "keyword": (models.PayloadSchemaType.KEYWORD, ["x", "y", "x y", ["x", "z"], None, []]),
    "integer": ("integer", [1, 2, -3, [1, 5], None, []]),
    "float": (
        models.FloatIndexParams(type=models.FloatIndexType.FLOAT),
        [1.0, 2.5, [0.5, 9.0], None],
    ),
    "bool": (
        models.BoolIndexParams(type=models.BoolIndexType.BOOL),
        [True, False, [True, False], None],
    ),
    "datetime": ("datetime", ["2024-05-01", "2024-05-02T00:00:00Z", ["2024-05-03"], None]),
    "uuid": (
        "uuid",
        ["80cb3adc-c16d-43c7-b54a-548975ba9d41", "00000000-0000-0000-0000-000000000001"],
    ),
    "text": (
        models.TextIndexParams(
            type=models.TextIndexType.TEXT,
            tokenizer=models.TokenizerType.WORD,
            lowercase=True,
            phrase_matching=True,
        ),
        # Not several words in an array: an index takes them for one text, a scan for several.
        ["Big red dog", "red big", "bigger", ["big"], None],
    ),
    "geo": ("geo", [{"lat": 1.0, "lon": 1.0}, [{"lat": 50.0, "lon": 5.0}], None]),
}

EVERYWHERE: list[Any] = [
    models.IsEmptyCondition(is_empty=models.PayloadField(key="v")),
    models.IsNullCondition(is_null=models.PayloadField(key="v")),
    models.FieldCondition(key="v", is_empty=False),
    models.FieldCondition(key="v", is_null=False),
    models.FieldCondition(key="v", values_count=models.ValuesCount(gt=1)),
]

FOR_TYPE: dict[str, list[Any]] = {
    "keyword": [
        match(models.MatchValue(value="x")),
        match(models.MatchAny(any=["x", "z"])),
        match(models.MatchExcept(**{"except": ["x"]})),
        match(models.MatchPrefix(prefix="x")),
        match(models.MatchSubstring(substring=" y")),
    ],
    "integer": [
        match(models.MatchValue(value=1)),
        match(models.MatchAny(any=[1, 2])),
        match(models.MatchExcept(**{"except": [1]})),
        models.FieldCondition(key="v", range=models.Range(gt=1)),
    ],
    "float": [models.FieldCondition(key="v", range=models.Range(gte=1.0, lt=9.0))],
    "bool": [match(models.MatchValue(value=True)), match(models.MatchValue(value=False))],
    "datetime": [models.FieldCondition(key="v", range=models.DatetimeRange(gt=date(2024, 5, 1)))],
    "uuid": [
        match(models.MatchValue(value="80cb3adc-c16d-43c7-b54a-548975ba9d41")),
        match(models.MatchAny(any=["80cb3adc-c16d-43c7-b54a-548975ba9d41"])),
    ],
    "text": [
        match(models.MatchText(text="big")),
        match(models.MatchText(text="red big")),
        match(models.MatchTextAny(text_any="dog bigger")),
        match(models.MatchPhrase(phrase="big red")),
    ],
    "geo": [
        models.FieldCondition(
            key="v",
            geo_radius=models.GeoRadius(center=models.GeoPoint(lat=1.0, lon=1.0), radius=10.0),
        )
    ],
}


@pytest.mark.parametrize("kind", TYPED)
def test_an_index_changes_no_answer(client: EdgeClient, kind: str) -> None:
    schema, values = TYPED[kind]
    client.create_collection("docs", models.VectorParams(size=1, distance="Dot"))
    client.upsert(
        "docs",
        [
            models.PointStruct(id=at, vector=[1.0], payload={"v": value})
            for at, value in enumerate(values)
        ]
        + [models.PointStruct(id=99, vector=[1.0], payload={})],
    )
    tests = [
        models.Filter(**{clause: test})
        for test in EVERYWHERE + FOR_TYPE[kind]
        for clause in ("must", "must_not")
    ]
    scanned = [chosen(client, test) for test in tests]
    assert any(scanned)
    client.create_payload_index("docs", "v", schema)
    assert [chosen(client, test) for test in tests] == scanned
    info = client.get_collection("docs").payload_schema["v"]
    assert info.data_type.value == kind


@pytest.mark.parametrize(
    "more",
    [
        {"stopwords": models.Language.ENGLISH},
        {"stopwords": models.StopwordsSet(languages=["english"], custom=["foo"])},
        {"stemmer": models.SnowballParams(type="snowball", language="english")},
        {"stemmer": models.DisabledStemmerParams(type="none")},
        {"memory": models.Memory.COLD, "min_token_len": 2},
    ],
)
def test_text_indexes_take_every_setting(client: EdgeClient, more: dict[str, Any]) -> None:
    client.create_collection("docs", models.VectorParams(size=1, distance="Dot"))
    payload = {"v": "the dogs foo"}
    client.upsert("docs", [models.PointStruct(id=1, vector=[1.0], payload=payload)])
    client.create_payload_index("docs", "v", models.TextIndexParams(type="text", **more))
    stemmed = isinstance(more.get("stemmer"), models.SnowballParams)
    assert bool(chosen(client, match(models.MatchText(text="dog")))) is stemmed
    assert chosen(client, match(models.MatchText(text="dogs"))) == {1}
    custom = isinstance(more.get("stopwords"), models.StopwordsSet)
    assert bool(chosen(client, match(models.MatchText(text="foo")))) is not custom


def test_an_index_of_an_unknown_type_is_refused(client: EdgeClient) -> None:
    client.create_collection("docs", models.VectorParams(size=1, distance="Dot"))
    with pytest.raises(ValueError, match="None is not a valid PayloadSchemaType"):
        client.create_payload_index("docs", "v")
    with pytest.raises(ValueError, match="'words' is not a valid"):
        client.create_payload_index("docs", "v", "words")


def test_ordering_without_an_index_says_what_is_missing(client: EdgeClient) -> None:
    client.create_collection("docs", models.VectorParams(size=1, distance="Dot"))
    with pytest.raises(Exception, match="create one to use `order_by`"):
        client.scroll("docs", order_by="v")
