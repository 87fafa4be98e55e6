"""Opening a collection: created on first add, reopened, compared, missing vectors reported."""

import re
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from qdrant_client import QdrantClient, models
from qdrant_client.http.exceptions import UnexpectedResponse

from mrl_adapters import registry
from mrl_adapters.errors import CollectionMismatchError, ConfigurationError
from mrl_adapters.qdrant import (
    CollectionLayout,
    Driver,
    MatryoshkaCollection,
    MissingShortVectorsWarning,
    SearchPlan,
    UnmetLayoutWarning,
    connect,
)
from mrl_adapters.qdrant.commands import command
from mrl_adapters.qdrant.driver import Client
from mrl_adapters.qdrant.layout import CLUSTER_OPTIONS, METADATA_KEY
from mrl_adapters.qdrant.missing import those_there
from mrl_adapters.qdrant.query import Search
from mrl_adapters.vectors import truncate

Documents = Callable[..., np.ndarray]
Drive = Callable[[Any], Any]
NOMIC = "nomic-ai/nomic-embed-text-v1.5"
LAYOUT = CollectionLayout(32, (4, 8), model="our-model")


def create(client: Client, name: str, vectors: Any, metadata: dict[str, Any] | None = None) -> None:
    """Make a collection as other programs do."""
    client.create_collection(name, vectors_config=vectors, metadata=metadata)


def dense(size: int, **options: Any) -> models.VectorParams:
    return models.VectorParams(size=size, distance=models.Distance.COSINE, **options)


# Created on first add


def test_reading_does_not_create(
    client: Client, drive: Drive, name: str, documents: Documents
) -> None:
    docs = MatryoshkaCollection(name, layout=LAYOUT)
    (query,) = documents(1)
    assert drive(docs.open()) is None
    assert drive(docs.search([Search(query, 3), Search(query, 3)])) == [[], []]
    assert drive(docs.get(["a"])) == []
    assert drive(docs.scroll()) == []
    assert drive(docs.count()) == 0
    drive(docs.delete(["a"]))
    drive(docs.delete())
    drive(docs.add([], [], []))
    assert not client.collection_exists(name)


def test_the_first_add_creates_the_layout_asked_for(
    client: Client, drive: Drive, name: str, documents: Documents
) -> None:
    drive(MatryoshkaCollection(name, layout=LAYOUT).add(["a"], documents(1), [{}]))
    info = client.get_collection(name)
    assert sorted(info.config.params.vectors) == ["full", "short_4", "short_8"]
    assert info.config.metadata == LAYOUT.metadata()


def test_fields_of_a_layout_are_for_a_new_collection_and_compared_with_an_old_one(
    client: Client, drive: Drive, name: str, documents: Documents
) -> None:
    def opened(**fields: Any) -> CollectionLayout | None:
        return drive(MatryoshkaCollection(name, layout_fields=fields).open())

    fields = {"distance": "Dot", "full_name": "whole", "full_datatype": "float32"}
    made = MatryoshkaCollection(name, layout_fields=fields)
    drive(made.add(["a"], documents(1), [{}]))
    params = client.get_collection(name).config.params.vectors
    assert isinstance(params, dict)
    assert {key: (each.size, each.distance.value) for key, each in params.items()} == {
        "whole": (32, "Dot"),
        "short_16": (16, "Dot"),
    }
    same = opened(**fields)
    assert same is not None
    assert (same.full_name, same.distance, same.stages) == ("whole", "Dot", (16,))
    for field, message in (
        ({"distance": "Cosine"}, "compares by Dot, the layout asks for Cosine"),
        ({"full_name": "other"}, "full vector is 'whole', the layout asks for 'other'"),
    ):
        with pytest.raises(CollectionMismatchError, match=message):
            opened(**field)
    with pytest.warns(UnmetLayoutWarning, match="full_datatype is 'float32', the layout asks for"):
        opened(full_datatype="float16", hnsw_m=32)


