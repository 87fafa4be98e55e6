"""What every embedder offers: LangChain's four names, so that any LangChain Embeddings fits."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from mrl_adapters.vectors import FloatArray


@runtime_checkable
class Embedder(Protocol):
    """Turn texts into vectors.

    The names are LangChain's, so that each of its Embeddings is an Embedder with no import, and
    each of ours is one for LangChain.
    """

    def embed_documents(self, texts: list[str]) -> Sequence[Sequence[float]]:
        """Embed texts that will be stored: n texts to shape (n, d)."""
        ...

    def embed_query(self, text: str) -> Sequence[float]:
        """Embed a question that will be searched with: shape (d,)."""
        ...

    async def aembed_documents(self, texts: list[str]) -> Sequence[Sequence[float]]:
        """Embed texts that will be stored, without blocking the event loop."""
        ...

    async def aembed_query(self, text: str) -> Sequence[float]:
        """Embed a question, without blocking the event loop."""
        ...


@runtime_checkable
class ArrayEmbedder(Embedder, Protocol):
    """An embedder that can also answer with arrays: no Python float is made per number."""

    def embed_array(self, texts: list[str]) -> FloatArray:
        """Embed texts that will be stored: n texts to float32 of shape (n, d); blank ones zeros."""
        ...

    async def aembed_array(self, texts: list[str]) -> FloatArray:
        """Embed as ``embed_array`` does, without blocking the event loop."""
        ...
