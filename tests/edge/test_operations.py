"""Batches of updates and uploads of columns do what local mode does, or nothing at all."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qdrant_client import QdrantClient, models

from mrl_adapters.edge import EdgeClient
from mrl_adapters.errors import EngineError

Client = EdgeClient | QdrantClient
Pair = tuple[EdgeClient, QdrantClient]

SIX = models.Filter(must=[models.FieldCondition(key="n", range=models.Range(gte=6))])
NOBODY = models.Filter(must=[models.FieldCondition(key="n", match=models.MatchValue(value=-1))])


def point(at: int, n: int | None = None) -> models.PointStruct:
    vector: dict[str, Any] = {"v": [1.0 + at, 2.0], "w": [float(at)]}
    return models.PointStruct(id=at, vector=vector, payload={"n": at if n is None else n, "t": "x"})


def make(client: Client, name: str, count: int = 8) -> None:
    params = (
        models.VectorParams(size=2, distance="Dot"),
        models.VectorParams(size=1, distance="Dot"),
    )
    client.create_collection(name, dict(zip("vw", params, strict=True)))
    if count:
        client.upsert(name, [point(at) for at in range(count)])


def everything(client: Client, name: str) -> dict[Any, tuple[Any, Any]]:
    found, following = client.scroll(name, limit=1000, with_vectors=True)
    assert following is None
    return {each.id: (each.payload, each.vector) for each in found}


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    local = QdrantClient(":memory:")
    with EdgeClient(tmp_path_factory.mktemp("batches")) as embedded:
        make(embedded, "docs")
        make(local, "docs")
        yield embedded, local
    local.close()


def chosen(ids: list[int] | None, condition: models.Filter | None) -> Any:
    if ids is not None:
        return models.PointIdsList(points=ids)
    return models.FilterSelector(filter=condition)


def updates() -> st.SearchStrategy[Any]:
    some = st.lists(st.integers(0, 11), min_size=1, max_size=4, unique=True)
    where = some.map(lambda ids: (ids, None)) | st.sampled_from([(None, SIX), (None, NOBODY)])
    points = some.map(lambda ids: [point(at, 100 + at) for at in ids])
    modes = st.sampled_from([None, *models.UpdateMode])
    vectors = st.lists(st.sampled_from("vw"), min_size=1, max_size=2, unique=True)
    keys = st.lists(st.sampled_from("nt"), min_size=1, max_size=2, unique=True)
    # Local mode takes integers that neither a server nor the embedded engine can keep.
    integers = st.integers(-(2**63), 2**64 - 1)
    values = st.fixed_dictionaries({}, optional={"n": integers, "new": st.booleans()})

    def batch(given: list[models.PointStruct]) -> models.Batch:
        return models.Batch(
            ids=[each.id for each in given],
            vectors={name: [each.vector[name] for each in given] for name in "vw"},
            payloads=[each.payload for each in given],
        )

    def changed(kind: Any, owner: Any, **fields: Any) -> Callable[[Any], Any]:
        def build(drawn: tuple[tuple[Any, Any], Any]) -> Any:
            (ids, condition), rest = drawn
            [name] = kind.model_fields
            values = {field: rest[key] for field, key in fields.items()}
            return kind(**{name: owner(points=ids, filter=condition, **values)})

        return build

    return st.one_of(
        st.tuples(points, modes, st.sampled_from([None, SIX])).map(
            lambda each: models.UpsertOperation(
                upsert=models.PointsList(points=each[0], update_mode=each[1], update_filter=each[2])
            )
        ),
        points.map(
            lambda each: models.UpsertOperation(upsert=models.PointsBatch(batch=batch(each)))
        ),
        where.map(lambda each: models.DeleteOperation(delete=chosen(*each))),
        where.map(lambda each: models.ClearPayloadOperation(clear_payload=chosen(*each))),
        st.tuples(where, st.tuples(values, st.sampled_from([None, "deep"]))).map(
            changed(models.SetPayloadOperation, models.SetPayload, payload=0, key=1)
        ),
        st.tuples(where, st.tuples(values)).map(
            changed(models.OverwritePayloadOperation, models.SetPayload, payload=0)
        ),
        st.tuples(where, st.tuples(keys)).map(
            changed(models.DeletePayloadOperation, models.DeletePayload, keys=0)
        ),
        st.tuples(where, st.tuples(vectors)).map(
            changed(models.DeleteVectorsOperation, models.DeleteVectors, vector=0)
        ),
        st.integers(0, 7).map(
            lambda at: models.UpdateVectorsOperation(
                update_vectors=models.UpdateVectors(
                    points=[models.PointVectors(id=at, vector={"w": [9.0]})], update_filter=SIX
                )
            )
        ),
    )


@settings(max_examples=150, deadline=None)
@given(st.lists(updates(), max_size=6))
def test_a_batch_changes_what_it_changes_in_local_mode(pair: Pair, batch: list[Any]) -> None:
    kept: list[Any] = []
    for client in pair:
        client.delete("docs", models.Filter(must=[models.HasIdCondition(has_id=list(range(12)))]))
        client.upsert("docs", [point(at) for at in range(8)])
        try:
            result = client.batch_update_points("docs", batch)
        except (ValueError, KeyError, EngineError):  # the latter two: there is no such point
            kept.append("refused")
        else:
            assert [each.status for each in result] == ["completed"] * len(batch)
        kept.append(everything(client, "docs"))
    assert kept[: len(kept) // 2] == kept[len(kept) // 2 :]


WRONG: dict[str, Any] = {
    "a wrong width": models.UpsertOperation(
        upsert=models.PointsList(points=[models.PointStruct(id=1, vector={"v": [1.0]})])
    ),
    "an unknown vector": models.UpdateVectorsOperation(
        update_vectors=models.UpdateVectors(points=[models.PointVectors(id=1, vector={"x": [1.0]})])
    ),
    "an unknown vector to delete": models.DeleteVectorsOperation(
        delete_vectors=models.DeleteVectors(points=[1], vector=["x"])
    ),
    "neither points nor filter": models.SetPayloadOperation(
        set_payload=models.SetPayload(payload={"n": 1})
    ),
    "no points": models.UpsertOperation(upsert=models.PointsList(points=[])),
    "no ids": models.DeleteOperation(delete=models.PointIdsList(points=[])),
    "no operation": models.PointIdsList(points=[1]),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG.keys())
def test_a_wrong_update_leaves_the_batch_unapplied(client: EdgeClient, wrong: Any) -> None:
    make(client, "docs")
    before = everything(client, "docs")
    drop = models.DeleteOperation(delete=models.PointIdsList(points=[0]))
    with pytest.raises(ValueError, match=r"."):
        client.batch_update_points("docs", [drop, wrong])
    assert everything(client, "docs") == before


MISSING: dict[str, Callable[[Client, list[int]], object]] = {
    "set_payload": lambda c, ids: c.set_payload("docs", {"new": 1}, ids),
    "overwrite_payload": lambda c, ids: c.overwrite_payload("docs", {"new": 1}, ids),
    "delete_payload": lambda c, ids: c.delete_payload("docs", ["n"], ids),
    "clear_payload": lambda c, ids: c.clear_payload("docs", ids),
    "delete_vectors": lambda c, ids: c.delete_vectors("docs", ["v"], ids),
    "update_vectors": lambda c, ids: c.update_vectors(
        "docs", [models.PointVectors(id=at, vector={"v": [9.0, 9.0]}) for at in ids]
    ),
    "a batch": lambda c, ids: c.batch_update_points(
        "docs",
        [
            models.DeleteOperation(delete=models.PointIdsList(points=[5])),
            models.SetPayloadOperation(set_payload=models.SetPayload(payload={"a": 1}, points=ids)),
            models.DeleteOperation(delete=models.PointIdsList(points=[6])),
        ],
    ),
}


@pytest.mark.parametrize("door", MISSING)
@pytest.mark.parametrize("ids", [[1, 77, 2], [77, 1, 2], [1, 2, 77, 78], [77]])
def test_an_id_that_is_not_stored_leaves_what_it_leaves_in_local_mode(
    client: EdgeClient, door: str, ids: list[int]
) -> None:
    local = QdrantClient(":memory:")
    for each, error in ((client, EngineError), (local, KeyError)):
        make(each, "docs")
        with pytest.raises(error, match="77") as caught:
            MISSING[door](each, ids)
        if each is client:
            assert "that are stored were written all the same" in str(caught.value)
    assert everything(client, "docs") == everything(local, "docs")
    local.close()


@pytest.mark.parametrize("size", [2, 4096])
@pytest.mark.parametrize("place", [0, 100])
def test_a_missing_point_does_not_stop_the_rest_of_a_large_update(
    tmp_path: Path, size: int, place: int
) -> None:
    ids = list(range(200))
    given = [*ids[:place], 777, *ids[place:]]
    build, change = models.PointStruct.model_construct, models.PointVectors.model_construct
    old, new = np.ones(size, np.float32), np.zeros(size, np.float32)
    with EdgeClient(tmp_path) as client:
        client.create_collection("docs", {"v": models.VectorParams(size=size, distance="Dot")})
        client.upsert("docs", [build(id=at, vector={"v": old}, payload={"n": at}) for at in ids])
        with pytest.raises(EngineError, match="No point with id 777"):
            client.update_vectors("docs", [change(id=at, vector={"v": new}) for at in given])
        with pytest.raises(EngineError, match="No point with id 777"):
            client.set_payload("docs", {"a": 1}, given)
        with pytest.raises(EngineError, match="No point with id 777"):
            client.delete_payload("docs", ["n"], given)
        before = everything(client, "docs")
    assert {(each["a"], "n" in each) for each, _ in before.values()} == {(1, False)}
    assert {vector["v"][0] for _, vector in before.values()} == {0.0}
    with EdgeClient(tmp_path) as client:
        assert everything(client, "docs") == before


def test_updates_may_be_dicts(client: EdgeClient) -> None:
    make(client, "docs")
    done = client.batch_update_points(
        "docs",
        [
            {"delete": {"points": [0, 1]}},
            {"set_payload": {"payload": {"n": 50}, "filter": {"must": [{"has_id": [2]}]}}},
            {"upsert": {"points": [{"id": 9, "vector": {"w": [3.0]}}]}},
        ],
    )
    assert len(done) == 3
    assert client.batch_update_points("docs", []) == []
    found = everything(client, "docs")
    assert found.keys() == {*range(2, 8), 9}
    assert found[2][0] == {"n": 50, "t": "x"}


ROWS = np.arange(1, 11, dtype=np.float64).reshape(5, 2)
COLUMNS: dict[str, Callable[[], dict[str, Any]]] = {
    "a matrix": lambda: {"vectors": {"v": ROWS}, "ids": range(5)},
    "matrices by name": lambda: {"vectors": {"v": ROWS, "w": ROWS[:, :1]}, "ids": list(range(5))},
    "a list": lambda: {"vectors": [{"v": row.tolist()} for row in ROWS], "ids": iter(range(5))},
    "a stream": lambda: {"vectors": ({"v": row.tolist()} for row in ROWS), "ids": range(3)},
    "endless ids": lambda: {
        "vectors": {"v": ROWS},
        "ids": itertools.count(7),
        "payload": ({"n": at} for at in itertools.count()),
    },
    "nothing": lambda: {"vectors": [], "ids": []},
}


@pytest.mark.parametrize("given", COLUMNS.values(), ids=COLUMNS.keys())
def test_columns_are_uploaded_as_in_local_mode(
    client: EdgeClient, given: Callable[[], dict[str, Any]]
) -> None:
    local = QdrantClient(":memory:")
    for each in (client, local):
        make(each, "docs", 0)
        each.upload_collection("docs", batch_size=2, **given())
    assert everything(client, "docs") == everything(local, "docs")


def test_uploaded_points_without_ids_get_new_ones(tmp_path: Path) -> None:
    with EdgeClient(tmp_path / "store") as client:
        client.create_collection("docs", models.VectorParams(size=2, distance="Dot"))
        client.upload_collection("docs", ROWS, payload=[{"n": at} for at in range(5)])
        client.upload_collection("docs", ROWS.tolist())
        assert client.count("docs").count == 10


TOO_SHORT: dict[str, dict[str, Any]] = {
    "ids": {"vectors": {"v": ROWS}, "ids": [1, 2]},
    "a stream of ids": {"vectors": {"v": ROWS}, "ids": iter([1, 2])},
    "payload": {"vectors": {"v": ROWS}, "payload": [{}]},
    "one of the vectors": {"vectors": {"v": ROWS, "w": ROWS[:3, :1]}},
}


@pytest.mark.parametrize("given", TOO_SHORT.values(), ids=TOO_SHORT.keys())
def test_columns_that_are_too_short_are_refused(client: EdgeClient, given: dict[str, Any]) -> None:
    make(client, "docs", 0)
    with pytest.raises(ValueError, match=r"ids has|payload has|same number of vectors"):
        client.upload_collection("docs", **given)
