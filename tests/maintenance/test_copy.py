"""A collection is carried over into a new one, in the same engine or in another."""

import itertools

import numpy as np
import pytest
from qdrant_client import models

from mrl_adapters.errors import ConfigurationError, MigrationError
from mrl_adapters.maintenance import client as client_module
from mrl_adapters.maintenance import copy, job
from mrl_adapters.maintenance.checkpoint import read_checkpoint
from mrl_adapters.qdrant import (
    CopyTarget,
    Driver,
    EdgeClient,
    audit,
    migrate,
    plan_migration,
)
from mrl_adapters.qdrant.rotation import open_layout
from mrl_adapters.vectors import Rotation

PAIRS = [
    pytest.param(pair, marks=[pytest.mark.server] if "server" in pair else [], id="-to-".join(pair))
    for pair in itertools.product(("local", "edge", "server"), repeat=2)
]


@pytest.fixture
def small_pages(monkeypatch):
    """Ten points a page and a checkpoint after each, so that a small collection has many."""
    monkeypatch.setattr(client_module, "_POINTS_PER_PAGE", 10)
    monkeypatch.setattr(copy, "_PAGES_PER_CHECKPOINT", 1)


def _rich(client, vectors, name="docs"):
    """A hybrid collection with two dense vectors, a sparse one, integer and UUID ids, indexes."""
    client.create_collection(
        name,
        {
            "dense": models.VectorParams(size=32, distance=models.Distance.COSINE),
            "title": models.VectorParams(size=4, distance=models.Distance.DOT),
        },
        sparse_vectors_config={
            "words": models.SparseVectorParams(modifier=models.Modifier.IDF),
        },
        metadata={"owner": "me"},
    )
    ids = [*range(40), *(f"0000000{n}-0000-4000-8000-000000000000" for n in range(5))]
    client.upsert(
        name,
        [
            models.PointStruct(
                id=number,
                vector={
                    "dense": row.tolist(),
                    "title": [1.0, 2.0, 3.0, place],
                    "words": models.SparseVector(indices=[place, 99], values=[1.0, 0.25]),
                },
                payload={"group": place % 3, "deep": {"list": [1, 2.5, None, "x"]}, "day": "ä"},
            )
            for place, (number, row) in enumerate(zip(ids, vectors(45), strict=True))
        ],
    )
    return ids


@pytest.mark.parametrize("pair", PAIRS)
def test_everything_arrives_in_another_engine(open_engine, vectors, search, pair):
    here, there = map(open_engine, pair)
    ids = _rich(here, vectors)
    if pair[0] != "local":
        here.create_payload_index("docs", "group", models.PayloadSchemaType.INTEGER)
    target = CopyTarget("copied", None if here is there else there)

    result = migrate(
        here, "docs", stages=(8,), mode="copy", target=target, full_name="dense", model="m"
    )

    assert (result.points, result.written, result.corrected) == (45, 45, 0)
    assert result.settled
    old = {each.id: each for each in here.scroll("docs", limit=99, with_vectors=True)[0]}
    new = {each.id: each for each in there.scroll("copied", limit=99, with_vectors=True)[0]}
    assert set(old) == set(new) == set(ids)
    for number, record in new.items():
        assert record.payload == old[number].payload
        assert record.vector["title"] == old[number].vector["title"]
        assert record.vector["words"] == old[number].vector["words"]
        assert np.allclose(record.vector["dense"], old[number].vector["dense"], atol=1e-3)
        assert len(record.vector["short_8"]) == 8
    assert audit(there, "copied").ok
    info = there.get_collection("copied")
    assert info.config.metadata["owner"] == "me"
    assert info.config.params.sparse_vectors["words"].modifier == models.Modifier.IDF
    if "local" not in pair:
        assert info.payload_schema["group"].data_type == models.PayloadSchemaType.INTEGER
    for query in vectors(3, seed=2):
        assert search(there, "copied", query) == search(there, "copied", query, exact=True)


