"""Settings judged in memory: the same numbers as the evaluation's and the collection's own."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from mrl_adapters.demo.corpus import Corpus, read_corpus
from mrl_adapters.demo.settings import CANDIDATES, K, Setting, as_code
from mrl_adapters.demo.views import View
from mrl_adapters.demo.workbench import Workbench
from mrl_adapters.edge import EdgeClient
from mrl_adapters.embeddings import WordLlamaEmbedder
from mrl_adapters.errors import CollectionMismatchError, ConfigurationError
from mrl_adapters.evaluation import OpenCollection
from mrl_adapters.evaluation.exact import exact_search
from mrl_adapters.qdrant import CollectionLayout, Driver, MatryoshkaCollection, SearchPlan

_START = Setting(64, 8, 100, rotated=False)


def test_the_start_is_the_collections_own_setting(workbench: Workbench) -> None:
    assert workbench.start == _START
    assert workbench.space.sizes == (64, 128, 256)


@pytest.mark.parametrize("rotated", [False, True])
def test_the_overlap_is_that_of_the_curve(workbench: Workbench, *, rotated: bool) -> None:
    measured = View(workbench).measured_curve(oversampling=10.0)
    for size in workbench.space.sizes[:-1]:
        judged = workbench.sample.judge(Setting(size, 32, 10 * K, rotated=rotated))
        rows = {
            row.search: row.overlap
            for row in measured.rows
            if (row.dimensions, row.rotated) == (size, rotated)
        }
        assert judged.short.mean() == pytest.approx(rows["one-stage"], abs=1e-9)
        assert judged.two_stage.mean() == pytest.approx(rows["two-stage"], abs=1e-9)


@pytest.mark.parametrize("distance", ["Cosine", "Dot", "Euclid"])
@pytest.mark.parametrize("bits", [32, 8, 4])
def test_a_typed_question_and_a_sample_question_agree(
    corpus: Corpus, distance: str, bits: int
) -> None:
    scaled = corpus.full * np.linspace(1, 3, len(corpus.full), dtype=np.float32)[:, np.newaxis]
    layout = CollectionLayout(256, (64,), distance)  # type: ignore[arg-type] # parametrized
    full = corpus.full if distance == "Cosine" else scaled
    own = corpus.questions.own
    bench = Workbench(
        replace(
            corpus, layout=layout, full=full, questions=replace(corpus.questions, vectors=full[own])
        )
    )
    setting = Setting(64, bits, 20, rotated=False)
    judged = bench.sample.judge(setting)
    for number, row in enumerate(own[:10].tolist()):
        answer = bench.scans.answer(full[row], setting, row)
        assert answer.overlap_short == pytest.approx(judged.short[number])
        assert answer.overlap_two_stage == pytest.approx(judged.two_stage[number])
        assert row not in {*answer.short.rows, *answer.two_stage.rows, *answer.full.rows}
        assert answer.full.places == list(range(1, K + 1))
        nearer = answer.full.scores if distance != "Euclid" else [-s for s in answer.full.scores]
        assert nearer == sorted(nearer, reverse=True)


def test_euclid_finds_the_nearest(corpus: Corpus) -> None:
    full = corpus.full * np.linspace(1, 3, len(corpus.full), dtype=np.float32)[:, np.newaxis]
    bench = Workbench(replace(corpus, layout=CollectionLayout(256, (64,), "Euclid"), full=full))
    question = corpus.questions.vectors[0] * 2
    answer = bench.scans.answer(question, _START)
    distances = np.linalg.norm(full - question, axis=1)
    assert answer.full.rows == np.argsort(distances)[:K].tolist()
    np.testing.assert_allclose(answer.full.scores, np.sort(distances)[:K], rtol=1e-3)


def test_more_candidates_find_no_less(workbench: Workbench) -> None:
    means = [
        workbench.sample.judge(replace(_START, candidates=length)).two_stage.mean()
        for length in CANDIDATES
    ]
    assert all(less <= more for less, more in pairwise(means))
    assert means[-1] == 1  # nearly all passages


def test_the_full_vectors_lose_nothing(workbench: Workbench) -> None:
    vector = workbench.vector("make a temporary file")
    answer = workbench.scans.answer(vector, Setting(256, 32, 10, rotated=False))
    assert answer.overlap_short == answer.overlap_two_stage == 1
    assert answer.short.rows == answer.two_stage.rows == answer.full.rows


def test_the_collection_is_asked_at_the_sliders_stage(workbench: Workbench, corpus: Corpus) -> None:
    vector = workbench.vector("make a temporary file")
    found, plan = workbench.engine.ask(vector, _START)
    assert (plan.stages, plan.candidates(K)) == ((64,), 100)
    simulated = workbench.scans.answer(vector, _START).two_stage
    assert found.rows == simulated.rows
    np.testing.assert_allclose(found.scores, simulated.scores, atol=1e-3)  # float16
    _, own = workbench.engine.ask(vector, replace(_START, dimensions=128))
    assert own == corpus.store.collection.plan
    row = int(corpus.questions.own[0])
    asked, _ = workbench.engine.ask(corpus.questions.vectors[0], _START, row)
    assert row not in asked.rows


def test_a_trade_off_reaches_the_target_with_as_few_candidates_as_do(workbench: Workbench) -> None:
    for each in workbench.trade_off(rotated=False):
        assert each.latency_s > 0
        if each.setting is None:
            assert (each.overlap, each.bytes_per_vector) == (1, 1024)
            continue
        assert each.overlap >= 0.99
        shorter = [length for length in CANDIDATES if length < each.setting.candidates]
        if shorter:
            fewer = replace(each.setting, candidates=shorter[-1])
            assert workbench.sample.judge(fewer).two_stage.mean() < 0.99


@pytest.mark.parametrize("bits", [32, 8, 4, 2, 1])
@pytest.mark.parametrize("size", [64, 256])
def test_the_code_makes_the_layout_and_the_plan(corpus: Corpus, size: int, bits: int) -> None:
    setting = Setting(size, bits, 50, rotated=size == 64)
    namespace: dict[str, object] = {}
    exec(as_code(setting, corpus.layout, K), namespace)  # noqa: S102 - written by us
    layout, plan = namespace["layout"], namespace["plan"]
    assert isinstance(layout, CollectionLayout)
    assert isinstance(plan, SearchPlan)
    assert layout.stages == ((64,) if size == 64 else ())
    assert (layout.dimensions, layout.model) == (256, corpus.layout.model)
    assert layout.rotation == ("auto" if size == 64 else None)
    assert plan.candidates(K) == 50


def test_texts_of_another_framework_are_shown(
    client: EdgeClient, embedder: WordLlamaEmbedder
) -> None:
    core = pytest.importorskip("llama_index.core.schema")
    from mrl_adapters.llama_index import MatryoshkaVectorStore

    store = MatryoshkaVectorStore(
        client=client,
        collection_name="nodes",
        layout=CollectionLayout(256, (64,), model=embedder.model),
    )
    nodes = [
        core.TextNode(
            text=f"Sentence {number} of bees.",
            metadata={"file_name": "bees.md"},
            embedding=embedder.embed_query(f"Sentence {number} of bees."),
        )
        for number in range(5)
    ]
    store.add(nodes)
    opened = OpenCollection(MatryoshkaCollection("nodes"), Driver(client))
    shown = read_corpus(opened, embedder)
    assert {passage.title for passage in shown.passages} == {"bees.md"}
    assert "Sentence 3 of bees." in {passage.snippet for passage in shown.passages}
    bench = Workbench(shown)
    assert bench.space.rotation is None  # too few to learn one from
    answer = bench.scans.answer(bench.vector("bees"), _START)
    assert sorted(answer.two_stage.rows) == [0, 1, 2, 3, 4]
    assert bench.sample.judge(_START).two_stage.mean() == 1
    with pytest.raises(ConfigurationError, match="A rotation is learnt from at least 256"):
        View(bench).setting(replace(_START, rotated=True))


def test_what_cannot_be_shown_is_told(client: EdgeClient, embedder: WordLlamaEmbedder) -> None:
    driver = Driver(client)
    with pytest.raises(CollectionMismatchError, match="nobody"):
        read_corpus(OpenCollection(MatryoshkaCollection("nobody"), driver), embedder)
    for name, distance in (("empty", "Cosine"), ("streets", "Manhattan")):
        layout = CollectionLayout(256, (64,), distance)  # type: ignore[arg-type] # both exist
        client.create_collection(name, layout.vectors_config(), metadata=layout.metadata())
    with pytest.raises(ConfigurationError, match="holds no point with a full vector"):
        read_corpus(OpenCollection(MatryoshkaCollection("empty"), driver), embedder)
    with pytest.raises(ConfigurationError, match="Manhattan"):
        read_corpus(OpenCollection(MatryoshkaCollection("streets"), driver), embedder)


def test_given_questions_judge_in_place_of_passages(
    corpus: Corpus, embedder: WordLlamaEmbedder
) -> None:
    asked = read_corpus(corpus.store, embedder, questions=["make a temporary file", "read a csv"])
    assert asked.questions.given
    bench = Workbench(asked)
    judged = bench.sample.judge(_START)
    vector = bench.vector("read a csv")
    assert judged.two_stage[1] == pytest.approx(
        bench.scans.answer(vector, _START).overlap_two_stage
    )
    found = exact_search(corpus.full, vector[np.newaxis], K)
    assert bench.scans.answer(vector, _START).full.rows == found.indices[0].tolist()
