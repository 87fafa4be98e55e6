"""recommend: what it measures, what it predicts, and what building it then shows."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qdrant_client import models

from mrl_adapters.errors import ConfigurationError
from mrl_adapters.evaluation import (
    LayoutOption,
    OpenCollection,
    Recommendation,
    apply_recommendation,
    plot_recommendation,
    recommend,
    recommendation_table,
)
from mrl_adapters.evaluation.footprint import Files, estimated_footprint
from mrl_adapters.evaluation.layout_bench import LayoutBench
from mrl_adapters.evaluation.layout_choice import prove
from mrl_adapters.evaluation.layout_grid import worthwhile
from mrl_adapters.evaluation.layout_sample import draw_sample
from mrl_adapters.evaluation.query_share import QueryShare
from mrl_adapters.evaluation.recommendation import Proof
from mrl_adapters.evaluation.results import Trial
from mrl_adapters.evaluation.searcher import Queries, Searcher
from mrl_adapters.qdrant import (
    CollectionLayout,
    Driver,
    EdgeClient,
    MatryoshkaCollection,
    SearchPlan,
    connect,
)

pytestmark = pytest.mark.usefixtures("in_memory")

DIMENSIONS = 64
TARGET = 0.8


def drawn(count: int, seed: int = 0) -> np.ndarray:
    """Nested-like vectors in clusters."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(9).standard_normal((60, DIMENSIONS))
    made = centres[rng.integers(60, size=count)] + 0.6 * rng.standard_normal((count, DIMENSIONS))
    return (made * 0.95 ** np.arange(DIMENSIONS)).astype(np.float32)


@pytest.fixture
def client(tmp_path: Path) -> Iterator[EdgeClient]:
    with connect(path=tmp_path / "store") as opened:
        yield opened


def filled(client: EdgeClient, vectors: np.ndarray, layout: CollectionLayout) -> OpenCollection:
    store = OpenCollection(MatryoshkaCollection("docs", layout=layout), Driver(client))
    ids = list(range(len(vectors)))
    store.driver.run(store.collection.add(ids, vectors, [{}] * len(vectors)))
    client.optimize("docs")
    return store


LAYOUTS = [
    CollectionLayout(DIMENSIONS, (32,)),
    CollectionLayout(DIMENSIONS, (), quantization="turbo4"),
    CollectionLayout(DIMENSIONS, (32,), quantization=None),
]


@pytest.fixture(scope="module")
def result() -> Recommendation:
    """What is recommended for a sample, and for a third more points than are built."""
    return recommend(
        drawn(2_200), target_overlap=TARGET, points=3_000, sample=2_000, layouts=LAYOUTS
    )


def test_what_was_predicted_is_what_building_it_shows(
    result: Recommendation, client: EdgeClient, tmp_path: Path
) -> None:
    for number, option in enumerate(one for one in result.options if not one.plan.exact):
        name = f"built_{number}"
        store = OpenCollection(MatryoshkaCollection(name, layout=option.layout), Driver(client))
        vectors = drawn(3_000, seed=5)
        for start in range(0, len(vectors), 2_000):
            part = vectors[start : start + 2_000]
            ids = list(range(start, start + len(part)))
            store.driver.run(store.collection.add(ids, part, [{}] * len(part)))
        client.optimize(name)
        files = Files.of(tmp_path / "store" / "collections" / name, option.layout)
        real = files.at(3_000, 3_000, coded=option.layout.quantization is not None)
        assert option.memory_bytes == pytest.approx(real.memory_bytes, rel=0.15)
        assert option.disk_bytes == pytest.approx(real.disk_bytes, rel=0.15)
        guess = estimated_footprint(option.layout, 3_000)
        assert guess.memory_bytes == pytest.approx(real.memory_bytes, rel=0.3)
        if option is result.chosen:
            searcher = Searcher(store, result.k)
            asked = Queries(drawn(100, seed=7), [None] * 100)
            truth = searcher.truth(asked, lambda _: None)
            assert searcher.overlaps(asked, truth, option.plan).mean() >= TARGET


def test_the_chosen_plan_is_proved_on_queries_that_had_no_part(result: Recommendation) -> None:
    assert result.chosen is not None
    assert result.chosen in result.options
    if not result.chosen.plan.exact:
        assert (result.chosen.trial.lower or 0) <= result.chosen.trial.overlap
        assert result.chosen.trial.overlap >= TARGET


