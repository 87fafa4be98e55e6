"""A dict filter gives what the same condition gives when it is read over the metadata."""

import datetime as dt

import pytest
from qdrant_client import models

from mrl_adapters.errors import ConfigurationError
from mrl_adapters.langchain.filters import to_filter

METADATA = {
    "ada": {"n": 1, "f": 1.5, "tags": ["x", "y"], "author": {"name": "Ada"}, "on": "2026-01-05"},
    "bob": {"n": 2, "f": 2.0, "tags": ["y"], "author": {"name": "Bob"}, "ok": True},
    "cy": {"n": 3, "tags": [], "none": None, "ok": False, "on": "2026-03-01T12:00:00Z"},
}


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
    ids=repr,
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
        ({"n": {"$gt": True}}, "compares numbers and dates, found bool True"),
        ({"n": {"$gt": "soon"}}, "found the string 'soon'. Write dates as"),
        ({"n": object()}, "a object cannot be compared"),
    ],
    ids=["text", "near", "nor", "true", "no date", "an object"],
)
def test_what_cannot_be_compared_is_an_error_that_says_so(given, message):
    with pytest.raises(ConfigurationError, match=message):
        to_filter(given)
