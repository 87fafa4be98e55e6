"""CollectionLayout: what is refused, what is built, what is read back, what differs."""

from dataclasses import replace
from typing import Any

import pytest
from qdrant_client import models

from mrl_adapters.errors import CollectionMismatchError, ConfigurationError, DimensionsError
from mrl_adapters.qdrant import CollectionLayout, SparseVectors, TokenVectors
from mrl_adapters.qdrant.description import read_layout
from mrl_adapters.qdrant.layout import CLUSTER_OPTIONS, METADATA_KEY
from mrl_adapters.qdrant.mismatches import check_layout, check_model

NOMIC = "nomic-ai/nomic-embed-text-v1.5"

TURBO: tuple[Any, ...] = ("turbo8", "turbo4", "turbo2", "turbo1.5", "turbo1")


def described(
    vectors: models.VectorParams | dict[str, models.VectorParams],
    metadata: dict[str, Any] | None = None,
    *,
    hnsw_m: int = 16,
) -> models.CollectionInfo:
    """What a server says of a collection, as far as layouts read it."""
    return models.CollectionInfo(
        status=models.CollectionStatus.GREEN,
        optimizer_status=models.OptimizersStatusOneOf.OK,
        segments_count=1,
        payload_schema={},
        config=models.CollectionConfig(
            params=models.CollectionParams(vectors=vectors, **dict.fromkeys(CLUSTER_OPTIONS, 1)),
            hnsw_config=models.HnswConfig(m=hnsw_m, ef_construct=100, full_scan_threshold=10_000),
            optimizer_config=models.OptimizersConfig(
                deleted_threshold=0.2,
                vacuum_min_vector_number=1000,
                default_segment_number=0,
                flush_interval_sec=5,
            ),
            metadata=metadata,
        ),
    )


def dense(size: int, **options: Any) -> models.VectorParams:
    return models.VectorParams(size=size, distance=models.Distance.COSINE, **options)


# What is refused


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"distance": "cosine"},
            "CollectionLayout(distance='cosine'): expected one of ('Co",
        ),
        ({"full_datatype": "uint8"}, "expected one of ('float16', 'float32', 'turbo16', 'turbo8')"),
        ({"quantization": "int4"}, "expected one of ('int8', 'turbo8', 'turbo4', 'turbo2',"),
        ({"quantization": "binary"}, "signs of 8 dimensions miss what is near; expected 512"),
        ({"write_ordering": "loose"}, "expected one of ('weak', 'medium', 'strong', None)"),
        ({"payload_indexes": {"year": "number"}}, "(payload_indexes='number'): expected one of"),
        ({"stages": None}, "CollectionLayout(stages=None): expected short sizes in a tuple"),
        ({"stages": ("8",)}, "CollectionLayout(stages=('8',)): expected short sizes in a tuple"),
        ({"stages": (4.0,)}, "CollectionLayout(stages=(4.0,)): expected short sizes in a tuple"),
        ({"stages": 8}, "CollectionLayout(stages=8): expected short sizes in a tuple"),
        ({"stages": (), "rotation": "auto"}, "short vectors hold, and stages=() has none"),
        ({"full_name": "short_8"}, "that is the name of a short vector. Choose another"),
        ({"hnsw_m": 0}, "CollectionLayout(hnsw_m=0): expected at least 1."),
        ({"hnsw_ef_construct": 3}, "CollectionLayout(hnsw_ef_construct=3): expected at least 4."),
        ({"shard_number": 0}, "CollectionLayout(shard_number=0): expected at least 1."),
        ({"replication_factor": 0}, "(replication_factor=0): expected at least 1."),
        (
            {"write_consistency_factor": 0},
            "(write_consistency_factor=0): expected at least 1.",
        ),
        ({"reduction": "heads"}, "makes its short vectors by its own heads"),
        ({"reduction": "projection"}, "makes its short vectors by its own projection"),
    ],
)
def test_options_outside_their_list_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        CollectionLayout(**{"dimensions": 16, "stages": (8,), **options})
    assert message in str(caught.value)


