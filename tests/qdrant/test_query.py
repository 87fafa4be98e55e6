"""search_request: what is built for each engine, and why each part is there."""

from dataclasses import replace

import numpy as np
import pytest
from qdrant_client import models

from mrl_adapters.errors import CollectionMismatchError, ConfigurationError
from mrl_adapters.qdrant import CollectionLayout, SearchPlan
from mrl_adapters.qdrant.engine import EDGE, LOCAL, SERVER, Engine
from mrl_adapters.qdrant.query import Search, chosen_stages, diversity, search_request
from mrl_adapters.vectors import truncate

LAYOUT = CollectionLayout(32, (4, 8))
FUNNEL = SearchPlan(stages=(4, 8))
VECTOR = np.arange(1, 33, dtype=np.float32)
UNIT = VECTOR / np.linalg.norm(VECTOR)


def request(
    search: Search | None = None,
    layout: CollectionLayout = LAYOUT,
    plan: SearchPlan | None = None,
    engine: Engine = SERVER,
) -> models.QueryRequest:
    return search_request(search or Search(VECTOR, 10), layout, plan or SearchPlan(), engine)


def test_a_plan_that_names_no_stage_searches_the_longest_alone() -> None:
    made = request(Search(VECTOR, 50))
    assert (made.prefetch.using, made.prefetch.prefetch) == ("short_8", None)
    assert made == request(Search(VECTOR, 50), plan=SearchPlan(stages=(8,)))


@pytest.mark.parametrize("stages", [(4,), (8,), (4, 8)])
def test_a_plan_that_names_stages_and_candidates_means_just_that(stages: tuple[int, ...]) -> None:
    plan = SearchPlan(oversampling=2, min_candidates=5, funnel_factor=3, stages=stages)
    inner, seen = request(plan=plan).prefetch, []
    while inner is not None:
        seen.insert(0, (inner.using, inner.limit))
        inner = inner.prefetch
    limits = {(4,): [20], (8,): [20], (4, 8): [60, 20]}[stages]
    assert seen == [(f"short_{stage}", limit) for stage, limit in zip(stages, limits, strict=True)]


def test_the_query_vectors_are_the_full_one_and_its_prefixes() -> None:
    made = request(plan=FUNNEL)
    middle = made.prefetch
    assert made.query.nearest == pytest.approx(UNIT)
    assert middle.query == pytest.approx(truncate(VECTOR, 8))
    assert middle.prefetch.query == pytest.approx(truncate(VECTOR, 4))


def test_under_dot_the_query_keeps_its_length() -> None:
    made = request(layout=replace(LAYOUT, distance="Dot"))
    assert made.query.nearest == VECTOR.tolist()
    assert np.linalg.norm(made.prefetch.query) == pytest.approx(np.linalg.norm(VECTOR))


def test_a_server_gets_lists_and_the_embedded_engine_arrays() -> None:
    assert isinstance(request().query.nearest, list)
    assert isinstance(request().prefetch.query, list)
    assert isinstance(request(engine=EDGE).query.nearest, np.ndarray)
    assert isinstance(request(engine=EDGE).prefetch.query, np.ndarray)


def test_local_mode_gets_no_settings_that_it_would_warn_of() -> None:
    made = request(plan=SearchPlan(stages=(8,)), engine=LOCAL)
    assert made.params is None
    assert made.prefetch.params is None


def test_local_mode_scans_full_vectors_alone_unless_the_plan_names_stages() -> None:
    assert request(engine=LOCAL).prefetch is None
    named = request(plan=SearchPlan(stages=(8,)), engine=LOCAL)
    assert (named.prefetch.using, named.prefetch.prefetch) == ("short_8", None)


def test_local_mode_gets_vectors_that_it_need_not_copy_number_by_number() -> None:
    assert isinstance(request(engine=LOCAL).query.nearest, np.ndarray)


def test_scores_stay_exact_whatever_the_collections_quantization() -> None:
    assert request().params.quantization == models.QuantizationSearchParams(ignore=True)


@pytest.mark.parametrize("rescore", [True, False])
def test_short_hits_are_rescored_as_the_plan_says(rescore: bool) -> None:
    made = request(plan=SearchPlan(rescore=rescore))
    assert made.prefetch.params.quantization == models.QuantizationSearchParams(rescore=rescore)


