"""Codes and types of vectors, end to end: what is made is read back, searched, checked, moved."""

from typing import Any, get_args

import numpy as np
import pytest
from qdrant_client import QdrantClient, models

from mrl_adapters.errors import ConfigurationError
from mrl_adapters.evaluation.exact import exact_search
from mrl_adapters.maintenance import audit, describe, migrate, plan_migration
from mrl_adapters.qdrant import (
    CollectionLayout,
    Driver,
    EdgeClient,
    MatryoshkaCollection,
    Search,
    connect,
)
from mrl_adapters.qdrant.quantization import (
    COARSE,
    DATATYPE_BITS,
    Quantization,
    codes_of,
    quantization_settings,
    written,
)
from mrl_adapters.qdrant.stock import quantization_fields

DIMENSIONS, STAGE, POINTS = 640, 512, 250
ALL: tuple[Any, ...] = (*get_args(Quantization), None)


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    """Nested-like vectors in clusters, unit length."""
    rng = np.random.default_rng(0)
    weights = 0.997 ** np.arange(DIMENSIONS)
    drawn = rng.standard_normal((25, DIMENSIONS))[rng.integers(25, size=POINTS)]
    made = (drawn + 0.7 * rng.standard_normal((POINTS, DIMENSIONS))) * weights
    return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)


def fill(client: Any, vectors: np.ndarray, layout: CollectionLayout, name: str = "docs") -> Driver:
    driver = Driver(client)
    docs = MatryoshkaCollection(name, layout=layout)
    driver.run(docs.add([*range(len(vectors))], vectors, [{"n": 1}] * len(vectors)))
    if isinstance(client, EdgeClient):
        client.optimize(name)
    return driver


def overlap(driver: Driver, vectors: np.ndarray, name: str = "docs", **plan: Any) -> float:
    queries = vectors[:20]
    truth = exact_search(vectors, queries, 10).indices
    found = driver.run(
        MatryoshkaCollection(name).search([Search(query, 10) for query in queries], plan)
    )
    ids = [{int(hit.payload.get("_id", hit.id)) for hit in hits} for hits in found]
    return float(
        np.mean([len(set(row) & own) / 10 for row, own in zip(truth.tolist(), ids, strict=True)])
    )


def opened(client: Any, name: str = "docs") -> CollectionLayout:
    layout = Driver(client).run(MatryoshkaCollection(name).open(must_exist=True))
    assert layout is not None
    return layout


@pytest.mark.parametrize("codes", ALL)
@pytest.mark.parametrize("stages", [(STAGE,), ()], ids=["two stages", "one stage"])
def test_every_code_is_built_read_back_searched_and_found_in_order(
    client: EdgeClient, vectors: np.ndarray, codes: Any, stages: tuple[int, ...]
) -> None:
    driver = fill(client, vectors, CollectionLayout(DIMENSIONS, stages, quantization=codes))
    assert opened(client).quantization == codes
    searched = f"short_{STAGE}" if stages else "full"
    [overview] = [each for each in describe(client, "docs").vectors if each.name == searched]
    assert overview.codes == codes
    enough = 0.9 if codes in COARSE else 0.97
    assert overlap(driver, vectors) >= enough
    assert overlap(driver, vectors, rescore=True) >= enough
    if stages:
        checked = audit(client, "docs")
        assert (checked.missing, checked.stale) == (0, 0)


@pytest.mark.parametrize("datatype", ["float16", "float32", "turbo16", "turbo8"])
@pytest.mark.parametrize("distance", ["Cosine", "Dot", "Euclid"])
def test_every_stored_type_is_read_back_and_its_short_vectors_are_not_called_stale(
    client: EdgeClient, vectors: np.ndarray, datatype: Any, distance: Any
) -> None:
    layout = CollectionLayout(DIMENSIONS, (32,), distance, full_datatype=datatype)
    driver = fill(client, vectors, layout)
    assert opened(client).full_datatype == datatype
    checked = audit(client, "docs")
    assert (checked.missing, checked.stale) == (0, 0)
    if distance != "Euclid":
        assert overlap(driver, vectors, exact=True) >= 0.97
    [full] = [each for each in describe(client, "docs").vectors if each.name == "full"]
    assert full.bytes == DIMENSIONS * DATATYPE_BITS[datatype] / 8


def test_a_short_vector_of_another_text_is_stale_under_the_coarsest_type(
    client: EdgeClient, vectors: np.ndarray
) -> None:
    fill(client, vectors, CollectionLayout(DIMENSIONS, (32,), full_datatype="turbo8"))
    [first, other] = client.scroll("docs", limit=2, with_vectors=["short_32"])[0]
    assert isinstance(other.vector, dict)
    swapped = models.PointVectors(id=first.id, vector={"short_32": other.vector["short_32"]})
    client.update_vectors("docs", [swapped])
    assert audit(client, "docs").stale == 1