@pytest.mark.parametrize("stage", [0, -1, 16, 17])
def test_a_stage_must_be_smaller_than_the_full_vector(stage: int) -> None:
    with pytest.raises(DimensionsError, match=rf"Stage {stage} .* 16 dimensions.*from 1 to 15"):
        CollectionLayout(16, (8, stage))


def test_vectors_of_one_dimension_have_no_stage() -> None:
    with pytest.raises(DimensionsError, match="Two-stage search needs at least 2"):
        CollectionLayout(1, (1,))


# What is built


def test_stages_are_kept_shortest_first_and_once() -> None:
    layout = CollectionLayout(1536, (256, 64, 256))
    assert layout.stages == (64, 256)
    assert layout.vector_names == ["short_64", "short_256", "full"]


def test_the_full_vector_is_cold_half_precision_and_has_no_graph() -> None:
    full = CollectionLayout(1536).vectors_config()["full"]
    assert full.size == 1536
    assert full.on_disk is True
    assert full.datatype == models.Datatype.FLOAT16
    assert full.hnsw_config == models.HnswConfigDiff(m=0)
    assert full.quantization_config is None


def test_the_full_vector_keeps_the_default_graph_when_asked_for() -> None:
    assert CollectionLayout(1536, full_has_graph=True).vectors_config()["full"].hnsw_config is None


def test_a_short_vector_has_a_graph_in_ram_over_int8_codes() -> None:
    short = CollectionLayout(1536).vectors_config()["short_256"]
    assert short.size == 256
    assert short.on_disk is True
    assert short.hnsw_config is not None
    assert (short.hnsw_config.m, short.hnsw_config.on_disk) == (32, False)
    assert isinstance(short.quantization_config, models.ScalarQuantization)
    assert short.quantization_config.scalar.type == models.ScalarType.INT8
    assert short.quantization_config.scalar.always_ram is True


def test_a_short_vector_without_codes_stays_in_ram_itself() -> None:
    short = CollectionLayout(1536, quantization=None).vectors_config()["short_256"]
    assert (short.on_disk, short.quantization_config) == (False, None)


@pytest.mark.parametrize("stage", [1, 64, 256, 1024])
def test_small_collections_are_scanned_below_the_same_count_of_points(stage: int) -> None:
    threshold_kb = CollectionLayout(1536, (stage,)).graph_config(stage).full_scan_threshold
    assert threshold_kb is not None
    assert threshold_kb >= 10  # the server's own minimum
    if stage >= 64:
        assert threshold_kb * 1024 / (stage * 4) == pytest.approx(4_000, rel=0.01)


def test_tenants_get_graphs_of_their_own_and_a_tenant_index() -> None:
    layout = CollectionLayout(64, (16,), tenant_field="team", payload_indexes={"year": "integer"})
    graph = layout.graph_config(16)
    assert (graph.m, graph.payload_m) == (0, 32)
    schemas = layout.index_schemas()
    assert list(schemas) == ["team", "year"]
    assert schemas["team"] == models.KeywordIndexParams(
        type=models.KeywordIndexType.KEYWORD, is_tenant=True
    )
    assert schemas["year"] == models.PayloadSchemaType.INTEGER


def test_the_tenants_index_is_not_replaced_by_a_plain_one() -> None:
    layout = CollectionLayout(64, (16,), tenant_field="a", payload_indexes={"a": "keyword"})
    assert isinstance(layout.index_schemas()["a"], models.KeywordIndexParams)


# What is read back


