"""Index the standard library's docstrings, ask them, and see what two stages save.

Run: python examples/quickstart.py "copy a directory tree"
"""

import statistics
import sys
import time
from tempfile import TemporaryDirectory

from mrl_adapters.embeddings import WordLlamaEmbedder
from mrl_adapters.evaluation.docstrings import docstrings
from mrl_adapters.langchain import MatryoshkaRetriever, MatryoshkaVectorStore
from mrl_adapters.qdrant import CollectionLayout, SearchPlan, connect

question = sys.argv[1] if len(sys.argv) > 1 else "copy a directory tree"

with TemporaryDirectory() as folder, connect(path=folder) as client:
    # One point a text: the full vector of 256 numbers, and its first 64 and 128 beside it.
    layout = CollectionLayout(256, stages=(64, 128))
    store = MatryoshkaVectorStore(client, "stdlib", WordLlamaEmbedder(), layout=layout)
    entries = list(docstrings())
    store.add_texts(
        [f"{entry.id}: {entry.summary}" for entry in entries],
        ids=[entry.id for entry in entries],
        progress=True,
    )

    # The short vectors choose a hundred candidates, the full ones rank them: one Qdrant query.
    retriever = MatryoshkaRetriever(vectorstore=store, k=3)
    for document in retriever.invoke(question):
        print(document.page_content)

    # The same search through full vectors only, and from each short size.
    questions = [entry.summary for entry in entries[::60]]
    plans = {
        "256 only": SearchPlan(exact=True),
        "128, then 256": SearchPlan(stages=(128,)),
        "64, then 256": SearchPlan(stages=(64,)),
    }
    best: list[set[str | None]] = []
    for name, plan in plans.items():
        found, times = [], []
        for each in questions:
            started = time.perf_counter()
            documents = store.similarity_search(each, k=10, plan=plan)
            times.append(time.perf_counter() - started)
            found.append({document.id for document in documents})
        best = best or found
        overlap = statistics.mean(len(a & b) / 10 for a, b in zip(found, best, strict=True))
        print(f"{name:<14} overlap@10 {overlap:.3f}   {statistics.median(times) * 1e3:.2f} ms")
