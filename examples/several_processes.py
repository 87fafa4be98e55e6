"""Search one folder from one process, then from two: the engine takes one core of each.

Run: python examples/several_processes.py
"""

import multiprocessing
import time
from multiprocessing.synchronize import Barrier
from tempfile import TemporaryDirectory

from mrl_adapters.embeddings import WordLlamaEmbedder
from mrl_adapters.evaluation.docstrings import docstrings
from mrl_adapters.langchain import MatryoshkaVectorStore
from mrl_adapters.qdrant import CollectionLayout, connect

SEARCHES = 2_000
ROUNDS = 3


def fill(folder: str) -> list[list[float]]:
    """Store the standard library's docstrings; return questions."""
    embedder = WordLlamaEmbedder()
    entries = list(docstrings())
    with connect(path=folder) as client:
        store = MatryoshkaVectorStore(
            client, "stdlib", embedder, layout=CollectionLayout(256, stages=(64,))
        )
        store.add_texts((entry.text for entry in entries), ids=(entry.id for entry in entries))
        client.optimize("stdlib")
    return [embedder.embed_query(entry.summary) for entry in entries[::20]]


def search(folder: str, questions: list[list[float]], start: Barrier) -> None:
    """Open the folder beside other readers, and search it when all are ready."""
    with connect(path=folder, read_only=True) as client:
        store = MatryoshkaVectorStore.from_existing_collection(
            embedding=WordLlamaEmbedder(), collection_name="stdlib", client=client
        )
        store.similarity_search_by_vector(questions[0])
        start.wait()
        for at in range(SEARCHES):
            store.similarity_search_by_vector(questions[at % len(questions)])
        start.wait()


def rate(processes: int, folder: str, questions: list[list[float]]) -> float:
    """Measure how many searches a second so many processes answer together."""
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(processes + 1)
    readers = [
        context.Process(target=search, args=(folder, questions, start)) for _ in range(processes)
    ]
    for reader in readers:
        reader.start()
    start.wait()
    begun = time.perf_counter()
    start.wait()
    seconds = time.perf_counter() - begun
    for reader in readers:
        reader.join()
    return processes * SEARCHES / seconds


def main() -> None:
    """Compare the best of some rounds each, in turns, so that a busy moment meets both."""
    with TemporaryDirectory() as folder:
        questions = fill(folder)
        rates = [[rate(count, folder, questions) for count in (1, 2)] for _ in range(ROUNDS)]
    one, two = map(max, zip(*rates, strict=True))
    print(f"one process: {one:,.0f} searches/s; two: {two:,.0f} ({two / one:.2f} times)")


if __name__ == "__main__":
    main()
