"""How long a text is for a model, without downloading a tokeniser.

tiktoken fetches its table at first use. It is asked only where that table is in its cache already;
else a text is bounded by its UTF-8 bytes, since no byte-pair token is shorter than one byte.
"""

import functools
import hashlib
import importlib.util
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tiktoken

_ENCODING = "cl100k_base"  # of every OpenAI embedding model
_TABLE = "https://openaipublic.blob.core.windows.net/encodings/cl100k_base.tiktoken"
_HIGH_BITS, _CONTINUES = 0b1100_0000, 0b1000_0000  # a UTF-8 byte inside a character
_SLACK = 8  # a part's text may tokenise to a few more tokens than it was cut from


class Ruler:
    """Measure and cut texts for one model.

    Args:
        limit: Longest input in tokens; None is unknown, and nothing is cut.
        load: Gives the model's tokeniser, or None; called when bytes do not settle it.
    """

    def __init__(self, limit: int | None, load: "Callable[[], tiktoken.Encoding | None]") -> None:
        self.limit = limit
        self._load = load

    @functools.cached_property
    def _encoding(self) -> "tiktoken.Encoding | None":
        return self._load()

    def fits(self, text: str) -> bool | None:
        """Whether the model takes a text whole; None where only its tokeniser would know."""
        if self.limit is None or byte_length(text) <= self.limit:
            return True
        count = self.count(text)
        return None if count is None else count <= self.limit

    def count(self, text: str) -> int | None:
        """Count a text's tokens; None without a tokeniser."""
        return None if self._encoding is None else len(self._encoding.encode_ordinary(text))

    def cut(self, text: str, room: int) -> list[str]:
        """Cut a text into consecutive parts of at most ``room`` tokens each."""
        encoding = self._encoding
        if encoding is None:
            return _cut_bytes(text, room)
        tokens = encoding.encode_ordinary(text)
        step = max(1, room - _SLACK)
        parts = (tokens[start : start + step] for start in range(0, len(tokens), step))
        # A character whose bytes lie in two parts is lost: half of one means nothing.
        texts = (encoding.decode_bytes(part).decode(errors="ignore") for part in parts)
        return [part for part in texts if part]


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


def _cut_bytes(text: str, room: int) -> list[str]:
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
