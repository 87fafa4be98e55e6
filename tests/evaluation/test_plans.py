"""Hybrid plans measured beside two-stage search, on texts and vectors whose answers are known."""

import numpy as np
import pytest

from mrl_adapters import ConfigurationError
from mrl_adapters.evaluation import Dataset, curve, curve_table
from mrl_adapters.qdrant import TextIndex

COUNT = 30


class TwoFaced:
    """Give each text the vector that was made for it; some another one as a question."""

    def __init__(self, vectors: dict[str, np.ndarray], asked: dict[str, np.ndarray]) -> None:
        self.vectors = vectors
        self.asked = asked

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self.vectors[text].tolist() for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return (self.asked if text in self.asked else self.vectors)[text].tolist()

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        return self.embed_documents(texts)

    async def aembed_query(self, text: str) -> list[float]:
        return self.embed_query(text)


@pytest.fixture(scope="module")
def halves() -> tuple[TwoFaced, Dataset]:
    """Questions of which one half is answered by vectors alone, the other by words alone."""
    rng = np.random.default_rng(0)
    vectors, documents, queries, qrels = {}, {}, {}, {}
    for n in range(COUNT):
        documents[f"d{n}"] = f"word{n}"
        vectors[f"word{n}"] = rng.standard_normal(16)
    for n in range(COUNT):
        by_words = n % 2
        queries[f"q{n}"] = text = f"word{n}" if by_words else f"other{n}"
        qrels[f"q{n}"] = {f"d{n}": 1}
        if not by_words:
            vectors[text] = vectors[f"word{n}"]
    far = {f"word{n}": rng.standard_normal(16) for n in range(1, COUNT, 2)}
    return TwoFaced(vectors, far), Dataset(documents, queries, qrels, name="halves")


def test_fused_plans_find_what_words_and_what_vectors_find(
    halves: tuple[TwoFaced, Dataset],
) -> None:
    result = curve(*halves, [8], k=2, hybrid=TextIndex())
    rows = {row.search: row for row in result.plans}
    assert list(rows) == ["two-stage", "lexical", "rrf", "dbsf", "rescore"]
    assert rows["lexical"].recall == 0.5
    assert 0.5 <= rows["two-stage"].recall < 0.8
    assert rows["rrf"].recall == rows["dbsf"].recall == 1.0
    assert rows["rescore"].recall == rows["two-stage"].recall  # all are candidates anyway
    assert all(row.median_s > 0 for row in result.plans)
    table = curve_table(result)
    assert f"| rrf | {rows['rrf'].ndcg:.3f} | 1.000 |" in table
    assert result.plans != curve(*halves, [8], k=2).plans == ()


def test_a_question_that_is_a_document_does_not_find_itself(
    halves: tuple[TwoFaced, Dataset],
) -> None:
    embedder, dataset = halves
    ids = {f"d{n}": f"word{n}" for n in range(COUNT)}
    itself = Dataset(dataset.documents, ids, {key: {key: 1} for key in ids})
    result = curve(embedder, itself, [8], k=3, hybrid=TextIndex())
    assert [row.recall for row in result.plans] == [0.0] * len(result.plans)


def test_without_judgements_there_is_nothing_to_measure(halves: tuple[TwoFaced, Dataset]) -> None:
    embedder, dataset = halves
    with pytest.raises(ConfigurationError, match="cannot show what words add"):
        curve(embedder, Dataset(dataset.documents), [8], hybrid=TextIndex())
