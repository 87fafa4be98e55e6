"""Search in two stages without LangChain and without LlamaIndex.

    pip install '.[static]'
    python examples/without_framework.py

Whatever makes the vectors, the short ones are derived from them. The same flows run in a coroutine:
``await driver.arun(docs.search(...))``.
"""

import tempfile

import numpy as np

from mrl_adapters.embeddings import WordLlamaEmbedder
from mrl_adapters.qdrant import CollectionLayout, Driver, MatryoshkaCollection, Search, connect

TEXTS = [
    "shutil.copytree copies a directory tree.",
    "gzip.open opens a compressed file.",
    "random.shuffle shuffles a list in place.",
]


def main(path: str) -> None:
    """Store three texts, and ask for the nearest one."""
    embedder = WordLlamaEmbedder()
    with connect(path=path) as client:
        driver = Driver(client)
        docs = MatryoshkaCollection("docs", layout=CollectionLayout(256, (64,)))
        vectors = embedder.embed_documents(TEXTS)
        payloads = [{"page_content": text} for text in TEXTS]
        driver.run(docs.add(["copytree", "gzip", "shuffle"], vectors, payloads))

        question = np.asarray(embedder.embed_query("How do I copy a folder?"), dtype=np.float32)
        [hits] = driver.run(docs.search([Search(question, k=1)]))
    for hit in hits:
        print(f"{hit.score:.3f} {hit.payload}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        main(temporary)
