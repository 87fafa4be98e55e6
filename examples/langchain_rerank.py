"""Three stages: short vectors choose, full vectors rank, a cross-encoder reads the best.

Run: python examples/langchain_rerank.py (needs langchain-classic)
"""

from tempfile import TemporaryDirectory

from langchain_classic.retrievers import ContextualCompressionRetriever
from langchain_classic.retrievers.document_compressors import CrossEncoderReranker
from langchain_core.cross_encoders import BaseCrossEncoder
from typing_extensions import override

from mrl_adapters.embeddings import WordLlamaEmbedder
from mrl_adapters.langchain import MatryoshkaRetriever, MatryoshkaVectorStore
from mrl_adapters.qdrant import connect

TEXTS = [
    "shutil.copytree copies a directory tree.",
    "shutil.copy copies a file.",
    "shutil.rmtree deletes a directory tree.",
    "gzip.open opens a compressed file.",
    "filecmp.dircmp compares two directories.",
    "os.makedirs makes a directory and those above it.",
]


class SharedWords(BaseCrossEncoder):
    """Score a text by the words that it shares with the question.

    A stand-in that needs no download. In its place, a model that reads both together:

        from sentence_transformers import CrossEncoder

        model = CrossEncoder("cross-encoder/ms-marco-MiniLM-L6-v2")
        ...
        return model.predict(text_pairs).tolist()
    """

    @override
    def score(self, text_pairs: list[tuple[str, str]]) -> list[float]:
        words = [(set(one.split()), set(other.split())) for one, other in text_pairs]
        return [len(one & other) / len(one | other) for one, other in words]


with TemporaryDirectory() as folder, connect(path=folder) as client:
    store = MatryoshkaVectorStore(client, "docs", WordLlamaEmbedder())
    store.add_texts(TEXTS, ids=[str(number) for number in range(len(TEXTS))])

    question = "makes a tree of directories above it"
    retriever = MatryoshkaRetriever(vectorstore=store, k=4)  # more than are wanted in the end
    reranked = ContextualCompressionRetriever(
        base_compressor=CrossEncoderReranker(model=SharedWords(), top_n=2),
        base_retriever=retriever,
    )
    for name, found in (
        ("two stages", retriever.invoke(question)),
        ("re-ranked", reranked.invoke(question)),
    ):
        print(f"{name}:")
        for document in found:
            print(f"  {document.page_content}")
