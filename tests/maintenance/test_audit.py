"""What is wrong with a collection is counted, named, and mended where that is mechanical."""

import json
import re

import pytest
from qdrant_client import models

from mrl_adapters.errors import MigrationError
from mrl_adapters.maintenance import client as client_module
from mrl_adapters.qdrant import (
    CollectionLayout,
    Driver,
    MatryoshkaCollection,
    audit,
    migrate,
    repair,
)
from mrl_adapters.qdrant.commands import command
from mrl_adapters.qdrant.engine import engine_of
from mrl_adapters.qdrant.query import Search


@pytest.fixture
def ours(vectors):
    """A collection that this package wrote."""

    def write(client, count=100, **options):
        layout = CollectionLayout(32, (8,), **options)
        collection = MatryoshkaCollection("docs", layout=layout)
        ids = [str(number) for number in range(count)]
        payloads = [{"page_content": "text", "metadata": {"n": 1}} for _ in ids]
        Driver(client).run(collection.add(ids, vectors(count), payloads))
        return client

    return write


def _topics(report):
    return {each.topic for each in report.recommendations}


@pytest.mark.parametrize("distance", ["Cosine", "Dot", "Euclid"])
@pytest.mark.parametrize("datatype", ["float16", "float32"])
def test_what_we_wrote_ourselves_is_right(client, ours, distance, datatype):
    ours(client, distance=distance, full_datatype=datatype)

    report = audit(client, "docs")

    assert report.ok
    assert (report.points, report.checked, report.examples) == (100, 100, {})


def test_every_kind_of_wrong_point_is_counted_and_named(client, legacy, vectors):
    legacy(client, count=50, full_name="dense")
    migrate(client, "docs", stages=(8,))
    changed = vectors(50, seed=1).tolist()
    client.upsert("docs", [models.PointStruct(id=1, vector={"dense": changed[1]})])
    client.update_vectors("docs", [models.PointVectors(id=2, vector={"dense": changed[2]})])
    client.delete_vectors("docs", ["dense"], models.PointIdsList(points=[3]))
    client.upsert("docs", [models.PointStruct(id=4, vector={})])
    client.upsert("docs", [models.PointStruct(id=5, vector={"dense": [0.0] * 32})])
    padded = models.PointStruct(id=6, vector={"dense": changed[6][:20] + [0.0] * 12})
    client.upsert("docs", [padded])

    report = audit(client, "docs")

    assert report.examples == {
        "missing": [1, 5, 6],
        "stale": [2, 3],
        "without_full": [3, 4],
        "zero": [5],
        "padded": [6],
        "unreadable": [1, 4, 5, 6],  # put in without their payloads
    }
    assert (report.missing, report.stale, report.without_full) == (3, 2, 2)
    assert (report.zero, report.padded, report.not_finite) == (1, 1, 0)
    assert report.unreadable == 4
    assert not report.ok
    assert json.loads(json.dumps(report.to_dict()))["missing"] == 3


def test_a_repair_mends_them_and_says_so(client, legacy, vectors):
    legacy(client, count=50)
    migrate(client, "docs", stages=(8,))
    [changed] = vectors(1, seed=1).tolist()
    client.upsert("docs", [models.PointStruct(id=1, vector={"": changed})])
    client.update_vectors("docs", [models.PointVectors(id=2, vector={"": changed})])

    result = repair(client, "docs")

    assert (result.filled, result.corrected, result.settled) == (1, 1, True)
    assert result.to_dict()["filled"] == 1
    assert audit(client, "docs").ok
    assert (repair(client, "docs").filled, repair(client, "docs").corrected) == (0, 0)


def test_a_sample_reads_no_more_than_that(client, ours, monkeypatch):
    monkeypatch.setattr(client_module, "_POINTS_PER_PAGE", 10)
    ours(client)
    seen = []

    report = audit(client, "docs", sample=30, progress=seen.append)

    assert (report.points, report.checked) == (100, 30)
    assert seen[-1].done == seen[-1].total == 30


def test_no_more_than_ten_examples_are_listed(client, legacy):
    legacy(client, count=50)
    migrate(client, "docs", stages=(8,))
    client.delete_vectors("docs", ["short_8"], models.PointIdsList(points=list(range(20))))

    report = audit(client, "docs")

    assert report.missing == 20
    assert report.examples["missing"] == list(range(10))