@pytest.mark.parametrize(
    ("dimensions", "stage"), [(1536, 256), (384, 192), (256, 128), (3, 1), (2, 1)]
)
def test_without_a_layout_the_first_vectors_decide(
    driver: Driver, name: str, documents: Documents, dimensions: int, stage: int
) -> None:
    docs = MatryoshkaCollection(name)
    driver.run(docs.add(["a"], documents(1, dimensions), [{}]))
    assert docs.layout is not None
    assert (docs.layout.dimensions, docs.layout.stages) == (dimensions, (stage,))


def test_without_a_layout_the_registry_knows_the_models_stage_and_recipe(
    driver: Driver, name: str, documents: Documents
) -> None:
    docs = MatryoshkaCollection(name, model=NOMIC)
    driver.run(docs.add(["a"], documents(1, 768), [{}]))
    assert docs.layout is not None
    assert docs.layout.stages == (registry.get(NOMIC).default_stage,)
    assert (docs.layout.model, docs.layout.reduction) == (NOMIC, "layernorm_prefix")


def test_a_layout_that_names_a_model_follows_its_recipe(
    driver: Driver, name: str, documents: Documents
) -> None:
    vectors = documents(1, 768) + 0.1
    docs = MatryoshkaCollection(name, layout=CollectionLayout(768, (64,), model=NOMIC))
    driver.run(docs.add(["a"], vectors, [{}]))
    (record,) = driver.run(docs.get(["a"], with_vectors=True))
    expected = truncate(vectors[0], 64, reduction="layernorm_prefix")
    assert record.vector["short_64"] == pytest.approx(expected, abs=0.02)


def test_a_layout_for_one_model_and_an_embedding_of_another_do_not_start(
    driver: Driver, name: str, documents: Documents, client: Client
) -> None:
    docs = MatryoshkaCollection(name, layout=LAYOUT, model="another")
    with pytest.raises(CollectionMismatchError, match="is for vectors of 'our-model'"):
        driver.run(docs.add(["a"], documents(1), [{}]))
    assert not client.collection_exists(name)


def test_payload_indexes_are_created_with_it(
    client: Client, driver: Driver, name: str, documents: Documents
) -> None:
    layout = replace(LAYOUT, payload_indexes={"metadata.year": "integer"}, tenant_field="team")
    docs = MatryoshkaCollection(name, layout=layout)
    driver.run(docs.add(["a"], documents(1), [{"team": "x", "metadata": {"year": 2020}}]))
    found = driver.run(docs.for_tenant("x").search([Search(documents(1)[0], 1)]))
    assert found[0][0].payload["team"] == "x"
    if driver.client is not client or not hasattr(client, "_client"):  # not in local mode
        assert {"metadata.year", "team"} <= set(client.get_collection(name).payload_schema)


def test_a_server_that_refuses_to_create_it_is_heard(name: str, documents: Documents) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "PUT":
            return httpx.Response(403, json={"status": {"error": "read-only key"}})
        return httpx.Response(200, json={"result": {"exists": False}, "status": "ok", "time": 0})

    server = QdrantClient(
        url="http://q", transport=httpx.MockTransport(answer), check_compatibility=False
    )
    with pytest.raises(UnexpectedResponse, match="read-only key"):
        Driver(server).run(MatryoshkaCollection(name).add(["a"], documents(1), [{}]))
    server.close()


# Reopened


def test_another_object_reads_the_layout_back(
    driver: Driver, name: str, documents: Documents
) -> None:
    driver.run(MatryoshkaCollection(name, layout=LAYOUT).add(["a"], documents(1), [{}]))
    found = driver.run(MatryoshkaCollection(name).open(must_exist=True))
    assert found is not None
    graph = dict.fromkeys(("hnsw_m", "hnsw_ef_construct"))  # what it had built itself
    assert replace(found, **graph, **dict.fromkeys(CLUSTER_OPTIONS)) == LAYOUT


def test_the_layout_that_created_a_collection_opens_it_again(
    driver: Driver, name: str, documents: Documents
) -> None:
    layout = CollectionLayout(768, (64,), model=NOMIC)
    for identifier in ("a", "b"):
        fresh = MatryoshkaCollection(name, layout=layout, model="nomic-embed-text:v1.5")
        driver.run(fresh.add([identifier], documents(1, 768), [{}]))
    assert driver.run(MatryoshkaCollection(name).count()) == 2


