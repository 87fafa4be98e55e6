"""Embed many questions, in one call where the embedder can."""

import asyncio
import contextvars
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, runtime_checkable

from mrl_adapters.embeddings.embedder import Embedder
from mrl_adapters.embeddings.inspection import embeds_questions_as_documents

_THREADS = 16


@runtime_checkable
class QuestionsEmbedder(Embedder, Protocol):
    """An embedder that takes many questions at a time; so do all of this package."""

    def embed_queries(self, texts: list[str]) -> Sequence[Sequence[float]]:
        """Embed questions that will be searched with: n texts to shape (n, d)."""
        ...

    async def aembed_queries(self, texts: list[str]) -> Sequence[Sequence[float]]:
        """Embed questions, without blocking the event loop."""
        ...


def query_vectors(embedder: Embedder, texts: list[str]) -> Sequence[Sequence[float]]:
    """Embed n questions into shape (n, d): in one call, or else side by side, in threads."""
    if not texts:
        return []
    if isinstance(embedder, QuestionsEmbedder):
        return embedder.embed_queries(texts)
    if embeds_questions_as_documents(embedder):
        return embedder.embed_documents(texts)
    if len(texts) == 1:
        return [embedder.embed_query(texts[0])]
    contexts = [contextvars.copy_context() for _ in texts]
    with ThreadPoolExecutor(min(_THREADS, len(texts))) as pool:
        return list(
            pool.map(lambda context, text: context.run(embedder.embed_query, text), contexts, texts)
        )


async def aquery_vectors(embedder: Embedder, texts: list[str]) -> Sequence[Sequence[float]]:
    """Embed as :func:`query_vectors` does, without blocking the event loop."""
    if not texts:
        return []
    if isinstance(embedder, QuestionsEmbedder):
        return await embedder.aembed_queries(texts)
    if embeds_questions_as_documents(embedder):
        return await embedder.aembed_documents(texts)
    return await asyncio.gather(*map(embedder.aembed_query, texts))
