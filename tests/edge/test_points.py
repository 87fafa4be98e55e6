"""Points go in checked and come out as the client gives them."""

import uuid
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import numpy as np
import pytest
from qdrant_client import models

from mrl_adapters.edge import EdgeClient
from mrl_adapters.edge.client_models import construct
from mrl_adapters.errors import ConfigurationError, DimensionsError, EmbeddingError

Points = Callable[..., list[models.PointStruct]]
Vectors = dict[str, models.VectorParams]
BIG = [3.0, 4.0]


@pytest.fixture
def docs(client: EdgeClient) -> EdgeClient:
    client.create_collection(
        "docs",
        {
            "a": models.VectorParams(size=2, distance="Dot"),
            "b": models.VectorParams(size=3, distance="Dot"),
        },
        sparse_vectors_config={"words": models.SparseVectorParams()},
    )
    return client


def stored(client: EdgeClient, point_id: Any = 1) -> models.Record:
    return client.retrieve("docs", [point_id], with_vectors=True)[0]


def point(vector: Any, point_id: Any = 1, payload: Any = None) -> models.PointStruct:
    return models.PointStruct.model_construct(id=point_id, vector=vector, payload=payload)


@pytest.mark.parametrize(
    "vector",
    [
        BIG,
        np.array(BIG, dtype=np.float32),
        np.array(BIG, dtype=np.float64),
        np.array(BIG, dtype=np.float16),
        np.array([3.0, 0.0, 4.0, 0.0], dtype=np.float32)[::2],
        np.array(BIG, dtype=np.float32).data,
    ],
    ids=["list", "float32", "float64", "float16", "strided", "memoryview"],
)
def test_a_vector_may_be_a_list_or_a_buffer(docs: EdgeClient, vector: Any) -> None:
    docs.upsert("docs", [point({"a": vector})])
    assert stored(docs) == models.Record(id=1, payload={}, vector={"a": BIG})


def test_sparse_vectors_come_back_as_sparse_vectors(docs: EdgeClient) -> None:
    words = models.SparseVector(indices=[2, 7], values=[0.5, 1.5])
    docs.upsert("docs", [point({"words": words})])
    assert stored(docs).vector == {"words": words}


def test_a_batch_of_columns_is_the_same_as_points(docs: EdgeClient) -> None:
    batch = models.Batch(
        ids=[1, 2], vectors={"a": [BIG, [1.0, 0.0]]}, payloads=[{"n": 1}, {"n": 2}]
    )
    docs.upsert("docs", batch)
    assert stored(docs, 2) == models.Record(id=2, payload={"n": 2}, vector={"a": [1.0, 0.0]})
    with pytest.raises(ValueError, match="2 ids and 1 in column 'a'"):
        docs.upsert("docs", models.Batch(ids=[3, 4], vectors={"a": [BIG]}))


def test_an_unnamed_vector_is_a_plain_list(client: EdgeClient) -> None:
    client.create_collection("docs", models.VectorParams(size=2, distance="Dot"))
    client.upsert("docs", models.Batch(ids=[1], vectors=[BIG]))
    assert stored(client).vector == BIG


@pytest.mark.parametrize("as_rows", [list, np.array])
def test_multi_vectors_are_lists_of_rows(client: EdgeClient, as_rows: Callable[..., Any]) -> None:
    many = models.MultiVectorConfig(comparator=models.MultiVectorComparator.MAX_SIM)
    params = models.VectorParams(size=2, distance="Dot", multivector_config=many)
    client.create_collection("docs", {"tokens": params})
    client.upsert("docs", [point({"tokens": as_rows([BIG, [1.0, 0.0]])})])
    assert stored(client).vector == {"tokens": [BIG, [1.0, 0.0]]}
    found = client.query_points("docs", query=[[1.0, 0.0]], using="tokens").points
    assert found[0].score == 3.0


BAD_VALUES = [float("nan"), float("inf"), -float("inf"), 1e39]


@pytest.mark.parametrize("bad", BAD_VALUES)
@pytest.mark.parametrize("as_vector", [list, np.array], ids=["list", "buffer"])
@pytest.mark.filterwarnings("ignore:overflow encountered in cast:RuntimeWarning")
def test_nothing_is_written_when_one_value_is_bad(
    docs: EdgeClient, bad: float, as_vector: Callable[..., Any]
) -> None:
    good = point({"a": as_vector(BIG)}, point_id=1)
    with pytest.raises(EmbeddingError, match="Point 2: vector 'a' holds NaN"):
        docs.upsert("docs", [good, point({"a": as_vector([1.0, bad])}, point_id=2)])
    assert docs.count("docs").count == 0