def test_where_nobody_names_stages_a_copy_has_its_sources_or_half_of_a_small_size(
    open_engine, legacy
):
    here, there = open_engine("edge"), open_engine("edge")
    full = legacy(here, full_name="dense").shape[1]
    assert full < 256
    halved = migrate(here, "docs", mode="copy", target=CopyTarget("copied", there))
    assert halved.stages == (full // 2,)
    assert migrate(there, "copied", mode="copy", target="again", stages=(8,)).stages == (
        8,
        full // 2,
    )
    assert migrate(there, "again", mode="copy", target="same").stages == (8, full // 2)
    assert audit(there, "same").ok


def test_a_copy_is_laid_out_ideally(open_engine, legacy):
    client = open_engine("edge")
    legacy(client)

    migrate(client, "docs", stages=(8,), mode="copy")

    layout = Driver(client).run(open_layout("docs_two_stage"))
    assert (layout.full_name, layout.full_datatype) == ("", "float16")
    assert not layout.full_has_graph
    assert layout.quantization == "int8"
    full = client.get_collection("docs_two_stage").config.params.vectors[""]
    assert full.on_disk


def test_the_old_collection_is_left_alone(client, legacy):
    legacy(client)
    before = client.get_collection("docs")

    migrate(client, "docs", stages=(8,), mode="copy")

    assert client.get_collection("docs") == before
    assert client.count("docs").count == 200


def test_another_client_takes_the_old_name(open_engine, legacy):
    here, there = open_engine("local"), open_engine("edge")
    legacy(here)

    assert (
        migrate(here, "docs", stages=(8,), mode="copy", target=CopyTarget(client=there)).target_name
        == "docs"
    )


def test_a_finished_copy_is_not_touched_again(client, legacy, vectors):
    legacy(client)
    migrate(client, "docs", stages=(8,), mode="copy")
    [changed] = vectors(1, seed=1)
    point = models.PointStruct(id=3, vector={"": changed.tolist(), "short_8": [1.0] * 8})
    client.upsert("docs_two_stage", [point])

    again = migrate(client, "docs", stages=(8,), mode="copy")

    assert (again.written, again.corrected, again.passes) == (0, 0, 0)
    [kept] = client.retrieve("docs_two_stage", [3], with_payload=True)
    assert not kept.payload


def test_points_without_a_full_vector_are_copied_too(client, legacy):
    legacy(client, count=20, full_name="dense")
    client.upsert("docs", [models.PointStruct(id=99, vector={}, payload={"empty": True})])

    result = migrate(client, "docs", stages=(8,), mode="copy")

    assert (result.points, result.unusable, result.settled) == (21, 1, True)
    assert client.retrieve("docs_two_stage", [99])[0].payload == {"empty": True}


def test_what_other_writers_did_meanwhile_is_done_in_the_copy(client, legacy, vectors, small_pages):
    legacy(client, count=100)
    rows = vectors(100, seed=1)
    seen = set()

    def write(progress):
        if progress.done == 50 and progress.phase not in seen:
            seen.add(progress.phase)
            shift = 10 * len(seen)
            client.upsert("docs", [models.PointStruct(id=500 + shift, vector=rows[0].tolist())])
            client.upsert("docs", [models.PointStruct(id=shift, vector=rows[shift].tolist())])
            client.set_payload("docs", {"number": "changed"}, [shift + 1])
            client.delete("docs", [shift + 2])

    result = migrate(client, "docs", stages=(8,), mode="copy", progress=write)

    assert seen == {"copying points", "verifying points"}
    assert result.settled
    assert result.corrected >= 4
    old = client.scroll("docs", limit=200, with_payload=True)[0]
    new = client.scroll("docs_two_stage", limit=200, with_payload=True)[0]
    assert [(each.id, each.payload) for each in new] == [(each.id, each.payload) for each in old]
    assert audit(client, "docs_two_stage").ok


def test_a_copy_that_was_interrupted_goes_on_where_it_stopped(client, legacy, small_pages):
    legacy(client, count=100)

    class StopError(Exception):
        pass

    def stop(progress):
        if progress.phase == "copying points" and progress.done == 60:
            raise StopError

    with pytest.raises(StopError):
        migrate(client, "docs", stages=(8,), mode="copy", progress=stop)
    checkpoint = read_checkpoint(client.get_collection("docs_two_stage"))
    assert (checkpoint.state, checkpoint.offset) == ("copying", 50)
    assert "has not finished" in audit(client, "docs_two_stage").problems[0]
    plan = plan_migration(client, "docs", stages=(8,), mode="copy")

    result = migrate(client, "docs", stages=(8,), mode="copy")

    assert plan.resumes
    assert plan.points_to_write == result.written
    assert [step.split()[0] for step in plan.steps] == ["copy", "compare"]
    assert result.resumed
    assert (result.points, result.written) == (100, 50)
    assert audit(client, "docs_two_stage").ok


def test_a_rotated_copy_that_was_interrupted_keeps_its_rotation(client, legacy, small_pages):
    legacy(client, count=100)

    def stop(progress):
        if progress.phase == "copying points" and progress.done == 60:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        migrate(client, "docs", stages=(8,), mode="copy", rotation="auto", progress=stop)
    first = read_checkpoint(client.get_collection("docs_two_stage")).rotation
    client.delete("docs", [1, 2, 3])  # so that fitting again would give another one

    migrate(client, "docs", stages=(8,), mode="copy", rotation="auto")

    rotation = Driver(client).run(open_layout("docs_two_stage")).rotation
    assert isinstance(rotation, Rotation)
    assert rotation.id == first
    assert audit(client, "docs_two_stage").ok


def test_a_rotated_collection_is_copied_with_its_rotation(client, legacy, search, vectors):
    legacy(client)
    migrate(client, "docs", stages=(8,), rotation="auto")

    migrate(client, "docs", stages=(8,), mode="copy")

    before, after = (
        Driver(client).run(open_layout(name)).rotation for name in ("docs", "docs_two_stage")
    )
    assert before == after
    assert audit(client, "docs_two_stage").ok
    [query] = vectors(1, seed=1)
    exact = search(client, "docs_two_stage", query, exact=True)
    assert search(client, "docs_two_stage", query) == exact


def test_ids_that_are_uuids_are_gone_on_from_too(client, vectors, small_pages):
    params = models.VectorParams(size=32, distance=models.Distance.COSINE)
    client.create_collection("docs", params)
    points = [
        models.PointStruct(id=f"000000{place:02}-0000-4000-8000-000000000000", vector=row.tolist())
        for place, row in enumerate(vectors(50))
    ]
    client.upsert("docs", points)

    def stop(progress):
        if progress.phase == "copying points" and progress.done == 30:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        migrate(client, "docs", stages=(8,), mode="copy", progress=stop)

    result = migrate(client, "docs", stages=(8,), mode="copy")

    assert (result.written, result.points) == (30, 50)
    assert result.to_dict()["resumed"]


@pytest.mark.parametrize(
    "change",
    [
        {"title": [4.0, 3.0, 2.0, 1.0]},
        {"words": models.SparseVector(indices=[1, 99], values=[1.0, 9.0])},
        {"words": models.SparseVector(indices=[1, 98], values=[1.0, 0.25])},
    ],
    ids=["dense", "weights", "words"],
)
def test_another_vector_that_changed_meanwhile_is_carried_over_again(client, vectors, change):
    _rich(client, vectors)

    def write(progress):
        if progress.phase == "verifying points" and progress.done == 0:
            client.update_vectors("docs", [models.PointVectors(id=3, vector=change)])

    migrate(client, "docs", stages=(8,), mode="copy", full_name="dense", progress=write)

    [old], [new] = (
        client.retrieve(name, [3], with_vectors=True) for name in ("docs", "docs_two_stage")
    )
    for name, vector in change.items():
        assert new.vector[name] == old.vector[name] == vector


def test_a_vector_that_was_deleted_meanwhile_is_deleted_in_the_copy(client, vectors):
    _rich(client, vectors)

    def write(progress):
        if progress.phase == "verifying points" and progress.done == 0:
            client.delete_vectors("docs", ["title"], models.PointIdsList(points=[3]))

    migrate(client, "docs", stages=(8,), mode="copy", full_name="dense", progress=write)

    assert "title" not in client.retrieve("docs_two_stage", [3], with_vectors=True)[0].vector


def test_the_settings_of_payload_indexes_arrive_as_they_were(open_engine, legacy):
    here, there = open_engine("edge"), open_engine("edge")
    legacy(here)
    schemas = {
        "text": models.TextIndexParams(
            type=models.TextIndexType.TEXT,
            tokenizer=models.TokenizerType.PREFIX,
            min_token_len=2,
            lowercase=True,
            stopwords=models.StopwordsSet(
                languages=[models.Language.ENGLISH, models.Language.GERMAN], custom=["foo"]
            ),
            stemmer=models.SnowballParams(
                type=models.Snowball.SNOWBALL, language=models.SnowballLanguage.ENGLISH
            ),
        ),
        "note": models.TextIndexParams(
            type=models.TextIndexType.TEXT,
            tokenizer=models.TokenizerType.WORD,
            stopwords=models.Language.FRENCH,
        ),
        "who": models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, is_tenant=True),
        "number": models.IntegerIndexParams(
            type=models.IntegerIndexType.INTEGER, lookup=True, range=False
        ),
    }
    for field, schema in schemas.items():
        here.create_payload_index("docs", field, schema)

    migrate(here, "docs", stages=(8,), mode="copy", target=CopyTarget(client=there))

    found = there.get_collection("docs").payload_schema
    assert {field: index.params for field, index in found.items()} == schemas


def test_other_vectors_keep_the_settings_of_the_old_collection(open_engine):
    here, there = open_engine("edge"), open_engine("edge")
    params = models.VectorParams(size=32, distance=models.Distance.COSINE)
    own = params.model_copy(update={"hnsw_config": models.HnswConfigDiff(m=8)})
    codes = models.ScalarQuantization(
        scalar=models.ScalarQuantizationConfig(type=models.ScalarType.INT8)
    )
    here.create_collection(
        "docs",
        {"full": params, "title": params, "own": own},
        hnsw_config=models.HnswConfigDiff(m=24, ef_construct=77),
        quantization_config=codes,
    )

    migrate(here, "docs", stages=(8,), mode="copy", target=CopyTarget(client=there))

    copied = there.get_collection("docs").config.params.vectors
    assert (copied["title"].hnsw_config.m, copied["own"].hnsw_config.m) == (24, 8)
    assert copied["own"].hnsw_config.ef_construct == 77
    assert copied["title"].quantization_config == codes
    assert copied["full"].quantization_config is None
    assert copied["full"].hnsw_config.m == 0


def test_graphs_of_a_copy_are_built_for_each_tenant_too(open_engine, legacy):
    here, there = open_engine("edge"), open_engine("edge")
    legacy(here)
    tenants = models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, is_tenant=True)
    here.create_payload_index("docs", "text", tenants)

    migrate(here, "docs", stages=(8,), mode="copy", target=CopyTarget(client=there))

    info = there.get_collection("docs")
    graph = info.config.params.vectors["short_8"].hnsw_config
    assert (graph.m, graph.payload_m) == (0, 32)
    assert info.payload_schema["text"].params.is_tenant


