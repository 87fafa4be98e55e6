"""Tuning: its promise simulated, and kept on real collections."""

import json
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from qdrant_client import QdrantClient, models

from mrl_adapters import ConfigurationError
from mrl_adapters.embeddings import WordLlamaEmbedder
from mrl_adapters.evaluation import (
    Dataset,
    OpenCollection,
    TuningResult,
    plot_tuning,
    recommend,
    save_plan,
    tune,
    tuning_table,
)
from mrl_adapters.evaluation.exact import exact_search
from mrl_adapters.evaluation.plan_grid import Chain, plan_chains
from mrl_adapters.evaluation.query_share import QueryShare
from mrl_adapters.evaluation.results import Trial, pareto_front
from mrl_adapters.evaluation.searcher import Queries, Searcher, Truth, draw
from mrl_adapters.evaluation.stage_estimates import estimate_stages
from mrl_adapters.evaluation.trials import Trials
from mrl_adapters.evaluation.tuning import _fastest
from mrl_adapters.progress import Progress
from mrl_adapters.qdrant import (
    CollectionLayout,
    Driver,
    MatryoshkaCollection,
    SearchPlan,
    connect,
)
from mrl_adapters.qdrant.layout import METADATA_KEY
from mrl_adapters.vectors import Rotation

FRESH = 400  # queries that no tuning ever sees


def fill(
    client: object, name: str, vectors: np.ndarray, layout: CollectionLayout
) -> OpenCollection:
    driver, collection = Driver(client), MatryoshkaCollection(name, layout=layout)
    payloads = [{"even": row % 2 == 0} for row in range(len(vectors))]
    driver.run(collection.add([str(row) for row in range(len(vectors))], vectors, payloads))
    return OpenCollection(collection, driver)


def mean_overlap(store: OpenCollection, queries: np.ndarray, plan: SearchPlan) -> float:
    searcher = Searcher(store, 10)
    asked = Queries(queries, [None] * len(queries))
    truth = searcher.truth(asked, lambda _: None)
    return float(searcher.overlaps(asked, truth, plan).mean())