def test_a_collection_without_short_vectors_is_sound_and_told_what_a_stage_saves(client, legacy):
    legacy(client)

    report = audit(client, "docs")

    assert (report.stages, report.missing, report.ok) == ((), 0, True)
    told = [each for each in report.recommendations if each.topic == "one_stage"]
    if engine_of(client).has_indexes:
        assert command("migrate", "docs", stages=(16,), client=client) in told[0].fix
    assert repair(client, "docs").filled == 0
    assert "mrl_adapters" not in (client.get_collection("docs").config.metadata or {})


def test_a_collection_that_lost_the_stages_it_names_is_told_to_migrate(client, legacy):
    legacy(client)
    migrate(client, "docs", stages=(8,))
    client.delete_vector_name("docs", "short_8")

    report = audit(client, "docs")

    assert not report.ok
    assert command("migrate", "docs", stages=(8,), client=client) in report.problems[0]
    with pytest.raises(MigrationError, match="says of itself"):
        repair(client, "docs")


def test_a_collection_that_contradicts_itself_is_reported(client, legacy):
    legacy(client)
    migrate(client, "docs", stages=(8, 16))
    client.delete_vector_name("docs", "short_8")

    [problem] = audit(client, "docs").problems

    assert "says of itself" in problem


def test_short_vectors_that_nobody_described_are_understood_and_described(client, vectors):
    params = {
        "body": models.VectorParams(size=32, distance=models.Distance.COSINE),
        "short_8": models.VectorParams(size=8, distance=models.Distance.COSINE),
    }
    client.create_collection("docs", params)
    client.upsert(
        "docs",
        [
            models.PointStruct(id=number, vector={"body": row.tolist()})
            for number, row in enumerate(vectors(10))
        ],
    )
    assert audit(client, "docs").missing == 10

    assert repair(client, "docs").filled == 10

    assert audit(client, "docs").ok
    assert client.get_collection("docs").config.metadata["mrl_adapters"]["full_name"] == "body"


def test_the_full_vector_may_be_named_where_several_could_be_it(client, vectors):
    params = models.VectorParams(size=32, distance=models.Distance.COSINE)
    short = models.VectorParams(size=8, distance=models.Distance.COSINE)
    client.create_collection("docs", {"a": params, "b": params, "short_8": short})
    client.upsert("docs", [models.PointStruct(id=1, vector={"b": [1.0] * 32})])

    assert audit(client, "docs", full_name="b").missing == 1
    assert audit(client, "docs", full_name="a").without_full == 1
    with pytest.raises(MigrationError, match="full_name"):
        repair(client, "docs")
    assert repair(client, "docs", full_name="b").filled == 1
    assert audit(client, "docs").ok


def test_an_unfinished_migration_is_reported_and_not_repaired(client, legacy):
    legacy(client)

    def stop(progress):
        if progress.phase == "verifying points":
            raise InterruptedError

    with pytest.raises(InterruptedError):
        migrate(client, "docs", stages=(8,), progress=stop)

    assert "has not finished" in audit(client, "docs").problems[0]
    line = re.escape(command("migrate", "docs", stages=(8,), client=client))
    with pytest.raises(MigrationError, match=f"Run it again, .*: {line}"):
        repair(client, "docs")
    assert migrate(client, "docs", stages=(8,)).resumed
    assert audit(client, "docs").ok


def test_an_ideal_collection_gets_no_recommendation_but_on_its_payload(open_engine, ours):
    client = ours(open_engine("edge"), payload_indexes={"metadata.n": "integer"})

    assert audit(client, "docs").recommendations == ()