def test_a_rotated_copy_is_opened_by_the_alias_that_was_switched(
    open_engine, legacy, search, vectors
):
    client = open_engine("local")
    legacy(client)
    alias = models.CreateAlias(collection_name="docs", alias_name="live")
    client.update_collection_aliases([models.CreateAliasOperation(create_alias=alias)])

    migrate(client, "live", stages=(8,), mode="copy", rotation="auto")

    [query] = vectors(1, seed=1)
    assert search(client, "live", query) == search(client, "docs_two_stage", query)
    assert audit(client, "live").ok


def test_the_rotation_goes_with_the_old_collection(client, legacy):
    legacy(client)
    legacy(client, "kept__rotation")  # somebody's own, whatever it is called
    legacy(client, "kept")
    migrate(client, "docs", stages=(8,), rotation="auto")
    for name in ("docs", "kept"):
        target = CopyTarget(f"{name}_2", delete_source=True)
        migrate(client, name, stages=(8,), mode="copy", target=target)

    left = {each.name for each in client.get_collections().collections}
    assert left == {"docs_2", "docs_2__rotation", "kept_2", "kept__rotation"}
    assert audit(client, "docs_2").ok


def test_the_alias_that_named_the_collection_is_switched(client, legacy):
    legacy(client)
    alias = models.CreateAlias(collection_name="docs", alias_name="live")
    client.update_collection_aliases([models.CreateAliasOperation(create_alias=alias)])

    migrate(client, "live", stages=(8,), mode="copy")
    again = migrate(client, "live", stages=(8,), mode="copy")

    assert (again.collection_name, again.target_name, again.passes) == ("docs", "docs_two_stage", 0)
    [found] = client.get_aliases().aliases
    assert (found.alias_name, found.collection_name) == ("live", "docs_two_stage")
    assert client.collection_exists("docs")


