"""Collections without short vectors: somebody else's, and layouts with ``stages=()``."""

import re
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qdrant_client import models
from reference import ranking

from mrl_adapters.errors import CollectionMismatchError
from mrl_adapters.qdrant import (
    CollectionLayout,
    Driver,
    EdgeClient,
    MatryoshkaCollection,
    OneStageWarning,
    Search,
    SearchPlan,
)
from mrl_adapters.qdrant.commands import command
from mrl_adapters.qdrant.driver import Client
from mrl_adapters.qdrant.layout import METADATA_KEY
from mrl_adapters.qdrant.mismatches import warn_of_one_stage
from mrl_adapters.qdrant.query import search_request

Documents = Callable[..., np.ndarray]
Drive = Callable[[Any], Any]
INT8 = models.ScalarQuantization(
    scalar=models.ScalarQuantizationConfig(type=models.ScalarType.INT8, always_ram=True)
)
STOCK = {
    "unnamed": ("", None),
    "named": ("text", None),
    "quantized": ("", INT8),
    "named-quantized": ("text", INT8),
}


def stock(client: Client, name: str, vector: str, codes: Any, dimensions: int = 32) -> None:
    """Make a collection as other programs do."""
    params = models.VectorParams(size=dimensions, distance=models.Distance.COSINE)
    config = {vector: params} if vector else params
    client.create_collection(name, vectors_config=config, quantization_config=codes)


def put(client: Client, name: str, vector: str, vectors: np.ndarray) -> None:
    points = [
        models.PointStruct(
            id=number,
            vector={vector: each} if vector else each,
            payload={"page_content": f"t{number}", "metadata": {"n": number}},
        )
        for number, each in enumerate(vectors.tolist())
    ]
    if points:
        client.upsert(name, points=points)


def told(drive: Drive, docs: MatryoshkaCollection, vector: np.ndarray, times: int = 3) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(times):
            drive(docs.search([Search(vector, 3)]))
    return [str(each.message) for each in caught if each.category is OneStageWarning]


@pytest.mark.parametrize(("vector", "codes"), STOCK.values(), ids=STOCK)
@pytest.mark.filterwarnings("ignore::mrl_adapters.qdrant.OneStageWarning")
def test_somebody_elses_collection_is_searched_added_to_read_and_deleted_from(
    client: Client, drive: Drive, name: str, documents: Documents, vector: str, codes: Any
) -> None:
    stock(client, name, vector, codes)
    vectors = documents(60)
    put(client, name, vector, vectors[:50])
    docs = MatryoshkaCollection(name)
    more = [{"page_content": f"t{n}", "metadata": {"n": n}} for n in range(50, 60)]
    drive(docs.add([*range(50, 60)], vectors[50:], more))
    expected = ranking(vectors[7], {str(n): each for n, each in enumerate(vectors)})[:10]
    [hits] = drive(docs.search([Search(vectors[7], 10)]))
    assert [str(hit.id) for hit in hits] == [each for each, _ in expected]
    assert [hit.score for hit in hits] == pytest.approx([s for _, s in expected], abs=1e-3)
    few = models.Filter(must=[models.FieldCondition(key="metadata.n", range=models.Range(lt=20))])
    [hits] = drive(docs.search([Search(vectors[7], 30, query_filter=few, score_threshold=-0.2)]))
    passing = [(int(e), s) for e, s in ranking(vectors[7], dict(enumerate(vectors))) if int(e) < 20]
    assert [hit.id for hit in hits] == [e for e, s in passing if s > -0.2]
    [diverse] = drive(docs.search([Search(vectors[7], 5, mmr_lambda=0.3)]))
    assert len({hit.id for hit in diverse}) == 5
    assert [record.id for record in drive(docs.get([3, 55, 99]))] == [3, 55]
    assert drive(docs.count()) == 60
    drive(docs.delete([3]))
    drive(docs.delete(query_filter=few))
    assert {record.id for record in drive(docs.scroll())} == set(range(20, 60))


@pytest.mark.parametrize("points", [0, 2_000])
def test_one_warning_a_store_says_what_a_stage_saves_and_the_command(
    client: Client, drive: Drive, name: str, documents: Documents, points: int
) -> None:
    stock(client, name, "text", None)
    vectors = documents(max(points, 1))
    put(client, name, "text", vectors[:points])
    [message] = told(drive, MatryoshkaCollection(name), vectors[0])
    line = command("migrate", name, stages=(16,), full_name="text", client=client)
    assert message.endswith(f"Add it, without embedding anything again: {line}")
    assert "by a cut (0.48 of the time, as measured): measure first, by mrl-adapters" in message
    if points:
        assert "For 2,000 points that takes 0.3 MB of vectors in RAM (32 x 4 bytes each)" in message
        assert "with a stage of 16 it would be 0.0 MB (16 x 1 byte)" in message
    else:
        assert "For a million points that takes 128.0 MB" in message


