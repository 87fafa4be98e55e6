"""Hybrid plans measured beside two-stage search, on texts and vectors whose answers are known."""

import numpy as np
import pytest

from mrl_adapters import ConfigurationError
from mrl_adapters.evaluation import Dataset, curve, curve_table
from mrl_adapters.evaluation.signals import auc
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


def test_signals_tell_what_is_answered(halves: tuple[TwoFaced, Dataset]) -> None:
    result = curve(*halves, [8], k=2, hybrid=TextIndex())
    rows = {row.signal: row.auc for row in result.signals}
    assert [*rows] == ["spread", "words_spread", "short_full", "short_words", "full_words"]
    # A word stands in one document alone, so that its scores spread no further than those of none.
    assert rows["words_spread"] == {"two-stage": 0.5, "rrf": None}  # rrf answers all
    assert "| words_spread | 0.500 |  |" in curve_table(result)
    assert all(row.auc["rrf"] is None for row in result.signals)
    assert result.signals != curve(*halves, [8], k=2).signals == ()


@pytest.mark.parametrize(
    ("values", "right", "expected"),
    [
        ([1, 2, 3, 4], [0, 0, 1, 1], 1.0),
        ([4, 3, 2, 1], [0, 0, 1, 1], 0.0),
        ([1, 1, 1, 1], [0, 1, 0, 1], 0.5),
        ([1, 3, 2, 3], [0, 0, 1, 1], 0.625),
        ([1, 2], [1, 1], None),
        ([1, 2], [0, 0], None),
    ],
)
def test_auc_counts_pairs(values: list[int], right: list[int], expected: float | None) -> None:
    assert auc(values, right) == expected
    if expected is not None:
        pairs = [
            (yes > no) + (yes == no) / 2
            for yes in (v for v, r in zip(values, right, strict=True) if r)
            for no in (v for v, r in zip(values, right, strict=True) if not r)
        ]
        assert np.mean(pairs) == expected


def test_without_judgements_there_is_nothing_to_measure(halves: tuple[TwoFaced, Dataset]) -> None:
    embedder, dataset = halves
    with pytest.raises(ConfigurationError, match="cannot show what words add"):
        curve(embedder, Dataset(dataset.documents), [8], hybrid=TextIndex())
