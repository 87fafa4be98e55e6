"""Metadata filters mean what llama-index-core's own reference says."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llama_index.core.vector_stores import (
    FilterCondition,
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
)
from llama_index.core.vector_stores.utils import build_metadata_filter_fn
from qdrant_client import models
from qdrant_client.local.payload_filters import check_filter

from mrl_adapters.errors import ConfigurationError
from mrl_adapters.llama_index.filters import to_filter
from mrl_adapters.qdrant import connect

as_the_reference = pytest.mark.skipif(
    not build_metadata_filter_fn(
        lambda _: {},
        MetadataFilters(
            filters=[MetadataFilter(key="missing", value=1, operator=FilterOperator.NE)]
        ),
    )(""),
    reason="the reference of llama-index-core 0.13 loses nodes that lack the key",
)

KEYS = ["plain", "with space", "dotted.key", "Größe", "odd[0]"]
DAY = "day"
words = st.sampled_from(["red", "green", "blue", "grey"])
texts = st.lists(words, min_size=1, max_size=3).map(" ".join)
numbers = st.integers(-2, 3) | st.sampled_from([0.0, 1.0, 0.5, -1.5])
# Few of them, so that some are equal; all written alike, which the reference needs to order them.
dates = st.sampled_from(["1999-12-31", "2026-01-31", "2026-02-01", "2026-10-05"])
scalars = words | texts | numbers | st.booleans() | st.none() | st.just("")
lists = st.lists(words, max_size=3) | st.lists(st.integers(-2, 3), max_size=3)
held_lists = st.lists(words | numbers | st.booleans(), max_size=3)
metadata = st.builds(
    lambda held, day: {**held, **day},
    st.dictionaries(st.sampled_from(KEYS), scalars | lists | held_lists, max_size=len(KEYS)),
    st.dictionaries(st.just(DAY), dates | st.none() | st.lists(dates, max_size=2)),
)


def is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


DATED = [
    *(FilterOperator.EQ, FilterOperator.NE, FilterOperator.IN, FilterOperator.NIN),
    *(FilterOperator.GT, FilterOperator.GTE, FilterOperator.LT, FilterOperator.LTE),
    FilterOperator.IS_EMPTY,
]


@st.composite
def filters_about(draw: st.DrawFn, node: dict[str, Any]) -> MetadataFilter:
    """One filter whose value goes with its operator, half of the time one that the node holds."""
    key = draw(st.sampled_from(list(node) or KEYS) | st.sampled_from([*KEYS, DAY]))
    held = node.get(key)
    members = [
        each
        for each in (held if isinstance(held, list) else [held])
        if each and (is_number(each) or isinstance(each, str))
    ]

    def near(strategy: st.SearchStrategy[Any], kind: type = object) -> st.SearchStrategy[Any]:
        known = [each for each in members if isinstance(each, kind)]
        return st.sampled_from(known) | strategy if known else strategy

    operator = draw(st.sampled_from(DATED if key == DAY else list(FilterOperator)))
    scalar = dates if key == DAY else words | texts | numbers
    # Filters hold lists of one type, nodes also lists of several.
    kinds = [dates] if key == DAY else [words, st.integers(-2, 3), st.sampled_from([0.0, 0.5])]
    several = st.one_of(st.lists(each, min_size=1, max_size=3) for each in kinds)
    several |= near(scalar).map(lambda each: [each])
    if members and members == held and len(set(map(type, members))) == 1:
        several |= st.just(members)
    value: st.SearchStrategy[Any]
    if operator in {FilterOperator.EQ, FilterOperator.NE}:
        value = near(scalar | st.none()) | several
    elif operator in {FilterOperator.IN, FilterOperator.NIN, FilterOperator.ANY}:
        value = several | st.just([])
    elif operator == FilterOperator.ALL:
        value = several
    elif operator == FilterOperator.IS_EMPTY:
        value = st.none()
    elif operator == FilterOperator.CONTAINS:
        value = near(words | numbers)
    elif operator in {FilterOperator.TEXT_MATCH, FilterOperator.TEXT_MATCH_INSENSITIVE}:
        value = near(words, str)
    else:
        value = dates if key == DAY else near(numbers, (int, float))
    return MetadataFilter(key=key, value=draw(value), operator=operator)


def groups_about(node: dict[str, Any]) -> st.SearchStrategy[MetadataFilters]:
    """Groups of such filters, nested up to six deep."""
    return st.recursive(
        filters_about(node),
        lambda inner: st.builds(
            MetadataFilters,
            filters=st.lists(inner, max_size=3),
            condition=st.sampled_from(FilterCondition),
        ),
        max_leaves=6,
    ).map(
        lambda drawn: (
            drawn if isinstance(drawn, MetadataFilters) else MetadataFilters(filters=[drawn])
        )
    )


cases = metadata.flatmap(lambda node: st.tuples(groups_about(node), st.just(node)))


def is_empty(given: MetadataFilter | MetadataFilters) -> bool:
    return isinstance(given, MetadataFilters) and all(map(is_empty, given.filters))


def reference(given: MetadataFilters, node: Mapping[str, Any]) -> bool:
    """Ask core for each filter, and join them as core does; core itself refuses nesting."""
    held = [
        reference(each, node)
        if isinstance(each, MetadataFilters)
        else build_metadata_filter_fn(lambda _: node, MetadataFilters(filters=[each]))("")
        for each in given.filters
        if not is_empty(each)
    ]
    if not held:
        return True
    if given.condition == FilterCondition.OR:
        return any(held)
    if given.condition == FilterCondition.NOT:
        return not any(held)
    return all(held)


def undefined(given: MetadataFilters, node: Mapping[str, Any]) -> bool:
    """Whether the reference raises (a number in a text, a list below a number) or orders bools."""
    for each in given.filters:
        if isinstance(each, MetadataFilters):
            if undefined(each, node):
                return True
            continue
        held = node.get(each.key)
        ordered = each.operator.value in {">", "<", ">=", "<="}
        comparable = isinstance(held, str) if each.key == DAY else is_number(held)
        if held is not None and ordered and not comparable:
            return True
        try:
            reference(MetadataFilters(filters=[each]), node)
        except TypeError:
            return True
    return False


@as_the_reference
@given(cases)
@settings(max_examples=800, deadline=None)
def test_a_filter_holds_where_the_reference_holds(case: tuple[MetadataFilters, dict[str, Any]]):
    given, node = case
    if undefined(given, node):
        return
    converted = to_filter(given)
    found = converted is None or check_filter(converted, node, "", {})
    assert found == reference(given, node)


@pytest.fixture(scope="module")
def edge_find(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., list[bool]]]:
    """Store nodes in the embedded engine; tell which of them pass a filter."""
    client = connect(path=str(tmp_path_factory.mktemp("filters")))
    client.create_collection("nodes", {"v": models.VectorParams(size=1, distance="Dot")})

    def find(nodes: list[dict[str, Any]], condition: models.Filter | None) -> list[bool]:
        client.delete("nodes", models.Filter())
        client.upsert(
            "nodes",
            [
                models.PointStruct(id=place, vector={"v": [1.0]}, payload=node)
                for place, node in enumerate(nodes)
            ],
        )
        found = {record.id for record in client.scroll("nodes", condition, limit=1000)[0]}
        return [place in found for place in range(len(nodes))]

    yield find
    client.close()


@as_the_reference
@given(st.data())
@settings(max_examples=150, deadline=None)
def test_the_embedded_engine_agrees(edge_find, data: st.DataObject):
    nodes = data.draw(st.lists(metadata, min_size=1, max_size=8))
    given = data.draw(groups_about(nodes[0]))
    expected = [None if undefined(given, node) else reference(given, node) for node in nodes]
    found = edge_find(nodes, to_filter(given))
    assert [f for f, e in zip(found, expected, strict=True) if e is not None] == [
        e for e in expected if e is not None
    ]


def one(key: str, operator: FilterOperator, value: Any) -> MetadataFilters:
    return MetadataFilters(filters=[MetadataFilter(key=key, value=value, operator=operator)])


@pytest.mark.parametrize(
    ("operator", "value", "expected"),
    [
        (FilterOperator.GT, "2026-01-31", [False, True]),
        (FilterOperator.GTE, "2026-01-31", [True, True]),
        (FilterOperator.LT, "2026-02-01T12:00:00Z", [True, False]),
        (FilterOperator.LTE, "2026-02-01 12:00:00+00:00", [True, True]),
    ],
)
def test_dates_are_ordered(edge_find, operator, value, expected):
    nodes = [{"day": "2026-01-31"}, {"day": "2026-02-01T12:00:00Z"}]
    condition = to_filter(one("day", operator, value))
    assert edge_find(nodes, condition) == expected
    assert [check_filter(condition, node, "", {}) for node in nodes] == expected


def test_a_dotted_key_is_also_a_path_into_nested_metadata(edge_find):
    nodes = [{"author": {"name": "Ada"}}, {"author.name": "Ada"}, {"author": {"name": "Bob"}}]
    condition = to_filter(one("author.name", FilterOperator.EQ, "Ada"))
    assert edge_find(nodes, condition) == [True, True, False]


@pytest.mark.parametrize(
    ("key", "operator", "value", "message"),
    [
        ("k", FilterOperator.GT, "apple", "only numbers and dates are ordered, found str 'apple'"),
        ("k", FilterOperator.GT, "2026-99-99", "only numbers and dates are ordered"),
        ("k", FilterOperator.IN, "a,b", r"IN takes a list, found 'a,b'. Pass value=\['a,b'\]"),
        ("k", FilterOperator.CONTAINS, ["a"], "CONTAINS takes one value"),
        ("k", FilterOperator.TEXT_MATCH, 3, "expected words as text, found 3"),
        ("k", FilterOperator.EQ, [], "use the operator IS_EMPTY"),
        ("k", FilterOperator.EQ, float("nan"), "nan cannot be stored"),
        ("k", FilterOperator.GT, float("inf"), "inf cannot be stored"),
        ("k", FilterOperator.IN, [1, 2**63], "beyond the whole numbers"),
        ("k", FilterOperator.GT, None, "only numbers and dates are ordered, found NoneType"),
        ("k", FilterOperator.NIN, None, "NIN takes a list, found None"),
        ('a"b', FilterOperator.EQ, 1, "holds a double quote"),
        ("a\\b", FilterOperator.EQ, 1, "or a backslash"),
        ("\ud800", FilterOperator.EQ, 1, "half of a character"),
    ],
)
def test_a_filter_that_cannot_be_answered_is_an_error(key, operator, value, message):
    with pytest.raises(ConfigurationError, match=message):
        to_filter(one(key, operator, value))


def test_no_filter_is_none():
    nothing = MetadataFilters(filters=[MetadataFilters(filters=[])])
    assert to_filter(None) is None
    assert to_filter(nothing) is None


@pytest.mark.parametrize(
    ("operator", "value", "index"),
    [
        (FilterOperator.EQ, "red", "keyword"),
        (FilterOperator.EQ, 1, "integer"),
        (FilterOperator.EQ, 1, "bool"),
        (FilterOperator.CONTAINS, "red", "keyword"),
        (FilterOperator.GT, 1, "integer"),
        (FilterOperator.TEXT_MATCH, "red", "text"),
        (FilterOperator.IS_EMPTY, None, "integer"),
    ],
)
def test_an_indexed_field_is_answered_by_its_index_alone(operator, value, index):
    condition = to_filter(one("color", operator, value), {"color": index})
    [only] = condition.must
    assert isinstance(only, models.FieldCondition | models.IsEmptyCondition)


def test_an_index_on_the_members_tells_arrays_apart():
    indexes = {"color": "keyword", "color[]": "keyword"}
    condition = to_filter(one("color", FilterOperator.EQ, "red"), indexes)
    assert check_filter(condition, {"color": "red"}, "", {})
    assert not check_filter(condition, {"color": ["red"]}, "", {})


def test_a_literal_key_with_an_index_is_not_read_as_a_path():
    condition = to_filter(one("a.b", FilterOperator.EQ, "red"), {'"a.b"': "keyword"})
    assert [each.key for each in condition.must] == ['"a.b"']
    condition = to_filter(one("a.b", FilterOperator.EQ, "red"), {"a.b": "keyword"})
    assert [each.key for each in condition.must] == ["a.b"]


def nested(depth: int) -> MetadataFilters:
    made = one("k", FilterOperator.EQ, 1)
    for _ in range(depth):
        made = MetadataFilters.model_construct(filters=[made], condition=FilterCondition.AND)
    return made


def test_groups_that_are_too_deep_or_hold_themselves_are_refused():
    assert to_filter(nested(23)) is not None
    endless = nested(1)
    endless.filters.append(endless)
    for each in (nested(24), nested(5_000), endless):
        with pytest.raises(ConfigurationError, match="nested more than 24 deep"):
            to_filter(each)


@pytest.mark.parametrize("operator", ["==", "!=", ">", ">=", "<", "<=", "in", "nin"])
def test_the_least_floats_are_told_from_zero_and_from_each_other(edge_find, operator):
    tiny = [0, 0.0, 5e-324, -5e-324, 1e-323, 1.5e-323, 1e-310, 2e-308, 1e-300]
    nodes = [{"a": value} for value in tiny]
    for value in tiny:
        asked = one("a", FilterOperator(operator), [value] if "in" in operator else value)
        expected = [reference(asked, node) for node in nodes]
        assert edge_find(nodes, to_filter(asked)) == expected, value
