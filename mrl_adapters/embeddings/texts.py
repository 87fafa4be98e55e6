"""The texts that embedders take: a list of them, which are blank, and the prompt before each.

A blank page says nothing, and models treat it each in their own way: an error that ends the whole
batch, NaN, or a vector that is near to anything. Nothing is asked about blank texts here, and
their vectors are all zeros, which stores keep and no search finds.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mrl_adapters.arguments import require_list
from mrl_adapters.errors import EmbeddingError

STAND_IN = "size"
"""What is embedded where only the size of a vector is of interest."""


def text_list(texts: Iterable[str]) -> list[str]:
    """Return the texts as a list; refuse a lone string, which would be read letter by letter."""
    return list(require_list(texts, "texts", "strings (embed_query takes one)"))


def is_blank(text: str) -> bool:
    """Return whether a text has nothing in it but white space."""
    return not text or text.isspace()


def check_utf_8(text: str, what: str = "The text") -> None:
    """Refuse half a surrogate pair before a model's tokeniser fails on it.

    Raises:
        EmbeddingError: UTF-8 cannot hold the text.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        msg = (
            f"{what} cannot be written as UTF-8: {error.reason} at character {error.start}. "
            "Decode it anew; text.encode('utf-8', 'replace').decode() puts '?' in its place."
        )
        raise EmbeddingError(msg, found=text) from error


def require_query(text: str) -> str:
    """Return a question that a store is searched with, unless it is blank or no UTF-8."""
    if is_blank(text):
        msg = (
            f"The question is blank ({text!r}), so nothing is near to it. Search with a text, or "
            "with a vector; to read documents by ids or filters no search is needed."
        )
        raise EmbeddingError(msg, found=text)
    check_utf_8(text, "The question")
    return text


def with_prompt(texts: Iterable[str], prompt: str) -> list[str]:
    """Put a prompt before the texts that do not begin with it already; blank ones stay so.

    Raises:
        EmbeddingError: UTF-8 cannot hold a text.
    """
    prompted = []
    for row, text in enumerate(texts):
        check_utf_8(text, f"Text {row}")
        prompted.append(text if text.startswith(prompt) or is_blank(text) else prompt + text)
    return prompted


@dataclass(frozen=True)
class NonBlank:
    """Those of n texts that are not blank.

    Args:
        texts: The texts.
        rows: Their places among the n.
        count: n.
    """

    texts: list[str]
    rows: list[int]
    count: int

    @classmethod
    def of(cls, texts: list[str]) -> "NonBlank":
        """Leave the blank ones out; where there are no others, a stand-in tells the size.

        Raises:
            EmbeddingError: UTF-8 cannot hold a text.
        """
        for row, text in enumerate(texts):
            check_utf_8(text, f"Text {row}")
        rows = [row for row, text in enumerate(texts) if not is_blank(text)]
        if len(rows) == len(texts):
            return cls(texts, rows, len(texts))
        return cls([texts[row] for row in rows] or [STAND_IN], rows, len(texts))

    def spread(self, vectors: Sequence[Sequence[float]]) -> Sequence[Sequence[float]]:
        """Put the vectors of ``texts`` in their places: n of them, zeros at the blank ones."""
        if len(self.rows) == self.count or len(vectors) != len(self.texts):
            return vectors  # another number than asked for is told by who checks the batch
        zeros = [0.0] * len(vectors[0])
        placed: list[Sequence[float]] = [zeros] * self.count
        for row, vector in zip(self.rows, vectors, strict=False):  # none is the stand-in's
            placed[row] = vector
        return placed