def test_long_vectors_are_told_what_measures_a_cut_and_not_that_it_is_slower() -> None:
    with pytest.warns(OneStageWarning) as told:
        warn_of_one_stage("docs", CollectionLayout(1536, ()), 1_000)
    message = str(told[0].message)
    assert "Whether it pays here is measured by mrl-adapters recommend." in message
    assert "faster by their own" not in message


def test_the_warned_command_gives_the_stage_and_ends_the_warning(
    client: Client, drive: Drive, name: str, documents: Documents
) -> None:
    from mrl_adapters.qdrant import migrate

    stock(client, name, "", None)
    vectors = documents(40)
    put(client, name, "", vectors)
    migrate(client, name, stages=(16,))
    docs = MatryoshkaCollection(name)
    assert told(drive, docs, vectors[0]) == []
    assert docs.layout.stages == (16,)


def test_who_asked_for_no_stages_is_not_warned_and_finds_them_at_opening(
    client: Client, drive: Drive, name: str, documents: Documents
) -> None:
    vectors = documents(30)
    layout = CollectionLayout(32, (), hnsw_m=24, model="ours")
    docs = MatryoshkaCollection(name, layout=layout)
    drive(docs.add([*range(30)], vectors, [{}] * 30))
    again = MatryoshkaCollection(name)
    assert told(drive, again, vectors[0]) == told(drive, docs, vectors[0]) == []
    found = again.layout
    assert (found.stages, found.model, found.hnsw_m) == ((), "ours", 24)
    assert found.quantization == "int8"


def test_a_layout_that_names_no_stages_by_itself_opens_one_stage(
    client: Client, drive: Drive, name: str, documents: Documents
) -> None:
    stock(client, name, "", None, 300)
    put(client, name, "", documents(5, 300))
    docs = MatryoshkaCollection(name, layout=CollectionLayout(300, rotation="auto"))
    with pytest.warns(OneStageWarning):
        [hits] = drive(docs.search([Search(documents(1, 300)[0], 3)]))
    assert len(hits) == 3


def test_a_collection_with_stages_is_not_what_stages_of_none_ask_for(
    client: Client, drive: Drive, name: str, documents: Documents
) -> None:
    drive(
        MatryoshkaCollection(name, layout=CollectionLayout(32, (8,))).add([1], documents(1), [{}])
    )
    docs = MatryoshkaCollection(name, layout=CollectionLayout(32, ()))
    with pytest.raises(CollectionMismatchError, match=r"stages \(8,\), the layout asks for none"):
        drive(docs.count())


def test_a_plan_that_names_a_stage_is_refused_where_there_is_none(
    client: Client, drive: Drive, name: str, documents: Documents
) -> None:
    docs = MatryoshkaCollection(name, layout=CollectionLayout(32, ()))
    drive(docs.add([1], documents(1), [{}]))
    with pytest.raises(CollectionMismatchError, match=r"stage 8, .* has none\. Name none, or add"):
        drive(docs.search([Search(documents(1)[0], 3)], SearchPlan(stages=(8,))))
    ignored = SearchPlan(rescore=True, funnel_factor=9)
    assert len(drive(docs.search([Search(documents(1)[0], 3)], ignored))[0]) == 1


def test_a_plan_saved_with_somebody_elses_collection_comes_back(
    client: Client, drive: Drive, name: str, documents: Documents
) -> None:
    stock(client, name, "", None)
    put(client, name, "", documents(5))
    docs = MatryoshkaCollection(name, model="theirs")
    with pytest.warns(OneStageWarning):
        drive(docs.save_plan(SearchPlan(min_candidates=7)))
    again = MatryoshkaCollection(name)
    drive(again.open())
    assert (again.plan.min_candidates, again.layout.model) == (7, "theirs")


def test_the_rotation_of_a_collection_is_nothing_to_search(
    client: Client, drive: Drive, name: str, documents: Documents
) -> None:
    layout = CollectionLayout(32, (8,), rotation="auto")
    drive(MatryoshkaCollection(name, layout=layout).add([*range(40)], documents(40), [{}] * 40))
    with pytest.raises(CollectionMismatchError, match=f"holds the rotation of '{name}'"):
        drive(MatryoshkaCollection(f"{name}__rotation").count())


def test_a_name_chooses_among_several_vectors(
    client: Client, drive: Drive, name: str, documents: Documents
) -> None:
    sizes = {"title": 16, "body": 32}
    config = {
        each: models.VectorParams(size=size, distance=models.Distance.COSINE)
        for each, size in sizes.items()
    }
    client.create_collection(name, vectors_config=config)
    with pytest.raises(CollectionMismatchError, match=r"which vector .*full_name="):
        drive(MatryoshkaCollection(name).open())
    docs = MatryoshkaCollection(name, layout_fields={"full_name": "body"})
    with pytest.warns(OneStageWarning, match=r"full.name"):
        drive(docs.add(["a"], documents(1), [{}]))
    assert len(drive(docs.search([Search(documents(1)[0], 3)]))[0]) == 1


