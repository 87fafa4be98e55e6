"""Words beside vectors where there is no text index: BM25's sparse vectors, with no second model.

Run: python examples/sparse_vectors.py (needs the extras langchain and static)

qdrant-client's local mode stands for any engine here: servers before 1.20 work alike, by url=.
"""

from mrl_adapters.embeddings import WordLlamaEmbedder
from mrl_adapters.langchain import MatryoshkaVectorStore
from mrl_adapters.qdrant import CollectionLayout, SparseVectors, connect

TEXTS = [
    "Error E4021: the volume cannot take more data.",
    "Error E1204: the volume was not found.",
    "Error E4102: the volume is read-only.",
    "How to tell whether a disk is full, and how to free space.",
    "A full moon rises over the harbour.",
]
QUESTION = "what does E4021 mean?"


def main() -> None:
    """Find an error by its code, which vectors alone do not tell from others."""
    words = sum(len(text.split()) for text in TEXTS) / len(TEXTS)
    layout = CollectionLayout(256, (64,), sparse=SparseVectors(avg_len=words))
    client = connect(location=":memory:")
    store = MatryoshkaVectorStore(client, "errors", WordLlamaEmbedder(), layout=layout)
    store.add_texts(TEXTS)
    for mode in ("dense", "sparse", "hybrid"):
        [first, *_] = store.similarity_search(QUESTION, k=1, retrieval_mode=mode)
        print(f"{mode:7} {first.page_content}")
    [found] = store.similarity_search(QUESTION, k=1, retrieval_mode="hybrid", signals_key="signals")
    agreement = found.metadata["signals"]["full_words"]
    print(f"vectors and words agree by {agreement:.2f}")
    client.close()


if __name__ == "__main__":
    main()
