"""Two short vectors a text: the longer alone, as by default, against funnels from the shorter.

Run: python examples/funnel.py
"""

import time
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from mrl_adapters.embeddings import WordLlamaEmbedder
from mrl_adapters.evaluation.docstrings import docstrings
from mrl_adapters.langchain import MatryoshkaVectorStore
from mrl_adapters.qdrant import CollectionLayout, connect

K = 10
PLANS: dict[str, dict[str, Any]] = {
    "by default (128)": {},
    "64, then full": {"stages": (64,)},
    "64, then 128, then full": {"stages": (64, 128)},
    "the same, factor 8": {"stages": (64, 128), "funnel_factor": 8},
    "the same, factor 16": {"stages": (64, 128), "funnel_factor": 16},
}

with TemporaryDirectory() as folder, connect(path=folder) as client:
    embedder = WordLlamaEmbedder()
    store = MatryoshkaVectorStore(
        client, "stdlib", embedder, layout=CollectionLayout(256, stages=(64, 128))
    )
    entries = list(docstrings())
    store.add_texts((entry.text for entry in entries), ids=(entry.id for entry in entries))

    questions = [embedder.embed_query(entry.summary) for entry in entries[::20]]
    kept = dict.fromkeys(PLANS, 0)
    seconds: dict[str, list[float]] = {name: [] for name in PLANS}

    def found(question: list[float], **plan: object) -> set[str | None]:
        """Find the ids of the best k under a plan."""
        return {each.id for each in store.similarity_search_by_vector(question, K, plan=plan)}

    for question in questions:
        best = found(question, exact=True)
        for name, knobs in PLANS.items():  # in turns, so that a busy moment meets them all
            start = time.perf_counter()
            ids = found(question, **knobs)
            seconds[name].append(time.perf_counter() - start)
            kept[name] += len(ids & best)

    print(f"{len(entries)} docstrings, {len(questions)} questions")
    print(f"{'':<24} overlap@{K}   median time")
    first = median(seconds["by default (128)"])
    for name in PLANS:
        overlap = kept[name] / (K * len(questions))
        print(f"{name:<24} {overlap:>10.3f} {median(seconds[name]) / first:>13.2f}")
