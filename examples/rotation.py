"""A rotation learnt from the first load makes the same short vectors a better shortlist.

Run: python examples/rotation.py
"""

from itertools import islice
from tempfile import TemporaryDirectory
from typing import Literal

from mrl_adapters.embeddings import WordLlamaEmbedder
from mrl_adapters.evaluation.docstrings import docstrings
from mrl_adapters.langchain import MatryoshkaVectorStore
from mrl_adapters.qdrant import CollectionLayout, EdgeClient, connect

K = 10
entries = list(islice(docstrings(), 3_000))
questions = [entry.summary for entry in entries[::60]]


def overlap(client: EdgeClient, rotation: Literal["auto"] | None) -> float:
    """Index with 32 dimensions in front; give the share of the exact top K that is found."""
    layout = CollectionLayout(256, stages=(32,), rotation=rotation)
    store = MatryoshkaVectorStore(client, f"stdlib-{rotation}", WordLlamaEmbedder(), layout=layout)
    store.add_texts((entry.text for entry in entries), ids=(entry.id for entry in entries))

    def found(question: str, *, exact: bool) -> set[str | None]:
        """Find the ids of the best K."""
        return {each.id for each in store.similarity_search(question, k=K, plan={"exact": exact})}

    kept = sum(len(found(each, exact=False) & found(each, exact=True)) for each in questions)
    return kept / (K * len(questions))


with TemporaryDirectory() as folder, connect(path=folder) as client:
    print(f"{len(entries)} docstrings, 32 of 256 dimensions first, overlap with the exact top {K}:")
    print(f"  plain   {overlap(client, None):.3f}")
    print(f"  rotated {overlap(client, 'auto'):.3f}")
