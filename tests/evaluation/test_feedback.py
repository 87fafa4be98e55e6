"""Relevance feedback beside a longer shortlist: why no plan has it.

The full vectors' ranking of a shortlist corrects the question of a second search by short vectors
(Qdrant's relevance feedback query). Run: pytest -m slow -s tests/evaluation/test_feedback.py
"""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from qdrant_client import models

from mrl_adapters.embeddings import WordLlamaEmbedder
from mrl_adapters.evaluation import docstring_dataset
from mrl_adapters.qdrant import CollectionLayout, Driver, EdgeClient, MatryoshkaCollection
from mrl_adapters.vectors import normalize, truncate

STAGE, K, SHORTLIST, QUESTIONS = 64, 10, 25, 400
STRATEGY = models.NaiveFeedbackStrategy(naive=models.NaiveFeedbackStrategyParams(a=1, b=1, c=1))


@pytest.mark.slow
def test_feedback_finds_no_more_than_a_longer_shortlist_and_takes_longer(tmp_path: Path) -> None:
    dataset = docstring_dataset()
    embedder = WordLlamaEmbedder()
    full = normalize(np.asarray(embedder.embed_documents([*dataset.documents.values()])))
    asked = [embedder.embed_query(text) for text in dataset.queries.values()][:QUESTIONS]
    questions = normalize(np.asarray(asked, dtype=np.float32))
    short = truncate(questions, STAGE)
    layout = CollectionLayout(full.shape[1], (STAGE,))
    collection = MatryoshkaCollection("docs", layout=layout)
    stage = layout.stage_name(STAGE)

    with EdgeClient(str(tmp_path / "store")) as client:
        Driver(client).run(collection.add([*range(len(full))], full, [{}] * len(full)))
        client.optimize("docs")

        def shortlist(query: object, count: int) -> list[int]:
            found = client.query_points(
                "docs", query=query, using=stage, limit=count, with_payload=False
            )
            return [int(hit.id) for hit in found.points]

        def ranked(row: int, candidates: list[int]) -> list[int]:
            scores = full[candidates] @ questions[row]
            return [candidates[place] for place in np.argsort(-scores, kind="stable")]

        def one_pass(count: int) -> Callable[[int], list[int]]:
            return lambda row: ranked(row, shortlist(short[row], count))

        def fed_back(row: int) -> list[int]:
            first = one_pass(SHORTLIST)(row)
            feedback = [
                models.FeedbackItem(example=each, score=float(full[each] @ questions[row]))
                for each in (*first[:2], *first[-2:])
            ]
            given = models.RelevanceFeedbackInput(
                target=short[row].tolist(), feedback=feedback, strategy=STRATEGY
            )
            query = models.RelevanceFeedbackQuery(relevance_feedback=given)
            second = shortlist(query, SHORTLIST)
            return ranked(row, [*dict.fromkeys([*first, *second])])

        exact = np.argsort(-(questions @ full.T), axis=1)[:, :K]

        def measured(way: Callable[[int], list[int]]) -> tuple[float, float]:
            shares, times_s = [], []
            for row in range(QUESTIONS):
                began_s = time.perf_counter()
                found = way(row)[:K]
                times_s.append(time.perf_counter() - began_s)
                shares.append(len({*found} & {*exact[row].tolist()}) / K)
            return float(np.mean(shares)), float(np.median(times_s))

        ways = {
            f"{SHORTLIST} candidates": one_pass(SHORTLIST),
            f"{4 * SHORTLIST} candidates": one_pass(4 * SHORTLIST),
            f"{SHORTLIST} candidates, feedback, {SHORTLIST} more": fed_back,
        }
        results = {name: measured(way) for name, way in ways.items()}
    for name, (overlap, took_s) in results.items():
        print(f"{name}: overlap {overlap:.3f}, {took_s * 1000:.2f} ms")  # noqa: T201 - what is measured
    _, longer, feedback = results.values()
    assert feedback[0] <= longer[0]
    assert feedback[1] > longer[1]
