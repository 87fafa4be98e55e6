"""A dict filter gives what the same condition gives when it is read over the metadata."""

import datetime as dt
import uuid
from decimal import Decimal
from enum import Enum

import numpy as np
import pytest
from qdrant_client import models

from mrl_adapters.errors import ConfigurationError
from mrl_adapters.langchain.filters import to_filter


class Kind(Enum):
    RED = "red"


METADATA = {
    "ada": {"n": 1, "f": 1.5, "tags": ["x", "y"], "author": {"name": "Ada"}, "on": "2026-01-05"},
    "bob": {"n": 2, "f": 2.0, "tags": ["y"], "author": {"name": "Bob"}, "ok": True},
    "cy": {"n": 3, "tags": [], "none": None, "ok": False, "on": "2026-03-01T12:00:00Z"},
}


def written(value: object) -> str:
    """Name a parameter alike in every process, whatever the order of its sets."""
    return repr(sorted(value)) if isinstance(value, set) else repr(value)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"n": 1}, {"ada"}),
        ({"n": 1, "tags": "y"}, {"ada"}),
        ({"n": [1, 3]}, {"ada", "cy"}),
        ({"n": []}, set()),
        ({"f": 1.5}, {"ada"}),
        ({"f": 2.0}, {"bob"}),
        ({"f": [1.5, 2.0]}, {"ada", "bob"}),
        ({"tags": "y"}, {"ada", "bob"}),
        ({"ok": True}, {"bob"}),
        ({"ok": False}, {"cy"}),
        ({"none": None}, {"ada", "bob", "cy"}),
        ({"tags": None}, {"cy"}),
        ({"author": {"name": "Ada"}}, {"ada"}),
        ({"author.name": "Bob"}, {"bob"}),
        ({"author": {"name": {"$in": ["Ada", "Bob"]}}}, {"ada", "bob"}),
        ({"n": {"$gt": 1}}, {"bob", "cy"}),
        ({"n": {"$gte": 1, "$lt": 3}}, {"ada", "bob"}),
        ({"f": {"$lte": 1.5}}, {"ada"}),
        ({"on": {"$gt": "2026-02-01"}}, {"cy"}),
        ({"on": {"$lt": dt.date(2026, 2, 1)}}, {"ada"}),
        ({"on": dt.date(2026, 1, 5)}, {"ada"}),
        ({"n": {"$eq": 2}}, {"bob"}),
        ({"n": {"$ne": 2}}, {"ada", "cy"}),
        ({"f": {"$ne": 2.0}}, {"ada", "cy"}),
        ({"n": {"$nin": [1, 2]}}, {"cy"}),
        ({"ok": {"$exists": True}}, {"bob", "cy"}),
        ({"ok": {"$exists": False}}, {"ada"}),
        ({"$or": [{"n": 1}, {"ok": False}]}, {"ada", "cy"}),
        ({"$and": [{"tags": "y"}, {"n": {"$gt": 1}}]}, {"bob"}),
        ({"$not": {"n": 1}}, {"bob", "cy"}),
        ({"$not": {"n": 1, "f": 2.0}}, {"ada", "bob", "cy"}),
        ({}, {"ada", "bob", "cy"}),
        (None, {"ada", "bob", "cy"}),
        (
            models.Filter(
                must=[models.FieldCondition(key="metadata.n", match=models.MatchValue(value=3))]
            ),
            {"cy"},
        ),
    ],
    ids=written,
)
def test_filters_choose_the_documents_that_they_describe(new_store, given, expected):
    store = new_store()
    store.add_texts(METADATA, METADATA.values(), ids=METADATA)
    assert {each.id for each in store.similarity_search("anyone", k=9, filter=given)} == expected


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("n = 1", "filter is str, expected a dict"),
        ({"n": {"$near": 1}}, "operator '\\$near' is not known"),
        ({"$nor": []}, "operator '\\$nor' is not known"),
        ({"n": {"$gt": True}}, "'n': only numbers and dates are ordered, found bool True"),
        ({"n": {"$gt": "soon"}}, "found str 'soon'. Write dates as"),
        ({"n": {"$gt": None}}, "ordered, found NoneType None"),
        ({"n": 1j}, "a complex cannot be compared"),
        ({"n": {"$eq": {"a": 1}}}, "a dict cannot be compared"),
        ({"n": [[1]]}, "a list cannot be compared"),
        ({"n": b"\xff"}, "a bytes cannot be compared"),
        ({"n": float("nan")}, "'n': nan cannot be stored"),
        ({"n": [1, float("-inf")]}, "'n': -inf cannot be stored"),
        ({"n": {"$lt": np.float64("inf")}}, "'n': inf cannot be stored"),
        ({"n": 2**63}, "'n': 9223372036854775808 is beyond the whole numbers"),
        ({"n": {"$gt": -(2**63) - 1}}, "beyond the whole numbers"),
        ({"n": "\ud800"}, "half of a character"),
        ({"\ud800": 1}, "half of a character"),
        ({'say "hi"': 1}, "holds a double quote or a backslash"),
        ({"back\\slash": 1}, "holds a double quote or a backslash"),
        ({1.5: 1}, "Filter key 1.5 is float, expected str"),
        ({"n": {}}, "'n': {} says nothing"),
        ({"n": {"$gt": 1, "lt": 3}}, "operator '\\$gt' beside the key 'lt'"),
        ({"$or": {"n": 1}}, "\\$or takes a list of dicts, found dict"),
        ({"$and": "n"}, "\\$and takes a list of dicts, found str"),
        ({"$or": ["n"]}, "take dicts over metadata, found 'n'"),
        ({"$not": [{"n": 1}]}, "\\$not takes a dict, found list"),
        ({"$gt": 3}, "operator '\\$gt' is not known here. Over metadata: \\$and, \\$or, \\$not"),
        ({"n": {"$in": "abc"}}, r"\$nin take a list, found 'abc'. Pass \['abc'\]"),
        ({"n": {"$exists": "no"}}, "takes True or False, found 'no'"),
        ({"n": {"$contains": ["a"]}}, "takes one value, found"),
        ({"n": {"$text": 3}}, "expected words as text, found 3"),
        ({"n": {"$like": "a%b"}}, "cannot be matched. Qdrant finds texts by"),
        ({"n": {"$like": "a_"}}, "nothing for '_'"),
        ({"n": {"$like": "%a"}}, "cannot be matched"),
        (
            {f"{'a.' * 9}b": {f"{'c.' * 9}d": {"e.f": {"g.h": {"i.j": {"k.l": {"m.n": 1}}}}}}},
            "128 ways",
        ),
    ],
    ids=repr,
)
def test_what_cannot_be_compared_is_an_error_that_says_so(given, message):
    with pytest.raises(ConfigurationError, match=message):
        to_filter(given)


