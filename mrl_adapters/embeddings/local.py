"""What embedders that run in this process share: the six methods, made of one."""

import abc
import asyncio

import numpy as np

from mrl_adapters.embeddings.shortening import as_lists
from mrl_adapters.embeddings.texts import NonBlank, text_list
from mrl_adapters.vectors import FloatArray


class LocalEmbedder(abc.ABC):
    """Offer documents and questions, lists and arrays, in both colours, out of one method.

    The async methods run in a thread, since a model on the processor would block the event loop.
    """

    @property
    @abc.abstractmethod
    def dimensions(self) -> int:
        """Size of the vectors."""

    @property
    @abc.abstractmethod
    def model(self) -> str:
        """The model's name."""

    @abc.abstractmethod
    def _embed(self, texts: list[str], *, query: bool) -> FloatArray:
        """Embed n texts, or questions, none blank, into float32 of shape (n, dimensions)."""

    @property
    def applies_prompts(self) -> bool:
        """Whether texts may be passed as they are: the model's prompts are put before them here."""
        return True

    def __repr__(self) -> str:
        return f"{type(self).__name__}(model={self.model!r}, dimensions={self.dimensions})"

    def embed_array(self, texts: list[str]) -> FloatArray:
        """Embed n texts into one float32 array of shape (n, dimensions); blank ones give zeros."""
        return self._embed_spoken(text_list(texts), query=False)

    async def aembed_array(self, texts: list[str]) -> FloatArray:
        """Embed as :meth:`embed_array` does, in a thread."""
        return await asyncio.to_thread(self.embed_array, texts)

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Embed n texts into n lists of Python floats."""
        return as_lists(self.embed_array(texts))

    def embed_query(self, text: str) -> list[float]:
        """Embed one question into a list of Python floats."""
        return as_lists(self._embed_spoken([text], query=True))[0]

    def embed_queries(self, texts: list[str]) -> list[list[float]]:
        """Embed n questions into n lists of Python floats."""
        return as_lists(self._embed_spoken(text_list(texts), query=True))

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        """Embed as :meth:`embed_documents` does, in a thread."""
        return await asyncio.to_thread(self.embed_documents, texts)

    async def aembed_query(self, text: str) -> list[float]:
        """Embed as :meth:`embed_query` does, in a thread."""
        return await asyncio.to_thread(self.embed_query, text)

    async def aembed_queries(self, texts: list[str]) -> list[list[float]]:
        """Embed as :meth:`embed_queries` does, in a thread."""
        return await asyncio.to_thread(self.embed_queries, texts)

    def _embed_spoken(self, texts: list[str], *, query: bool) -> FloatArray:
        kept = NonBlank.of(texts)
        if len(kept.rows) == kept.count:
            return self._embed(texts, query=query)
        vectors = np.zeros((kept.count, self.dimensions), dtype=np.float32)
        if kept.rows:
            vectors[kept.rows] = self._embed(kept.texts, query=query)
        return vectors
