"""Matryoshka (nested) embeddings and two-stage search for LangChain and LlamaIndex on Qdrant.

Importing this package imports no framework and no client: take what you need from
``mrl_adapters.langchain``, ``mrl_adapters.llama_index``, ``mrl_adapters.qdrant`` and
``mrl_adapters.embeddings``.
"""

from mrl_adapters.errors import (
    AnswerError,
    CollectionMismatchError,
    ConfigurationError,
    DeadlineError,
    DimensionsError,
    EmbeddingError,
    EngineError,
    MigrationError,
    MissingExtraError,
    MRLError,
    QuotaError,
    UnknownModelError,
)

__version__ = "0.1.0"

__all__ = [
    "AnswerError",
    "CollectionMismatchError",
    "ConfigurationError",
    "DeadlineError",
    "DimensionsError",
    "EmbeddingError",
    "EngineError",
    "MRLError",
    "MigrationError",
    "MissingExtraError",
    "QuotaError",
    "UnknownModelError",
    "__version__",
]