def nested(depth: int) -> dict[str, object]:
    made: dict[str, object] = {"n": 1}
    for _ in range(depth):
        made = {"$not": made}
    return made


def test_a_filter_that_is_too_deep_or_holds_itself_is_refused():
    assert to_filter(nested(23)) is not None  # in a dict itself, the 24th
    endless: dict[str, object] = {}
    endless["$and"] = [endless]
    for given in (nested(24), nested(5_000), endless):
        with pytest.raises(ConfigurationError, match="nested more than 24 deep"):
            to_filter(given)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"$and": []},
        {"$and": [{}, {"$and": []}]},
        {"$or": [{"n": 1}, {}]},
        {"n": {"$nin": []}},
        {"$not": {"$or": []}},
        models.Filter(),
        models.Filter(must=[], should=[models.Filter(must=[])]),
        models.Filter(must=[models.Filter(should=[models.Filter()])]),
        models.Filter(must_not=[models.HasIdCondition(has_id=[])]),
        models.Filter(must_not=[models.Filter(must_not=[models.Filter()])]),
        models.Filter(
            should=[
                models.FieldCondition(key="metadata.n", match=models.MatchValue(value=1)),
                models.Filter(
                    must_not=[models.FieldCondition(key="n", match=models.MatchAny(any=[]))]
                ),
            ]
        ),
    ],
    ids=repr,
)
async def test_a_filter_that_restricts_nothing_finds_all_and_deletes_none(store, given):
    assert len(store.similarity_search("anything", k=9, filter=given)) == 6
    with pytest.raises(ConfigurationError, match="would delete everything"):
        store.delete(filter=given)
    with pytest.raises(ConfigurationError, match="would delete everything"):
        await store.adelete(filter=given)
    store.delete(["a"], filter=given)
    assert store.driver.run(store.collection.count()) == 5
    store.delete()
    assert store.driver.run(store.collection.count()) == 0


@pytest.mark.parametrize(
    "given", [{"$or": []}, {"n": {"$in": []}}, {"n": []}, {"$not": {}}], ids=repr
)
def test_a_filter_that_nothing_passes_deletes_nothing(store, given):
    store.delete(filter=given)
    assert store.similarity_search("anything", k=9, filter=given) == []
    assert store.driver.run(store.collection.count()) == 6


@pytest.mark.parametrize("bound", ["gt", "gte", "lt", "lte"])
def test_bounds_that_are_no_numbers_are_refused_in_qdrants_own_filters(store, bound):
    test = models.FieldCondition(key="metadata.n", range=models.Range(**{bound: float("nan")}))
    given = models.Filter(must_not=[models.Filter(should=[test])])
    for act in (store.delete, lambda filter: store.similarity_search("x", filter=filter)):  # noqa: A006 - LangChain's word
        with pytest.raises(ConfigurationError, match=r"'metadata.n': nan is no number"):
            act(filter=given)
    assert store.driver.run(store.collection.count()) == 6


def test_a_field_with_an_index_is_matched_as_the_index_holds_it(new_store):
    assert to_filter({"n": 3}, {"metadata.n": "integer"}) == models.Filter(
        must=[models.FieldCondition(key="metadata.n", match=models.MatchValue(value=3))]
    )
    assert to_filter({"a.b": "x"}, {"metadata.a.b": "keyword"}) == models.Filter(
        must=[models.FieldCondition(key="metadata.a.b", match=models.MatchValue(value="x"))]
    )


def test_values_are_read_as_they_are_stored(new_store):
    held = {
        "id": uuid.UUID(int=5),
        "price": Decimal("1.50"),
        "kind": Kind.RED,
        "day": dt.date(2026, 1, 31),
        "at": np.datetime64("2026-01-31T12:00:00"),
        "count": np.int64(3),
        "ok": np.bool_(True),
        3: "three",
    }
    store = new_store()
    store.add_texts(["one", "other"], [held, {}], ids=["one", "other"])
    for key, value in held.items():
        assert [d.id for d in store.similarity_search("x", filter={key: value})] == ["one"], key
    among = {"count": {"$in": np.array([3, 4])}}
    assert [d.id for d in store.similarity_search("x", filter=among)] == ["one"]
