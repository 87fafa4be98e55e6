"""Embedders that know no framework, as LangChain's Embeddings.

Parts of LangChain and LangGraph (EmbeddingsFilter, LangGraph's stores) take nothing else.
"""

from collections.abc import Sequence

from langchain_core.embeddings import Embeddings
from typing_extensions import override

from mrl_adapters.embeddings import Embedder, OpenAIEmbedder, TruncatedEmbedder
from mrl_adapters.embeddings.embedder import as_embedder
from mrl_adapters.embeddings.local import LocalEmbedder

# Ours have each method of the class, and say nothing of it: they are made without LangChain.
for _kind in (LocalEmbedder, OpenAIEmbedder, TruncatedEmbedder):
    Embeddings.register(_kind)


def as_embeddings(embedder: object) -> Embeddings:
    """Return an embedder itself where it is LangChain's, else a thin shell around it."""
    made = as_embedder(embedder)
    return made if isinstance(made, Embeddings) else EmbedderEmbeddings(made)


class EmbedderEmbeddings(Embeddings):
    """An embedder with the class that LangChain asks for, and answers of Python floats."""

    def __init__(self, base: Embedder) -> None:
        self.base = base

    @override
    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [_floats(vector) for vector in self.base.embed_documents(texts)]

    @override
    def embed_query(self, text: str) -> list[float]:
        return _floats(self.base.embed_query(text))

    @override
    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        return [_floats(vector) for vector in await self.base.aembed_documents(texts)]

    @override
    async def aembed_query(self, text: str) -> list[float]:
        return _floats(await self.base.aembed_query(text))


def _floats(vector: Sequence[float]) -> list[float]:
    return [*map(float, vector)]
