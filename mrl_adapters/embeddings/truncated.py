"""Shorten the vectors of any embedder by its model's own recipe."""

from collections.abc import Sequence

import numpy as np

from mrl_adapters import registry
from mrl_adapters.embeddings.embedder import adocument_array, as_embedder, document_array
from mrl_adapters.embeddings.inspection import applies_prompts, model_name
from mrl_adapters.embeddings.questions import aquery_vectors, query_vectors
from mrl_adapters.embeddings.shortening import as_lists, shorten
from mrl_adapters.embeddings.texts import NonBlank, is_blank, text_list, with_prompt
from mrl_adapters.errors import DimensionsError
from mrl_adapters.vectors import FloatArray, as_vectors


class TruncatedEmbedder:
    """Embed with another embedder, once and at its full size, and keep the first numbers.

    Recipe and prompts are looked up by the model's name. A model that the registry does not hold
    is sliced and rescaled, with no prompt.

    Args:
        base: Any embedder: one of ours, a LangChain Embeddings, a LlamaIndex BaseEmbedding.
        dimensions: Size of the vectors.
        model: The model's name, where the base does not say it.
        prompts: Whether to put the model's prompts before the texts; None does so unless the base
            does it itself. No text gets a prompt that it has.

    Raises:
        DimensionsError: The model does not have so many dimensions, or must not be shortened.
        ConfigurationError: The base is no embedder, or the model's short vectors do not come from
            slicing.

    Warns:
        MatryoshkaWarning: The model was not trained at this size.
    """

    def __init__(
        self,
        base: object,
        dimensions: int,
        *,
        model: str | None = None,
        prompts: bool | None = None,
    ) -> None:
        self._embedder = as_embedder(base)
        self._base = base
        self._dimensions = dimensions
        self._model = model or model_name(base)
        spec = registry.find(self._model) if self._model else None
        self._spec = spec
        if spec:
            spec.check(dimensions)
        elif dimensions < 1:
            msg = f"Asked for {dimensions} dimensions. Choose at least 1."
            raise DimensionsError(msg, found=dimensions, expected="at least 1")
        apply = not applies_prompts(base) if prompts is None else prompts
        self._query_prompt = spec.query_prompt if spec and apply else ""
        self._document_prompt = spec.document_prompt if spec and apply else ""

    def __repr__(self) -> str:
        # The base's own repr might show more than a log should hold.
        base = type(self._base).__name__
        return f"{type(self).__name__}({base}(...), {self._dimensions}, model={self._model!r})"

    @property
    def base(self) -> object:
        """The embedder that is asked."""
        return self._base

    @property
    def dimensions(self) -> int:
        """Size of the vectors."""
        return self._dimensions

    @property
    def model(self) -> str | None:
        """The model's name, None where nobody said it."""
        return self._model

    @property
    def applies_prompts(self) -> bool:
        """Whether texts may be passed as they are: prompts are put before them here or below."""
        return True

    def embed_array(self, texts: list[str]) -> FloatArray:
        """Embed n texts into float32 of shape (n, dimensions); blank ones give zeros.

        Raises:
            DimensionsError: The base gave fewer dimensions than asked for.
            EmbeddingError: The base gave NaN, infinity or the wrong number of vectors.
        """
        documents = self._documents(texts)
        if all(map(is_blank, documents)):
            return self._zeros(len(documents))
        return self._shorten(document_array(self._embedder, documents))

    async def aembed_array(self, texts: list[str]) -> FloatArray:
        """Embed as :meth:`embed_array` does, with the base's own async method."""
        documents = self._documents(texts)
        if all(map(is_blank, documents)):
            return self._zeros(len(documents))
        return self._shorten(await adocument_array(self._embedder, documents))

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Embed n texts into n lists of Python floats."""
        return as_lists(self.embed_array(texts))

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        """Embed as :meth:`embed_documents` does, with the base's own async method."""
        return as_lists(await self.aembed_array(texts))

    def embed_query(self, text: str) -> list[float]:
        """Embed one question into a list of Python floats."""
        if is_blank(text):
            return as_lists(self._zeros(1))[0]
        return self._answer(self._embedder.embed_query(self._question(text)))

    async def aembed_query(self, text: str) -> list[float]:
        """Embed as :meth:`embed_query` does, with the base's own async method."""
        if is_blank(text):
            return as_lists(self._zeros(1))[0]
        return self._answer(await self._embedder.aembed_query(self._question(text)))

    def embed_queries(self, texts: list[str]) -> list[list[float]]:
        """Embed n questions into n lists of Python floats, in one call where the base can."""
        kept = self._questions(texts)
        return self._answers(query_vectors(self._embedder, kept.texts) if kept.rows else [], kept)

    async def aembed_queries(self, texts: list[str]) -> list[list[float]]:
        """Embed as :meth:`embed_queries` does, with the base's own async method."""
        kept = self._questions(texts)
        vectors = await aquery_vectors(self._embedder, kept.texts) if kept.rows else []
        return self._answers(vectors, kept)

    def _questions(self, texts: list[str]) -> NonBlank:
        return NonBlank.of(with_prompt(text_list(texts), self._query_prompt))

    def _answers(self, vectors: Sequence[Sequence[float]], kept: NonBlank) -> list[list[float]]:
        answers = self._zeros(kept.count)
        if kept.rows:
            answers[kept.rows] = self._shorten(as_vectors(vectors))
        return as_lists(answers)

    def _documents(self, texts: list[str]) -> list[str]:
        return with_prompt(text_list(texts), self._document_prompt)

    def _question(self, text: str) -> str:
        return with_prompt([text], self._query_prompt)[0]

    def _answer(self, vector: Sequence[float]) -> list[float]:
        return as_lists(self._shorten(as_vectors(vector)[None]))[0]

    def _zeros(self, count: int) -> FloatArray:
        return np.zeros((count, self._dimensions), dtype=np.float32)

    def _shorten(self, vectors: FloatArray) -> FloatArray:
        giver = type(self._base).__name__
        return shorten(vectors, self._dimensions, spec=self._spec, giver=giver)
