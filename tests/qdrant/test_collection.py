"""The flows over every engine: what is written is found, ranked and deleted as documented."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from qdrant_client import models

from mrl_adapters.errors import (
    CollectionMismatchError,
    ConfigurationError,
    DimensionsError,
    EmbeddingError,
)
from mrl_adapters.qdrant import CollectionLayout, Driver, MatryoshkaCollection, SearchPlan
from mrl_adapters.qdrant.driver import Client
from mrl_adapters.qdrant.query import Search

Documents = Callable[..., np.ndarray]
Drive = Callable[[Any], Any]
COUNT = 60
EVEN = models.Filter(must=[models.FieldCondition(key="even", match=models.MatchValue(value=True))])


@pytest.fixture
def vectors(documents: Documents) -> np.ndarray:
    return documents(COUNT)


@pytest.fixture
def docs(driver: Driver, name: str, vectors: np.ndarray) -> MatryoshkaCollection:
    """Sixty documents under the ids "0" to "59"."""
    made = MatryoshkaCollection(name, layout=CollectionLayout(32, (4, 8)))
    ids = [str(each) for each in range(COUNT)]
    driver.run(made.add(ids, vectors, [{"at": at, "even": at % 2 == 0} for at in range(COUNT)]))
    return made


def found(hits: list[models.ScoredPoint]) -> list[int]:
    return [hit.payload["at"] for hit in hits if hit.payload]


def ranking(vectors: np.ndarray, query: np.ndarray) -> list[int]:
    """The true order under Cosine."""
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return [int(each) for each in np.argsort(-(unit @ query), kind="stable")]


# Searching


def test_results_come_in_the_true_order_with_the_full_vectors_scores(
    docs: MatryoshkaCollection, drive: Drive, vectors: np.ndarray, documents: Documents
) -> None:
    (query,) = documents(1, seed=5)
    (hits,) = drive(docs.search([Search(query, 5)]))
    assert found(hits) == ranking(vectors, query)[:5]
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    true = unit[found(hits)] @ (query / np.linalg.norm(query))
    assert [hit.score for hit in hits] == pytest.approx(true.tolist(), abs=1e-3)


def test_pages_follow_one_another_without_gap_or_repeat(
    docs: MatryoshkaCollection, drive: Drive, vectors: np.ndarray, documents: Documents
) -> None:
    (query,) = documents(1, seed=5)
    pages = [Search(query, 7, offset=offset) for offset in range(0, COUNT, 7)]
    seen = [at for hits in drive(docs.search(pages)) for at in found(hits)]
    assert seen == ranking(vectors, query)


def test_a_page_beyond_the_end_is_empty(
    docs: MatryoshkaCollection, drive: Drive, vectors: np.ndarray
) -> None:
    assert drive(docs.search([Search(vectors[0], 5, offset=COUNT)])) == [[]]


def test_the_filter_holds_for_every_result(
    docs: MatryoshkaCollection, drive: Drive, vectors: np.ndarray
) -> None:
    (hits,) = drive(docs.search([Search(vectors[1], COUNT, query_filter=EVEN)]))
    assert found(hits) == [at for at in ranking(vectors, vectors[1]) if at % 2 == 0]


@pytest.mark.parametrize("distance", ["Cosine", "Dot", "Euclid", "Manhattan"])
def test_the_score_threshold_cuts_the_same_list(
    distance: Any, driver: Driver, name: str, vectors: np.ndarray
) -> None:
    docs = MatryoshkaCollection(name, layout=CollectionLayout(32, (8,), distance))
    ids = [str(each) for each in range(COUNT)]
    driver.run(docs.add(ids, vectors, [{"at": at} for at in range(COUNT)]))
    (everything,) = driver.run(docs.search([Search(vectors[3], COUNT)]))
    between = (everything[9].score + everything[10].score) / 2
    (kept,) = driver.run(docs.search([Search(vectors[3], COUNT, score_threshold=between)]))
    assert found(kept) == found(everything)[:10]


def test_a_batch_answers_each_search_in_its_place(
    docs: MatryoshkaCollection, drive: Drive, vectors: np.ndarray
) -> None:
    searches = [Search(vectors[at], at % 3 + 1) for at in range(20)]
    answers = drive(docs.search(searches))
    assert [found(hits)[0] for hits in answers] == list(range(20))
    assert [len(hits) for hits in answers] == [at % 3 + 1 for at in range(20)]


def test_no_search_asks_for_nothing(docs: MatryoshkaCollection, drive: Drive) -> None:
    assert drive(docs.search([])) == []


def test_payload_and_vectors_come_as_asked_for(
    docs: MatryoshkaCollection, drive: Drive, vectors: np.ndarray
) -> None:
    searches = [
        Search(vectors[0], 1),
        Search(vectors[0], 1, with_payload=False),
        Search(vectors[0], 1, with_payload=["even"], with_vectors=["short_4"]),
        Search(vectors[0], 1, with_vectors=True),
    ]
    answers = drive(docs.search(searches))
    plain, bare, parts, whole = (hits[0] for hits in answers)
    assert plain.payload == {"at": 0, "even": True}
    assert not plain.vector
    assert not bare.payload
    assert parts.payload == {"even": True}
    assert list(parts.vector) == ["short_4"]
    assert sorted(whole.vector) == ["full", "short_4", "short_8"]


@pytest.mark.parametrize("stages", [(4,), (8,), (4, 8)])
def test_a_plan_chooses_its_stages(
    stages: tuple[int, ...], docs: MatryoshkaCollection, drive: Drive, vectors: np.ndarray
) -> None:
    (hits,) = drive(docs.search([Search(vectors[2], 3)], SearchPlan(stages=stages)))
    assert found(hits) == ranking(vectors, vectors[2])[:3]


def test_a_stage_that_is_not_there_is_named(
    docs: MatryoshkaCollection, driver: Driver, vectors: np.ndarray
) -> None:
    with pytest.raises(CollectionMismatchError, match=r"stage 16, .* has stages \(4, 8\)"):
        driver.run(docs.search([Search(vectors[0], 1)], SearchPlan(stages=(8, 16))))


def test_the_collections_own_plan_is_used_unless_a_call_has_one(
    driver: Driver, docs: MatryoshkaCollection, vectors: np.ndarray, documents: Documents
) -> None:
    narrow = SearchPlan(oversampling=1, min_candidates=1, stages=(4,), rescore=True)
    planned = MatryoshkaCollection(docs.name, plan=narrow)
    queries = documents(20, seed=5)
    own = driver.run(planned.search([Search(each, 1) for each in queries]))
    overridden = driver.run(planned.search([Search(each, 1) for each in queries], SearchPlan()))
    truth = [ranking(vectors, each)[0] for each in queries]
    assert [found(hits)[0] for hits in overridden] == truth
    assert [found(hits)[0] for hits in own] != truth


@pytest.mark.parametrize(
    ("knob", "value"),
    [("k", 0), ("k", -1), ("offset", -1), ("fetch_k", 0), ("mmr_lambda", 1.1), ("mmr_lambda", -1)],
)
def test_numbers_outside_their_range_are_refused_alike_on_every_engine(
    knob: str, value: float
) -> None:
    with pytest.raises(ConfigurationError, match=rf"^{knob} is {value}, expected"):
        Search(**{"vector": np.ones(4, np.float32), "k": 3, knob: value})


@pytest.mark.parametrize(
    ("query", "error", "message"),
    [
        ([float("nan")] * 32, EmbeddingError, "The vector of the query holds NaN or infinity"),
        ([0.0] * 32, EmbeddingError, "The vector of the query is all zeros"),
        ([1.0] * 31, DimensionsError, "returned 31 dimensions, the collection holds 32"),
    ],
)
def test_a_query_that_cannot_be_searched_with_is_refused(
    docs: MatryoshkaCollection, driver: Driver, query: list[float], error: type, message: str
) -> None:
    with pytest.raises(error, match=message):
        driver.run(docs.search([Search(np.array(query, np.float32), 1)]))


# Diversity


def twins(documents: Documents) -> tuple[np.ndarray, np.ndarray]:
    """A query, and documents in pairs that are nearly the same."""
    base = documents(10, seed=3)
    query = base[:5].sum(axis=0)
    return query, np.repeat(base, 2, axis=0) + documents(20, seed=4) * 0.01


def test_lambda_one_is_the_plain_order(
    docs: MatryoshkaCollection, drive: Drive, documents: Documents
) -> None:
    (query,) = documents(1, seed=5)
    plain, diverse = drive(
        docs.search([Search(query, 8), Search(query, 8, mmr_lambda=1.0, fetch_k=30)])
    )
    assert found(diverse) == found(plain)


def test_less_lambda_avoids_what_was_taken_already(
    driver: Driver, name: str, documents: Documents
) -> None:
    query, pairs = twins(documents)
    docs = MatryoshkaCollection(name, layout=CollectionLayout(32, (8,)))
    ids = [str(each) for each in range(20)]
    driver.run(docs.add(ids, pairs, [{"at": at} for at in range(20)]))
    plain, balanced, diverse = driver.run(
        docs.search(
            [
                Search(query, 4),
                Search(query, 4, mmr_lambda=0.5, fetch_k=20),
                Search(query, 4, mmr_lambda=0.0, fetch_k=20),
            ]
        )
    )
    assert found(balanced)[0] == found(diverse)[0] == found(plain)[0]
    assert len({at // 2 for at in found(plain)}) < 4
    assert len({at // 2 for at in found(balanced)}) == 4
    unit = pairs / np.linalg.norm(pairs, axis=1, keepdims=True)

    def likeness(hits: list[models.ScoredPoint]) -> float:
        chosen = unit[found(hits)]
        return float((chosen @ chosen.T).sum())

    assert likeness(diverse) <= likeness(balanced) < likeness(plain)


def test_diversity_chooses_among_fetch_k_candidates_alone(
    docs: MatryoshkaCollection, drive: Drive, vectors: np.ndarray, documents: Documents
) -> None:
    (query,) = documents(1, seed=5)
    (hits,) = drive(docs.search([Search(query, 6, mmr_lambda=0.0, fetch_k=9)]))
    assert set(found(hits)) <= set(ranking(vectors, query)[:9])


# Exactness


@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_two_stages_equal_exact_search_when_the_shortlist_covers_everything(
    client: Client, documents: Documents, data: st.DataObject
) -> None:
    distance = data.draw(st.sampled_from(["Cosine", "Dot", "Euclid", "Manhattan"]))
    dimensions = data.draw(st.integers(2, 40))
    stages = data.draw(st.sets(st.integers(1, dimensions - 1), min_size=1, max_size=3))
    count = data.draw(st.integers(1, 50))
    k, offset = data.draw(st.integers(1, 12)), data.draw(st.integers(0, 5))
    quantization = data.draw(st.sampled_from(["int8", None]))
    seed = data.draw(st.integers(0, 1000))
    layout = CollectionLayout(
        dimensions, tuple(stages), distance, quantization=quantization, full_datatype="float32"
    )
    driver, name = Driver(client), f"mrl_test_{data.draw(st.uuids()).hex}"
    docs = MatryoshkaCollection(name, layout=layout)
    full, queries = documents(count, dimensions, seed=seed), documents(3, dimensions, seed=seed + 1)
    ids = [str(each) for each in range(count)]
    if client.collection_exists(name):
        client.delete_collection(name)
    driver.run(docs.add(ids, full, [{"at": at} for at in range(count)]))
    searches = [Search(query, k, offset=offset) for query in queries]
    named = SearchPlan(min_candidates=count, stages=tuple(stages))
    staged = driver.run(docs.search(searches, named))
    exact = driver.run(docs.search(searches, SearchPlan(exact=True)))
    client.delete_collection(name)
    for ours, theirs in zip(staged, exact, strict=True):
        assert found(ours) == found(theirs)
        # Local mode sums in another order for one vector than for many.
        scores = [hit.score for hit in theirs]
        assert [hit.score for hit in ours] == pytest.approx(scores, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("distance", ["Cosine", "Dot", "Euclid", "Manhattan"])
def test_exact_search_is_exact(
    distance: Any, driver: Driver, name: str, documents: Documents
) -> None:
    full, queries = documents(300), documents(10, seed=1)
    layout = CollectionLayout(32, (8,), distance, full_datatype="float32")
    docs = MatryoshkaCollection(name, layout=layout, plan=SearchPlan(exact=True))
    ids = [str(each) for each in range(300)]
    driver.run(docs.add(ids, full, [{"at": at} for at in range(300)]))
    answers = driver.run(docs.search([Search(each, 10) for each in queries]))
    for query, hits in zip(queries, answers, strict=True):
        if distance == "Cosine":
            scores = (full @ query) / np.linalg.norm(full, axis=1) / np.linalg.norm(query)
        elif distance == "Dot":
            scores = full @ query
        else:
            order = 2 if distance == "Euclid" else 1
            scores = -np.linalg.norm(full - query, ord=order, axis=1)
        assert found(hits) == np.argsort(-scores)[:10].tolist()


def test_the_default_plan_finds_more_than_the_short_vectors_alone(
    client: Client, driver: Driver, name: str, documents: Documents
) -> None:
    count, stage = 2_000, 16
    full, queries = documents(count, 96, clusters=40), documents(40, 96, seed=1, clusters=40)
    docs = MatryoshkaCollection(name, layout=CollectionLayout(96, (stage,)))
    driver.run(
        docs.add([str(each) for each in range(count)], full, [{"at": at} for at in range(count)])
    )
    two_stage = driver.run(docs.search([Search(each, 10) for each in queries]))
    kept = {"short alone": 0, "two stages": 0}
    for query, hits in zip(queries, two_stage, strict=True):
        truth = set(ranking(full, query)[:10])
        alone = client.query_points(
            name, query=query[:stage].tolist(), using=f"short_{stage}", limit=10
        ).points
        kept["short alone"] += len(truth & set(found(alone)))
        kept["two stages"] += len(truth & set(found(hits)))
    assert kept["two stages"] >= 0.97 * 400
    assert kept["short alone"] < 0.8 * 400


# Writing


@pytest.mark.parametrize(
    ("bad", "error", "message"),
    [
        (np.nan, EmbeddingError, "document 'b' holds NaN"),
        (np.inf, EmbeddingError, "document 'b' holds NaN"),
    ],
)
def test_a_bad_vector_is_refused_before_anything_is_written(
    docs: MatryoshkaCollection,
    drive: Drive,
    documents: Documents,
    bad: float,
    error: type,
    message: str,
) -> None:
    batch = documents(3)
    batch[1] = bad
    with pytest.raises(error, match=message):
        drive(docs.add(["a", "b", "c"], batch, [{}] * 3))
    assert drive(docs.count()) == COUNT


def test_a_bad_first_batch_creates_no_collection(
    client: Client, driver: Driver, name: str, documents: Documents
) -> None:
    batch = documents(2)
    batch[0] = np.nan
    with pytest.raises(EmbeddingError, match="document 'a'"):
        driver.run(MatryoshkaCollection(name).add(["a", "b"], batch, [{}, {}]))
    fresh = MatryoshkaCollection(name, layout=CollectionLayout(16, (8,)))
    with pytest.raises(DimensionsError, match="returned 32 dimensions, the collection holds 16"):
        driver.run(fresh.add(["a"], documents(1), [{}]))
    assert not client.collection_exists(name)


def test_a_wrong_width_is_refused_before_anything_is_written(
    docs: MatryoshkaCollection, drive: Drive, documents: Documents
) -> None:
    with pytest.raises(DimensionsError, match="returned 16 dimensions, the collection holds 32"):
        drive(docs.add(["a"], documents(1, 16), [{}]))
    assert drive(docs.count()) == COUNT


def test_the_same_id_again_replaces(
    docs: MatryoshkaCollection, drive: Drive, documents: Documents
) -> None:
    drive(docs.add(["7"], documents(1, seed=9), [{"new": True}]))
    (record,) = drive(docs.get(["7"]))
    assert record.payload == {"new": True}
    assert drive(docs.count()) == COUNT


def test_lists_of_floats_are_taken_as_well_as_arrays(
    docs: MatryoshkaCollection, drive: Drive, vectors: np.ndarray
) -> None:
    drive(docs.add(["list"], [vectors[0].tolist()], [{}]))
    listed, array = drive(docs.get(["list", "0"], with_vectors=True))
    for vector_name, vector in array.vector.items():
        assert listed.vector[vector_name] == pytest.approx(vector)


@pytest.mark.parametrize("magnitude", [1e-12, 1e12, 1e25])
def test_under_cosine_a_documents_magnitude_does_not_change_its_scores(
    driver: Driver, name: str, documents: Documents, magnitude: float
) -> None:
    docs = MatryoshkaCollection(name, layout=CollectionLayout(32, (8,)))
    full = documents(2)
    driver.run(docs.add(["0", "1"], full * np.float32(magnitude), [{"at": 0}, {"at": 1}]))
    ordinary, scaled = driver.run(
        docs.search([Search(full[0], 2), Search(full[0] * np.float32(magnitude), 2)])
    )
    assert ordinary[0].score == pytest.approx(1, abs=1e-3)
    assert [hit.score for hit in scaled] == pytest.approx([hit.score for hit in ordinary])


# Reading and deleting


def test_records_come_in_the_order_asked_for_and_once(
    docs: MatryoshkaCollection, drive: Drive
) -> None:
    records = drive(docs.get(["9", "nowhere", "3", "9"]))
    assert [record.payload["at"] for record in records] == [9, 3]


def test_points_of_other_programs_are_found_by_their_integers(
    client: Client, docs: MatryoshkaCollection, drive: Drive
) -> None:
    vector = {"full": [1.0] * 32, "short_4": [0.5] * 4, "short_8": [0.5] * 8}
    client.upsert(docs.name, [models.PointStruct(id=777, vector=vector)], wait=True)
    assert [record.id for record in drive(docs.get(["777"]))] == [777]
    drive(docs.delete(["777"]))
    assert drive(docs.get(["777"])) == []


@pytest.mark.parametrize(
    ("ids", "query_filter", "left"),
    [
        (["0", "1", "nowhere"], None, COUNT - 2),
        (None, EVEN, COUNT // 2),
        (["0", "1"], EVEN, COUNT - 1),
        ([], None, COUNT),
        ([], EVEN, COUNT),
        (None, None, 0),
    ],
    ids=["ids", "filter", "both", "no ids", "no ids, filter", "all"],
)
def test_deleting(
    docs: MatryoshkaCollection,
    drive: Drive,
    ids: list[str] | None,
    query_filter: models.Filter | None,
    left: int,
) -> None:
    drive(docs.delete(ids, query_filter))
    assert drive(docs.count()) == left


def test_an_emptied_collection_takes_documents_again(
    docs: MatryoshkaCollection, drive: Drive, vectors: np.ndarray
) -> None:
    drive(docs.delete())
    drive(docs.add(["0"], vectors[:1], [{"at": 0}]))
    assert found(drive(docs.search([Search(vectors[0], 5)]))[0]) == [0]


def test_counting_follows_the_filter(docs: MatryoshkaCollection, drive: Drive) -> None:
    assert (drive(docs.count()), drive(docs.count(EVEN))) == (COUNT, COUNT // 2)


@pytest.mark.parametrize(("limit", "expected"), [(None, COUNT), (7, 7), (500, COUNT), (0, 0)])
def test_scrolling_reads_each_point_once(
    docs: MatryoshkaCollection,
    drive: Drive,
    monkeypatch: pytest.MonkeyPatch,
    limit: int | None,
    expected: int,
) -> None:
    monkeypatch.setattr("mrl_adapters.qdrant.reading._POINTS_PER_PAGE", 25)
    records = drive(docs.scroll(limit=limit))
    assert len({record.id for record in records}) == len(records) == expected


def test_scrolling_filters_and_brings_vectors(docs: MatryoshkaCollection, drive: Drive) -> None:
    records = drive(docs.scroll(EVEN, with_vectors=["short_4"]))
    assert sorted(record.payload["at"] for record in records) == list(range(0, COUNT, 2))
    assert {tuple(record.vector) for record in records} == {("short_4",)}