def test_it_is_asked_about_once(driver: Driver, name: str, documents: Documents) -> None:
    docs = MatryoshkaCollection(name, layout=LAYOUT)
    driver.run(docs.add(["a"], documents(1), [{}]))
    assert driver.run(docs.open()) is docs.layout
    # An open collection's flow asks for nothing at all.
    with pytest.raises(StopIteration):
        next(docs.open())


def test_a_missing_collection_is_an_error_where_it_must_exist(driver: Driver, name: str) -> None:
    with pytest.raises(CollectionMismatchError) as caught:
        driver.run(MatryoshkaCollection(name).open(must_exist=True))
    told = str(caught.value)
    assert told.startswith(f"Collection {name!r} does not exist. Check the name, or")
    assert "; there is " in told


def test_the_error_names_the_first_few_that_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with connect(path=tmp_path) as client:
        driver = Driver(client)
        vectors = models.VectorParams(size=2, distance=models.Distance.COSINE)
        assert driver.run(those_there()) == f"; there is none in {tmp_path}"
        for number in (6, 5, 4, 3, 2, 1):
            client.create_collection(f"c{number}", vectors)
        client.create_collection("c1__rotation", vectors)  # not to be named
        told = driver.run(those_there())

        def refused() -> Any:
            raise UnexpectedResponse(403, "no", b"for another collection", httpx.Headers())

        monkeypatch.setattr(client, "get_collections", refused)
        with_a_key_for_one = driver.run(those_there())
    assert with_a_key_for_one == ""
    assert told.endswith(f"; there is c1, c2, c3, c4, c5 and 1 more in {tmp_path}")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layout": replace(LAYOUT, dimensions=64)}, "has 32 dimensions, the layout asks for 64"),
        (
            {"layout": replace(LAYOUT, stages=(8, 16))},
            r"has stages \(4, 8\).*migrate.*stages\W+16\b",
        ),
        ({"layout": replace(LAYOUT, distance="Dot")}, "compares by Cosine, the layout asks for D"),
        ({"layout": replace(LAYOUT, model="b")}, "is for vectors of 'our-model', this .* 'b'"),
        ({"model": "b"}, "is for vectors of 'our-model', this embedding is 'b'"),
    ],
    ids=["size", "stages", "distance", "layout's model", "model"],
)
def test_opening_it_as_something_else_says_what_differs(
    driver: Driver, name: str, documents: Documents, options: dict[str, Any], message: str
) -> None:
    driver.run(MatryoshkaCollection(name, layout=LAYOUT).add(["a"], documents(1), [{}]))
    other = MatryoshkaCollection(name, **options)
    with pytest.raises(CollectionMismatchError, match=message):
        driver.run(other.search([Search(documents(1)[0], 1)]))
    with pytest.raises((CollectionMismatchError, ConfigurationError)):
        driver.run(other.add(["b"], documents(1), [{}]))
    assert driver.run(MatryoshkaCollection(name).count()) == 1


# Made by others


def test_a_collection_without_metadata_takes_the_model_and_recipe_from_the_caller(
    client: Client, driver: Driver, name: str, documents: Documents
) -> None:
    # As a server before 1.16 keeps it: the sizes are there, the description is not.
    layout = CollectionLayout(768, (64,), reduction="layernorm_prefix")
    create(client, name, layout.vectors_config())
    by_model = MatryoshkaCollection(name, model=NOMIC)
    by_layout = MatryoshkaCollection(name, layout=layout)
    for docs in (by_model, by_layout):
        found = driver.run(docs.open(must_exist=True))
        assert found is not None
        assert found.reduction == "layernorm_prefix"
    assert by_model.layout is not None
    assert by_model.layout.model == NOMIC
    unnamed = driver.run(MatryoshkaCollection(name).open(must_exist=True))
    assert unnamed is not None
    assert (unnamed.model, unnamed.reduction) == (None, "prefix")


