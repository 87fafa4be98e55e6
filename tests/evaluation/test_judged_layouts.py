"""Layouts by judged questions: nDCG and recall beside the overlap with the exact search."""

import json
from pathlib import Path

import numpy as np
import pytest

from mrl_adapters.errors import ConfigurationError
from mrl_adapters.evaluation import (
    JudgedQuestions,
    OpenCollection,
    Recommendation,
    recommend,
    recommendation_table,
)
from mrl_adapters.qdrant import CollectionLayout, Driver, MatryoshkaCollection, connect

pytestmark = pytest.mark.usefixtures("in_memory")

DIMENSIONS = 32
POINTS = 900
LAYOUTS = [CollectionLayout(DIMENSIONS, (8,)), CollectionLayout(DIMENSIONS, ())]


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    drawn = np.random.default_rng(0).standard_normal((POINTS, DIMENSIONS))
    return (drawn * 0.95 ** np.arange(DIMENSIONS)).astype(np.float32)


def judged(vectors: np.ndarray, count: int, name: str = "{}") -> JudgedQuestions:
    """Ask for every ninth vector by one that lies beside it; the last question has no answer."""
    rows = range(0, 9 * count, 9)
    noise = 0.01 * np.random.default_rng(1).standard_normal((count + 1, DIMENSIONS))
    asked = np.concatenate([vectors[[*rows]], vectors[:1]]) + noise
    qrels = {f"q{row}": {name.format(row): 2, name.format(row + 1): 0} for row in rows}
    qrels["lost"] = {"nowhere": 1}
    return JudgedQuestions({each: f"what is {each}?" for each in qrels}, asked, qrels)


@pytest.fixture(scope="module")
def result(vectors: np.ndarray) -> Recommendation:
    asked = judged(vectors, 40)
    return recommend(vectors, target_overlap=0.5, sample=300, judged=asked, layouts=LAYOUTS)


def test_every_option_is_judged_in_a_sample_that_holds_the_answers(result: Recommendation) -> None:
    assert result.sample == 300
    for option in result.options:
        assert option.judged is not None
        assert option.judged.questions == 40
        if option.plan.exact:
            assert option.judged == (1.0, 1.0, 40), "the vectors beside the questions are found"
    assert any(option.layout.stages for option in result.options)


def test_it_is_told_in_the_table_and_in_json(result: Recommendation) -> None:
    table = recommendation_table(result)
    assert "| overlap | nDCG | recall | |" in table
    assert "By 40 judged questions nDCG@10 is" in table
    [exact] = [each for each in json.loads(result.to_json())["options"] if each["plan"]["exact"]]
    assert exact["judged"] == {"ndcg": 1.0, "recall": 1.0, "questions": 40}


def test_documents_of_a_collection_have_the_ids_that_they_were_added_under(
    vectors: np.ndarray, tmp_path: Path
) -> None:
    with connect(path=tmp_path) as client:
        docs = MatryoshkaCollection("docs", layout=CollectionLayout(DIMENSIONS, (16,)))
        driver = Driver(client)
        ids = [f"doc-{row}" for row in range(POINTS)]
        driver.run(docs.add(ids, vectors, [{}] * POINTS))
        client.optimize("docs")
        found = recommend(
            OpenCollection(docs, driver),
            target_overlap=0.5,
            sample=300,
            judged=judged(vectors, 40, "doc-{}"),
            layouts=LAYOUTS[:1],
        )
    assert {option.built for option in found.options} == {True, False}
    for option in found.options:
        assert option.judged is not None
        assert option.judged.questions == 40
        assert option.judged.recall > 0.5


def test_too_few_questions_with_an_answer_are_refused(vectors: np.ndarray) -> None:
    with pytest.raises(ConfigurationError, match=r"at least 20 questions .* found 19\."):
        recommend(vectors, target_overlap=0.5, judged=judged(vectors, 19), layouts=LAYOUTS)
    unknown = judged(vectors, 40, "doc-{}")
    with pytest.raises(ConfigurationError, match="found 0"):
        recommend(vectors, target_overlap=0.5, judged=unknown, layouts=LAYOUTS)
