"""Static models: an embedding is the mean of its tokens' vectors, so no GPU and no torch."""

import asyncio
import functools
import importlib.util
import logging
from pathlib import Path
from typing import Any

import numpy as np

from mrl_adapters import registry
from mrl_adapters.errors import ConfigurationError, EmbeddingError, MissingExtraError
from mrl_adapters.vectors import FloatArray, truncate

_WORDLLAMA = "dleemiller/word-llama-l2-supercat"


class WordLlamaEmbedder:
    """Embed with the Matryoshka model that the wordllama package carries: nothing to download.

    The model (256 numbers a text, trained at 256, 128 and 64) is read at the first text, once a
    process. A text without a single token (the empty string) has no vector: EmbeddingError.

    Args:
        dimensions: Size of the vectors, 1 to 256.
        batch_size: Texts that are tokenised at once.

    Raises:
        MissingExtraError: wordllama is not installed.
        DimensionsError: The model does not have so many dimensions.

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

    def __repr__(self) -> str:
        return f"{type(self).__name__}(dimensions={self._dimensions})"

    @property
    def dimensions(self) -> int:
        """Size of the vectors."""
        return self._dimensions

    @property
    def model(self) -> str:
        """The model's name in the registry."""
        return _WORDLLAMA

    def embed_array(self, texts: list[str]) -> FloatArray:
        """Embed n texts into one float32 array of shape (n, dimensions).

        Raises:
            EmbeddingError: A text has no token; the message gives its place.
        """
        tokenizer, table = _load_wordllama()
        sums = np.empty((len(texts), table.shape[1]), dtype=np.float32)
        for start in range(0, len(texts), self._batch_size):
            batch = list(texts[start : start + self._batch_size])
            encodings = tokenizer.encode_batch_fast(batch, add_special_tokens=False)
            for row, encoding in enumerate(encodings, start):
                tokens = encoding.ids
                if not tokens:
                    msg = (
                        f"Text {row} ({texts[row]!r}) has no token, so it has no embedding. "
                        "Leave empty texts out."
                    )
                    raise EmbeddingError(msg)
                # The sum points where the mean does; truncate() sets the length. Row by row is
                # 8 times faster than the package's own padded batches, and long texts cost no
                # memory. "clip" is what the package does with ids beyond its table.
                table.take(tokens, axis=0, mode="clip").sum(axis=0, out=sums[row])
        return truncate(sums, self._dimensions)

    async def aembed_array(self, texts: list[str]) -> FloatArray:
        """Embed as :meth:`embed_array` does, in a thread."""
        return await asyncio.to_thread(self.embed_array, texts)

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Embed n texts into n lists of Python floats."""
        return _as_lists(self.embed_array(texts))

    def embed_query(self, text: str) -> list[float]:
        """Embed one question into a list of Python floats."""
        return self.embed_documents([text])[0]

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        """Embed as :meth:`embed_documents` does, in a thread."""
        return await asyncio.to_thread(self.embed_documents, texts)

    async def aembed_query(self, text: str) -> list[float]:
        """Embed as :meth:`embed_query` does, in a thread."""
        return await asyncio.to_thread(self.embed_query, text)


def _as_lists(vectors: FloatArray) -> list[list[float]]:
    lists: list[list[float]] = vectors.tolist()
    return lists


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