@pytest.mark.parametrize("full_name", ["", "dense", "full"], ids=["unnamed", "named", "full"])
def test_a_collection_with_a_short_vector_added_is_searched(
    client: Client, drive: Drive, name: str, documents: Documents, full_name: str
) -> None:
    create(client, name, {full_name: dense(32), "short_8": dense(8)})
    docs = MatryoshkaCollection(name)
    vectors = documents(30)
    ids = [str(each) for each in range(30)]
    drive(docs.add(ids, vectors, [{"at": each} for each in ids]))
    ((first, *_),) = drive(docs.search([Search(vectors[7], 3)]))
    assert first.payload["at"] == "7"
    assert first.score == pytest.approx(1, abs=1e-3)
    assert docs.layout is not None
    assert (docs.layout.full_name, docs.layout.full_has_graph) == (full_name, True)


def test_scores_are_exact_in_a_collection_quantized_as_a_whole(
    client: Client, driver: Driver, name: str, documents: Documents
) -> None:
    client.create_collection(
        name,
        vectors_config={"full": dense(32), "short_8": dense(8)},
        quantization_config=models.ScalarQuantization(
            scalar=models.ScalarQuantizationConfig(type=models.ScalarType.INT8, always_ram=True)
        ),
    )
    docs = MatryoshkaCollection(name)
    vectors = documents(200)
    ids = [str(each) for each in range(200)]
    driver.run(docs.add(ids, vectors, [{"at": each} for each in range(200)]))
    (hits,) = driver.run(
        docs.search([Search(vectors[3], 10)], SearchPlan(min_candidates=200, stages=(8,)))
    )
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    true = [float(unit[hit.payload["at"]] @ unit[3]) for hit in hits]
    assert [hit.score for hit in hits] == pytest.approx(true, abs=1e-5)


def test_stages_that_a_collection_without_short_vectors_lacks_name_the_migration(
    client: Client, driver: Driver, name: str, documents: Documents
) -> None:
    create(client, name, dense(32))
    asked = CollectionLayout(32, stages=(16,))
    line = command("migrate", name, stages=(16,), client=client)
    with pytest.raises(CollectionMismatchError, match=re.escape(line)):
        driver.run(MatryoshkaCollection(name, layout=asked).add(["a"], documents(1), [{}]))


def test_a_newer_versions_collection_is_left_alone(
    client: Client, driver: Driver, name: str, documents: Documents
) -> None:
    described = {METADATA_KEY: {**LAYOUT.metadata()[METADATA_KEY], "version": 99}}
    create(client, name, LAYOUT.vectors_config(), described)
    with pytest.raises(CollectionMismatchError, match="made by a newer mrl-adapters"):
        driver.run(MatryoshkaCollection(name).add(["a"], documents(1), [{}]))


# Points that lack a short vector


def test_points_without_a_short_vector_are_reported_once_with_the_repair(
    client: Client, drive: Drive, name: str, documents: Documents
) -> None:
    drive(MatryoshkaCollection(name, layout=LAYOUT).add(["a"], documents(1), [{}]))
    full, short = [1.0] * 32, [0.5] * 4
    legacy = [
        models.PointStruct(id=1, vector={"full": full}),
        models.PointStruct(id=2, vector={"full": full, "short_4": short}),
        models.PointStruct(id=3, vector={"full": full, "short_4": short, "short_8": short * 2}),
    ]
    client.upsert(name, points=legacy, wait=True)
    docs = MatryoshkaCollection(name)
    with pytest.warns(MissingShortVectorsWarning) as caught:
        assert drive(docs.count()) == 4
    (warning,) = caught
    assert str(warning.message) == (
        f"Collection {name!r}: 2 points lack a short vector and cannot be found by two-stage "
        f"search. Repair them with: {command('repair', name, client=client)}"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        drive(docs.search([Search(documents(1)[0], 1)]))
        drive(docs.count())


def test_a_whole_collection_gives_no_warning(
    driver: Driver, name: str, documents: Documents
) -> None:
    driver.run(MatryoshkaCollection(name, layout=LAYOUT).add(["a"], documents(1), [{}]))
    assert driver.run(MatryoshkaCollection(name).count()) == 1  # warnings are errors here