def test_text_in_a_vector_is_refused(docs: EdgeClient) -> None:
    with pytest.raises(EmbeddingError, match="Point 1"):
        docs.upsert("docs", [point({"a": ["x", 1.0]})])


def test_a_bad_sparse_value_is_refused(docs: EdgeClient) -> None:
    words = models.SparseVector(indices=[2], values=[float("nan")])
    with pytest.raises(EmbeddingError, match="'words'"):
        docs.upsert("docs", [point({"words": words})])
    with pytest.raises(TypeError, match="'words' is sparse, found list"):
        docs.upsert("docs", [point({"words": BIG})])


def test_huge_finite_values_are_not_taken_for_infinity(docs: EdgeClient) -> None:
    docs.upsert("docs", [point({"a": np.array([1e30, -1e30], dtype=np.float32)})])
    assert docs.count("docs").count == 1


@pytest.mark.parametrize("vector", [[1.0], [1.0, 2.0, 3.0], np.ones(3), []])
def test_a_wrong_width_is_refused_before_writing(docs: EdgeClient, vector: Any) -> None:
    with pytest.raises(DimensionsError, match=r"Point 2: .*'a' has \d dimensions.*expects 2"):
        docs.upsert("docs", [point({"a": BIG}), point({"a": vector}, point_id=2)])
    assert docs.count("docs").count == 0


@pytest.mark.parametrize("vector", [{"nope": BIG}, BIG])
def test_an_unknown_vector_name_is_refused(docs: EdgeClient, vector: Any) -> None:
    with pytest.raises(ValueError, match="Point 1: Not existing vector name error"):
        docs.upsert("docs", [point(vector)])


@pytest.mark.parametrize(
    "given",
    [
        "80cb3adc-c16d-43c7-b54a-548975ba9d41",
        "80CB3ADC-C16D-43C7-B54A-548975BA9D41",
        "80cb3adcc16d43c7b54a548975ba9d41",
        "urn:uuid:80cb3adc-c16d-43c7-b54a-548975ba9d41",
        uuid.UUID("80cb3adc-c16d-43c7-b54a-548975ba9d41"),
    ],
)
def test_uuids_come_back_canonical(docs: EdgeClient, given: Any) -> None:
    docs.upsert("docs", [point({"a": BIG}, point_id=given)])
    canonical = "80cb3adc-c16d-43c7-b54a-548975ba9d41"
    assert stored(docs, given).id == canonical
    assert docs.scroll("docs")[0][0].id == canonical
    assert docs.query_points("docs", query=BIG, using="a").points[0].id == canonical