def test_a_plan_leaves_out_what_an_earlier_run_has_done(client, legacy):
    legacy(client)
    target = CopyTarget("new", alias="live")
    first = plan_migration(client, "docs", stages=(8,), mode="copy", target=target)

    def stop(progress):
        if progress.phase == "verifying points":
            raise InterruptedError

    with pytest.raises(InterruptedError):
        migrate(client, "docs", stages=(8,), mode="copy", target=target, progress=stop)
    verifying = plan_migration(client, "docs", stages=(8,), mode="copy", target=target)
    migrate(client, "docs", stages=(8,), mode="copy", target=target)
    done = plan_migration(client, "docs", stages=(8,), mode="copy", target=target)
    deleting = plan_migration(
        client, "docs", stages=(8,), mode="copy", target=CopyTarget("new", delete_source=True)
    )

    verbs = [
        [step.split()[0] for step in plan.steps] for plan in (first, verifying, done, deleting)
    ]
    assert verbs == [
        ["create", "copy", "compare", "switch"],
        ["compare", "switch"],
        [],
        ["compare", "delete"],
    ]
    assert [plan.points_to_write for plan in (first, verifying, done, deleting)] == [200, 0, 0, 0]
    assert (verifying.resumes, done.resumes) == (True, False)
    assert done.bytes_to_read == done.estimated_s == 0 < deleting.bytes_to_read


