"""Embeddings for LlamaIndex."""

import asyncio
import re
import uuid
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from llama_index.core.base.embeddings.base import BaseEmbedding, Embedding
from llama_index.core.bridge.pydantic import Field, PrivateAttr, SerializeAsAny, field_serializer
from typing_extensions import override

from mrl_adapters import registry
from mrl_adapters.embeddings import Embedder, OpenAIEmbedder, OpenAIOptions, Usage
from mrl_adapters.embeddings.inspection import applies_prompts, model_name
from mrl_adapters.embeddings.shortening import as_lists, shorten
from mrl_adapters.embeddings.texts import NonBlank, is_blank, with_prompt
from mrl_adapters.errors import DimensionsError
from mrl_adapters.llama_index.embedder import EmbedderEmbedding, UnitEmbedding
from mrl_adapters.llama_index.provenance import made_by
from mrl_adapters.registry import ModelSpec
from mrl_adapters.vectors import as_vectors

if TYPE_CHECKING:
    from openai import AsyncOpenAI, OpenAI

_OPENAI_TEXTS_PER_BATCH = 2_048

# Questions and documents of one wording may have different vectors: they share no entry.
_QUERIES = "query_embeddings"

_SECRET = re.compile(
    r"(?:^|_)(?:api_?key|key|token|secret|password|credentials?|authorization|headers?)$",
    re.IGNORECASE,
)


