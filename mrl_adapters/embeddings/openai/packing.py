"""Which texts go into which request, and how their vectors come back together."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from mrl_adapters.embeddings.openai.options import OpenAIOptions
from mrl_adapters.embeddings.openai.tokens import Ruler, byte_length
from mrl_adapters.embeddings.texts import is_blank
from mrl_adapters.errors import ConfigurationError, EmbeddingError
from mrl_adapters.vectors import FloatArray


@dataclasses.dataclass(frozen=True)
class Piece:
    """One string to send.

    Args:
        text: What is sent.
        row: Which of the caller's texts it belongs to.
        weight: Upper bound of its tokens; its share in an average.
    """

    text: str
    row: int
    weight: int


def cut(texts: Sequence[str], prompt: str, ruler: Ruler, options: OpenAIOptions) -> list[Piece]:
    """Turn the caller's texts into what can be sent, by the policies for blank and over-long ones.

    Raises:
        EmbeddingError: A text is blank or over-long and the policy says so, or it cannot be
            written as UTF-8; the message gives its place.
    """
    pieces = []
    for row, text in enumerate(texts):
        if is_blank(text):
            if options.empty == "error":
                msg = (
                    f"Text {row} is blank ({text!r}). Leave it out, or pass "
                    "OpenAIOptions(empty='skip') for an all-zero vector in its place."
                )
                raise EmbeddingError(msg)
            continue
        whole = text if text.startswith(prompt) else prompt + text
        for part in _parts(whole, prompt, row, ruler, options):
            size = byte_length(part)
            pieces.append(Piece(part, row, size if ruler.limit is None else min(size, ruler.limit)))
    return pieces


def pack(pieces: Sequence[Piece], options: OpenAIOptions) -> list[list[Piece]]:
    """Fill requests in order, each within both the count and the token budget."""
    requests: list[list[Piece]] = []
    load = 0
    for piece in pieces:
        full = not requests or len(requests[-1]) >= options.batch_size
        if full or load + piece.weight > options.request_tokens:
            requests.append([])
            load = 0
        requests[-1].append(piece)
        load += piece.weight
    return requests


def assemble(pieces: Sequence[Piece], vectors: FloatArray, count: int) -> FloatArray:
    """Give each of the caller's texts its vector: of shape (pieces, d) to (count, d).

    A text of several pieces gets their sum by weight, which points where their average does; a
    text of none gets zeros.
    """
    rows = [piece.row for piece in pieces]
    if rows == list(range(count)):
        return vectors
    weights = np.array([[piece.weight] for piece in pieces], dtype=np.float32)
    merged = np.zeros((count, vectors.shape[1]), dtype=np.float32)
    np.add.at(merged, rows, vectors * weights)
    return merged


def _parts(whole: str, prompt: str, row: int, ruler: Ruler, options: OpenAIOptions) -> list[str]:
    try:
        fits = ruler.fits(whole)
    except UnicodeEncodeError as error:
        msg = (
            f"Text {row} cannot be written as UTF-8: {error.reason} at character {error.start}. "
            "Replace it: text.encode('utf-8', 'replace').decode()."
        )
        raise EmbeddingError(msg) from error
    if fits or (fits is None and options.over_long == "error") or ruler.limit is None:
        return [whole]
    if options.over_long == "error":
        msg = (
            f"Text {row} has {ruler.count(whole)} tokens, the model takes {ruler.limit}. Split it, "
            "or pass OpenAIOptions(over_long='truncate') or (over_long='split_average')."
        )
        raise EmbeddingError(msg)
    room = ruler.limit - byte_length(prompt)
    if room < 1:
        msg = (
            f"max_tokens is {ruler.limit}: no room for a text after the prompt {prompt!r}. "
            "Raise max_tokens, or pass prompts=False."
        )
        raise ConfigurationError(msg)
    parts = [prompt + part for part in ruler.cut(whole.removeprefix(prompt), room)]
    return parts[:1] if options.over_long == "truncate" else parts
