"""Which texts go into which request, and how their vectors come back together.

A text's tokens are counted by tiktoken where its table is on this machine already (it is never
downloaded); else bounded by its UTF-8 bytes, since no byte-pair token is shorter than one byte.
"""

import functools
import hashlib
import importlib.util
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mrl_adapters.embeddings.openai.options import OpenAIOptions
from mrl_adapters.embeddings.texts import check_utf_8, is_blank
from mrl_adapters.errors import ConfigurationError, EmbeddingError
from mrl_adapters.vectors import FloatArray

if TYPE_CHECKING:
    import tiktoken

_ENCODING = "cl100k_base"  # of every OpenAI embedding model
_TABLE = "https://openaipublic.blob.core.windows.net/encodings/cl100k_base.tiktoken"
_HIGH_BITS, _CONTINUES = 0b1100_0000, 0b1000_0000  # a UTF-8 byte inside a character
_SLACK = 8  # a part's text may tokenise to a few more tokens than it was cut from


class Piece(NamedTuple):
    """One string to send, the row of the text it belongs to, and an upper bound of its tokens."""

    text: str
    row: int
    weight: int


class TokenLimit:
    """The longest input of a model.

    Args:
        tokens: How many tokens; None is unknown, and nothing is cut.
        load: Returns the model's tokeniser, or None; called when bytes do not settle it.
    """

    def __init__(self, tokens: int | None, load: "Callable[[], tiktoken.Encoding | None]") -> None:
        self.tokens = tokens
        self._load = load

    @functools.cached_property
    def _encoding(self) -> "tiktoken.Encoding | None":
        return self._load()

    def count(self, text: str) -> int | None:
        """Count a text's tokens; None without a tokeniser."""
        return None if self._encoding is None else len(self._encoding.encode_ordinary(text))

    def fits(self, text: str) -> bool | None:
        """Return whether the model takes a text whole; None where only its tokeniser would know."""
        if self.tokens is None or byte_length(text) <= self.tokens:
            return True
        count = self.count(text)
        return None if count is None else count <= self.tokens

    def split(self, text: str, room: int) -> list[str]:
        """Cut a text into consecutive parts of at most ``room`` tokens each."""
        encoding = self._encoding
        if encoding is None:
            return _split_bytes(text, room)
        tokens = encoding.encode_ordinary(text)
        step = max(1, room - _SLACK)
        parts = (tokens[start : start + step] for start in range(0, len(tokens), step))
        # A character whose bytes lie in two parts is lost: half of one means nothing.
        texts = (encoding.decode_bytes(part).decode(errors="ignore") for part in parts)
        return [part for part in texts if part]


def cut(
    texts: Sequence[str], prompt: str, limit: TokenLimit, options: OpenAIOptions
) -> list[Piece]:
    """Turn the caller's texts into what can be sent, by the policies for blank and long ones."""
    pieces = []
    for row, text in enumerate(texts):
        check_utf_8(text, f"Text {row}")
        if is_blank(text):
            if options.empty == "error":
                msg = (
                    f"Text {row} is blank ({text!r}). Leave it out, or pass "
                    "OpenAIOptions(empty='skip') for an all-zero vector in its place."
                )
                raise EmbeddingError(msg)
            continue
        whole = text if text.startswith(prompt) else prompt + text
        for part in _parts(whole, prompt, row, limit, options):
            size = byte_length(part)
            pieces.append(Piece(part, row, min(size, limit.tokens or size)))
    return pieces


def pack(pieces: Sequence[Piece], batch_size: int, request_tokens: int) -> list[list[Piece]]:
    """Fill requests in order, each within both the count and the token budget."""
    requests: list[list[Piece]] = []
    load = 0
    for piece in pieces:
        full = not requests or len(requests[-1]) >= batch_size
        if full or load + piece.weight > request_tokens:
            requests.append([])
            load = 0
        requests[-1].append(piece)
        load += piece.weight
    return requests


def assemble(pieces: Sequence[Piece], vectors: FloatArray, count: int) -> FloatArray:
    """Return one vector for each of the caller's texts: of shape (pieces, d) to (count, d).

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


def byte_length(text: str) -> int:
    """Count the UTF-8 bytes of a text: an upper bound of its tokens."""
    return len(text) if text.isascii() else len(text.encode())


def load_encoding(model: str) -> "tiktoken.Encoding | None":
    """Return an OpenAI model's tokeniser where it is on this machine, else None."""
    if not model.startswith("text-embedding-") or importlib.util.find_spec("tiktoken") is None:
        return None
    folder = os.environ.get("TIKTOKEN_CACHE_DIR", os.environ.get("DATA_GYM_CACHE_DIR"))
    root = Path(tempfile.gettempdir(), "data-gym-cache") if folder is None else Path(folder)
    # The cache's file names are the SHA-1 of the table's address: an identifier, not a secret.
    name = hashlib.sha1(_TABLE.encode(), usedforsecurity=False).hexdigest()
    if folder == "" or not (root / name).is_file():
        return None
    import tiktoken

    return tiktoken.get_encoding(_ENCODING)


def _parts(
    whole: str, prompt: str, row: int, limit: TokenLimit, options: OpenAIOptions
) -> list[str]:
    fits = limit.fits(whole)
    if fits or (fits is None and options.over_long == "error") or limit.tokens is None:
        return [whole]
    if options.over_long == "error":
        msg = (
            f"Text {row} has {limit.count(whole)} tokens, the model takes {limit.tokens}. Split "
            "it, or pass OpenAIOptions(over_long='truncate') or (over_long='split_average')."
        )
        raise EmbeddingError(msg)
    room = limit.tokens - byte_length(prompt)
    if room < 1:
        msg = (
            f"max_tokens is {limit.tokens}: no room for a text after the prompt {prompt!r}. "
            "Raise max_tokens, or pass prompts=False."
        )
        raise ConfigurationError(msg)
    parts = [prompt + part for part in limit.split(whole.removeprefix(prompt), room)]
    return parts[:1] if options.over_long == "truncate" else parts


def _split_bytes(text: str, room: int) -> list[str]:
    data, parts, start = text.encode(), [], 0
    while start < len(data):
        end = min(start + room, len(data))
        if end < len(data):
            while end > start and data[end] & _HIGH_BITS == _CONTINUES:
                end -= 1
            space = data.rfind(b" ", start + room // 2, end)
            end = space if space > start else max(end, start + 1)
        parts.append(data[start:end].decode(errors="ignore"))
        start = end
    return [part for part in parts if part]
