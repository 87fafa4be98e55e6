"""Embed through OpenAI's API, or any server that speaks it."""

import asyncio
import functools
import importlib.util
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_adapters import registry
from mrl_adapters.embeddings.openai import driver
from mrl_adapters.embeddings.openai.answers import Usage
from mrl_adapters.embeddings.openai.clients import Clients
from mrl_adapters.embeddings.openai.options import OpenAIOptions
from mrl_adapters.embeddings.openai.packing import (
    Piece,
    TokenLimit,
    assemble,
    cut,
    load_encoding,
    pack,
)
from mrl_adapters.embeddings.openai.requests import Batch, Server, Steps, Terms, join
from mrl_adapters.embeddings.shortening import as_lists, shorten
from mrl_adapters.embeddings.texts import STAND_IN, text_list
from mrl_adapters.errors import DimensionsError, MissingExtraError
from mrl_adapters.vectors import FloatArray

if TYPE_CHECKING:
    from openai import AsyncOpenAI, OpenAI

_COUNTING = threading.Lock()  # of usage; not an attribute, which could not be pickled


class OpenAIEmbedder:
    """Embed through OpenAI's API, or any server that speaks it (vLLM, TEI, Ollama, LM Studio).

    Which parameters a server takes, and how many texts at a time, is found out from what it
    refuses, and remembered.

    Construction needs no key and makes no call. One object serves any number of threads and
    event loops.

    Args:
        model: The model's name, as the server knows it.
        dimensions: Size of the vectors; None takes what the model gives by itself.
        base_url: The server, such as ``http://localhost:11434/v1``.
        api_key: None reads OPENAI_API_KEY.
        client: An ``openai.OpenAI`` of one's own; then base_url and api_key are not used.
        async_client: The same for the async methods. With ``client`` alone they run in a thread.
        options: Everything else: see `OpenAIOptions`.

    Raises:
        MissingExtraError: openai is not installed.
        DimensionsError: The model does not have so many dimensions, or must not be shortened.

    Warns:
        MatryoshkaWarning: The model was not trained at this size.
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
        if importlib.util.find_spec("openai") is None:
            package, extra = "openai", "openai"
            raise MissingExtraError(package, extra)
        self._model = model
        self._wanted = dimensions
        self._options = options = options or OpenAIOptions()
        self._spec = registry.find(model)
        self._server = _server(self._spec, dimensions, options)
        self._clients = Clients(base_url, api_key, client, async_client, options)
        self._usage = Usage()
        self._width = _expected(self._spec)  # of unshortened vectors; learnt where not known

    def __repr__(self) -> str:
        return f"{type(self).__name__}(model={self._model!r}, dimensions={self.dimensions})"

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_usage": Usage()}  # no use is counted twice

    @property
    def model(self) -> str:
        """The model's name."""
        return self._model

    @property
    def dimensions(self) -> int | None:
        """Size of the vectors; None for an unknown model that has not answered yet."""
        return self._wanted or self._width

    @property
    def applies_prompts(self) -> bool:
        """Whether texts may be passed as they are: the model's prompts are put before them here."""
        return self._options.prompts

    @property
    def usage(self) -> Usage:
        """Requests made and tokens used by this object so far."""
        return self._usage

    def embed_array(self, texts: list[str]) -> FloatArray:
        """Embed n texts into one float32 array of shape (n, dimensions).

        Raises:
            EmbeddingError: A text cannot be sent, or an answer cannot be used.
            DimensionsError: The server gave vectors of another size than asked for.
            openai.OpenAIError: The request failed, after the retries.
            DeadlineError: The server's answer was not complete in time.
        """
        return self._embed(text_list(texts), query=False)

    async def aembed_array(self, texts: list[str]) -> FloatArray:
        """Embed as :meth:`embed_array` does, without blocking the event loop."""
        return await self._aembed(text_list(texts), query=False)

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Embed n texts into n lists of Python floats."""
        return as_lists(self.embed_array(texts))

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        """Embed as :meth:`embed_documents` does, without blocking the event loop."""
        return as_lists(await self.aembed_array(texts))

    def embed_query(self, text: str) -> list[float]:
        """Embed one question into a list of Python floats."""
        return as_lists(self._embed([text], query=True))[0]

    async def aembed_query(self, text: str) -> list[float]:
        """Embed as :meth:`embed_query` does, without blocking the event loop."""
        return as_lists(await self._aembed([text], query=True))[0]

    def embed_queries(self, texts: list[str]) -> list[list[float]]:
        """Embed n questions into n lists of Python floats, in as few requests as hold them."""
        return as_lists(self._embed(text_list(texts), query=True))

    async def aembed_queries(self, texts: list[str]) -> list[list[float]]:
        """Embed as :meth:`embed_queries` does, without blocking the event loop."""
        return as_lists(await self._aembed(text_list(texts), query=True))

    def _embed(self, texts: list[str], *, query: bool) -> FloatArray:
        pieces = self._pieces(texts, query=query)
        if not pieces:
            if texts and self.dimensions is None:
                self._embed([STAND_IN], query=query)
            return self._zeros(len(texts))
        client = self._clients.sync()
        requests = self._requests(pieces, client, query=query)
        parts = driver.run_all(requests, client, self._options.concurrency)
        return self._finish(pieces, parts, len(texts))

    async def _aembed(self, texts: list[str], *, query: bool) -> FloatArray:
        client = await self._clients.current()
        if client is None:
            return await asyncio.to_thread(self._embed, texts, query=query)
        pieces = self._pieces(texts, query=query)
        if not pieces:
            if texts and self.dimensions is None:
                await self._aembed([STAND_IN], query=query)
            return self._zeros(len(texts))
        requests = self._requests(pieces, client, query=query)
        parts = await driver.arun_all(requests, client, self._options.concurrency)
        return self._finish(pieces, parts, len(texts))

    def _pieces(self, texts: list[str], *, query: bool) -> list[Piece]:
        spec, options = self._spec, self._options
        tokens = options.max_tokens or (spec.max_tokens if spec else None)
        prompt = ""
        if spec and options.prompts:
            prompt = spec.query_prompt if query else spec.document_prompt
        return cut(texts, prompt, TokenLimit(tokens, lambda: load_encoding(self._model)), options)

    def _requests(
        self, pieces: Sequence[Piece], client: "OpenAI | AsyncOpenAI", *, query: bool
    ) -> list[Steps]:
        spec, options = self._spec, self._options
        body = options.query_body if query else options.document_body
        fields = (spec.query_fields if query else spec.document_fields) if spec else {}
        batch = functools.partial(
            Batch,
            self._model,
            server=self._server,
            patience=self._clients.patience(client, query=query),
            count=self._count,
            body={**options.extra_body, **(body or {})},
            fields=fields if body is None else {},
        )
        batches = pack(pieces, self._server.batch_size, options.request_tokens)
        return [batch(pieces=pieces).steps() for pieces in batches]

    def _count(self, usage: Usage) -> None:
        with _COUNTING:
            self._usage += usage

    def _finish(self, pieces: Sequence[Piece], parts: list[FloatArray], count: int) -> FloatArray:
        vectors = assemble(pieces, join(self._model, parts), count)
        width = vectors.shape[1]
        self._check_width(width)
        giver = f"The server's model '{self._model}'"
        return shorten(vectors, self._wanted or width, spec=self._spec, giver=giver)

    def _check_width(self, width: int) -> None:
        if self._wanted is None:
            self._width = self._width or width
            if width != self._width:
                msg = (
                    f"Model '{self._model}' gave vectors of {width} dimensions, expected "
                    f"{self._width}: another model may stand behind that name. If {width} is "
                    f"meant, pass dimensions={width}."
                )
                raise DimensionsError(msg, found=width, expected=self._width)
        elif self._options.truncation == "server" and width != self._wanted:
            msg = (
                f"The server gave vectors of {width} dimensions, asked for {self._wanted}: it does "
                "not shorten. Pass OpenAIOptions(truncation='auto') to have it done here."
            )
            raise DimensionsError(msg, found=width, expected=self._wanted)

    def _zeros(self, count: int) -> FloatArray:
        return np.zeros((count, self.dimensions or 0), dtype=np.float32)


def _expected(spec: registry.ModelSpec | None) -> int | None:
    return (spec.default_dimensions or spec.dimensions) if spec else None


def _server(
    spec: registry.ModelSpec | None, dimensions: int | None, options: OpenAIOptions
) -> Server:
    """Decide what to ask a server for that has not answered yet."""
    batch_size = min(options.batch_size, (spec and spec.max_batch) or options.batch_size)
    if dimensions is None or dimensions == _expected(spec):
        return Server(Terms(), batch_size)
    if dimensions < 1:
        msg = f"Asked for {dimensions} dimensions. Choose at least 1."
        raise DimensionsError(msg, found=dimensions, expected="at least 1")
    by_server, optional = options.truncation != "client", options.truncation == "auto"
    if spec and by_server and not spec.sliceable:
        optional = False  # the model itself makes the short vectors
    elif spec:
        spec.check(dimensions)
        # No server knows the recipe better than the registry.
        by_server = by_server and not (optional and spec.reduction != "prefix")
    field = spec.dimensions_field if spec else "dimensions"
    return Server(Terms(dimensions if by_server else None, field, optional), batch_size)