def test_a_recommendation_is_told_in_eighty_columns_of_json_and_a_picture(
    result: Recommendation, tmp_path: Path
) -> None:
    table = recommendation_table(result)
    assert "3,000 points of 64 dimensions" in table
    assert "CollectionLayout(64, stages=" in table
    assert json.loads(result.to_json())["points"] == 3_000
    pytest.importorskip("matplotlib")
    assert plot_recommendation(result, tmp_path / "frontier.png").stat().st_size > 10_000


def option(
    memory: int, latency_s: float, *, proof: Proof = None, overlap: float = 0.99, **plan: Any
) -> LayoutOption:
    chosen = SearchPlan(**plan)
    trial = Trial(chosen, None, overlap, overlap - 0.01, 100, latency_s, latency_s)
    layout = CollectionLayout(64, ())
    return LayoutOption(layout, trial, chosen, memory, memory, latency_s, build_s=0.0, proof=proof)


def said(*options: LayoutOption, chosen: LayoutOption | None, limit: int | None) -> Recommendation:
    return Recommendation(1_000, 900, 64, 10, 0.99, 0.95, limit, "given", options, chosen)


def test_the_frontier_leaves_out_what_another_beats_in_both() -> None:
    small, middling, large = option(100, 0.003), option(200, 0.004), option(300, 0.001)
    result = said(large, middling, small, chosen=small, limit=250)
    assert result.frontier == (small, large)
    assert (result.cheapest, result.further) == (small, large)
    assert [result.fits(each) for each in (small, large)] == [True, False]
    assert "Faster: " in recommendation_table(result)


def test_what_does_not_fit_is_said_with_what_it_would_take() -> None:
    only = option(2_000_000, 0.003)
    table = recommendation_table(said(only, chosen=None, limit=1_000_000))
    assert "in 1.0 MB: nothing fits. The smallest" in table
    assert "takes 2.0 MB of RAM" in table


def test_the_exact_search_is_recommended_in_so_many_words() -> None:
    exact = option(100, 0.001, exact=True)
    assert "nothing is faster by half: compare with every vector" in recommendation_table(
        said(exact, chosen=exact, limit=None)
    )


def test_what_failed_the_proof_is_marked_and_beats_nothing(tmp_path: Path) -> None:
    small, large = option(100, 0.003, proof="failed", overlap=0.97), option(300, 0.004)
    result = said(small, large, chosen=replace(large, proof="held"), limit=None)
    assert (result.failed, result.frontier, result.cheapest) == ((small,), (large,), large)
    table = recommendation_table(result)
    assert "Not proved: no cut, int8, m 32 (overlap 0.9700, at least 0.9600, on 100" in table
    marked = next(line for line in table.splitlines() if "| failed |" in line)
    assert marked.startswith("| no cut")
    assert json.loads(result.to_json())["options"][0]["proof"] == "failed"
    pytest.importorskip("matplotlib")
    assert plot_recommendation(result, tmp_path / "frontier.png").stat().st_size > 10_000


def test_where_all_failed_nothing_is_recommended_and_nothing_applied(client: EdgeClient) -> None:
    failed, exact = option(100, 0.003, proof="failed"), option(900, 0.1, exact=True)
    result = said(failed, exact, chosen=None, limit=200)
    table = recommendation_table(result)
    assert "nothing that fits was proved, and so nothing is recommended" in table
    assert "CollectionLayout(" not in table
    with pytest.raises(ConfigurationError, match="No layout that fits was proved"):
        apply_recommendation(client, "docs", result)