def test_what_costs_memory_or_time_is_advised_on(open_engine, legacy, vectors):
    client = open_engine("edge")
    client.create_collection(
        "docs",
        {
            "dense": models.VectorParams(size=32, distance=models.Distance.COSINE),
            "title": models.VectorParams(size=4, distance=models.Distance.COSINE),
            "short_4": models.VectorParams(size=4, distance=models.Distance.COSINE),
            "short_8": models.VectorParams(
                size=8,
                distance=models.Distance.COSINE,
                hnsw_config=models.HnswConfigDiff(m=0),
            ),
        },
        quantization_config=models.ScalarQuantization(
            scalar=models.ScalarQuantizationConfig(type=models.ScalarType.INT8)
        ),
        metadata={
            "mrl_adapters": {
                "version": 1,
                "model": None,
                "dimensions": 32,
                "stages": [8],
                "reduction": "prefix",
                "full_name": "dense",
            }
        },
    )
    payload = {"author": "me", "page_content": "long", "metadata": {"year": 1}, "_private": 1}
    client.upsert(
        "docs",
        [
            models.PointStruct(id=number, vector={"dense": row.tolist()}, payload=payload)
            for number, row in enumerate(vectors(10))
        ],
    )

    report = audit(client, "docs")

    assert _topics(report) == {
        "full_graph",
        "collection_quantization",
        "full_in_ram",
        "full_float32",
        "short_graph",
        "short_codes",
        "mixed_sizes",
        "unused_short",
        "payload_indexes",
    }
    [indexes] = [each for each in report.recommendations if each.topic == "payload_indexes"]
    assert "author, metadata.year." in indexes.message
    assert "client.create_payload_index('docs', 'author', 'keyword')." in indexes.fix
    assert all(each.fix for each in report.recommendations)


def test_graphs_that_were_laid_out_before_the_tenants_index_are_told_of(open_engine, legacy):
    client = open_engine("edge")
    full = legacy(client, count=300, full_name="dense")
    payloads = [{"tenant": f"t{number % 3}"} for number in range(300)]
    for number, payload in enumerate(payloads):
        client.set_payload("docs", payload, [number])
    migrate(client, "docs", stages=(4, 8))
    assert "tenant_graphs" not in _topics(audit(client, "docs"))
    tenant = models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, is_tenant=True)
    client.create_payload_index("docs", "tenant", tenant)

    [found] = [
        each for each in audit(client, "docs").recommendations if each.topic == "tenant_graphs"
    ]
    assert "'tenant' is indexed as a tenant's field, but the graphs of 'short_4', 'short_8'" in (
        found.message
    )
    call = re.search(r"update_collection\((vectors_config=.*)\)\. The next", found.fix)
    assert call is not None
    # What is recommended can be pasted as it is, and ends the recommendation.
    eval(f"client.update_collection('docs', {call[1]})", {**vars(models), "client": client})  # noqa: S307

    graph = client.get_collection("docs").config.params.vectors["short_8"].hnsw_config
    assert (graph.m, graph.payload_m) == (0, 32)
    topics = _topics(audit(client, "docs"))
    assert not topics & {"tenant_graphs", "short_graph"}
    client.optimize("docs")
    one = models.FieldCondition(key="tenant", match=models.MatchValue(value="t1"))
    asked = Search(vector=full[4], k=200, query_filter=models.Filter(must=[one]))
    [hits] = Driver(client).run(MatryoshkaCollection("docs").search([asked]))
    assert hits[0].id == 4
    assert {hit.id for hit in hits} == set(range(1, 300, 3))


def test_tenants_graphs_without_an_index_are_no_graphs(open_engine, ours):
    client = ours(open_engine("edge"), tenant_field="metadata.tenant")
    assert not _topics(audit(client, "docs")) & {"short_graph", "tenant_graphs"}

    client.delete_payload_index("docs", "metadata.tenant")

    assert "short_graph" in _topics(audit(client, "docs"))


def test_a_collection_that_is_still_being_indexed_is_pointed_out(open_engine, legacy, monkeypatch):
    client = open_engine("edge")
    legacy(client)
    info = client.get_collection("docs")
    busy = info.model_copy(update={"status": models.CollectionStatus.YELLOW})
    monkeypatch.setattr(client, "get_collection", lambda _: busy)

    assert "status" in _topics(audit(client, "docs"))


def test_the_local_mode_is_advised_to_move(open_engine, ours):
    assert _topics(audit(ours(open_engine("local")), "docs")) == {"local_mode"}


def test_a_collection_that_does_not_exist_is_named(client):
    with pytest.raises(MigrationError, match="'nowhere' does not exist"):
        audit(client, "nowhere")
