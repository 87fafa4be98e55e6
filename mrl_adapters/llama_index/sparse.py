"""LlamaIndex's functions that compute sparse vectors, as the core takes an encoder."""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

from mrl_adapters.errors import EmbeddingError

SparseFunction: TypeAlias = Callable[[list[str]], tuple[list[list[int]], list[list[float]]]]


class SparseRow(NamedTuple):
    """One text's sparse vector."""

    indices: list[int]
    values: list[float]


class SparseFunctions:
    """A pair of LlamaIndex's functions.

    Args:
        documents: Turns texts that are stored into lists of indices and of values.
        questions: Turns questions into such lists.
    """

    def __init__(self, documents: SparseFunction, questions: SparseFunction) -> None:
        self._documents = documents
        self._questions = questions

    def embed_documents(self, texts: list[str]) -> list[SparseRow]:
        """Turn texts that are stored into sparse vectors."""
        return _rows(self._documents(texts))

    def embed_query(self, text: str) -> SparseRow:
        """Turn a question into a sparse vector."""
        rows = _rows(self._questions([text]))
        if len(rows) != 1:
            msg = f"sparse_query_fn returned {len(rows)} vectors for one question, expected one."
            raise EmbeddingError(msg, found=len(rows), expected=1)
        return rows[0]


def _rows(returned: Any) -> list[SparseRow]:
    try:
        indices, values = returned
        return [SparseRow(*pair) for pair in zip(indices, values, strict=True)]
    except (TypeError, ValueError) as error:
        msg = (
            f"A sparse function returned {returned!r:.80}, expected a pair: lists of indices and "
            "lists of values, one a text each."
        )
        raise EmbeddingError(msg, found=returned) from error
