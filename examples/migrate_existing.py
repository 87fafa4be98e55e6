"""Give a collection made by langchain-qdrant short vectors, without embedding anything again.

Run: python examples/migrate_existing.py
"""

from itertools import islice
from tempfile import TemporaryDirectory
from typing import cast

from langchain_qdrant import QdrantVectorStore
from qdrant_client import QdrantClient, models

from mrl_adapters.embeddings import WordLlamaEmbedder
from mrl_adapters.evaluation.docstrings import docstrings
from mrl_adapters.langchain import MatryoshkaEmbeddings, MatryoshkaVectorStore
from mrl_adapters.qdrant import audit, connect, migrate, repair

QUESTION = "open a compressed file"
embedding = MatryoshkaEmbeddings(WordLlamaEmbedder(), 256)
texts = [entry.text for entry in islice(docstrings(), 2_000)]

with TemporaryDirectory() as folder, connect(path=folder) as client:
    # What you have: one full vector a point, written by the stock store.
    client.create_collection(
        "docs", vectors_config=models.VectorParams(size=256, distance=models.Distance.COSINE)
    )
    stock = QdrantVectorStore(
        cast("QdrantClient", client), "docs", embedding, content_payload_key="text"
    )
    stock.add_texts(texts)

    done = migrate(client, "docs", stages=(64,))
    print(f"migrated: {done.written} of {done.points} points in {done.elapsed_s:.1f} s")

    # Its payload keys are found out; where points leave doubt, pass content_payload_key="text".
    store = MatryoshkaVectorStore.from_existing_collection("docs", embedding, client=client)
    print(f"\n{QUESTION}: {store.similarity_search(QUESTION, k=1)[0].page_content[:70]!r}")

    # The stock store still writes; what it adds has no short vector until it is repaired.
    stock.add_texts(["Written by the stock store after the migration."])
    print(f"\naudit:    {audit(client, 'docs').missing} points lack a short vector")
    print(f"repaired: {repair(client, 'docs').filled} points")
