"""OpenAI's embeddings API and the servers that speak it."""

from mrl_adapters.embeddings.openai.embedder import OpenAIEmbedder
from mrl_adapters.embeddings.openai.options import OpenAIOptions
from mrl_adapters.embeddings.openai.usage import Usage

__all__ = ["OpenAIEmbedder", "OpenAIOptions", "Usage"]
