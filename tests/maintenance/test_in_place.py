"""A collection gets short vectors where it lies."""

import re
from dataclasses import asdict

import numpy as np
import pytest
from qdrant_client import models

from mrl_adapters.errors import ConfigurationError, DimensionsError, MigrationError
from mrl_adapters.progress import Progress
from mrl_adapters.qdrant import (
    CollectionLayout,
    Driver,
    MatryoshkaCollection,
    SearchPlan,
    audit,
    migrate,
    plan_migration,
)
from mrl_adapters.qdrant.commands import command
from mrl_adapters.qdrant.rotation import open_layout
from mrl_adapters.registry import MatryoshkaWarning, ModelSpec, register
from mrl_adapters.vectors import Rotation, normalize, truncate

VARIANTS = pytest.mark.parametrize(
    ("full_name", "distance"),
    [("", "Cosine"), ("dense", "Cosine"), ("", "Dot"), ("dense", "Euclid"), ("", "Manhattan")],
)


@VARIANTS
def test_every_point_gets_what_its_full_vector_starts_with(
    client, legacy, stored_vectors, full_name, distance
):
    full = legacy(client, full_name=full_name, distance=distance)

    result = migrate(client, "docs", stages=(8,))

    shorts = stored_vectors(client, "docs", "short_8")
    assert len(shorts) == len(full) == result.written == result.points
    for number, short in shorts.items():
        length = 1 if distance == "Cosine" else np.linalg.norm(full[number])
        assert np.allclose(short, normalize(full[number, :8]) * length, rtol=1e-4, atol=1e-5)


@VARIANTS
def test_two_stage_search_finds_what_the_exact_search_finds(
    client, legacy, vectors, search, full_name, distance
):
    legacy(client, full_name=full_name, distance=distance)
    migrate(client, "docs", stages=(8, 16))

    for query in vectors(5, seed=1):
        assert search(client, "docs", query) == search(client, "docs", query, exact=True)


def test_the_collection_says_afterwards_what_it_is(client, legacy):
    legacy(client, full_name="dense")

    migrate(client, "docs", stages=(8, 16), model="my-model")

    layout = Driver(client).run(open_layout("docs"))
    assert (layout.stages, layout.full_name, layout.model) == ((8, 16), "dense", "my-model")


def test_short_vectors_get_their_graph_and_codes(open_engine, legacy):
    client = open_engine("edge")
    legacy(client)

    migrate(client, "docs", stages=(8,))

    short = client.get_collection("docs").config.params.vectors["short_8"]
    assert short.hnsw_config.m == 32
    assert short.quantization_config.scalar.always_ram
    assert short.on_disk


def test_payload_and_other_vectors_stay_as_they_are(client, vectors):
    client.create_collection(
        "docs",
        {
            "dense": models.VectorParams(size=32, distance=models.Distance.COSINE),
            "title": models.VectorParams(size=4, distance=models.Distance.DOT),
        },
        sparse_vectors_config={"words": models.SparseVectorParams()},
    )
    words = models.SparseVector(indices=[3, 7], values=[1.0, 0.5])
    client.upsert(
        "docs",
        [
            models.PointStruct(
                id=number,
                vector={"dense": row.tolist(), "title": [1, 2, 3, 4], "words": words},
                payload={"number": number},
            )
            for number, row in enumerate(vectors(20))
        ],
    )

    migrate(client, "docs", stages=(8,), full_name="dense")

    for record in client.scroll("docs", limit=20, with_vectors=True)[0]:
        assert record.payload == {"number": record.id}
        assert record.vector["title"] == [1, 2, 3, 4]
        assert record.vector["words"] == words
        assert len(record.vector["short_8"]) == 8


def test_a_second_run_writes_nothing(client, legacy):
    legacy(client)
    migrate(client, "docs", stages=(8,))

    again = migrate(client, "docs", stages=(8,))

    assert (again.written, again.corrected, again.settled) == (0, 0, True)


def test_a_further_stage_leaves_the_first_one(client, legacy, search, vectors):
    legacy(client)
    migrate(client, "docs", stages=(8,))

    result = migrate(client, "docs", stages=(4,))

    assert result.stages == (4, 8)
    [query] = vectors(1, seed=1)
    assert search(client, "docs", query) == search(client, "docs", query, exact=True)


def test_an_empty_collection_is_migrated_too(client, legacy):
    legacy(client, count=0)

    assert migrate(client, "docs", stages=(8,)).points == 0
    assert Driver(client).run(open_layout("docs")).stages == (8,)


def test_points_without_a_full_vector_are_counted_and_left(client, legacy):
    legacy(client, count=20, full_name="dense")
    client.upsert("docs", [models.PointStruct(id=99, vector={}, payload={})])

    result = migrate(client, "docs", stages=(8,))

    assert (result.written, result.unusable, result.settled) == (20, 1, True)