@pytest.mark.parametrize(
    "layout",
    [
        CollectionLayout(32, (8,)),
        CollectionLayout(32, (4, 16), "Dot", model="m", reduction="layernorm_prefix"),
        CollectionLayout(32, (8,), "Euclid", full_datatype="float32", quantization=None),
        CollectionLayout(32, (8,), "Manhattan", full_has_graph=True, hnsw_m=24),
        CollectionLayout(32, (8,), full_name="dense", hnsw_ef_construct=64),
        *(CollectionLayout(32, (8,), quantization=codes) for codes in TURBO),
        CollectionLayout(32, (8,), full_datatype="turbo8"),
        CollectionLayout(32, (8,), full_datatype="turbo16", quantization="turbo4"),
        CollectionLayout(1024, (512,), quantization="binary"),
    ],
    ids=lambda layout: f"{layout.distance}{layout.full_name}{layout.quantization}",
)
def test_a_description_of_what_was_built_reads_as_the_layout(layout: CollectionLayout) -> None:
    found = read_layout("docs", described(layout.vectors_config(), layout.metadata()))
    graph = layout.graph(layout.searched_dimensions)
    built = {"hnsw_m": graph.m, "hnsw_ef_construct": graph.ef_construct}
    assert found == replace(layout, **built, **dict.fromkeys(CLUSTER_OPTIONS, 1))


@pytest.mark.parametrize(
    ("layout", "graph"),
    [
        (CollectionLayout(1536), (32, 200)),
        (CollectionLayout(1536, (512,)), (32, 200)),
        (CollectionLayout(1536, (768,)), (16, 100)),
        (CollectionLayout(256, ()), (32, 200)),
        (CollectionLayout(1536, ()), (16, 100)),
        (CollectionLayout(1536, hnsw_m=16), (16, 200)),
        (CollectionLayout(1536, (), hnsw_ef_construct=300), (16, 300)),
    ],
)
def test_a_graph_that_is_left_open_is_chosen_by_what_it_is_built_over(
    layout: CollectionLayout, graph: tuple[int, int]
) -> None:
    size = layout.searched_dimensions
    config = layout.graph_config(size)
    assert (config.m, config.ef_construct) == graph == layout.graph(size)


def test_without_metadata_the_sizes_say_what_they_can() -> None:
    layout = CollectionLayout(32, (4, 8), model="m")
    found = read_layout("docs", described(layout.vectors_config()))
    assert (found.dimensions, found.stages, found.model) == (32, (4, 8), None)


def test_an_unnamed_full_vector_is_recognised() -> None:
    found = read_layout("docs", described({"": dense(32), "short_8": dense(8)}))
    assert (found.full_name, found.dimensions, found.stages) == ("", 32, (8,))


def test_a_single_other_name_is_the_full_vector() -> None:
    found = read_layout("docs", described({"dense": dense(32), "short_8": dense(8)}))
    assert found.full_name == "dense"


def test_full_is_preferred_among_several_other_vectors() -> None:
    vectors = {"full": dense(32), "image": dense(512), "short_8": dense(8)}
    assert read_layout("docs", described(vectors)).full_name == "full"


def test_the_metadata_decides_which_vector_is_the_full_one() -> None:
    layout = CollectionLayout(32, (8,), full_name="text")
    vectors = {**layout.vectors_config(), "full": dense(99)}
    assert read_layout("docs", described(vectors, layout.metadata())).full_name == "text"


def test_a_graph_on_the_full_vector_is_noticed() -> None:
    vectors = {"full": dense(32), "short_8": dense(8)}
    assert read_layout("docs", described(vectors)).full_has_graph
    assert not read_layout("docs", described(vectors, hnsw_m=0)).full_has_graph
    vectors["full"].hnsw_config = models.HnswConfigDiff(m=0)
    assert not read_layout("docs", described(vectors)).full_has_graph


def test_a_tenants_graph_is_read_as_a_graph() -> None:
    layout = CollectionLayout(32, (8,), tenant_field="team", hnsw_m=24)
    assert read_layout("docs", described(layout.vectors_config())).hnsw_m == 24


