"""A funnel: 64 -> 128 -> 256 dimensions, each stage keeping fewer candidates than the last.

Run: python examples/funnel.py
"""

from itertools import islice
from tempfile import TemporaryDirectory
from typing import Any

from mrl_adapters.embeddings import WordLlamaEmbedder
from mrl_adapters.evaluation.docstrings import docstrings
from mrl_adapters.langchain import MatryoshkaVectorStore
from mrl_adapters.qdrant import CollectionLayout, SearchPlan, connect

K = 10
PLANS: dict[str, dict[str, Any]] = {
    "128, then full": {"stages": (128,)},
    "64, then full": {"stages": (64,)},
    "64, then 128, then full": {"stages": (64, 128), "funnel_factor": 4},
}

with TemporaryDirectory() as folder, connect(path=folder) as client:
    store = MatryoshkaVectorStore(
        client, "stdlib", WordLlamaEmbedder(), layout=CollectionLayout(256, stages=(64, 128))
    )
    entries = list(islice(docstrings(), 3_000))
    store.add_texts((entry.text for entry in entries), ids=(entry.id for entry in entries))

    questions = [entry.summary for entry in entries[::60]]

    def found(question: str, **plan: object) -> set[str | None]:
        """Find the ids of the best k under a plan."""
        return {each.id for each in store.similarity_search(question, k=K, plan=plan)}

    exact = [found(question, exact=True) for question in questions]
    print(f"{len(entries)} docstrings, {len(questions)} questions, overlap with the exact top {K}:")
    for name, knobs in PLANS.items():
        kept = sum(
            len(found(question, **knobs) & best)
            for question, best in zip(questions, exact, strict=True)
        )
        plan = SearchPlan(**knobs)
        shortlists = plan.shortlists(len(knobs["stages"]), K)
        print(f"  {name:<24} shortlists {shortlists!s:<12} {kept / (K * len(questions)):.3f}")