def test_a_zero_vector_gets_a_zero_short_vector(client, legacy, stored_vectors):
    legacy(client, count=5)
    client.upsert("docs", [models.PointStruct(id=99, vector=[0.0] * 32)])

    migrate(client, "docs", stages=(8,))

    assert not stored_vectors(client, "docs", "short_8")[99].any()


def test_a_short_vector_whose_full_one_was_deleted_goes_too(client, legacy, stored_vectors):
    legacy(client, count=20, full_name="dense")
    migrate(client, "docs", stages=(8,))
    client.delete_vectors("docs", ["dense"], models.PointIdsList(points=[3]))

    result = migrate(client, "docs", stages=(8,))

    assert result.corrected == 1
    assert 3 not in stored_vectors(client, "docs", "short_8")


def test_a_plan_says_what_would_happen_and_writes_nothing(client, legacy):
    legacy(client)
    before = client.get_collection("docs")

    plan = plan_migration(client, "docs", stages=(8,))

    assert client.get_collection("docs") == before
    assert (plan.points, plan.points_to_write) == (200, 200)
    assert plan.bytes_to_write == 200 * 8 * 4
    assert plan.estimated_s > 0
    assert "short_8" in " ".join(plan.to_dict()["steps"])


def test_a_plan_counts_only_the_points_that_lack_something(client, legacy):
    full = legacy(client)
    migrate(client, "docs", stages=(8,))
    point = models.PointStruct(id=7, vector={"": full[7].tolist()})
    client.upsert("docs", [point])

    assert plan_migration(client, "docs", stages=(8,)).points_to_write == 1


def test_progress_counts_every_phase_to_its_end(client, legacy):
    legacy(client)
    seen: list[Progress] = []

    migrate(client, "docs", stages=(8,), progress=seen.append)

    ends = {each.phase: each for each in seen}
    assert list(ends) == ["deriving short vectors", "verifying points"]
    assert all(each.done == each.total == 200 for each in ends.values())
    assert seen[0].left_s is None
    assert ends["verifying points"].to_dict()["left_s"] == 0


def test_the_models_own_reduction_is_used(client, legacy, stored_vectors):
    full = legacy(client, count=10, dimensions=768)

    migrate(client, "docs", stages=(256,), model="nomic-embed-text-v1.5")

    short = stored_vectors(client, "docs", "short_256")[3]
    expected = truncate(full[3], 256, reduction="layernorm_prefix")
    assert np.allclose(short, expected, atol=1e-5)
    assert audit(client, "docs").ok


def test_a_rotation_is_fitted_on_the_stored_vectors(client, legacy, search, vectors):
    legacy(client, count=300)

    migrate(client, "docs", stages=(8,), rotation="auto")

    layout = Driver(client).run(open_layout("docs"))
    assert isinstance(layout.rotation, Rotation)
    assert audit(client, "docs").ok
    [query] = vectors(1, seed=1)
    assert search(client, "docs", query) == search(client, "docs", query, exact=True)


def test_a_rotated_collection_takes_a_further_stage_of_the_same_rotation(client, legacy):
    full = legacy(client, count=300)
    rotation = Rotation.fit(full, 16)
    migrate(client, "docs", stages=(8,), rotation=rotation)

    migrate(client, "docs", stages=(16,), rotation="auto")

    layout = Driver(client).run(open_layout("docs"))
    assert (layout.stages, layout.rotation) == ((8, 16), rotation)
    assert audit(client, "docs").ok


