"""LangChain adapter: embeddings, vector store, retriever."""

from mrl_adapters.errors import MissingExtraError

try:
    import langchain_core  # noqa: F401 - tells a missing extra from a broken module of ours
except ImportError as _error:
    raise MissingExtraError("langchain-core", "langchain") from _error

from mrl_adapters.langchain.embeddings import MatryoshkaEmbeddings, OpenAIMatryoshkaEmbeddings
from mrl_adapters.langchain.retriever import MatryoshkaRetriever
from mrl_adapters.langchain.self_query import MatryoshkaTranslator
from mrl_adapters.langchain.vector_store import MatryoshkaVectorStore

__all__ = [
    "MatryoshkaEmbeddings",
    "MatryoshkaRetriever",
    "MatryoshkaTranslator",
    "MatryoshkaVectorStore",
    "OpenAIMatryoshkaEmbeddings",
]