def test_the_old_name_becomes_an_alias_where_the_old_collection_goes(client, legacy):
    legacy(client)
    target = CopyTarget(alias="docs", delete_source=True)

    plan = plan_migration(client, "docs", stages=(8,), mode="copy", target=target)
    migrate(client, "docs", stages=(8,), mode="copy", target=target)

    assert [each.name for each in client.get_collections().collections] == ["docs_two_stage"]
    assert client.count("docs").count == 200
    assert plan.steps[-2:] == (
        "switch alias 'docs' to 'docs_two_stage'",
        "delete collection 'docs'",
    )


def test_the_copy_that_took_the_old_name_is_copied_for_another_stage(client, legacy):
    legacy(client)
    target = CopyTarget(alias="docs", delete_source=True)
    migrate(client, "docs", stages=(8,), mode="copy", target=target)

    done = migrate(client, "docs", stages=(4,), mode="copy", target=target)

    assert (done.collection_name, done.stages) == ("docs_two_stage", (4, 8))
    assert [each.name for each in client.get_collections().collections] == [done.target_name]
    assert client.count("docs").count == 200


def test_a_deleted_collection_is_not_taken_for_one_that_was_copied_otherwise(client, legacy):
    full = legacy(client)
    target = CopyTarget("new", delete_source=True)
    migrate(client, "docs", stages=(8,), mode="copy", target=target)

    for rotation in ("auto", Rotation.fit(full, 8)):
        with pytest.raises(MigrationError, match=r"copy 'new', with stages \(8,\), and this"):
            migrate(client, "docs", stages=(8,), mode="copy", target=target, rotation=rotation)
    gone = CopyTarget("nothing", delete_source=True)
    for name, other in (("docs", "new"), ("docs", gone), ("nothing", target)):
        with pytest.raises(MigrationError, match=f"'{name}' does not exist"):
            migrate(client, name, stages=(8,), mode="copy", target=other)
    assert client.count("new").count == 200


def test_the_old_collection_is_deleted_if_asked(client, legacy):
    legacy(client)

    migrate(client, "docs", stages=(8,), mode="copy", target=CopyTarget(delete_source=True))

    assert not client.collection_exists("docs")
    assert client.count("docs_two_stage").count == 200


def test_indexes_of_the_payload_are_made_anew(open_engine, legacy):
    here, there = open_engine("edge"), open_engine("edge")
    legacy(here)
    here.create_payload_index("docs", "number", models.PayloadSchemaType.INTEGER)

    migrate(here, "docs", stages=(8,), mode="copy", target=CopyTarget(client=there))

    [(field, index)] = there.get_collection("docs").payload_schema.items()
    assert (field, index.data_type) == ("number", models.PayloadSchemaType.INTEGER)


def test_a_number_beyond_float16_is_refused_with_its_point(open_engine, legacy):
    client = open_engine("local")
    legacy(client, distance="Dot", count=10)
    client.upsert("docs", [models.PointStruct(id=7, vector=[70_000.0] * 32)])

    with pytest.raises(MigrationError, match="point 7"):
        migrate(client, "docs", stages=(8,), mode="copy")


def test_a_vector_that_is_not_finite_is_refused_with_its_point(open_engine, legacy, monkeypatch):
    client = open_engine("edge")
    legacy(client, count=10)
    scroll = EdgeClient.scroll

    def damaged(self, *args, **kwargs):
        records, offset = scroll(self, *args, **kwargs)
        for record in records:
            if record.id == 7:
                record.vector = {"": [float("nan")] * 32}
        return records, offset

    monkeypatch.setattr(EdgeClient, "scroll", damaged)
    with pytest.raises(MigrationError, match="point 7 holds NaN"):
        migrate(client, "docs", stages=(8,), mode="copy")


