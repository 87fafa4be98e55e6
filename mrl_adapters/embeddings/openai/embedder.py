"""Embed through OpenAI's API, or any server that speaks it."""

import asyncio
import importlib.util
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_adapters import registry
from mrl_adapters.embeddings.openai import drive
from mrl_adapters.embeddings.openai.answers import Answer
from mrl_adapters.embeddings.openai.clients import Clients
from mrl_adapters.embeddings.openai.conversation import Flow, Terms, converse
from mrl_adapters.embeddings.openai.options import OpenAIOptions
from mrl_adapters.embeddings.openai.packing import Piece, assemble, cut, pack
from mrl_adapters.embeddings.openai.tokens import Ruler, load_encoding
from mrl_adapters.embeddings.openai.usage import Meter, Usage
from mrl_adapters.embeddings.shortening import as_lists, shorten
from mrl_adapters.embeddings.texts import STAND_IN, text_list
from mrl_adapters.errors import DimensionsError, EmbeddingError, MissingExtraError
from mrl_adapters.vectors import FloatArray

if TYPE_CHECKING:
    from openai import AsyncOpenAI, OpenAI


class OpenAIEmbedder:
    """Embed through OpenAI's API, or any server that speaks it (vLLM, TEI, Ollama, LM Studio).

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
        self._terms = _terms(self._spec, dimensions, options)
        self._clients = Clients(
            base_url=base_url,
            api_key=api_key,
            client=client,
            async_client=async_client,
            options=options,
        )
        self._meter = Meter()
        self._width = _expected(self._spec)  # of unshortened vectors; learnt where not known

    def __repr__(self) -> str:
        return f"{type(self).__name__}(model={self._model!r}, dimensions={self.dimensions})"

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
        return self._meter.total

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

    def _embed(self, texts: list[str], *, query: bool) -> FloatArray:
        pieces = self._pieces(texts, query=query)
        if not pieces:
            if texts and self.dimensions is None:
                self._embed([STAND_IN], query=query)
            return self._zeros(len(texts))
        client = self._clients.sync()
        patience = self._clients.patience(client, query=query)
        answers = drive.run_all(self._flows(pieces), client, self._options.concurrency, patience)
        return self._finish(pieces, answers, len(texts))

    async def _aembed(self, texts: list[str], *, query: bool) -> FloatArray:
        client = await self._clients.current()
        if client is None:
            return await asyncio.to_thread(self._embed, texts, query=query)
        pieces = self._pieces(texts, query=query)
        if not pieces:
            if texts and self.dimensions is None:
                await self._aembed([STAND_IN], query=query)
            return self._zeros(len(texts))
        patience = self._clients.patience(client, query=query)
        answers = await drive.arun_all(
            self._flows(pieces), client, self._options.concurrency, patience
        )
        return self._finish(pieces, answers, len(texts))

    def _pieces(self, texts: list[str], *, query: bool) -> list[Piece]:
        spec, options = self._spec, self._options
        limit = options.max_tokens or (spec.max_tokens if spec else None)
        prompt = ""
        if spec and options.prompts:
            prompt = spec.query_prompt if query else spec.document_prompt
        return cut(texts, prompt, Ruler(limit, lambda: load_encoding(self._model)), options)

    def _flows(self, pieces: Sequence[Piece]) -> list[Flow]:
        return [
            self._metered(
                converse(
                    self._model,
                    [piece.text for piece in batch],
                    self._terms,
                    [piece.row for piece in batch],
                )
            )
            for batch in pack(pieces, self._options)
        ]

    def _metered(self, flow: Flow) -> Flow:
        # Counted as it comes: what was answered is paid for, even if another request then fails.
        answer = yield from flow
        self._meter.add(answer.usage)
        return answer

    def _finish(self, pieces: Sequence[Piece], answers: list[Answer], count: int) -> FloatArray:
        widths = {answer.vectors.shape[1] for answer in answers}
        if len(widths) != 1:
            msg = (
                f"Model '{self._model}' answered with vectors of {sorted(widths)} dimensions, "
                "expected one size. Check whether several servers stand behind base_url."
            )
            raise EmbeddingError(msg)
        parts = [answer.vectors for answer in answers]
        vectors = assemble(pieces, parts[0] if len(parts) == 1 else np.concatenate(parts), count)
        self._check_width(widths.pop())
        wanted = self._wanted or vectors.shape[1]
        giver = f"The server's model '{self._model}'"
        return shorten(vectors, wanted, spec=self._spec, giver=giver)

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


def _terms(
    spec: registry.ModelSpec | None, dimensions: int | None, options: OpenAIOptions
) -> Terms:
    """Decide what to ask the server for."""
    if dimensions is None or dimensions == _expected(spec):
        return Terms(None, optional=False)
    if dimensions < 1:
        msg = f"Asked for {dimensions} dimensions. Choose at least 1."
        raise DimensionsError(msg, found=dimensions, expected="at least 1")
    by_server = options.truncation != "client"
    if spec is None:
        return Terms(dimensions if by_server else None, optional=options.truncation == "auto")
    if by_server and spec.reduction in {"heads", "projection"}:
        return Terms(dimensions, optional=False)  # the model itself makes the short vectors
    spec.check(dimensions)
    if options.truncation == "auto" and spec.reduction != "prefix":
        by_server = False  # no server knows the recipe better than the registry
    optional = options.truncation == "auto" and not spec.takes_dimensions
    return Terms(dimensions if by_server else None, optional=optional)
