"""Static models: an embedding is the mean of its tokens' vectors, so no GPU and no torch."""

import functools
import importlib.util
import logging
from pathlib import Path
from typing import Any

import numpy as np

from mrl_adapters import registry
from mrl_adapters.embeddings.local import LocalEmbedder
from mrl_adapters.errors import ConfigurationError, MissingExtraError
from mrl_adapters.vectors import FloatArray, truncate

_WORDLLAMA = "dleemiller/word-llama-l2-supercat"


class WordLlamaEmbedder(LocalEmbedder):
    """Embed with the Matryoshka model that the wordllama package carries: nothing to download.

    The model (256 numbers a text, trained at 256, 128 and 64) is read at the first text, once a
    process. The vector of a text without a single token is all zeros.

    Args:
        dimensions: Size of the vectors, 1 to 256.
        batch_size: Texts that are tokenised at once.

    Raises:
        MissingExtraError: wordllama is not installed.
        DimensionsError: The model does not have so many dimensions.

    Warns:
        MatryoshkaWarning: The model was not trained at this size.

    Source:
        https://github.com/dleemiller/WordLlama
    """

    def __init__(self, dimensions: int = 256, *, batch_size: int = 256) -> None:
        if importlib.util.find_spec("wordllama") is None:
            package, extra = "wordllama", "static"
            raise MissingExtraError(package, extra)
        if batch_size < 1:
            msg = f"batch_size is {batch_size}, expected at least 1. Leave it out for 256."
            raise ConfigurationError(msg)
        registry.get(_WORDLLAMA).check(dimensions)
        self._dimensions = dimensions
        self._batch_size = batch_size

    @property
    def dimensions(self) -> int:
        """Size of the vectors."""
        return self._dimensions

    @property
    def model(self) -> str:
        """The model's name in the registry."""
        return _WORDLLAMA

    def _embed(self, texts: list[str], *, query: bool) -> FloatArray:  # noqa: ARG002 - one side
        tokenizer, table = _load_wordllama()
        sums = np.empty((len(texts), table.shape[1]), dtype=np.float32)
        for start in range(0, len(texts), self._batch_size):
            batch = texts[start : start + self._batch_size]
            encodings = tokenizer.encode_batch_fast(batch, add_special_tokens=False)
            for row, encoding in enumerate(encodings, start):
                tokens = encoding.ids
                # The sum points where the mean does; truncate() sets the length. Row by row is
                # 8 times faster than the package's own padded batches, and long texts cost no
                # memory. "clip" is what the package does with ids beyond its table.
                table.take(tokens, axis=0, mode="clip").sum(axis=0, out=sums[row])
        return truncate(sums, self._dimensions)


class WordLlamaTokens:
    """Token vectors of the model that the wordllama package carries, for late interaction.

    The model gives a token the same vector in any text (it is no ColBERT): MaxSim of such vectors
    matches words, and words that mean nearly the same, one by one.

    Args:
        dimensions: Size of a token's vector, 1 to 256.

    Raises:
        MissingExtraError: wordllama is not installed.
        DimensionsError: The model does not have so many dimensions.
    """

    model_name = _WORDLLAMA

    def __init__(self, dimensions: int = 256) -> None:
        self.dimensions: int = WordLlamaEmbedder(dimensions).dimensions

    def embed_documents(self, texts: list[str]) -> list[FloatArray]:
        """Return one array of shape (tokens, dimensions) a text, without the texts' repetitions."""
        tokenizer, table = _load_wordllama()
        encodings = tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        ids = [[*dict.fromkeys(encoding.ids)] for encoding in encodings]
        return [table[:, : self.dimensions].take(each, axis=0, mode="clip") for each in ids]

    def embed_query(self, text: str) -> FloatArray:
        """Return an array of shape (tokens, dimensions)."""
        return self.embed_documents([text])[0]


class Model2VecEmbedder(LocalEmbedder):
    """Embed with a static model of the model2vec package.

    The vector of a text without a token that the model knows is all zeros.

    Args:
        model: Path or name of a model (a name is downloaded by model2vec), or a loaded
            ``model2vec.StaticModel``.
        dimensions: Size of the vectors; None gives the full size.
        name: The model's name, where ``model`` is an object or a path that does not say it.

    Raises:
        MissingExtraError: model2vec is not installed.
        DimensionsError: The model does not have so many dimensions.

    Warns:
        MatryoshkaWarning: The model was not trained at this size.

    Source:
        https://github.com/MinishLab/model2vec
    """

    def __init__(
        self, model: Any, dimensions: int | None = None, *, name: str | None = None
    ) -> None:
        if isinstance(model, (str, Path)):
            if importlib.util.find_spec("model2vec") is None:
                package, extra = "model2vec", "static"
                raise MissingExtraError(package, extra)
            from model2vec import StaticModel

            name = name or str(model)
            model = StaticModel.from_pretrained(str(model))
        self._static = model
        self._model = name or getattr(model, "base_model_name", None) or "model2vec"
        full = int(model.dim)
        spec = registry.find(self._model) or registry.ModelSpec(self._model, full, reduction="none")
        self._dimensions = full if dimensions is None else dimensions
        spec.check(self._dimensions)

    @property
    def dimensions(self) -> int:
        """Size of the vectors."""
        return self._dimensions

    @property
    def model(self) -> str:
        """The model's name."""
        return self._model

    def _embed(self, texts: list[str], *, query: bool) -> FloatArray:  # noqa: ARG002 - one side
        if not texts:
            return np.empty((0, self._dimensions), dtype=np.float32)
        vectors = np.asarray(self._static.encode(texts), dtype=np.float32)
        return truncate(vectors, self._dimensions)


@functools.cache
def _load_wordllama() -> tuple[Any, FloatArray]:
    """Read tokenizer and token table from the installed package."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    import wordllama

    # Importing it calls logging.basicConfig: the application's logging is not ours to set up.
    root.handlers[:] = handlers
    root.setLevel(level)
    # Without cache_dir it looks for the tokenizer outside its own folder, then downloads one.
    model = wordllama.WordLlama.load(
        cache_dir=Path(wordllama.__file__).parent, disable_download=True
    )
    model.tokenizer.no_padding()
    return model.tokenizer, model.embedding
