"""tune weighs words against vectors, by questions whose answers are known."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mrl_adapters.errors import CollectionMismatchError, ConfigurationError
from mrl_adapters.evaluation import JudgedQuestions, OpenCollection, tune, tuning_table
from mrl_adapters.qdrant import (
    CollectionLayout,
    Driver,
    MatryoshkaCollection,
    Search,
    SearchPlan,
    TextIndex,
    connect,
)
from mrl_adapters.qdrant.quantization import Quantization

COUNT = 300
LAYOUT = CollectionLayout(16, (8,), text_index=TextIndex())


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((COUNT, 16)).astype(np.float32)


@pytest.fixture(scope="module")
def store(
    vectors: np.ndarray, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OpenCollection]:
    with connect(path=tmp_path_factory.mktemp("words")) as client:
        store = OpenCollection(MatryoshkaCollection("docs", layout=LAYOUT), Driver(client))
        payloads = [{"page_content": f"word{row}"} for row in range(COUNT)]
        store.driver.run(store.collection.add(list(range(COUNT)), vectors, payloads))
        yield store


def questions(vectors: np.ndarray, *, by_words: bool) -> JudgedQuestions:
    """Half of them, or none, are answered by their words alone; the rest by vectors alone."""
    rng = np.random.default_rng(1)
    texts, asked, qrels = {}, [], {}
    for row in range(COUNT):
        words = by_words and row % 2
        texts[f"q{row}"] = f"word{row}" if words else f"word{(row + 1) % COUNT}"
        asked.append(rng.standard_normal(16) if words else vectors[row])
        qrels[f"q{row}"] = {str(row): 1}
    return JudgedQuestions(texts, np.array(asked), qrels)


def test_words_join_where_they_are_proved_to_help(
    store: OpenCollection, vectors: np.ndarray
) -> None:
    found = tune(store, target_overlap=0.9, k=2, judged=questions(vectors, by_words=True))
    words = found.words
    assert words is not None
    assert words.lower > 0
    assert words.ndcg > words.vectors_ndcg + 0.2
    assert found.plan.hybrid is not None
    assert found.plan.min_candidates == found.chosen.plan.min_candidates
    assert "Words help: " in tuning_table(found)


def test_words_that_mislead_are_left_out(store: OpenCollection, vectors: np.ndarray) -> None:
    found = tune(store, target_overlap=0.9, k=2, judged=questions(vectors, by_words=False))
    assert found.words is not None
    assert found.words.chosen is found.words.trials[0]
    assert found.plan == found.chosen.plan
    assert found.plan.hybrid is None
    assert "Words were not proved to help" in tuning_table(found)


def test_what_words_cannot_be_weighed_with_is_refused_first(
    store: OpenCollection, vectors: np.ndarray, tmp_path: Path
) -> None:
    judged = questions(vectors, by_words=True)
    few = judged._replace(qrels={"q0": {"0": 1}})
    with pytest.raises(ConfigurationError, match=r"at least 20 questions .* found 1"):
        tune(store, target_overlap=0.9, judged=few)
    with connect(path=tmp_path) as client:
        wordless = MatryoshkaCollection("docs", layout=replace(LAYOUT, text_index=None))
        other = OpenCollection(wordless, Driver(client))
        other.driver.run(wordless.add([1, 2], vectors[:2], [{}] * 2))
        with pytest.raises(CollectionMismatchError):
            tune(other, target_overlap=0.9, judged=judged)


@pytest.mark.parametrize("codes", ["int8", "turbo2"])
def test_rescoring_the_shortlist_changes_nothing_that_is_found(
    vectors: np.ndarray, codes: Quantization, tmp_path: Path
) -> None:
    """So tune leaves it out: the full vectors re-rank whatever the codes hand on."""
    with connect(path=tmp_path) as client:
        layout = CollectionLayout(16, (8,), quantization=codes)
        docs, driver = MatryoshkaCollection("docs", layout=layout), Driver(client)
        driver.run(docs.add(list(range(COUNT)), vectors, [{}] * COUNT))
        client.optimize("docs")
        searches = [Search(vector, 5) for vector in vectors[:50]]
        plan = SearchPlan(oversampling=2, min_candidates=10)
        plain, rescored = (
            driver.run(docs.search(searches, replace(plan, rescore=each))) for each in (False, True)
        )
        assert [[hit.id for hit in hits] for hits in plain] == [
            [hit.id for hit in hits] for hits in rescored
        ]
