"""What late interaction by a static model's tokens does to two stages, on the docstrings.

Run: pytest -m slow -s tests/evaluation/test_late_interaction.py
"""

import time
from pathlib import Path

import numpy as np
import pytest

from mrl_adapters.embeddings import WordLlamaEmbedder, WordLlamaTokens
from mrl_adapters.evaluation import docstring_dataset
from mrl_adapters.evaluation.metrics import ndcg_at_k, recall_at_k
from mrl_adapters.qdrant import (
    CollectionLayout,
    Driver,
    EdgeClient,
    MatryoshkaCollection,
    Search,
    SearchPlan,
    TokenVectors,
)

PLANS = {
    "two-stage": SearchPlan(),
    "late interaction": SearchPlan(late_interaction=True),
    "of 100": SearchPlan(late_interaction=True, late_candidates=100),
}


@pytest.mark.slow
@pytest.mark.parametrize("distance", ["Cosine", "Dot"])
def test_static_tokens_rank_no_better_than_full_vectors(tmp_path: Path, distance: str) -> None:
    dataset, embedder = docstring_dataset(), WordLlamaEmbedder()
    tokens = TokenVectors("colbert", 256, WordLlamaTokens(), distance=distance)
    layout = CollectionLayout(256, (128,), late_interaction=tokens)
    collection = MatryoshkaCollection("docs", layout=layout)
    texts = [*dataset.documents.values()]
    names = [*dataset.documents]
    asked = embedder.embed_documents([*dataset.queries.values()])
    gains = {}
    with EdgeClient(str(tmp_path / "store")) as client:
        driver = Driver(client)
        for start in range(0, len(texts), 256):
            batch = texts[start : start + 256]
            payloads = [{"page_content": text} for text in batch]
            ids = [*range(start, start + len(batch))]
            driver.run(collection.add(ids, embedder.embed_documents(batch), payloads))
        client.optimize("docs")
        for name, plan in PLANS.items():
            rankings, times_s = {}, []
            for (query, text), vector in zip(dataset.queries.items(), asked, strict=True):
                search = Search(np.asarray(vector, dtype=np.float32), 10, text=text)
                began_s = time.perf_counter()
                [hits] = driver.run(collection.search([search], plan))
                times_s.append(time.perf_counter() - began_s)
                rankings[query] = [names[int(hit.id)] for hit in hits]
            gains[name] = float(np.mean(ndcg_at_k(rankings, dataset.qrels)))
            recall = float(np.mean(recall_at_k(rankings, dataset.qrels)))
            median_ms = 1000 * float(np.median(times_s))
            print(  # noqa: T201 - the table of the page
                f"{distance} {name}: {gains[name]:.3f} {recall:.3f} {median_ms:.2f} ms"
            )
    assert gains["of 100"] < gains["late interaction"] < gains["two-stage"]