def test_plans_that_miss_the_target_on_other_queries_are_failed(
    client: EdgeClient, tmp_path: Path
) -> None:
    """Measured for a low target, put to the proof of one that no shortlist of theirs reaches."""
    low, high = 0.3, 0.98
    needed = QueryShare.least(high, 0.95)
    rng = np.random.default_rng(0)
    layouts = [CollectionLayout(DIMENSIONS, (2,)), CollectionLayout(DIMENSIONS, (32,))]
    sample = draw_sample(drawn(2_000 + needed), None, needed, 2_000, None, "Cosine", rng)
    share = QueryShare.of(len(sample.queries.vectors), high, 0.95)
    bench = LayoutBench(sample, share, low, 10, 2_000, None)
    measured = bench.measure(client, tmp_path / "store", layouts)
    bench.target = high
    exact = [one for one in measured if one.option.plan.exact]
    poor, good = (
        [one for one in measured if one.option.layout.stages == stages and one not in exact]
        for stages in ((2,), (32,))
    )
    [failed], chosen = prove(bench, poor, None, 0.95)
    assert (failed.proof, chosen) == ("failed", None)
    assert failed.trial.overlap < high
    _, chosen = prove(bench, good, None, 0.95)
    assert chosen is not None
    assert (chosen.proof, chosen.trial.overlap >= high) == ("held", True)
    _, chosen = prove(bench, [*poor, *exact], None, 0.95)
    assert chosen is not None
    assert chosen.plan.exact


def test_nothing_that_is_too_large_is_chosen() -> None:
    result = recommend(drawn(400), target_overlap=TARGET, layouts=LAYOUTS[:1], memory_bytes=1_000)
    assert result.chosen is None


def test_too_few_vectors_are_refused_with_what_is_needed() -> None:
    with pytest.raises(ConfigurationError, match=r"at least .* queries, found 20"):
        recommend(drawn(40))


def test_the_grid_holds_no_cut_and_cuts_whose_shortlists_stay_short() -> None:
    documents, asked = drawn(800), drawn(60, seed=3)
    base = CollectionLayout(DIMENSIONS, ())
    queries = Queries(asked, [None] * len(asked))
    grid = list(worthwhile(base, documents, queries, 0.9, 10, 800))
    assert {one.layout.stages for one in grid} == {(), (32,)}
    assert {one.layout.quantization for one in grid} == {"int8", "turbo4", "turbo2"}
    assert all(0 <= one.exponent <= 1 for one in grid)
    own = replace(base, model="NovaSearch/stella_en_400M_v5", reduction="heads")
    cut = [one.layout for one in worthwhile(own, documents, queries, 0.9, 10, 800)]
    assert all(layout.rotation is not None for layout in cut if layout.stages)


@pytest.mark.parametrize("quantized", [True, False])
def test_anybodys_collection_is_measured_as_it_is_and_migrated(
    client: EdgeClient, quantized: bool
) -> None:
    codes = models.ScalarQuantizationConfig(type=models.ScalarType.INT8)
    client.create_collection(
        "docs",
        models.VectorParams(size=DIMENSIONS, distance=models.Distance.COSINE),
        quantization_config=models.ScalarQuantization(scalar=codes) if quantized else None,
    )
    vectors = drawn(400)
    points = models.Batch.model_construct(
        ids=list(range(len(vectors))), vectors=list(vectors), payloads=None
    )
    client.upsert("docs", points)
    store = OpenCollection(
        MatryoshkaCollection("docs", layout=CollectionLayout(DIMENSIONS, ())), Driver(client)
    )
    result = recommend(store, target_overlap=TARGET, layouts=LAYOUTS[:1])
    [present] = [one for one in result.options if one.built]
    assert present.layout.quantization == ("int8" if quantized else None)
    assert present.trial.overlap >= TARGET
    assert result.points == 400
    [other] = [one for one in result.options if not one.built and not one.plan.exact]
    apply_recommendation(client, "docs", replace(result, chosen=other))
    opened = MatryoshkaCollection("docs")
    layout = Driver(client).run(opened.open(must_exist=True))
    assert layout is not None
    assert (layout.stages, layout.quantization) == ((32,), "int8")
    assert opened.plan == other.plan


def test_a_rotated_layout_is_applied_to_a_collection_with_stages(client: EdgeClient) -> None:
    store = filled(client, drawn(400), CollectionLayout(DIMENSIONS, (32,)))
    result = recommend(store, target_overlap=TARGET, layouts=LAYOUTS[:1])
    [other] = [one for one in result.options if not one.built and not one.plan.exact]
    wanted = replace(other.layout, rotation="auto", quantization="turbo4", hnsw_m=24)
    apply_recommendation(client, "docs", replace(result, chosen=replace(other, layout=wanted)))
    layout = Driver(client).run(MatryoshkaCollection("docs").open(must_exist=True))
    assert layout is not None
    assert layout.rotation is not None
    assert (layout.quantization, layout.hnsw_m) == ("turbo4", 24)
