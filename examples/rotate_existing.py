"""Rotate the short vectors of a collection that exists, and see what its shortlists gain.

Run: python examples/rotate_existing.py
"""

from itertools import islice
from tempfile import TemporaryDirectory

from mrl_adapters.embeddings import WordLlamaEmbedder
from mrl_adapters.evaluation.docstrings import docstrings
from mrl_adapters.langchain import MatryoshkaVectorStore
from mrl_adapters.qdrant import CollectionLayout, connect, rotate

K = 10
STAGES = (32, 64)

entries = list(islice(docstrings(), 3_000))
questions = [entry.summary for entry in entries[::40]]
embedder = WordLlamaEmbedder()


def overlap(store: MatryoshkaVectorStore, stage: int) -> float:
    """Measure what share of the exact top k two stages find."""

    def found(question: str, **plan: object) -> set[str | None]:
        return {each.id for each in store.similarity_search(question, k=K, plan=plan)}

    kept = [len(found(each, stages=(stage,)) & found(each, exact=True)) for each in questions]
    return sum(kept) / (K * len(questions))


with TemporaryDirectory() as folder, connect(path=folder) as client:
    layout = CollectionLayout(256, STAGES)  # rotation="auto" here fits one on the first load
    store = MatryoshkaVectorStore(client, "stdlib", embedder, layout=layout)
    store.add_texts((entry.text for entry in entries), ids=(entry.id for entry in entries))
    plain = {stage: overlap(store, stage) for stage in STAGES}

    result = rotate(client, "stdlib")  # in the terminal: mrl-adapters rotate stdlib
    print(f"{result.written} points derived anew in {result.elapsed_s:.1f} s")

    # Whoever opens the collection by its name gets the rotation with it.
    store = MatryoshkaVectorStore.from_existing_collection("stdlib", embedder, client=client)
    print(f"Overlap with the exact top {K}, {len(questions)} questions:")
    for stage in STAGES:
        rotated = overlap(store, stage)
        print(f"  {stage:>3} dimensions: plain {plain[stage]:.3f}, rotated {rotated:.3f}")
