"""What an embedder offers, and how an object of any framework becomes one.

No framework is imported; what counts is which methods the object has.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from mrl_adapters.embeddings.texts import NonBlank
from mrl_adapters.errors import ConfigurationError, EmbeddingError
from mrl_adapters.vectors import FloatArray, as_vectors


@runtime_checkable
class Embedder(Protocol):
    """What turns texts into vectors.

    The names are LangChain's, so that any of its Embeddings is an Embedder with no import, and any
    of ours is one for LangChain.
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


def as_embedder(embedder: object) -> Embedder:
    """Return the embedder itself, or a thin shell around one that lacks some of the four names."""
    if isinstance(embedder, type):
        msg = (
            f"{embedder.__name__} is a class, expected an embedder. Pass {embedder.__name__}(...)."
        )
        raise ConfigurationError(msg, found=embedder)
    if isinstance(embedder, Embedder):
        return embedder
    if hasattr(embedder, "get_query_embedding") and hasattr(embedder, "get_text_embedding_batch"):
        return _LlamaIndexEmbedder(embedder)
    if hasattr(embedder, "embed_query") and hasattr(embedder, "embed_documents"):
        return _SyncEmbedder(embedder)
    msg = (
        f"{type(embedder).__name__} is not an embedder: it has neither embed_documents and "
        "embed_query (LangChain) nor get_text_embedding_batch and get_query_embedding "
        "(LlamaIndex). Pass an object of one of these kinds."
    )
    raise ConfigurationError(msg, found=type(embedder))


def document_array(embedder: Embedder, texts: list[str]) -> FloatArray:
    """Embed n texts, at least one, into float32 of shape (n, d), with the fewest copies."""
    if isinstance(embedder, ArrayEmbedder):
        return embedder.embed_array(texts)
    return _checked(document_vectors(embedder, texts), len(texts))


async def adocument_array(embedder: Embedder, texts: list[str]) -> FloatArray:
    """Embed as :func:`document_array` does, without blocking the event loop."""
    if isinstance(embedder, ArrayEmbedder):
        return await embedder.aembed_array(texts)
    return _checked(await adocument_vectors(embedder, texts), len(texts))


def document_vectors(embedder: Embedder, texts: list[str]) -> Sequence[Sequence[float]]:
    """Embed n texts as they are answered, unchecked; blank ones are not asked about.

    Ours decide themselves what becomes of blank texts (OpenAIOptions may refuse them).
    """
    if isinstance(embedder, ArrayEmbedder):
        return embedder.embed_documents(texts)
    kept = NonBlank.of(texts)
    return kept.spread(embedder.embed_documents(kept.texts))


async def adocument_vectors(embedder: Embedder, texts: list[str]) -> Sequence[Sequence[float]]:
    """Embed as :func:`document_vectors` does, without blocking the event loop."""
    if isinstance(embedder, ArrayEmbedder):
        return await embedder.aembed_documents(texts)
    kept = NonBlank.of(texts)
    return kept.spread(await embedder.aembed_documents(kept.texts))


def _checked(vectors: Sequence[Sequence[float]], count: int) -> FloatArray:
    widths = {len(vector) for vector in vectors}
    if len(vectors) != count or len(widths) != 1:
        msg = (
            f"The embedder gave {len(vectors)} vectors of {sorted(widths)} dimensions for {count} "
            "texts, expected one vector a text, all of one size. Check the embedder."
        )
        raise EmbeddingError(msg)
    return as_vectors(vectors)


class _LlamaIndexEmbedder:
    """A LlamaIndex BaseEmbedding under the four names."""

    def __init__(self, base: Any) -> None:
        self.base = base

    def embed_documents(self, texts: list[str]) -> Sequence[Sequence[float]]:
        vectors: Sequence[Sequence[float]] = self.base.get_text_embedding_batch(texts)
        return vectors

    def embed_query(self, text: str) -> Sequence[float]:
        vector: Sequence[float] = self.base.get_query_embedding(text)
        return vector

    async def aembed_documents(self, texts: list[str]) -> Sequence[Sequence[float]]:
        vectors: Sequence[Sequence[float]] = await self.base.aget_text_embedding_batch(texts)
        return vectors

    async def aembed_query(self, text: str) -> Sequence[float]:
        vector: Sequence[float] = await self.base.aget_query_embedding(text)
        return vector


class _SyncEmbedder:
    """An object that has the two sync names, under all four."""

    def __init__(self, base: Any) -> None:
        self.base = base

    def embed_documents(self, texts: list[str]) -> Sequence[Sequence[float]]:
        vectors: Sequence[Sequence[float]] = self.base.embed_documents(texts)
        return vectors

    def embed_query(self, text: str) -> Sequence[float]:
        vector: Sequence[float] = self.base.embed_query(text)
        return vector

    async def aembed_documents(self, texts: list[str]) -> Sequence[Sequence[float]]:
        return await asyncio.to_thread(self.embed_documents, texts)

    async def aembed_query(self, text: str) -> Sequence[float]:
        return await asyncio.to_thread(self.embed_query, text)