@pytest.mark.parametrize("mode", ["in_place", "copy"])
@pytest.mark.parametrize(("before", "after"), [("int8", "turbo4"), ("turbo2", None)])
def test_codes_and_graph_change_by_migrating(
    client: EdgeClient, vectors: np.ndarray, mode: Any, before: Any, after: Any
) -> None:
    driver = fill(client, vectors, CollectionLayout(DIMENSIONS, (64,), quantization=before))
    settings = {"quantization": after, "hnsw_m": 24}
    target: Any = {} if mode == "in_place" else {"target": "other"}
    planned = plan_migration(client, "docs", stages=(64,), mode=mode, settings=settings, **target)
    assert f" and {after} codes" in " ".join(planned.steps) or after is None
    done = migrate(client, "docs", stages=(64,), mode=mode, settings=settings, **target)
    layout = opened(client, done.target_name)
    assert (layout.quantization, layout.hnsw_m) == (after, 24)
    client.optimize(done.target_name)
    assert overlap(driver, vectors, done.target_name) >= 0.97
    # What was not asked to change stays when it is migrated again.
    migrate(client, done.target_name, stages=(32, 64))
    layout = opened(client, done.target_name)
    assert (layout.quantization, layout.hnsw_m, layout.stages) == (after, 24, (32, 64))


@pytest.mark.parametrize("codes", ["turbo1", "int8"])
def test_two_stages_become_one_with_other_codes_and_back(
    client: EdgeClient, vectors: np.ndarray, codes: Any
) -> None:
    driver = fill(client, vectors, CollectionLayout(DIMENSIONS, (64,)))
    migrate(client, "docs", stages=(), settings={"quantization": codes})
    assert (opened(client).stages, opened(client).quantization) == ((), codes)
    client.optimize("docs")
    assert overlap(driver, vectors) >= 0.97
    migrate(client, "docs", stages=(128,))
    assert (opened(client).stages, opened(client).quantization) == ((128,), codes)


def test_a_copy_takes_the_type_that_is_asked_for_and_keeps_a_finer_one(
    client: EdgeClient, vectors: np.ndarray
) -> None:
    fill(client, vectors, CollectionLayout(DIMENSIONS, (64,)))
    migrate(
        client,
        "docs",
        stages=(64,),
        mode="copy",
        target="small",
        settings={"full_datatype": "turbo8"},
    )
    assert opened(client, "small").full_datatype == "turbo8"
    migrate(client, "small", stages=(64,), mode="copy", target="again")
    assert opened(client, "again").full_datatype == "turbo8"


@pytest.mark.parametrize(
    "settings",
    [{"quantization": "int4"}, {"full_datatype": "float32"}, {"stages": (8,)}, {"hnsw_m": 0}],
    ids=lambda settings: next(iter(settings)),
)
def test_settings_that_cannot_be_are_refused_before_anything_is_written(
    client: EdgeClient, vectors: np.ndarray, settings: dict[str, Any]
) -> None:
    fill(client, vectors, CollectionLayout(DIMENSIONS, (64,)))
    before = client.get_collection("docs").config
    with pytest.raises(ConfigurationError):
        migrate(client, "docs", stages=(64,), settings=settings)
    assert client.get_collection("docs").config == before


@pytest.mark.parametrize(
    "options",
    [{"quantization": "turbo4"}, {"quantization": "turbo1"}, {"full_datatype": "turbo8"}],
    ids=lambda options: next(iter(options.values())),
)
def test_local_mode_refuses_what_it_has_not_and_names_what_works(
    vectors: np.ndarray, options: dict[str, Any]
) -> None:
    local = QdrantClient(":memory:")
    instead = "'int8'" if "quantization" in options else "'float16'"
    with pytest.raises(ConfigurationError, match=rf"local mode has no .*Pass .*={instead}"):
        fill(local, vectors, CollectionLayout(DIMENSIONS, (64,), **options))
    assert not local.collection_exists("docs")
    local.close()


@pytest.mark.parametrize(
    ("version", "options", "needed"),
    [
        ("1.17.1", {"quantization": "turbo4"}, "1.18"),
        ("v1.19.0", {"full_datatype": "turbo16"}, "1.20"),
        ("1.17.1", {"quantization": "int8"}, None),
        ("v1.19.0", {"quantization": "turbo2"}, None),
        ("dev", {"quantization": "turbo2"}, None),
    ],
)
def test_an_old_server_is_refused_by_name(
    client: EdgeClient,
    vectors: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
    version: str,
    options: dict[str, Any],
    needed: str | None,
) -> None:
    from mrl_adapters.qdrant import requirements
    from mrl_adapters.qdrant.engine import SERVER

    monkeypatch.setattr(requirements, "current_engine", lambda: SERVER)
    monkeypatch.setattr(
        EdgeClient, "info", lambda _: models.VersionInfo(title="qdrant", version=version)
    )
    layout = CollectionLayout(DIMENSIONS, (64,), **options)
    if needed is None:
        fill(client, vectors, layout)
        return
    with pytest.raises(ConfigurationError, match=rf"needs a Qdrant server of {needed} or later"):
        fill(client, vectors, layout)
    assert not client.collection_exists("docs")


@pytest.mark.parametrize("codes", ALL)
def test_settings_are_named_and_written_as_they_are(codes: Any) -> None:
    settings = quantization_settings(codes)
    assert codes_of(settings) == codes
    if settings is not None:
        assert codes_of(settings.model_dump(mode="json", exclude_none=True)) == codes
    assert eval(written(codes)) == (settings or models.Disabled.DISABLED)  # noqa: S307 - ours


@pytest.mark.parametrize("codes", ["turbo4", "binary", None])
def test_stock_settings_of_codes_become_a_layouts(codes: Any) -> None:
    settings = quantization_settings(codes) or models.Disabled.DISABLED
    assert quantization_fields("quantization_config", settings) == {"quantization": codes}


@pytest.fixture
def client(tmp_path: Any) -> Any:
    with connect(path=tmp_path / "store") as opened:
        yield opened
