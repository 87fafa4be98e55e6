"""What is no id of a point, or no name, is refused in words that name it."""

import uuid
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from qdrant_client import models

from mrl_adapters.edge import EdgeClient
from mrl_adapters.errors import ConfigurationError

Door = Callable[[EdgeClient, Any], Any]


@pytest.fixture
def docs(client: EdgeClient) -> EdgeClient:
    client.create_collection("docs", {"v": models.VectorParams(size=1, distance="Dot")})
    build = models.PointStruct
    client.upsert("docs", [build(id=at, vector={"v": [1.0]}, payload={"n": at}) for at in (1, 2)])
    return client


def point(given: Any) -> models.PointStruct:
    return models.PointStruct.model_construct(id=given, vector={"v": [1.0]}, payload={"n": 0})


def filtered(given: Any) -> models.Filter:
    condition = models.HasIdCondition.model_construct(has_id=[1, given])
    return models.Filter.model_construct(must=[condition])


DOORS: dict[str, Door] = {
    "upsert": lambda c, given: c.upsert("docs", [point(7), point(given)]),
    "upsert of columns": lambda c, given: c.upsert(
        "docs", models.Batch.model_construct(ids=[7, given], vectors={"v": [[1.0]] * 2})
    ),
    "upload_points": lambda c, given: c.upload_points("docs", [point(7), point(given)]),
    "update_vectors": lambda c, given: c.update_vectors(
        "docs",
        [models.PointVectors.model_construct(id=each, vector={"v": [2.0]}) for each in (1, given)],
    ),
    "set_payload": lambda c, given: c.set_payload("docs", {"a": 1}, [1, given]),
    "overwrite_payload": lambda c, given: c.overwrite_payload("docs", {"a": 1}, [1, given]),
    "delete_payload": lambda c, given: c.delete_payload("docs", ["n"], [1, given]),
    "clear_payload": lambda c, given: c.clear_payload("docs", [1, given]),
    "delete": lambda c, given: c.delete("docs", [1, given]),
    "delete by PointIdsList": lambda c, given: c.delete(
        "docs", models.PointIdsList.model_construct(points=[1, given])
    ),
    "delete by filter": lambda c, given: c.delete("docs", filtered(given)),
    "delete_vectors": lambda c, given: c.delete_vectors("docs", ["v"], [1, given]),
    "batch_update_points": lambda c, given: c.batch_update_points(
        "docs",
        [
            models.DeleteOperation(delete=models.PointIdsList(points=[1])),
            models.DeleteOperation.model_construct(
                delete=models.PointIdsList.model_construct(points=[given])
            ),
        ],
    ),
    "retrieve": lambda c, given: c.retrieve("docs", [1, given]),
    "scroll": lambda c, given: c.scroll("docs", filtered(given)),
    "count": lambda c, given: c.count("docs", filtered(given)),
}
WRONG: list[Any] = [
    -1,
    2**64,
    -(2**70),
    1.5,
    "abc",
    "",
    "1",
    "\ud800",
    "80cb3adc-c16d-43c7-b54a-548975ba9d4",
    b"80cb3adcc16d43c7b54a548975ba9d41",
    (1,),
    [1],
    np.float32(1.5),
    np.int64(-1),
]


@pytest.mark.parametrize("door", DOORS)
def test_what_is_no_id_is_named_and_nothing_is_done(docs: EdgeClient, door: str) -> None:
    before = docs.scroll("docs", with_vectors=True)
    for given in [*WRONG, None]:
        with pytest.raises(ConfigurationError, match="is no point id: expected an int") as caught:
            DOORS[door](docs, given)
        assert "\n" not in str(caught.value)
        assert caught.value.found is given
    assert docs.scroll("docs", with_vectors=True) == before


@pytest.mark.parametrize("given", WRONG, ids=ascii)
def test_a_page_begins_at_an_id(docs: EdgeClient, given: Any) -> None:
    with pytest.raises(ConfigurationError, match="is no point id"):
        docs.scroll("docs", offset=given)


@pytest.mark.parametrize("given", [-1, 2**64, "abc", "", "\ud800"], ids=ascii)
def test_a_query_by_what_is_no_id_is_refused(docs: EdgeClient, given: Any) -> None:
    wanted = models.RecommendInput.model_construct(positive=[1, given])
    for query in (given, models.RecommendQuery.model_construct(recommend=wanted)):
        with pytest.raises(ConfigurationError, match="is no point id"):
            docs.query_points("docs", query, using="v")


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("given", [2, np.int64(2), np.uint64(2), np.int8(2)], ids=repr)
def test_integers_of_any_class_are_ids(docs: EdgeClient, door: str, given: Any) -> None:
    DOORS[door](docs, given)


def test_ids_are_found_again_however_they_are_spelled(docs: EdgeClient) -> None:
    given = uuid.UUID("80cb3adc-c16d-43c7-b54a-548975ba9d41")
    docs.upsert("docs", [point(given)])
    spellings = [given, str(given), given.hex, given.urn, str(given).upper(), np.str_(given.hex)]
    found = docs.retrieve("docs", [*spellings, np.uint64(1), 99, np.int64(98)])
    assert [each.id for each in found] == [str(given)] * len(spellings) + [1]


NAMES: dict[str, Door] = {
    "create_collection": lambda c, name: c.create_collection(
        name, models.VectorParams(size=1, distance="Dot")
    ),
    "collection_exists": lambda c, name: c.collection_exists(name),
    "get_collection": lambda c, name: c.get_collection(name),
    "delete_collection": lambda c, name: c.delete_collection(name),
    "upsert": lambda c, name: c.upsert(name, [point(1)]),
    "alias": lambda c, name: c.update_collection_aliases(
        [
            models.CreateAliasOperation(
                create_alias=models.CreateAlias.model_construct(
                    collection_name="docs", alias_name=name
                )
            )
        ]
    ),
    "vector name": lambda c, name: c.create_collection(
        "new", {name: models.VectorParams(size=1, distance="Dot")}
    ),
    "create_payload_index": lambda c, name: c.create_payload_index("docs", name, "keyword"),
    "set_payload": lambda c, name: c.set_payload("docs", {"a": 1}, [1], key=name),
    "delete_payload": lambda c, name: c.delete_payload("docs", [name], [1]),
}


@pytest.mark.parametrize("door", NAMES)
@pytest.mark.parametrize("name", ["\ud800", "a\udfffb", "\udc00" * 300], ids=ascii)
def test_a_name_that_is_no_text_is_refused(docs: EdgeClient, door: str, name: str) -> None:
    with pytest.raises(ConfigurationError, match="holds half a surrogate pair"):
        NAMES[door](docs, name)
    assert [each.name for each in docs.get_collections().collections] == ["docs"]
    assert docs.get_collection("docs").payload_schema == {}