def test_documents_whose_vectors_are_zeros_are_stored_without(
    client: Client, drive: Drive, name: str, documents: Documents
) -> None:
    stock(client, name, "", None)
    docs = MatryoshkaCollection(name)
    zeros: list[str] = []
    vectors = np.stack([documents(1)[0], np.zeros(32, dtype=np.float32)])
    with pytest.warns(OneStageWarning):
        drive(docs.add(["a", "b"], vectors, [{}, {}], zeros=zeros))
    assert zeros == ["b"]
    assert [len(hits) for hits in drive(docs.search([Search(documents(1)[0], 3)]))] == [1]


def test_a_sharded_server_ranks_a_shortlist_exactly_where_it_would_undersample() -> None:
    layout = CollectionLayout(8, (), shard_number=3)
    one = np.ones(8, dtype=np.float32)
    few = search_request(Search(one, 10), layout, SearchPlan())
    assert few.prefetch is None
    assert (few.params.exact, few.params.hnsw_ef) == (False, 128)
    assert few.params.quantization.oversampling == 10
    many = search_request(Search(one, 200), layout, SearchPlan())
    assert (many.prefetch.limit, many.prefetch.using) == (1_600, "full")
    assert many.params.exact is True


# On the engine that has a graph and codes


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Driver, np.ndarray]]:
    """A collection in one stage, large enough for its graph."""
    rng = np.random.default_rng(3)
    scale = 1 / np.sqrt(1 + np.arange(64))
    vectors = (rng.normal(size=(6_000, 64)) * scale).astype(np.float32)
    with EdgeClient(str(tmp_path_factory.mktemp("graph"))) as client:
        driver = Driver(client)
        docs = MatryoshkaCollection(
            "docs", layout=CollectionLayout(64, (), full_datatype="float32")
        )
        payloads = [{"n": number % 3} for number in range(len(vectors))]
        driver.run(docs.add([*range(len(vectors))], vectors, payloads))
        client.update_collection(
            "docs", optimizers_config=models.OptimizersConfigDiff(indexing_threshold=100)
        )
        driver.run(docs.search([Search(vectors[0], 1)]))
        assert client.get_collection("docs").indexed_vectors_count
        yield driver, vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), k=st.integers(1, 40), kind=st.integers(0, 3))
def test_answers_are_those_of_brute_force(
    graph: tuple[Driver, np.ndarray], seed: int, k: int, kind: int
) -> None:
    driver, vectors = graph
    docs = MatryoshkaCollection("docs")
    rng = np.random.default_rng(seed)
    question = (rng.normal(size=64) / np.sqrt(1 + np.arange(64))).astype(np.float32)
    scores = vectors @ (question / np.linalg.norm(question))
    passing = np.arange(len(vectors)) if kind == 3 else np.arange(kind, len(vectors), 3)
    condition = models.FieldCondition(key="n", match=models.MatchValue(value=kind))
    chosen = None if kind == 3 else models.Filter(must=[condition])
    best = passing[np.argsort(-scores[passing])][:k]
    search = Search(question, k, query_filter=chosen)
    [exact], [fast] = (driver.run(docs.search([search], {"exact": e})) for e in (True, False))
    assert [hit.id for hit in exact] == best.tolist()
    for hit in (*exact, *fast):
        assert hit.score == pytest.approx(scores[int(hit.id)], abs=1e-5)
    assert len({hit.id for hit in fast}.intersection(best.tolist())) >= 0.95 * k - 1


def test_the_overlap_with_brute_force_is_high_on_average(graph: tuple[Driver, np.ndarray]) -> None:
    driver, _ = graph
    docs = MatryoshkaCollection("docs")
    questions = np.random.default_rng(9).normal(size=(200, 64)) / np.sqrt(1 + np.arange(64))
    searches = [Search(each, 10) for each in questions.astype(np.float32)]
    exact, fast = (driver.run(docs.search(searches, {"exact": e})) for e in (True, False))
    pairs = zip(exact, fast, strict=True)
    shared = [len({h.id for h in one} & {h.id for h in other}) / 10 for one, other in pairs]
    assert np.mean(shared) >= 0.95


def test_metadata_say_that_there_are_no_stages(graph: tuple[Driver, np.ndarray]) -> None:
    stored = graph[0].client.get_collection("docs").config.metadata[METADATA_KEY]
    assert stored["stages"] == []
    assert re.fullmatch("full", stored["full_name"])