@pytest.mark.parametrize("given", ["abc", -1, 1.5, 2**64])
def test_other_ids_are_refused(docs: EdgeClient, given: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        docs.upsert("docs", [point({"a": BIG}, point_id=given)])


def test_payloads_come_back_as_they_went_in(docs: EdgeClient) -> None:
    payload = {
        "text": "naïve 文 \x00",
        "number": 1,
        "big": 2**63,
        "float": 1.0,
        "flag": True,
        "nothing": None,
        "list": [1, [2.5, None], {"a": []}],
        "dotted.key": {"": {}},
    }
    docs.upsert("docs", [point({"a": BIG}, payload=payload)])
    found = stored(docs).payload
    assert found == payload
    assert type(found["number"]) is int
    assert type(found["float"]) is float
    assert found["flag"] is True


def test_payload_values_outside_json_are_written_as_qdrant_client_does(docs: EdgeClient) -> None:
    number = uuid.UUID(int=5)
    when = datetime(2024, 5, 1, tzinfo=timezone.utc)
    docs.upsert("docs", [point({"a": BIG}, payload={"id": number, "at": when, "set": {1}, 3: 4})])
    expected = {"id": str(number), "at": "2024-05-01T00:00:00Z", "set": [1], "3": 4}
    assert stored(docs).payload == expected
    docs.set_payload("docs", {"at": when}, [1])
    assert stored(docs).payload == expected


@pytest.mark.parametrize("value", [object(), "\ud800"])
def test_a_payload_without_json_form_is_refused(docs: EdgeClient, value: Any) -> None:
    with pytest.raises(ConfigurationError, match="Point 1: the payload has no JSON form"):
        docs.upsert("docs", [point({"a": BIG}, payload={"x": value})])


def test_an_upsert_replaces_the_whole_point(docs: EdgeClient) -> None:
    docs.upsert("docs", [point({"a": BIG, "b": [1.0, 2.0, 3.0]}, payload={"x": 1})])
    docs.upsert("docs", [point({"a": [1.0, 1.0]}, payload={"y": 2})])
    assert stored(docs) == models.Record(id=1, payload={"y": 2}, vector={"a": [1.0, 1.0]})


def test_updating_a_vector_leaves_the_others_alone(docs: EdgeClient) -> None:
    docs.upsert("docs", [point({"a": BIG, "b": [1.0, 2.0, 3.0]}, payload={"x": 1})])
    row = np.array([9.0, 8.0], dtype=np.float32)
    docs.update_vectors("docs", [models.PointVectors.model_construct(id=1, vector={"a": row})])
    assert stored(docs).vector == {"a": [9.0, 8.0], "b": [1.0, 2.0, 3.0]}
    docs.delete_vectors("docs", ["a"], [1])
    assert stored(docs).vector == {"b": [1.0, 2.0, 3.0]}
    with pytest.raises(EmbeddingError):
        docs.update_vectors(
            "docs", [models.PointVectors.model_construct(id=1, vector={"a": [float("nan"), 1.0]})]
        )


def test_update_mode_and_filter_choose_what_an_upsert_touches(docs: EdgeClient) -> None:
    docs.upsert("docs", [point({"a": BIG}, payload={"v": 1})])
    newer = [point({"a": BIG}, payload={"v": 2}), point({"a": BIG}, point_id=2, payload={"v": 2})]
    docs.upsert("docs", newer, update_mode=models.UpdateMode.INSERT_ONLY)
    assert [stored(docs, each).payload["v"] for each in (1, 2)] == [1, 2]
    only_two = models.Filter(must=models.FieldCondition(key="v", match=models.MatchValue(value=2)))
    newest = [point({"a": BIG}, point_id=each, payload={"v": 3}) for each in (1, 2)]
    docs.upsert("docs", newest, update_filter=only_two)
    assert [stored(docs, each).payload["v"] for each in (1, 2)] == [1, 3]


def test_points_are_uploaded_in_batches_from_any_iterable(docs: EdgeClient) -> None:
    docs.upload_points("docs", (point({"a": BIG}, point_id=at) for at in range(10)), batch_size=4)
    assert docs.count("docs").count == 10


SELECTORS = {
    "list": [1, 2],
    "ids": models.PointIdsList(points=[1, 2]),
    "filter": models.Filter(must=models.HasIdCondition(has_id=[1, 2])),
    "filter selector": models.FilterSelector(
        filter=models.Filter(must=[models.HasIdCondition(has_id=[1, 2])])
    ),
}


@pytest.mark.parametrize("selector", SELECTORS.values(), ids=SELECTORS.keys())
def test_every_selector_chooses_the_same_points(docs: EdgeClient, selector: Any) -> None:
    docs.upsert(
        "docs",
        [
            point({"a": BIG, "b": [1.0] * 3}, point_id=at, payload={"v": {"w": at}})
            for at in (1, 2, 3)
        ],
    )
    docs.set_payload("docs", {"x": 5}, selector, key="v")
    assert [stored(docs, at).payload for at in (1, 3)] == [{"v": {"w": 1, "x": 5}}, {"v": {"w": 3}}]
    docs.delete_payload("docs", ["v.x"], selector)
    assert stored(docs, 1).payload == {"v": {"w": 1}}
    docs.overwrite_payload("docs", {"new": True}, selector)
    assert [stored(docs, at).payload for at in (2, 3)] == [{"new": True}, {"v": {"w": 3}}]
    docs.clear_payload("docs", selector)
    assert stored(docs, 2).payload == {}
    docs.delete_vectors("docs", ["b"], selector)
    assert [set(stored(docs, at).vector) for at in (2, 3)] == [{"a"}, {"a", "b"}]
    docs.delete("docs", selector)
    assert [each.id for each in docs.scroll("docs")[0]] == [3]


def test_an_unknown_selector_is_refused(docs: EdgeClient) -> None:
    with pytest.raises(NotImplementedError, match="select points by dict"):
        docs.delete("docs", {"points": [1]})  # type: ignore[arg-type]  # wrong on purpose


def test_results_are_models_like_any_other() -> None:
    fields = {
        "id": 1,
        "version": 2,
        "score": 0.5,
        "payload": {"a": 1},
        "vector": [1.0],
        "shard_key": None,
        "order_value": None,
    }
    fast, slow = construct(models.ScoredPoint, dict(fields)), models.ScoredPoint(**fields)
    assert fast == slow
    assert fast.model_dump_json() == slow.model_dump_json()
    assert repr(fast) == repr(slow)
    assert fast.model_copy(update={"score": 0.7}).score == 0.7
    assert fast.score == 0.5
