"""Embedders that need no framework, and a wrapper that shortens anyone else's.

Importing this package imports none of the optional packages: each class does so when it is made.
"""

from mrl_adapters.embeddings.embedder import Embedder
from mrl_adapters.embeddings.openai import OpenAIEmbedder, OpenAIOptions, Usage
from mrl_adapters.embeddings.sentence_transformers import SentenceTransformerEmbedder
from mrl_adapters.embeddings.static import Model2VecEmbedder, WordLlamaEmbedder, WordLlamaTokens
from mrl_adapters.embeddings.truncated import TruncatedEmbedder

__all__ = [
    "Embedder",
    "Model2VecEmbedder",
    "OpenAIEmbedder",
    "OpenAIOptions",
    "SentenceTransformerEmbedder",
    "TruncatedEmbedder",
    "Usage",
    "WordLlamaEmbedder",
    "WordLlamaTokens",
]