def test_plain_short_vectors_are_not_mixed_with_rotated_ones(client, legacy):
    full = legacy(client)
    migrate(client, "docs", stages=(8,))

    line = command("rotate", "docs", client=client)
    with pytest.raises(MigrationError, match=re.escape(line)):
        migrate(client, "docs", stages=(8,), rotation=Rotation.fit(full, 8))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"stages": (32,)}, DimensionsError, "Choose stages from 1 to 31"),
        ({"stages": (), "rotation": "auto"}, ConfigurationError, "stages=() has none"),
        ({"mode": "move"}, ConfigurationError, "expected 'in_place' or 'copy'"),
        ({"target": "other"}, ConfigurationError, "mode='copy'"),
        ({"full_name": "dense"}, MigrationError, "no dense vector 'dense'"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(open_engine, legacy, arguments, error, message):
    client = open_engine("local")
    legacy(client)
    with pytest.raises(error, match=re.escape(message)):
        migrate(client, "docs", **{"stages": (8,), **arguments})
    assert client.get_collection("docs").config.metadata is None


def test_a_collection_that_does_not_exist_is_named(client):
    with pytest.raises(MigrationError, match="'nowhere' does not exist"):
        migrate(client, "nowhere")


def test_one_of_several_vectors_must_be_named(client, vectors):
    params = models.VectorParams(size=32, distance=models.Distance.COSINE)
    client.create_collection("docs", {"title": params, "body": params})

    both = r"'title' \(32\), 'body' \(32\)|'body' \(32\), 'title' \(32\)"  # in any order
    with pytest.raises(MigrationError, match=both):
        migrate(client, "docs", stages=(8,))
    assert migrate(client, "docs", stages=(8,), full_name="body").settled


def test_a_collection_without_dense_vectors_is_refused(client):
    client.create_collection("docs", {}, sparse_vectors_config={"w": models.SparseVectorParams()})

    with pytest.raises(MigrationError, match="holds no dense vector"):
        migrate(client, "docs", stages=(8,))


def test_many_vectors_a_point_are_refused(client):
    params = models.VectorParams(
        size=32,
        distance=models.Distance.COSINE,
        multivector_config=models.MultiVectorConfig(
            comparator=models.MultiVectorComparator.MAX_SIM
        ),
    )
    client.create_collection("docs", {"tokens": params})

    with pytest.raises(MigrationError, match="many vectors a point"):
        migrate(client, "docs", stages=(8,))


def test_vectors_stored_as_bytes_are_refused(open_engine):
    client = open_engine("edge")
    params = models.VectorParams(
        size=32, distance=models.Distance.COSINE, datatype=models.Datatype.UINT8
    )
    client.create_collection("docs", params)

    with pytest.raises(MigrationError, match="stored as uint8"):
        migrate(client, "docs", stages=(8,))


def test_another_vector_of_a_short_ones_name_is_refused(client):
    params = models.VectorParams(size=32, distance=models.Distance.COSINE)
    taken = models.VectorParams(size=9, distance=models.Distance.COSINE)
    client.create_collection("docs", {"full": params, "short_8": taken})

    with pytest.raises(MigrationError, match="'short_8' has 9 dimensions"):
        migrate(client, "docs", stages=(8,))


def test_a_model_that_makes_its_own_short_vectors_is_refused(client, legacy):
    legacy(client, dimensions=64)

    with pytest.raises(ConfigurationError, match="slice"):
        migrate(client, "docs", stages=(8,), model="stella_en_400M_v5")


def test_a_shortened_layer_norm_model_is_refused(client, legacy):
    legacy(client, dimensions=512)

    with pytest.raises(MigrationError, match="layer norm"):
        migrate(client, "docs", stages=(256,), model="nomic-embed-text-v1.5")


def test_a_model_that_is_too_small_is_refused(client, legacy):
    legacy(client, dimensions=1000)

    with pytest.raises(MigrationError, match="gives 256"):
        migrate(client, "docs", stages=(64,), model="word-llama-l2-supercat")


def test_another_model_than_the_collections_is_refused(client, legacy):
    legacy(client)
    migrate(client, "docs", stages=(8,), model="one")

    with pytest.raises(MigrationError, match="'one'"):
        migrate(client, "docs", stages=(4,), model="two")


def test_a_model_that_reduces_otherwise_than_the_collection_is_refused(client, legacy):
    legacy(client, dimensions=768)
    migrate(client, "docs", stages=(256,))

    with pytest.raises(MigrationError, match=r"'prefix'.*'layernorm_prefix'"):
        migrate(client, "docs", stages=(128,), model="nomic-embed-text-v1.5")


@pytest.mark.usefixtures("own_registry")
def test_a_model_that_was_not_trained_to_nest_is_sliced_with_a_warning(open_engine, legacy):
    client = open_engine("local")
    legacy(client, count=10, dimensions=1024)
    register(ModelSpec("flat-1024", 1024, reduction="none"))

    with pytest.warns(MatryoshkaWarning, match="not trained to be shortened"):
        migrate(client, "docs", stages=(256,), model="flat-1024")
    assert audit(client, "docs").ok


def test_a_collection_that_contradicts_itself_is_refused(client, legacy):
    legacy(client)
    migrate(client, "docs", stages=(8, 16))
    client.delete_vector_name("docs", "short_8")

    with pytest.raises(MigrationError, match="says of itself"):
        migrate(client, "docs", stages=(8,))


def test_graphs_are_built_for_each_tenant_where_the_collection_has_tenants(open_engine, legacy):
    client = open_engine("edge")
    legacy(client)
    tenants = models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, is_tenant=True)
    client.create_payload_index("docs", "text", tenants)

    migrate(client, "docs", stages=(8,))

    graph = client.get_collection("docs").config.params.vectors["short_8"].hnsw_config
    assert (graph.m, graph.payload_m) == (0, 32)


