"""Run LangChain's own Qdrant store on the embedded engine: no server, persistent, filtered.

    pip install '.[langchain,static]' langchain-qdrant
    python examples/stock_store_on_edge.py

EdgeClient has QdrantClient's methods, so that code written for a server runs on it unchanged.
"""

import shutil
import sys
import tempfile
from pathlib import Path

from langchain_core.documents import Document
from langchain_qdrant import QdrantVectorStore
from qdrant_client import models

from mrl_adapters.embeddings import WordLlamaEmbedder
from mrl_adapters.langchain import MatryoshkaEmbeddings
from mrl_adapters.qdrant import EdgeClient

NOTES = [
    ("Sourdough bread needs a day: feed the starter, fold the dough, bake it hot.", "kitchen"),
    ("A cast iron pan is seasoned with thin layers of oil, baked at 230 degrees.", "kitchen"),
    ("Knives are sharpened on a wet stone, first coarse, then fine.", "kitchen"),
    ("Tomatoes want six hours of sun, deep watering and a stake.", "garden"),
    ("Compost is ready when it is dark, crumbly and smells of forest floor.", "garden"),
    ("Prune apple trees in late winter, before the buds swell.", "garden"),
]


def main(path: Path) -> None:
    """Index a few notes, close everything, open it again and ask."""
    embedding = MatryoshkaEmbeddings(WordLlamaEmbedder(), dimensions=128)
    with EdgeClient(path) as client:
        params = models.VectorParams(size=128, distance=models.Distance.COSINE)
        client.create_collection("notes", params)
        store = QdrantVectorStore(client, "notes", embedding)  # type: ignore[arg-type]  # not a QdrantClient by name
        store.add_documents(
            [Document(page_content=text, metadata={"room": room}) for text, room in NOTES]
        )

    with EdgeClient(path) as client:  # the same notes, from disk
        store = QdrantVectorStore(client, "notes", embedding)  # type: ignore[arg-type]  # see above
        print(f"{client.count('notes').count} notes under {path}\n")
        in_garden = models.Filter(
            must=models.FieldCondition(key="metadata.room", match=models.MatchValue(value="garden"))
        )
        for question, where in (
            ("how do I bake bread?", None),
            ("when should fruit trees be cut?", in_garden),
        ):
            print(question, "(in the garden)" if where else "")
            for note, score in store.similarity_search_with_score(question, k=2, filter=where):
                print(f"  {score:.3f}  [{note.metadata['room']}] {note.page_content}")
        print("two different ones:")
        for note in store.max_marginal_relevance_search("tools and their care", k=2, fetch_k=6):
            print(f"         [{note.metadata['room']}] {note.page_content}")


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(tempfile.mkdtemp())
    main(folder)
    if len(sys.argv) == 1:
        shutil.rmtree(folder)