def without_secrets(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return a serialised component without entries named like credentials, at every depth."""
    return {
        name: without_secrets(value) if isinstance(value, Mapping) else value
        for name, value in given.items()
        if not _SECRET.search(name)
    }


class OpenAIMatryoshkaEmbedding(EmbedderEmbedding):
    """Embed through OpenAI's API or any server that speaks it, at any size the model allows.

    Construction needs no key and makes no call.

    Args:
        model: The model's name, as the server knows it.
        dimensions: Size of the vectors; None takes what the model gives by itself. A
            MatryoshkaVectorStore wants the full size and derives the short one.
        base_url: Another server, such as ``http://localhost:11434/v1``.
        api_key: None reads OPENAI_API_KEY.
        client: An ``openai.OpenAI`` of one's own.
        async_client: The same for the async methods.
        options: Long and empty texts, batches, retries, concurrency.

    Examples:
        >>> from mrl_adapters.llama_index import OpenAIMatryoshkaEmbedding
        >>> embed_model = OpenAIMatryoshkaEmbedding("text-embedding-3-large", 1024)
    """

    def __init__(
        self,
        model: str = "text-embedding-3-small",
        dimensions: int | None = None,
        *,
        base_url: str | None = None,
        api_key: Any = None,
        client: "OpenAI | None" = None,
        async_client: "AsyncOpenAI | None" = None,
        options: OpenAIOptions | None = None,
    ) -> None:
        embedder = OpenAIEmbedder(
            model,
            dimensions,
            base_url=base_url,
            api_key=api_key,
            client=client,
            async_client=async_client,
            options=options,
        )
        super().__init__(embedder, embed_batch_size=_OPENAI_TEXTS_PER_BATCH)

    @classmethod
    @override
    def class_name(cls) -> str:
        return "OpenAIMatryoshkaEmbedding"

    @property
    def dimensions(self) -> int | None:
        """Size of the vectors; None for an unknown model that has not answered yet."""
        size: int | None = self.embedder.dimensions
        return size

    @property
    def usage(self) -> Usage:
        """Requests made and tokens used by this object so far."""
        used: Usage = self.embedder.usage
        return used


class MatryoshkaEmbedding(UnitEmbedding):
    """Shorten the vectors of any embed_model by its model's own recipe.

    The inner model is asked for its full size, through its own cache and rate limiter. Put an
    ``embeddings_cache`` on the inner model, not on this one: it then holds full vectors, good for
    every size.

    Args:
        inner: Any embed_model at its full size, or an embedder of ``mrl_adapters.embeddings``.
        dimensions: Size of the vectors.
        model: The model's name, where the inner one does not say it.
        prompts: Whether to put the model's prompts before the texts; None does so unless the
            inner model does it itself. No text gets a prompt that it has.

    Raises:
        DimensionsError: The model does not have so many dimensions, or must not be shortened.
        ConfigurationError: The model's short vectors do not come from slicing.

    Warns:
        MatryoshkaWarning: The model was not trained at this size.

    Examples:
        >>> from llama_index.embeddings.openai import OpenAIEmbedding
        >>> from mrl_adapters.llama_index import MatryoshkaEmbedding
        >>> embed_model = MatryoshkaEmbedding(OpenAIEmbedding(model="text-embedding-3-large"), 256)
    """

    # A declared field: LlamaIndex hashes what it sees, and two wrappers must not look alike.
    inner: SerializeAsAny[BaseEmbedding] = Field(repr=False)
    dimensions: int
    query_prompt: str
    document_prompt: str

    _spec: ModelSpec | None = PrivateAttr()

    def __init__(
        self,
        inner: BaseEmbedding | Embedder,
        dimensions: int,
        *,
        model: str | None = None,
        prompts: bool | None = None,
    ) -> None:
        base = inner if isinstance(inner, BaseEmbedding) else EmbedderEmbedding(inner)
        name = model or model_name(base)
        spec = registry.find(name) if name else None
        if spec:
            spec.check(dimensions)
        elif dimensions < 1:
            msg = f"Asked for {dimensions} dimensions. Choose at least 1."
            raise DimensionsError(msg, found=dimensions, expected="at least 1")
        apply = not applies_prompts(base) if prompts is None else prompts
        fields: dict[str, Any] = {
            "inner": base,
            "dimensions": dimensions,
            "model_name": name or "unknown",
            "embed_batch_size": base.embed_batch_size,
            "num_workers": base.num_workers,
            "query_prompt": spec.query_prompt if spec and apply else "",
            "document_prompt": spec.document_prompt if spec and apply else "",
        }
        super().__init__(**fields)
        self._spec = spec

    @classmethod
    @override
    def class_name(cls) -> str:
        return "MatryoshkaEmbedding"

    @property
    def applies_prompts(self) -> bool:
        """Whether texts may be passed as they are: prompts are put before them here or below."""
        return True

    @override
    def to_payload(self) -> dict[str, Any]:
        return {
            "class_name": self.class_name(),
            "model_name": self.model_name,
            "embed_batch_size": self.embed_batch_size,
            "dimensions": self.dimensions,
            "inner": self.inner.class_name(),
        }

    @field_serializer("inner")
    def _without_secrets(self, inner: BaseEmbedding) -> dict[str, Any]:
        return without_secrets(inner.to_dict())

    # The inner model's private hooks: its public methods would report every text twice.

    @override
    def _get_query_embedding(self, query: str) -> Embedding:
        if is_blank(query):
            return self._zeros()
        text, cache = self._question(query), self.inner.embeddings_cache
        if cache is None:
            self._acquire()
            return self._shorten([self.inner._get_query_embedding(text)])[0]  # noqa: SLF001 - see above
        kept = cache.get(key=text, collection=_QUERIES)
        if kept is None:
            self._acquire()
            vector = self.inner._get_query_embedding(text)  # noqa: SLF001 - see above
            kept = {str(uuid.uuid4()): vector}
            cache.put(key=text, val=kept, collection=_QUERIES)
        return self._shorten(list(kept.values()))[0]

    @override
    async def _aget_query_embedding(self, query: str) -> Embedding:
        if is_blank(query):
            return self._zeros()
        text, cache = self._question(query), self.inner.embeddings_cache
        if cache is None:
            await self._aacquire()
            return self._shorten([await self.inner._aget_query_embedding(text)])[0]  # noqa: SLF001 - see above
        kept = await cache.aget(key=text, collection=_QUERIES)
        if kept is None:
            await self._aacquire()
            vector = await self.inner._aget_query_embedding(text)  # noqa: SLF001 - see above
            kept = {str(uuid.uuid4()): vector}
            await cache.aput(key=text, val=kept, collection=_QUERIES)
        return self._shorten(list(kept.values()))[0]

    @override
    def _get_query_embeddings(self, queries: list[str]) -> list[Embedding]:
        inner = self.inner
        if inner.embeddings_cache is not None or not isinstance(inner, UnitEmbedding):
            return [self._get_query_embedding(query) for query in queries]
        spoken = NonBlank.of(with_prompt(queries, self.query_prompt))
        if not spoken.rows:
            return [self._zeros() for _ in queries]
        self._acquire()
        return self._shorten(spoken.spread(inner._get_query_embeddings(spoken.texts)))  # noqa: SLF001 - see above

    @override
    async def _aget_query_embeddings(self, queries: list[str]) -> list[Embedding]:
        inner = self.inner
        if inner.embeddings_cache is not None or not isinstance(inner, UnitEmbedding):
            return await asyncio.gather(*map(self._aget_query_embedding, queries))
        spoken = NonBlank.of(with_prompt(queries, self.query_prompt))
        if not spoken.rows:
            return [self._zeros() for _ in queries]
        await self._aacquire()
        return self._shorten(spoken.spread(await inner._aget_query_embeddings(spoken.texts)))  # noqa: SLF001 - see above

    @override
    def _get_text_embeddings(self, texts: list[str]) -> list[Embedding]:
        inner, spoken = self.inner, NonBlank.of(with_prompt(texts, self.document_prompt))
        if not spoken.rows:
            return [self._zeros() for _ in texts]
        self._acquire()
        if inner.embeddings_cache is None:
            vectors = inner._get_text_embeddings(spoken.texts)  # noqa: SLF001 - see above
        else:
            vectors = inner._get_text_embeddings_cached(spoken.texts)  # noqa: SLF001 - see above
        return self._shorten(spoken.spread(vectors))

    @override
    async def _aget_text_embeddings(self, texts: list[str]) -> list[Embedding]:
        inner, spoken = self.inner, NonBlank.of(with_prompt(texts, self.document_prompt))
        if not spoken.rows:
            return [self._zeros() for _ in texts]
        await self._aacquire()
        if inner.embeddings_cache is None:
            vectors = await inner._aget_text_embeddings(spoken.texts)  # noqa: SLF001 - see above
        else:
            vectors = await inner._aget_text_embeddings_cached(spoken.texts)  # noqa: SLF001 - see above
        return self._shorten(spoken.spread(vectors))

    def _question(self, query: str) -> str:
        return with_prompt([query], self.query_prompt)[0]

    def _zeros(self) -> Embedding:
        return [0.0] * self.dimensions

    def _shorten(self, vectors: Sequence[Sequence[float]]) -> list[Embedding]:
        giver = self.inner.class_name()
        short = shorten(as_vectors(vectors), self.dimensions, spec=self._spec, giver=giver)
        return made_by(self, as_lists(short))

    def _acquire(self) -> None:
        # llama-index-core 0.13 has no rate limiters.
        if (limiter := getattr(self.inner, "rate_limiter", None)) is not None:
            limiter.acquire()

    async def _aacquire(self) -> None:
        if (limiter := getattr(self.inner, "rate_limiter", None)) is not None:
            await limiter.async_acquire()