def test_other_peoples_metadata_is_left_alone() -> None:
    info = described(CollectionLayout(32, (8,)).vectors_config(), {"owner": "search team"})
    assert read_layout("docs", info).model is None


@pytest.mark.parametrize("name", ["", "full", "text"])
def test_a_collection_with_no_short_vector_has_no_stages(name: str) -> None:
    vectors = {name: dense(32)} if name else dense(32)
    found = read_layout("docs", described(vectors))
    assert (found.stages, found.full_name, found.quantization) == ((), name, None)


def test_a_collection_that_lacks_the_stages_which_it_names_is_harmed() -> None:
    layout = CollectionLayout(32, (8,))
    with pytest.raises(CollectionMismatchError, match=r"says of itself.*stages \[8\]"):
        read_layout("docs", described({"full": dense(32)}, layout.metadata()))


def test_short_vectors_of_several_rotations_are_not_guessed_at() -> None:
    shorts = {f"short_8_{rotation * 12}": dense(8) for rotation in "ab"}
    vectors = {"full": dense(32), **shorts}
    with pytest.raises(CollectionMismatchError, match="short vectors of several rotations"):
        read_layout("docs", described(vectors))


def test_the_callers_name_chooses_among_several_vectors() -> None:
    vectors = {"title": dense(32), "body": dense(64)}
    found = read_layout("docs", described(vectors), full_name="body")
    assert (found.full_name, found.dimensions) == ("body", 64)


def test_many_vectors_a_point_are_no_full_vector() -> None:
    many = models.MultiVectorConfig(comparator=models.MultiVectorComparator.MAX_SIM)
    with pytest.raises(CollectionMismatchError, match="holds many vectors a point"):
        read_layout("docs", described(dense(32, multivector_config=many)))


def test_a_layout_without_stages_is_read_back() -> None:
    graph = {"hnsw_m": 24, "hnsw_ef_construct": 90}
    layout = CollectionLayout(32, (), **graph, **dict.fromkeys(CLUSTER_OPTIONS, 1))
    found = read_layout("docs", described(layout.vectors_config(), layout.metadata()))
    assert found == layout


def test_without_stages_the_full_vector_has_a_graph_in_ram_over_codes() -> None:
    full = CollectionLayout(1536, ()).vectors_config()["full"]
    assert full.hnsw_config.m == 16
    assert full.quantization_config.scalar.always_ram is True
    assert full.on_disk is True
    plain = CollectionLayout(1536, (), quantization=None).vectors_config()["full"]
    assert (plain.on_disk, plain.quantization_config) == (False, None)


def test_a_collection_with_no_dense_vector_is_described_as_such() -> None:
    info = described(dense(8))
    info.config.params.vectors = None
    with pytest.raises(CollectionMismatchError, match="it holds no dense vector"):
        read_layout("docs", info)


def test_two_candidates_for_the_full_vector_are_an_error() -> None:
    vectors = {"a": dense(32), "b": dense(64), "short_8": dense(8)}
    with pytest.raises(CollectionMismatchError, match=r"which vector is the full one\? Expected"):
        read_layout("docs", described(vectors))


@pytest.mark.parametrize(
    "said", [CollectionLayout(64, (8,)), CollectionLayout(32, (8, 16))], ids=["size", "stage"]
)
def test_metadata_that_contradicts_the_vectors_is_an_error(said: CollectionLayout) -> None:
    held = CollectionLayout(32, (8,)).vectors_config()
    with pytest.raises(CollectionMismatchError) as caught:
        read_layout("docs", described(held, said.metadata()))
    assert f"says of itself: {said.dimensions} dimensions" in str(caught.value)
    assert "it holds 'short_8' (8), 'full' (32)" in str(caught.value)
    assert "mrl-adapters audit docs" in str(caught.value)


