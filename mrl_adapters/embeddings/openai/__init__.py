"""OpenAI's embeddings API and the servers that speak it."""

from mrl_adapters.embeddings.openai.answers import Usage
from mrl_adapters.embeddings.openai.embedder import OpenAIEmbedder
from mrl_adapters.embeddings.openai.options import OpenAIOptions

__all__ = ["OpenAIEmbedder", "OpenAIOptions", "Usage"]