def test_without_codes_there_is_nothing_to_rescore() -> None:
    assert request(layout=replace(LAYOUT, quantization=None)).prefetch.params.quantization is None


def test_the_beam_is_as_wide_as_each_stages_shortlist() -> None:
    made = request(Search(VECTOR, 50), plan=FUNNEL)
    assert (made.prefetch.limit, made.prefetch.params.hnsw_ef) == (400, 400)
    assert (made.prefetch.prefetch.limit, made.prefetch.prefetch.params.hnsw_ef) == (1600, 1600)


def test_the_shortlist_covers_what_diversity_chooses_from() -> None:
    made = request(Search(VECTOR, 4, mmr_lambda=0.25, fetch_k=60))
    assert made.query.mmr == models.Mmr(diversity=0.75, candidates_limit=60)
    assert (made.limit, made.prefetch.limit) == (4, 480)


def test_diversity_never_chooses_from_fewer_than_it_returns() -> None:
    assert request(Search(VECTOR, 50, mmr_lambda=0.5)).query.mmr.candidates_limit == 50


def test_an_exact_plan_skips_the_short_vectors() -> None:
    made = request(plan=SearchPlan(exact=True))
    assert made.prefetch is None
    assert made.params.exact is True


def test_a_graph_on_the_full_vector_is_not_walked() -> None:
    assert request().params.exact is False
    assert request(layout=replace(LAYOUT, full_has_graph=True)).params.exact is True


@pytest.mark.parametrize(
    ("shards", "k", "exact"), [(1, 500, False), (2, 127, False), (2, 128, True)]
)
def test_many_results_from_several_shards_are_not_undersampled(
    shards: int, k: int, exact: bool
) -> None:
    layout = replace(LAYOUT, shard_number=shards)
    assert request(Search(VECTOR, k), layout).params.exact is exact


def test_an_unnamed_full_vector_is_searched_by_no_name() -> None:
    assert request(layout=replace(LAYOUT, full_name="")).using is None


def test_the_request_is_one_that_qdrants_own_models_take() -> None:
    made = request(Search(VECTOR, 3, mmr_lambda=0.5, score_threshold=0.1))
    again = models.QueryRequest.model_validate(made.model_dump(exclude_unset=True))
    assert again.model_dump(exclude_none=True) == made.model_dump(exclude_none=True)


@pytest.mark.parametrize(
    ("stages", "name", "message", "command"),
    [
        ((16,), "docs", r"stage 16, collection 'docs' has stages \(4, 8\)\. Choose", True),
        ((6, 16), "docs", r"stage 6, collection 'docs' has", True),
        ((8, 16, 24), "docs", r"stage 16, collection 'docs' has", True),
        ((16,), None, r"stage 16, the collection has stages \(4, 8\)\. Choose", False),
        ((32,), "docs", r"stage 32, collection 'docs' has", False),
        ((64,), "docs", r"stage 64, collection 'docs' has", False),
    ],
)
def test_the_first_stage_that_a_collection_lacks_is_named_with_the_command_that_adds_it(
    stages: tuple[int, ...], name: str | None, message: str, command: bool
) -> None:
    with pytest.raises(CollectionMismatchError, match=message) as refused:
        chosen_stages(LAYOUT, SearchPlan(stages=stages), SERVER, name)
    missing = [stage for stage in stages if stage not in LAYOUT.stages]
    assert (refused.value.found, refused.value.expected) == (missing[0], LAYOUT.stages)
    assert ("or add it with: " in str(refused.value)) is command


def test_a_collection_without_stages_takes_plans_that_name_none() -> None:
    with pytest.raises(CollectionMismatchError, match=r"has none\. Name none$"):
        chosen_stages(replace(LAYOUT, stages=()), SearchPlan(stages=(8,)))


@pytest.mark.parametrize("value", [-0.01, 1.01, float("nan"), True, "0.5"])
def test_diversity_lies_between_none_and_all(value: object) -> None:
    assert (diversity("mmr_lambda", 0), diversity("mmr_lambda", 1)) == (0, 1)
    with pytest.raises(ConfigurationError, match="mmr_lambda"):
        diversity("mmr_lambda", value)


def test_a_search_by_default_begins_at_the_first_hit_and_brings_payloads_alone() -> None:
    made = request(Search(VECTOR, 10))
    assert Search(VECTOR, 10).offset == 0
    assert (made.with_payload, made.with_vector) == (True, False)