@pytest.fixture(scope="module")
def texts(judged_docstrings: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Bodies and summaries of docstrings, embedded."""
    dataset, embedder = judged_docstrings, WordLlamaEmbedder()
    return (
        embedder.embed_array(list(dataset.documents.values())),
        embedder.embed_array(list(dataset.queries.values())),
    )


@pytest.fixture(scope="module")
def store(
    texts: tuple[np.ndarray, np.ndarray], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OpenCollection]:
    with connect(path=str(tmp_path_factory.mktemp("edge"))) as client:
        yield fill(client, "docs", texts[0], CollectionLayout(256, (128,)))


@pytest.fixture(scope="module")
def result(store: OpenCollection, texts: tuple[np.ndarray, np.ndarray]) -> TuningResult:
    return tune(store, target_overlap=0.95, queries=texts[1][FRESH : FRESH + 500])


class Simulated:
    """A searcher whose plans have known overlaps; one draw a query and plan."""

    k = 10
    exact = SearchPlan(exact=True)

    def __init__(self, means: dict[SearchPlan, float], queries: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.drawn = {
            plan: 1 - 0.1 * rng.binomial(10, 1 - mean, queries) for plan, mean in means.items()
        }

    def truth(self, queries: Queries, report: Callable[[int], object]) -> Truth:
        report(len(queries.own))
        return Truth([[]] * len(queries.own), np.zeros((len(queries.own), 0)))

    def overlaps(self, queries: Queries, truth: Truth, plan: SearchPlan) -> np.ndarray:
        if plan.exact:
            return np.ones(len(queries.own))
        return self.drawn[plan][list(queries.own)]

    def latencies(
        self,
        queries: Queries,
        plans: Sequence[SearchPlan],
        rounds: int,
        report: Callable[[int], object] = lambda _: None,
    ) -> list[np.ndarray]:
        del queries
        report(rounds)
        return [np.full(rounds, 1.0 if plan.exact else plan.oversampling) for plan in plans]


def simulated_choice(seed: int, spread: float) -> tuple[float, float]:
    """Tune once; return the chosen plan's true mean and what the report says it is at least."""
    chains = [
        Chain(tuple(SearchPlan(oversampling=c, stages=(way,)) for c in range(1, 11)))
        for way in range(1, 6)
    ]
    # Many plans lie just below the target: whoever picks the luckiest is wrong.
    means = {
        plan: min(0.95 + spread * (step - 4), 1.0)
        for chain in chains
        for step, plan in enumerate(chain.plans)
    }
    share = QueryShare.of(1000, 0.95, 0.95)
    queries = Queries(np.zeros((1000, 1), np.float32), list(range(1000)))
    searcher = Simulated(means, 1000, seed)
    run = Trials(searcher, queries, share, lambda *_: None)
    proved = run.prove(chains, run.explore(chains, 0.95), 0.95, 0.95)
    best = min(proved, key=lambda trial: (trial.plan.exact, trial.p50_s))
    chosen = run.final(best, 0.95)
    return means.get(best.plan, 1.0), chosen.lower


@pytest.mark.parametrize("spread", [0.001, 0.005])
def test_the_chosen_plan_meets_the_target_in_at_least_the_promised_share_of_trials(
    spread: float,
) -> None:
    trials = [simulated_choice(seed, spread) for seed in range(100)]
    assert np.mean([mean >= 0.95 - 1e-9 for mean, _ in trials]) >= 0.95
    assert np.mean([lower <= mean for mean, lower in trials]) >= 0.95


def test_ways_that_find_the_same_are_tested_once_by_the_plainest() -> None:
    plain = SearchPlan(stages=(64,))
    ways = [plain, replace(plain, hnsw_ef=512), replace(plain, hnsw_ef=64)]
    means = dict.fromkeys([*ways, SearchPlan(stages=(128,))], 1.0)
    searcher = Simulated(means, 1000, 0)
    queries = Queries(np.zeros((1000, 1), np.float32), list(range(1000)))
    run = Trials(searcher, queries, QueryShare.of(1000, 0.95, 0.95), lambda *_: None)
    chains = [Chain((plan,)) for plan in means]
    explored = run.explore(chains, 0.95)
    proved = run.prove(chains, explored, 0.95, 0.95)
    assert [each.plan for each in proved] == [plain, SearchPlan(stages=(128,)), searcher.exact]
    explored[2] = [replace(explored[2][0], p50_s=explored[0][0].p50_s / 2)]
    proved = run.prove(chains, explored, 0.95, 0.95)
    assert ways[2] in [each.plan for each in proved], "the narrow beam is faster"


def test_what_is_shown_together_was_timed_together(result: TuningResult) -> None:
    times = {trial.plan: trial.p50_s for trial in result.explored}
    assert [trial.p50_s for trial in result.proved if trial.plan in times] == [
        times[trial.plan] for trial in result.proved if trial.plan in times
    ]
    assert result.chosen.p50_s == next(
        trial.p50_s for trial in result.proved if trial.plan == result.plan
    )


def test_where_plans_differ_a_fast_one_is_chosen() -> None:
    means = [simulated_choice(seed, 0.01)[0] for seed in range(20)]
    assert np.mean(means) < 0.98


def test_the_target_is_reached_on_the_reporting_half_and_on_fresh_queries(
    result: TuningResult, store: OpenCollection, texts: tuple[np.ndarray, np.ndarray]
) -> None:
    assert result.chosen.queries == 250
    assert result.chosen.overlap >= 0.95
    assert result.chosen.lower is not None
    assert 0.9 < result.chosen.lower < result.chosen.overlap
    assert len(result.proved) > 1
    for trial in result.proved:
        assert mean_overlap(store, texts[1][:FRESH], trial.plan) >= 0.95


def test_the_chosen_plan_was_proved_and_the_exact_search_is_there_to_compare(
    result: TuningResult,
) -> None:
    proved = {trial.plan: trial for trial in result.proved}
    assert result.plan in proved
    assert all(trial.lower is not None and trial.lower >= 0.95 for trial in result.proved)
    assert [trial.plan.exact for trial in result.proved].count(True) == 1
    assert result.queries_from == "given"


def test_a_plan_keeps_its_shortlist_for_smaller_k(result: TuningResult) -> None:
    for plan in (trial.plan for trial in result.explored):
        candidates = plan.candidates(10)
        assert plan.candidates(3) == candidates
        assert plan.candidates(20) == pytest.approx(2 * candidates, abs=2)


def test_more_candidates_find_more(result: TuningResult) -> None:
    plain = [t for t in result.explored if t.plan.hnsw_ef is None]
    overlaps = [trial.overlap for trial in sorted(plain, key=lambda t: t.candidates or 0)]
    assert overlaps == sorted(overlaps)


def test_the_same_seed_gives_the_same_queries_and_overlaps(
    result: TuningResult, store: OpenCollection, texts: tuple[np.ndarray, np.ndarray]
) -> None:
    calls: list[Progress] = []
    again = tune(
        store,
        target_overlap=0.95,
        queries=texts[1][FRESH : FRESH + 500],
        progress=calls.append,
    )
    assert [t.overlap for t in again.explored] == [t.overlap for t in result.explored]
    assert again.estimates == result.estimates
    assert list(dict.fromkeys(at.phase for at in calls)) == [
        "searching exactly",
        "trying plans",
        "proving plans",
        "timing",
        "reporting",
    ]
    assert calls[-1].done == calls[-1].total
    assert all(0 <= at.done <= at.total for at in calls if at.total is not None)


def test_too_few_queries_are_refused_with_the_number_needed(
    store: OpenCollection, texts: tuple[np.ndarray, np.ndarray]
) -> None:
    with pytest.raises(
        ConfigurationError, match=r"takes at least 1,\d\d\d queries, found 50\."
    ) as refused:
        tune(store, queries=texts[1][:50])
    assert "mrl-adapters tune" in str(refused.value)
    assert "--target-overlap 0.75 --path" in str(refused.value)
    with pytest.raises(ConfigurationError, match=r"-k 5 --confidence 0.9 --target-overlap 0.7"):
        tune(store, queries=texts[1][:50], k=5, confidence=0.9)
    with pytest.raises(
        ConfigurationError, match=r"--memory 200000000 --points 1000000 -k 5 --target-overlap 0.7"
    ):
        recommend(store, queries=texts[1][:50], memory_bytes=200_000_000, points=1_000_000, k=5)
    with pytest.raises(ConfigurationError, match="found 5, which can prove nothing"):
        tune(store, queries=texts[1][:5])
    with pytest.raises(ConfigurationError, match="Cannot prove a mean of 1"):
        tune(store, queries=texts[1][:50], target_overlap=1.0)


@pytest.mark.parametrize("count", [30, 104, 208])
def test_the_target_that_a_refusal_names_can_be_proved_and_no_higher_one(count: int) -> None:
    named = QueryShare.provable(count, 0.95)
    assert named is not None
    assert QueryShare.of(count, named, 0.95).total == count
    with pytest.raises(ConfigurationError, match=f"target_overlap={named:g}"):
        QueryShare.of(count, named + 0.01, 0.95)


def test_where_nothing_can_be_proved_the_exact_search_is_the_plan(tmp_path: Path) -> None:
    # Short vectors that know nothing: their four dimensions are noise.
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((3000, 64), dtype=np.float32)
    vectors[:, :4] *= 0.01
    with connect(path=str(tmp_path)) as client:
        noise = fill(client, "noise", vectors, CollectionLayout(64, (4,)))
        found = tune(noise, target_overlap=0.9, queries=vectors[:300] + 0.1)
    assert found.plan.exact
    assert "No other plan was proved" in tuning_table(found)
    assert found.chosen.candidates is None


def test_stored_points_that_ask_do_not_find_themselves(store: OpenCollection) -> None:
    searcher = Searcher(store, 5)
    asked = draw(searcher, 20, np.random.default_rng(1))
    assert len(asked.own) == 20
    truth = searcher.truth(asked, lambda _: None)
    assert all(own not in ids for own, ids in zip(asked.own, truth.ids, strict=True))


def test_a_filter_holds_for_queries_truth_and_plans(store: OpenCollection) -> None:
    even = models.Filter(
        must=[models.FieldCondition(key="even", match=models.MatchValue(value=True))]
    )
    searcher = Searcher(store, 10, even)
    everything = Searcher(store, 10)
    assert searcher.points == (everything.points + 1) // 2
    asked = draw(searcher, 30, np.random.default_rng(0))
    passing = set(searcher.point_ids())
    assert set(asked.own) <= passing
    truth = searcher.truth(asked, lambda _: None)
    assert {point for ids in truth.ids for point in ids} <= passing
    wide = SearchPlan(min_candidates=searcher.points)
    assert searcher.overlaps(asked, truth, wide).min() > 0.9


def test_an_empty_collection_has_no_queries(tmp_path: Path) -> None:
    with connect(path=str(tmp_path)) as client:
        empty = fill(client, "empty", np.ones((1, 8), np.float32), CollectionLayout(8, (4,)))
        empty.driver.run(empty.collection.delete(["0"]))
        with pytest.raises(ConfigurationError, match="No point with a full vector"):
            tune(empty)


@pytest.mark.parametrize("distance", ["Cosine", "Dot", "Euclid", "Manhattan"])
def test_every_distance_is_measured_the_right_way_round(distance: str) -> None:
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((300, 16), dtype=np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # local mode has no settings or indexes
        layout = CollectionLayout(16, (8,), distance, full_datatype="float32")
        local = fill(QdrantClient(":memory:"), "d", vectors, layout)
    searcher = Searcher(local, 5)
    asked = draw(searcher, 40, rng)
    truth = searcher.truth(asked, lambda _: None)
    assert (np.diff(truth.scores, axis=1) <= 0).all()
    assert searcher.overlaps(asked, truth, searcher.exact).tolist() == [1.0] * 40
    everything = SearchPlan(min_candidates=300, stages=(8,))
    assert searcher.overlaps(asked, truth, everything).tolist() == [1.0] * 40
    narrow = SearchPlan(oversampling=1, min_candidates=1, stages=(8,))
    assert 0.05 < searcher.overlaps(asked, truth, narrow).mean() < 0.9


@pytest.mark.parametrize(
    ("distance", "rotated", "stages"),
    [
        ("Dot", False, [(8, False), (32, False), (8, True), (32, True)]),
        ("Euclid", False, [(8, False), (32, False), (8, True), (32, True)]),
        ("Cosine", True, [(8, True)]),
        ("Manhattan", False, []),
    ],
)
def test_stages_are_estimated_under_every_distance_that_can_be(
    distance: str, rotated: bool, stages: list[tuple[int, bool]]
) -> None:
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((300, 64), dtype=np.float32) * np.linspace(1, 0.1, 64)
    rotation = Rotation.fit(vectors, 8) if rotated else None
    layout = CollectionLayout(64, (8,), distance, rotation=rotation, full_datatype="float32")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # local mode has no settings or indexes
        searcher = Searcher(fill(QdrantClient(":memory:"), "d", vectors, layout), 5)
        asked = draw(searcher, 100, rng)
        truth = searcher.truth(asked, lambda _: None)
        estimates = estimate_stages(searcher, asked, truth, 0.9, rng)
        assert [(each.stage, each.rotated) for each in estimates] == stages
        if stages:
            # With everything in the sample the estimate is exact, ties and rounding aside.
            count = estimates[0].candidates
            enough = SearchPlan(oversampling=1, min_candidates=count, stages=(8,))
            assert searcher.overlaps(asked, truth, enough).mean() == pytest.approx(0.9, abs=0.015)


def test_an_unnamed_full_vector_is_read_too() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((50, 16), dtype=np.float32)
    client = QdrantClient(":memory:")
    size, cosine = models.VectorParams, models.Distance.COSINE
    client.create_collection(
        "old", {"": size(size=16, distance=cosine)} | {"short_8": size(size=8, distance=cosine)}
    )
    client.upsert(
        "old",
        [
            models.PointStruct(id=row, vector={"": v.tolist(), "short_8": v[:8].tolist()})
            for row, v in enumerate(vectors)
        ],
    )
    old = OpenCollection(MatryoshkaCollection("old"), Driver(client))
    asked = draw(Searcher(old, 5), 50, rng)
    assert asked.vectors.shape == (50, 16)


def test_estimated_shortlists_are_those_of_brute_force_where_the_sample_is_everything(
    store: OpenCollection, texts: tuple[np.ndarray, np.ndarray]
) -> None:
    documents, queries = texts[0], texts[1][:150]
    searcher = Searcher(store, 10)
    asked = Queries(queries, [None] * len(queries))
    truth = searcher.truth(asked, lambda _: None)
    estimates = estimate_stages(searcher, asked, truth, 0.95, np.random.default_rng(0))
    plain = [each for each in estimates if not each.rotated]
    assert [each.stage for each in estimates] == [32, 64, 128] * 2
    assert [each.exists for each in estimates] == [False, False, True, False, False, False]
    assert [each.bytes_per_vector for each in plain] == [32, 64, 128]
    for before, after in zip(plain, estimates[3:], strict=True):
        assert after.candidates < 0.8 * before.candidates
    exact = exact_search(documents, queries, 10)
    for each in plain:
        cut = documents[:, : each.stage], queries[:, : each.stage]
        short = [part / np.linalg.norm(part, axis=1, keepdims=True) for part in cut]
        reached = [
            np.mean(
                [
                    np.isin(mine, best).mean()
                    for mine, best in zip(
                        exact.indices, exact_search(*short, length).indices, strict=True
                    )
                ]
            )
            for length in (round(0.85 * each.candidates), round(1.15 * each.candidates))
        ]
        assert reached[0] <= 0.951
        assert reached[1] >= 0.949


def test_a_saved_plan_stands_in_the_collections_metadata(tmp_path: Path) -> None:
    with connect(path=str(tmp_path)) as client:
        saved = fill(client, "saved", np.eye(8, dtype=np.float32), CollectionLayout(8, (4,)))
        plan = SearchPlan(oversampling=3, hnsw_ef=200, stages=(4,))
        save_plan(saved, plan)
        metadata = client.get_collection("saved").config.metadata[METADATA_KEY]
        assert metadata["dimensions"] == 8
        stored = {**metadata["plan"], "stages": tuple(metadata["plan"]["stages"])}
        assert SearchPlan(**stored) == plan
        again = MatryoshkaCollection("saved")
        assert saved.driver.run(again.open()) == saved.collection.layout


def test_the_langchain_store_is_tuned_as_it_is(
    texts: tuple[np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    adapter = pytest.importorskip("mrl_adapters.langchain")
    sentences = [f"sentence number {row} of the {row % 7}th kind" for row in range(300)]
    with connect(path=str(tmp_path)) as client:
        lang = adapter.MatryoshkaVectorStore(client, "lang", WordLlamaEmbedder())
        lang.add_texts(sentences)
        found = tune(lang, target_overlap=0.8, k=3)
    assert found.queries_from == "stored points"
    assert found.chosen.overlap >= 0.8


def trial(p50_s: float, overlap: float) -> Trial:
    return Trial(SearchPlan(), 100, overlap, None, 10, p50_s, p50_s)


def test_the_front_leaves_out_what_another_plan_beats() -> None:
    fast, slow, best = trial(1, 0.8), trial(2, 0.8), trial(3, 0.9)
    assert pareto_front([best, slow, fast, trial(3, 0.85)]) == (fast, best)
    assert pareto_front([]) == ()


def test_no_plan_slower_than_the_exact_search_is_a_good_trade(result: TuningResult) -> None:
    front = result.front
    assert front[-1].overlap == 1.0
    assert front[-1].p50_s <= result.exact.p50_s
    halved = replace(result.exact, p50_s=result.explored[0].p50_s / 2)
    others = tuple(trial for trial in result.proved if not trial.plan.exact)
    assert replace(result, proved=(*others, halved)).front[-1] == halved


def test_the_exact_search_is_chosen_only_where_it_is_faster_by_far() -> None:
    exact = Trial(SearchPlan(exact=True), None, 1.0, 1.0, 10, 1.0, 1.0)
    assert _fastest([trial(1.4, 0.97), exact]).plan == SearchPlan()
    assert _fastest([trial(1.6, 0.97), exact]) is exact
    assert _fastest([exact]) is exact


def test_of_plans_equally_fast_the_best_is_chosen() -> None:
    exact = Trial(SearchPlan(exact=True), None, 1.0, 1.0, 10, 9.0, 9.0)
    assert _fastest([trial(1.0, 0.96), trial(1.05, 0.97), trial(1.2, 0.99), exact]).overlap == 0.97


def test_the_summary_says_when_to_tune_again(result: TuningResult) -> None:
    chosen = replace(result.chosen, plan=result.exact.plan)
    summary = tuning_table(replace(result, chosen=chosen, proved=(result.chosen, result.exact)))
    assert "Tune again when the collection has grown" in summary


def test_chains_grow_and_repeat_no_plan() -> None:
    layout = CollectionLayout(256, (64, 128))
    chains = plan_chains(layout, SearchPlan(timeout_s=7), 10, 1000)
    plans = [plan for chain in chains for plan in chain.plans]
    assert len(set(plans)) == len(plans)
    assert {plan.stages for plan in plans} == {(64,), (128,), (64, 128)}
    assert {plan.timeout_s for plan in plans} == {7}
    for chain in chains:
        lengths = [plan.candidates(10) for plan in chain.plans]
        assert lengths == sorted(set(lengths))
        assert lengths[0] == 10
        assert lengths[-1] <= 1000
    tiny = plan_chains(CollectionLayout(256, (64,)), SearchPlan(), 10, 5)
    assert [chain.plans[0].candidates(10) for chain in tiny] == [10] * 6


def test_rescoring_is_not_tried_even_where_the_present_plan_does_it() -> None:
    chains = plan_chains(CollectionLayout(256, (64, 128)), SearchPlan(rescore=True), 10, 1000)
    assert not any(plan.rescore for chain in chains for plan in chain.plans)


def test_table_json_and_picture_show_the_choice(result: TuningResult, tmp_path: Path) -> None:
    table = tuning_table(result)
    assert f"overlap@10 {result.chosen.overlap:.4f}, at least {result.chosen.lower:.4f}" in table
    assert "| chosen |" in table
    widest = max(len(line) for line in table.splitlines() if line.startswith("| "))
    assert widest <= 78, "a terminal of 80 columns draws no fewer"
    assert "exact search" in table
    assert "| 64 | 64 |" in table
    assert "not in the collection" in table
    data = json.loads(result.to_json())
    assert data["chosen"]["plan"]["oversampling"] == result.plan.oversampling
    pytest.importorskip("matplotlib")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of matplotlib's own dependencies
        assert plot_tuning(result, tmp_path / "t.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_the_target_is_reached_on_fifty_thousand_synthetic_vectors(tmp_path: Path) -> None:
    def synthetic(count: int, seed: int) -> np.ndarray:
        # Falling variance, as training puts what matters first; clusters, as texts have topics.
        rng = np.random.default_rng(seed)
        centres = np.random.default_rng(99).standard_normal((500, 1536), dtype=np.float32)
        vectors = centres[rng.integers(0, 500, count)]
        vectors += 0.7 * rng.standard_normal((count, 1536), dtype=np.float32)
        vectors *= (np.arange(1, 1537) ** -0.5).astype(np.float32)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    documents = synthetic(50_000, 0)
    with connect(path=str(tmp_path)) as client:
        driver = Driver(client)
        collection = MatryoshkaCollection("synthetic", layout=CollectionLayout(1536, (256,)))
        for start in range(0, len(documents), 1000):
            rows = range(start, start + 1000)
            driver.run(collection.add([str(r) for r in rows], documents[rows], [{}] * 1000))
        big = OpenCollection(collection, driver)
        found = tune(big)
        assert len(found.proved) > 1
        assert found.chosen.overlap >= 0.99
        fresh = synthetic(1000, 1)
        assert all(mean_overlap(big, fresh, each.plan) >= 0.99 for each in found.proved)
