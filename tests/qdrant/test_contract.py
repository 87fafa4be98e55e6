"""Every REST request that flows send validates against Qdrant's published OpenAPI."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx
import jsonschema
import numpy as np
import pytest
from qdrant_client import models

from mrl_adapters.errors import ConfigurationError
from mrl_adapters.qdrant import CollectionLayout, MatryoshkaCollection, SearchPlan
from mrl_adapters.qdrant.mismatches import UnmetLayoutWarning
from mrl_adapters.qdrant.query import Search
from mrl_adapters.qdrant.rotation import store_rotation
from mrl_adapters.vectors import Rotation

Drive = Callable[[Any], Any]
YEAR = models.Filter(
    must=[models.FieldCondition(key="metadata.year", range=models.Range(gte=2020))],
    must_not=[models.HasIdCondition(has_id=[7, "0f8fad5b-d9cb-469f-a165-70867728950e"])],
)
LAYOUT = CollectionLayout(32, (4, 8))


@pytest.fixture
def docs(over_rest: Drive, documents: Callable[..., np.ndarray]) -> MatryoshkaCollection:
    """A collection that was created by a first write."""
    made = MatryoshkaCollection("docs", layout=LAYOUT, model="m")
    over_rest(made.add(["a"], documents(1), [{"page_content": "text"}]))
    return made


@pytest.mark.parametrize(
    "layout",
    [
        CollectionLayout(32, (8,)),
        CollectionLayout(32, (4, 8), "Dot", model="m", quantization=None),
        CollectionLayout(32, (8,), "Euclid", full_has_graph=True, full_datatype="float32"),
        CollectionLayout(32, (8,), "Manhattan", full_name="dense", hnsw_m=32),
        CollectionLayout(
            32,
            (8,),
            tenant_field="metadata.team",
            payload_indexes={
                "a": "keyword", "b": "integer", "c": "float", "d": "bool",
                "e": "datetime", "f": "uuid", "g": "geo", "h": "text",
            },
        ),
        CollectionLayout(
            32, (8,), shard_number=6, replication_factor=2, write_consistency_factor=2,
            write_ordering="strong",
        ),
    ],
    ids=["plain", "funnel", "graph", "named", "indexes", "cluster"],
)  # fmt: skip
def test_creating_and_writing(
    layout: CollectionLayout,
    over_rest: Drive,
    stand_in: Any,
    documents: Callable[..., np.ndarray],
) -> None:
    fresh = MatryoshkaCollection("docs", layout=layout)
    over_rest(fresh.add(["a", "b"], documents(2), [{"page_content": "x"}, {}]))
    assert fresh.layout == replace(
        layout,
        shard_number=layout.shard_number or 1,
        replication_factor=layout.replication_factor or 1,
        write_consistency_factor=layout.write_consistency_factor or 1,
        payload_indexes={},
        hnsw_m=layout.hnsw_m or 32,
        hnsw_ef_construct=layout.hnsw_ef_construct or 200,
    )
    assert len(stand_in.bodies("PUT", "/docs/index")) == len(layout.index_schemas())
    (written,) = stand_in.bodies("PUT", "/docs/points")
    assert [list(point["vector"]) for point in written["points"]] == 2 * [
        [layout.full_name, *layout.vector_names[:-1]]
    ]


def test_writing_waits_and_passes_on_ordering_and_shard_key(
    over_rest: Drive, stand_in: Any, documents: Callable[..., np.ndarray]
) -> None:
    ordered = MatryoshkaCollection("docs", layout=replace(LAYOUT, write_ordering="medium"))
    with pytest.raises(ConfigurationError, match=r"shard_keys=\('europe',\)"):
        over_rest(ordered.add(["a"], documents(1), [{}], shard_key="europe"))
    assert stand_in.created is None
    over_rest(ordered.ensure(32))  # as if it had been made with shards of its own
    over_rest(ordered.add(["a"], documents(1), [{}], shard_key="europe"))
    request = stand_in.requests[-1]
    assert dict(request.url.params) == {"wait": "true", "ordering": "medium"}
    assert json.loads(request.content)["shard_key"] == "europe"


def test_an_ordering_of_one_call_goes_before_the_layouts(
    over_rest: Drive, stand_in: Any, documents: Callable[..., np.ndarray]
) -> None:
    usual = MatryoshkaCollection("docs", layout=replace(LAYOUT, write_ordering="medium"))
    over_rest(usual.add(["a"], documents(1), [{}], ordering="strong"))
    assert stand_in.requests[-1].url.params["ordering"] == "strong"
    over_rest(usual.delete(["a"], ordering="weak"))
    assert stand_in.requests[-1].url.params["ordering"] == "weak"
    over_rest(usual.delete(["a"]))
    assert stand_in.requests[-1].url.params["ordering"] == "medium"
    for wrong in (
        usual.add(["a"], documents(1), [{}], ordering="fast"),
        usual.delete(["a"], ordering="fast"),
    ):
        before = len(stand_in.requests)
        with pytest.raises(ConfigurationError, match=r"ordering='fast'.*'weak', 'medium'"):
            over_rest(wrong)
        assert len(stand_in.requests) == before


def test_custom_shards_are_made_with_the_collection_and_completed_at_opening(
    over_rest: Drive, stand_in: Any, documents: Callable[..., np.ndarray]
) -> None:
    layout = replace(LAYOUT, shard_keys=("europe", 7), shard_number=2, replication_factor=1)
    docs = MatryoshkaCollection("docs", layout=layout)
    over_rest(docs.add(["a"], documents(1), [{}], shard_key=7))
    assert stand_in.created["sharding_method"] == "custom"
    assert stand_in.shard_keys == ["europe", 7]
    assert stand_in.bodies("PUT", "/docs/shards") == [
        {"shard_key": key, "shards_number": 2, "replication_factor": 1} for key in ("europe", 7)
    ]
    stand_in.shard_keys.remove("europe")  # the process that made it was killed between the two
    over_rest(MatryoshkaCollection("docs", layout=layout).open())
    assert stand_in.shard_keys == [7, "europe"]
    over_rest(MatryoshkaCollection("docs", layout=replace(layout, shard_keys=None)).open())
    assert len(stand_in.bodies("PUT", "/docs/shards")) == 3


def test_shards_chosen_by_ids_stay_so_and_that_is_said(over_rest: Drive, stand_in: Any) -> None:
    over_rest(MatryoshkaCollection("docs", layout=LAYOUT).ensure(32))
    keyed = MatryoshkaCollection("docs", layout=replace(LAYOUT, shard_keys=("europe",)))
    with pytest.warns(UnmetLayoutWarning, match=r"chosen by ids, .*\('europe',\)"):
        over_rest(keyed.open())
    assert stand_in.shard_keys == []


@pytest.mark.parametrize(
    "plan",
    [
        SearchPlan(),
        SearchPlan(exact=True),
        SearchPlan(stages=(8,), hnsw_ef=64, rescore=True),
        SearchPlan(stages=(4, 8)),
        SearchPlan(oversampling=1, min_candidates=1, funnel_factor=1, stages=(4, 8)),
        SearchPlan(timeout_s=3, consistency="majority", shard_key="europe"),
        SearchPlan(consistency=2, shard_key=["europe", 7]),
    ],
    ids=["default", "exact", "one-stage", "funnel", "narrow", "server", "server-2"],
)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"offset": 5, "query_filter": YEAR, "score_threshold": 0.5},
        {"mmr_lambda": 0.3, "fetch_k": 50},
        {"with_payload": ["page_content"], "with_vectors": ["full"]},
        {"with_payload": False, "with_vectors": True},
    ],
    ids=["plain", "filtered", "mmr", "parts", "vectors"],
)
def test_searching(
    plan: SearchPlan,
    options: dict[str, Any],
    docs: MatryoshkaCollection,
    over_rest: Drive,
    documents: Callable[..., np.ndarray],
) -> None:
    searches = [Search(vector, 3, **options) for vector in documents(2, seed=1)]
    assert over_rest(docs.search(searches, plan)) == [[], []]


def test_a_search_is_one_request_with_the_filter_at_the_root_alone(
    docs: MatryoshkaCollection,
    over_rest: Drive,
    stand_in: Any,
    documents: Callable[..., np.ndarray],
) -> None:
    vectors = documents(2, seed=1)
    before = len(stand_in.requests)
    searches = [Search(each, 3, query_filter=YEAR) for each in vectors]
    over_rest(docs.search(searches, SearchPlan(stages=(4, 8))))
    assert len(stand_in.requests) == before + 1
    for sent in stand_in.bodies("POST", "/query/batch")[0]["searches"]:
        middle = sent["prefetch"]
        innermost = middle["prefetch"]
        assert (sent["using"], middle["using"], innermost["using"]) == (
            "full",
            "short_8",
            "short_4",
        )
        # One more than is wanted: it tells whether the last place is shared.
        assert (sent["limit"], middle["limit"], innermost["limit"]) == (4, 100, 400)
        assert "filter" in sent
        assert "filter" not in middle
        assert "filter" not in innermost
        assert "prefetch" not in innermost


def test_one_search_and_the_same_in_a_batch_ask_for_the_same(
    docs: MatryoshkaCollection,
    over_rest: Drive,
    stand_in: Any,
    documents: Callable[..., np.ndarray],
) -> None:
    search = Search(documents(1, seed=1)[0], 3, 0, YEAR, 0.5, 0.25, with_vectors=["full"])
    over_rest(docs.search([search]))
    over_rest(docs.search([search, search]))
    [alone] = stand_in.bodies("POST", "/query")
    [batch] = stand_in.bodies("POST", "/query/batch")
    assert batch["searches"] == [alone, alone]


@pytest.mark.parametrize(
    ("ids", "query_filter"),
    [(["a", "7"], None), (None, YEAR), (["a"], YEAR), (None, None)],
    ids=["ids", "filter", "both", "all"],
)
def test_deleting(
    ids: list[str] | None,
    query_filter: models.Filter | None,
    docs: MatryoshkaCollection,
    over_rest: Drive,
    stand_in: Any,
) -> None:
    over_rest(docs.delete(ids, query_filter))
    assert len(stand_in.bodies("POST", "/points/delete")) == 1


def test_reading(docs: MatryoshkaCollection, over_rest: Drive, stand_in: Any) -> None:
    assert over_rest(docs.get(["a", "7"], with_vectors=True)) == []
    assert over_rest(docs.scroll(YEAR, limit=5, with_vectors=["full"])) == []
    assert over_rest(docs.scroll()) == []
    stand_in.lacking = 3
    assert over_rest(docs.count(YEAR)) == 3


def test_a_name_that_is_no_path_segment_is_escaped(
    over_rest: Drive, documents: Callable[..., np.ndarray], stand_in: Any
) -> None:
    odd = MatryoshkaCollection("my docs/2024?", layout=LAYOUT)
    over_rest(odd.add(["a"], documents(1), [{}]))
    assert {each.url.raw_path.split(b"/")[2].split(b"?")[0] for each in stand_in.requests} == {
        b"my%20docs%2F2024%3F"
    }


def test_numbers_that_json_lacks_never_leave(
    docs: MatryoshkaCollection,
    over_rest: Drive,
    stand_in: Any,
    documents: Callable[..., np.ndarray],
) -> None:
    over_rest(docs.add(["n"], documents(1), [{"score": None}]))
    before = len(stand_in.requests)
    for number in (float("nan"), float("inf")):
        with pytest.raises(ConfigurationError, match="Document 'n', score"):
            over_rest(docs.add(["n"], documents(1), [{"score": number}]))
    assert len(stand_in.requests) == before


def test_the_check_itself_refuses_a_misspelt_field(contract: Any) -> None:
    body = {"searches": [{"query": [0.1], "limits": 3}]}
    request = httpx.Request("POST", "http://q/collections/c/points/query/batch", json=body)
    with pytest.raises(jsonschema.ValidationError, match="limits"):
        contract.check_request(request)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/collections/c/points/query/batch", {"searches": [{"query": ["a"]}]}),
        ("POST", "/collections/c/points/query/batch", {"searches": [{"limit": 0}]}),
        ("PUT", "/collections/c/points", {"points": [{"id": "x", "vector": {"full": "abc"}}]}),
        ("PUT", "/collections/c", {"vectors": {"full": {"size": 3, "distance": "cosine"}}}),
    ],
)
def test_the_check_itself_refuses_wrong_values(
    contract: Any, method: str, path: str, body: dict[str, Any]
) -> None:
    with pytest.raises(jsonschema.ValidationError):
        contract.check_request(httpx.Request(method, f"http://q{path}", json=body))


def test_the_companion_has_as_many_copies_as_its_collection(
    over_rest: Drive, stand_in: Any, documents: Callable[..., np.ndarray]
) -> None:
    rotation = Rotation.fit(documents(100), 8)
    layout = CollectionLayout(32, (8,), rotation=rotation, replication_factor=3, shard_number=6)
    over_rest(store_rotation("docs", layout))
    [made] = stand_in.bodies("PUT", "/docs__rotation")
    assert (made["replication_factor"], made["shard_number"]) == (3, 1)
