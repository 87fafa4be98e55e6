"""Embedders that know no framework, as LlamaIndex embed_models."""

import abc
import asyncio
import contextlib
import pickle
from collections.abc import Callable, Iterator
from typing import Any

from llama_index.core.base.embeddings.base import BaseEmbedding, Embedding
from llama_index.core.bridge.pydantic import Field
from llama_index.core.callbacks.schema import CBEventType, EventPayload
from llama_index.core.instrumentation.events.embedding import (
    EmbeddingEndEvent,
    EmbeddingStartEvent,
)
from typing_extensions import Self, override

from mrl_adapters.embeddings import Embedder
from mrl_adapters.embeddings.embedder import adocument_vectors, as_embedder, document_vectors
from mrl_adapters.embeddings.inspection import applies_prompts, model_name
from mrl_adapters.embeddings.questions import aquery_vectors, query_vectors
from mrl_adapters.embeddings.texts import text_list
from mrl_adapters.errors import ConfigurationError, EmbeddingError
from mrl_adapters.llama_index.events import dispatcher
from mrl_adapters.llama_index.provenance import made_by
from mrl_adapters.vectors import as_vectors, normalize

# LlamaIndex's default of 10 texts a batch would waste most of a request.
_TEXTS_PER_BATCH = 512


class UnitEmbedding(BaseEmbedding):
    """An embed_model whose vectors have unit length, and so has the mean of several questions."""

    @override
    def __getstate__(self) -> dict[str, Any]:
        # LlamaIndex would leave out what cannot be pickled, and take it from this object as well.
        for name in ("embedder", "inner"):
            if name in self.__dict__:
                _check_pickles(self, self.__dict__[name])
        return super().__getstate__()

    @classmethod
    @override
    def from_dict(cls, data: dict[str, Any], **kwargs: Any) -> Self:
        """Refuse to be made from a dict or JSON, which do not hold what makes the vectors."""
        msg = (
            f"{cls.__name__} cannot be made from a dict or JSON, which hold no keys and nothing "
            f"that makes vectors. Make it anew, with {cls.__name__}(...)."
        )
        raise ConfigurationError(msg)

    # One text is a batch of one: what embeds batches is written by each subclass.

    @override
    def _get_text_embedding(self, text: str) -> Embedding:
        return self._get_text_embeddings([text])[0]

    @override
    async def _aget_text_embedding(self, text: str) -> Embedding:
        return (await self._aget_text_embeddings([text]))[0]

    # A lone string would be embedded letter by letter.

    @override
    def get_text_embedding_batch(
        self, texts: list[str], *args: Any, **kwargs: Any
    ) -> list[Embedding]:
        return super().get_text_embedding_batch(text_list(texts), *args, **kwargs)

    @override
    async def aget_text_embedding_batch(
        self, texts: list[str], *args: Any, **kwargs: Any
    ) -> list[Embedding]:
        return await super().aget_text_embedding_batch(text_list(texts), *args, **kwargs)

    def get_query_embeddings(self, queries: list[str]) -> list[Embedding]:
        """Embed several questions, in one call where the model can and keeps no cache."""
        if self.embeddings_cache is not None:
            return [self.get_query_embedding(query) for query in text_list(queries)]
        with _reported(self, text_list(queries)) as report:
            return report(self._get_query_embeddings(queries))

    async def aget_query_embeddings(self, queries: list[str]) -> list[Embedding]:
        """Embed several questions, as :meth:`get_query_embeddings` does."""
        if self.embeddings_cache is not None:
            return await asyncio.gather(*map(self.aget_query_embedding, text_list(queries)))
        with _reported(self, text_list(queries)) as report:
            return report(await self._aget_query_embeddings(queries))

    @abc.abstractmethod
    def _get_query_embeddings(self, queries: list[str]) -> list[Embedding]:
        """Embed several questions."""

    @abc.abstractmethod
    async def _aget_query_embeddings(self, queries: list[str]) -> list[Embedding]:
        """Embed several questions, without blocking the event loop."""

    @override
    def get_agg_embedding_from_queries(
        self, queries: list[str], agg_fn: Callable[..., Embedding] | None = None
    ) -> Embedding:
        return super().get_agg_embedding_from_queries(text_list(queries), agg_fn or unit_mean)

    @override
    async def aget_agg_embedding_from_queries(
        self, queries: list[str], agg_fn: Callable[..., Embedding] | None = None
    ) -> Embedding:
        return await super().aget_agg_embedding_from_queries(
            text_list(queries), agg_fn or unit_mean
        )