def test_a_further_stage_is_indexed_as_the_first_one_is(open_engine, vectors):
    client = open_engine("edge")
    layout = CollectionLayout(32, (8,), quantization=None, hnsw_m=24)
    ids = [str(number) for number in range(50)]
    adding = MatryoshkaCollection("docs", layout=layout).add(ids, vectors(50), [{}] * 50)
    Driver(client).run(adding)
    before = client.get_collection("docs").config.params.vectors["short_8"]

    migrate(client, "docs", stages=(16,))

    shorts = client.get_collection("docs").config.params.vectors
    assert shorts["short_8"] == before
    assert shorts["short_16"].hnsw_config.m == 24
    assert shorts["short_16"].quantization_config is None


def _save(client, name, plan):
    described = client.get_collection(name).config.metadata["mrl_adapters"]
    client.update_collection(name, metadata={"mrl_adapters": {**described, "plan": asdict(plan)}})


def _saved(client, name):
    return client.get_collection(name).config.metadata["mrl_adapters"].get("plan")


@pytest.mark.parametrize(
    ("plan", "stages", "kept"),
    [
        (SearchPlan(oversampling=3), (8,), True),
        (SearchPlan(oversampling=3, stages=(8,)), (16,), True),
        (SearchPlan(oversampling=3), (4,), True),
        (SearchPlan(oversampling=3), (16,), False),
    ],
    ids=["same stages", "names its stages", "longest stays", "longest is new"],
)
def test_a_saved_plan_stays_while_it_means_the_same(client, legacy, plan, stages, kept):
    legacy(client)
    migrate(client, "docs", stages=(8,))
    _save(client, "docs", plan)

    steps = plan_migration(client, "docs", stages=stages).steps
    result = migrate(client, "docs", stages=stages)

    assert result.dropped_plan is not kept
    assert ("drop the plan" in steps[-1]) is not kept
    assert (_saved(client, "docs") is not None) is kept
    assert not migrate(client, "docs", stages=stages).dropped_plan


def test_a_plan_tells_only_of_the_stages_that_are_added(client, legacy):
    legacy(client)
    migrate(client, "docs", stages=(8,))

    plan = plan_migration(client, "docs", stages=(16,))

    assert plan.stages == (8, 16)
    assert plan.steps[0].startswith("add 'short_16' to")
    assert plan.bytes_to_write == 200 * 16 * 4
    assert not plan_migration(client, "docs", stages=(8,)).steps[0].startswith("add")


def test_a_saved_plan_is_not_copied(client, legacy):
    legacy(client)
    migrate(client, "docs", stages=(8,))
    _save(client, "docs", SearchPlan(oversampling=3))

    assert (
        plan_migration(client, "docs", stages=(8,), mode="copy")
        .steps[-1]
        .startswith("leave the plan")
    )
    assert migrate(client, "docs", stages=(8,), mode="copy").dropped_plan
    assert _saved(client, "docs_two_stage") is None
    assert _saved(client, "docs") is not None
    assert not migrate(client, "docs", stages=(8,), mode="copy").dropped_plan


def test_a_size_that_the_model_was_not_trained_at_is_warned_of(open_engine, legacy):
    client = open_engine("local")
    legacy(client, dimensions=256)

    with pytest.warns(MatryoshkaWarning, match="not trained at 100"):
        migrate(client, "docs", stages=(100,), model="word-llama-l2-supercat")


class _Server:
    """A server as far as it is asked before anything is written."""

    def __init__(self, inner: object, version: str) -> None:
        self._inner = inner
        self._version = version

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)

    def info(self) -> models.VersionInfo:
        return models.VersionInfo(title="qdrant", version=self._version)


def test_an_old_server_is_told_of_the_copy(open_engine, legacy):
    client = open_engine("local")
    legacy(client)

    for old in ("1.17.3", "v1.9.0", "0.11.1-dev"):
        with pytest.raises(MigrationError, match=rf"found {re.escape(old)}.*mode='copy'"):
            migrate(_Server(client, old), "docs", stages=(8,))


@pytest.mark.parametrize("version", ["1.18.0", "v1.19.0", "2.0", "dev", "", "1", "nightly-2026"])
def test_a_server_that_is_new_or_does_not_say_is_asked(open_engine, legacy, version):
    client = open_engine("local")
    legacy(client)
    assert migrate(_Server(client, version), "docs", stages=(8,)).settled


class _OldLibrary(_Server):
    """A client from before vectors could be added to a collection."""

    def __getattr__(self, name: str) -> object:
        if name == "create_vector_name":
            raise AttributeError(name)
        return super().__getattr__(name)


def test_an_old_client_library_is_told_what_to_install(open_engine, legacy):
    client = open_engine("local")
    legacy(client)

    with pytest.raises(MigrationError, match="pip install --upgrade qdrant-client"):
        migrate(_OldLibrary(client, "1.19.0"), "docs", stages=(8,))