def test_large_points_are_sent_in_several_requests(open_engine, legacy, monkeypatch):
    client = open_engine("local")
    legacy(client, count=30)
    monkeypatch.setattr("mrl_adapters.maintenance.point_copies._REQUEST_BYTES", 5_000)

    assert migrate(client, "docs", stages=(8,), mode="copy").points == 30


def test_a_name_that_is_taken_is_refused(client, legacy):
    legacy(client)
    legacy(client, "other")

    with pytest.raises(MigrationError, match="not a copy made by a migration"):
        migrate(client, "docs", stages=(8,), mode="copy", target="other")
    migrate(client, "docs", stages=(8,), mode="copy", target="third")
    with pytest.raises(MigrationError, match=r"is a copy of 'docs' with stages \(8,\)"):
        migrate(client, "docs", stages=(4,), mode="copy", target="third")


def test_a_collection_is_not_copied_onto_itself(client, legacy):
    legacy(client)

    with pytest.raises(ConfigurationError, match="onto itself"):
        migrate(client, "docs", stages=(8,), mode="copy", target="docs")


def test_an_alias_cannot_take_a_living_collections_name(client, legacy):
    legacy(client)

    with pytest.raises(ConfigurationError, match="delete_source=True"):
        migrate(client, "docs", stages=(8,), mode="copy", target=CopyTarget(alias="docs"))


def test_custom_shards_are_left_to_a_migration_in_place(open_engine):
    client = open_engine("local")
    client.create_collection("docs", models.VectorParams(size=32, distance=models.Distance.COSINE))
    info = client.get_collection("docs")
    info.config.params.sharding_method = models.ShardingMethod.CUSTOM

    class Sharded:
        def __getattr__(self, name):
            return getattr(client, name)

        def get_collection(self, name):
            return info

    with pytest.raises(MigrationError, match="custom shards"):
        migrate(Sharded(), "docs", stages=(8,), mode="copy")


@pytest.mark.parametrize("engine", ["local", "edge"])
def test_an_unnamed_vector_is_copied_beside_named_ones(open_engine, engine, vectors):
    client = open_engine(engine)
    params = models.VectorParams(size=32, distance=models.Distance.COSINE)
    client.create_collection("docs", {"": params, "full": params})
    rows = vectors(30)
    both = [{"": row.tolist(), "full": row[::-1].tolist()} for row in rows]
    client.upsert("docs", [models.PointStruct(id=at, vector=each) for at, each in enumerate(both)])

    migrate(client, "docs", stages=(8,), mode="copy", full_name="")

    assert audit(client, "docs_two_stage").ok
    for name in ("", "full"):
        here, there = (
            client.query_points(each, query=both[7][name], using=name or None, limit=5).points
            for each in ("docs", "docs_two_stage")
        )
        assert [hit.id for hit in there] == [hit.id for hit in here]


@pytest.mark.parametrize("vector", ["", "dense"])
def test_a_server_that_cannot_add_vectors_gets_the_unnamed_one_by_a_name_and_says_so(
    open_engine, legacy, monkeypatch, vector
):
    client = open_engine("edge")
    legacy(client, full_name=vector)
    lacking = "a Qdrant server of 1.18 or later, found 1.17.0"
    monkeypatch.setattr(job, "lacking_to_add_vectors", lambda _: lacking)
    told = "call the unnamed vector 'full'"

    plan = plan_migration(client, "docs", stages=(8,), mode="copy")
    result = migrate(client, "docs", stages=(8,), mode="copy")

    assert any(told in step for step in plan.steps) is result.renamed_full is (vector == "")
    assert Driver(client).run(open_layout("docs_two_stage")).full_name == (vector or "full")
    assert audit(client, "docs_two_stage").ok


@pytest.mark.parametrize("change", ["written", "recreated", "none"])
def test_a_later_run_deletes_only_what_the_finished_copy_has(client, legacy, change):
    legacy(client)
    migrate(client, "docs", stages=(8,), mode="copy", target=CopyTarget("new"))
    if change == "recreated":
        client.delete_collection("docs")
        legacy(client, count=201)
    elif change == "written":
        client.set_payload("docs", {"late": True}, points=[7])
    target = CopyTarget("new", delete_source=True)

    if change == "none":
        migrate(client, "docs", stages=(8,), mode="copy", target=target)
    else:
        points = client.count("docs").count
        with pytest.raises(MigrationError, match=r"'docs' was not deleted.*differ, as in point"):
            migrate(client, "docs", stages=(8,), mode="copy", target=target)
        assert client.count("docs").count == points
    assert client.collection_exists("docs") == (change != "none")
    assert client.count("new").count == 200