class EmbedderEmbedding(UnitEmbedding):
    """Use an embedder that knows no framework, such as WordLlamaEmbedder, as an embed_model.

    Args:
        embedder: One of ours, or a LangChain Embeddings.
        embed_batch_size: Texts a batch.

    Raises:
        ConfigurationError: It is no embedder.

    Examples:
        >>> from mrl_adapters.embeddings import WordLlamaEmbedder
        >>> embed_model = EmbedderEmbedding(WordLlamaEmbedder())
    """

    # Its repr, which holds no secrets, tells it apart where LlamaIndex hashes models.
    embedder: Any = Field(exclude=True, repr=False)
    described: str

    def __init__(self, embedder: Embedder, embed_batch_size: int = _TEXTS_PER_BATCH) -> None:
        fields: dict[str, Any] = {
            "embedder": as_embedder(embedder),
            "described": repr(embedder),
            "model_name": model_name(embedder) or "unknown",
            "embed_batch_size": embed_batch_size,
        }
        super().__init__(**fields)

    @classmethod
    @override
    def class_name(cls) -> str:
        return "EmbedderEmbedding"

    @property
    def applies_prompts(self) -> bool:
        """Whether the embedder puts its model's prompts before the texts by itself."""
        return applies_prompts(self.embedder)

    @override
    def _get_query_embedding(self, query: str) -> Embedding:
        return made_by(self, [list(self.embedder.embed_query(query))])[0]

    @override
    async def _aget_query_embedding(self, query: str) -> Embedding:
        return made_by(self, [list(await self.embedder.aembed_query(query))])[0]

    @override
    def _get_query_embeddings(self, queries: list[str]) -> list[Embedding]:
        return made_by(self, [list(each) for each in query_vectors(self.embedder, queries)])

    @override
    async def _aget_query_embeddings(self, queries: list[str]) -> list[Embedding]:
        return made_by(self, [list(each) for each in await aquery_vectors(self.embedder, queries)])

    @override
    def _get_text_embeddings(self, texts: list[str]) -> list[Embedding]:
        vectors = document_vectors(self.embedder, texts)
        return made_by(self, [list(vector) for vector in vectors])

    @override
    async def _aget_text_embeddings(self, texts: list[str]) -> list[Embedding]:
        vectors = await adocument_vectors(self.embedder, texts)
        return made_by(self, [list(vector) for vector in vectors])


@contextlib.contextmanager
def _reported(
    model: BaseEmbedding, queries: list[str]
) -> Iterator[Callable[[list[Embedding]], list[Embedding]]]:
    """Tell LlamaIndex's callbacks and instrumentation of a call, and of what is handed in."""
    described = model.to_payload()
    dispatcher.event(EmbeddingStartEvent(model_dict=described))
    manager = model.callback_manager
    payload: dict[str, Any] = {EventPayload.SERIALIZED: described}
    with manager.event(CBEventType.EMBEDDING, payload=payload) as event:

        def report(vectors: list[Embedding]) -> list[Embedding]:
            event.on_end(payload={EventPayload.CHUNKS: queries, EventPayload.EMBEDDINGS: vectors})
            dispatcher.event(EmbeddingEndEvent(chunks=queries, embeddings=vectors))
            return vectors

        yield report


def _check_pickles(whole: BaseEmbedding, part: object) -> None:
    try:
        pickle.dumps(part)
    except ConfigurationError:
        raise
    except Exception as error:
        msg = (
            f"{type(whole).__name__} cannot be pickled, because {type(part).__name__} cannot: "
            f"{error}. Make it anew where it is needed."
        )
        raise ConfigurationError(msg) from error


def unit_mean(vectors: list[Embedding]) -> Embedding:
    """Average vectors and rescale: the mean of unit vectors is shorter than they are."""
    if not vectors:
        msg = "There is no question to embed, expected at least one. Ask with a text."
        raise EmbeddingError(msg)
    if len(vectors) == 1:
        return vectors[0]
    mean: Embedding = normalize(as_vectors(vectors).mean(axis=0)).tolist()
    return mean