def test_the_description_of_a_newer_version_is_not_guessed_at() -> None:
    layout = CollectionLayout(32, (8,))
    metadata = {METADATA_KEY: {**layout.metadata()[METADATA_KEY], "version": 99}}
    with pytest.raises(CollectionMismatchError, match=r"newer mrl-adapters.*pip install --upgrade"):
        read_layout("docs", described(layout.vectors_config(), metadata))


def test_a_stage_added_beside_the_described_ones_is_not_used_by_itself() -> None:
    layout = CollectionLayout(32, (8,))
    vectors = {**layout.vectors_config(), "short_4": dense(4)}
    assert read_layout("docs", described(vectors, layout.metadata())).stages == (8,)


# What differs

FOUND = CollectionLayout(768, (64, 256), model=NOMIC, reduction="layernorm_prefix")


def test_the_same_layout_passes_and_keeps_the_callers_write_ordering() -> None:
    assert check_layout("docs", replace(FOUND, write_ordering="strong"), FOUND) == replace(
        FOUND, write_ordering="strong"
    )


def test_asking_for_fewer_stages_than_there_are_passes() -> None:
    assert check_layout("docs", replace(FOUND, stages=(64,)), FOUND).stages == (64, 256)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"dimensions": 1536},
            (
                "Collection 'docs': vector 'full' has 768 dimensions, the layout asks for 1536. "
                f"Use the model that wrote it ({NOMIC}), or another collection."
            ),
        ),
        (
            {"distance": "Dot"},
            (
                "Collection 'docs' compares by Cosine, the layout asks for Dot. "
                "Pass distance='Cosine', or use another collection."
            ),
        ),
        (
            {"stages": (64, 128)},
            (
                "Collection 'docs' has stages (64, 256), the layout asks for (64, 128). "
                "Pass stages=(64, 256), or run: mrl-adapters migrate docs --stages 128"
            ),
        ),
        (
            {"model": "text-embedding-3-small"},
            (
                f"Collection 'docs' is for vectors of {NOMIC!r}, this embedding is "
                "'text-embedding-3-small': their vectors cannot be compared. "
                "Use the first model, or another collection."
            ),
        ),
        (
            {"reduction": "none"},
            (
                "Collection 'docs' was reduced by 'layernorm_prefix', the layout asks for 'none'. "
                "Leave reduction out, or use another collection."
            ),
        ),
    ],
    ids=lambda each: next(iter(each)) if isinstance(each, dict) else "",
)
def test_each_difference_is_named_with_both_sides_and_the_next_step(
    change: dict[str, Any], message: str
) -> None:
    with pytest.raises(CollectionMismatchError) as caught:
        check_layout("docs", replace(FOUND, **change), FOUND)
    assert str(caught.value) == message


def test_a_collection_that_names_no_model_is_checked_by_its_sizes_alone() -> None:
    found = replace(FOUND, model=None)
    assert check_layout("docs", replace(FOUND, model="other"), found) == found


@pytest.mark.parametrize("name", [None, NOMIC, "nomic-embed-text-v1.5", "nomic-embed-text:v1.5"])
def test_a_model_is_known_by_all_its_names(name: str | None) -> None:
    check_model("docs", name, FOUND.model)


def test_a_model_that_the_registry_does_not_hold_is_compared_by_its_name() -> None:
    found = replace(FOUND, model="our-own-model")
    check_model("docs", "our-own-model", found.model)
    with pytest.raises(CollectionMismatchError, match="is for vectors of 'our-own-model'"):
        check_model("docs", "another-one", found.model)


@pytest.mark.parametrize("name", ["full", "short_16"])
def test_sparse_vectors_have_a_name_of_their_own(name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"'{name}' is another vector of the layout"):
        CollectionLayout(64, (16,), sparse=SparseVectors(name=name))
    tokens = TokenVectors("words", 16)
    with pytest.raises(ConfigurationError, match="'words' is another vector"):
        CollectionLayout(64, (16,), sparse=SparseVectors(name="words"), late_interaction=tokens)
