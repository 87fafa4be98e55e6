"""LlamaIndex adapter: embeddings, vector store, retriever."""

from mrl_adapters.errors import MissingExtraError

try:
    import llama_index.core  # noqa: F401 - tells a missing extra from a broken module of ours
except ImportError as _error:
    raise MissingExtraError("llama-index-core", "llama-index") from _error

from mrl_adapters.llama_index.embeddings import MatryoshkaEmbedding, OpenAIMatryoshkaEmbedding
from mrl_adapters.llama_index.retriever import MatryoshkaRetriever
from mrl_adapters.llama_index.vector_store import MatryoshkaVectorStore

__all__ = [
    "MatryoshkaEmbedding",
    "MatryoshkaRetriever",
    "MatryoshkaVectorStore",
    "OpenAIMatryoshkaEmbedding",
]
