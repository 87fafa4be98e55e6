"""Read the bodies of embeddings answers, in every shape that servers give them.

Source:
    https://platform.openai.com/docs/api-reference/embeddings
"""

import base64
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mrl_adapters.errors import EmbeddingError
from mrl_adapters.vectors import FloatArray

_SHOWN = 200  # characters of an answer that cannot be read
_URL_SAFE = str.maketrans("-_", "+/")


@dataclass(frozen=True)
class Usage:
    """Requests and tokens, by the servers' own counts."""

    requests: int = 0
    prompt_tokens: int = 0
    total_tokens: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.requests + other.requests,
            self.prompt_tokens + other.prompt_tokens,
            self.total_tokens + other.total_tokens,
        )


@dataclass(frozen=True)
class Answer:
    """The vectors, of shape (texts, d) in the order of the texts, and what they cost."""

    vectors: FloatArray
    usage: Usage


def brings_nothing(body: bytes) -> bool:
    """Return whether an answer holds no vector at all, for none of the texts: an error, say."""
    payload = _parse(body)
    data = payload.get("data") if isinstance(payload, dict) else None
    items = data if isinstance(data, list) else []
    return not any(isinstance(item, dict) and item.get("embedding") for item in items)


def decode(body: bytes, texts: Sequence[str], rows: Sequence[int]) -> Answer:
    """Read an answer's body: order restored by ``index``, base64 or numbers."""
    payload = _parse(body)
    items = _items(payload, body)
    if len(items) != len(texts):
        msg = (
            f"The server gave {len(items)} vectors for {len(texts)} texts. Nothing of it can be "
            "trusted: try a smaller batch_size, or another server."
        )
        raise EmbeddingError(msg, found=len(items), expected=len(texts))
    vectors = [np.empty(0, dtype=np.float32)] * len(items)
    for place, item in zip(_places(items), items, strict=True):
        try:
            vectors[place] = _vector(item.get("embedding"))
        except (ValueError, TypeError) as error:
            raise _unusable(texts, rows, place, error) from error
    widths = [len(vector) for vector in vectors]
    usual = max(widths, key=widths.count) if len(set(widths)) > 1 else widths[0]
    for place, width in enumerate(widths):
        if width != usual:
            why = f"it has {width} dimensions, others in that answer {usual}, expected one size"
            raise _unusable(texts, rows, place, why)
    array = np.stack(vectors)
    if not math.isfinite(np.vdot(array, array)):  # or its squares overflow: look closer
        for place in np.flatnonzero(~np.isfinite(array).all(axis=1)).tolist():
            raise _unusable(texts, rows, place, "it holds NaN, infinity or null")
    return Answer(array, _usage(payload.get("usage")))


def _parse(body: bytes) -> Any:
    import jiter  # the SDK's own parser: it reads megabytes of base64 six times as fast as json

    try:
        return jiter.from_json(body)
    except ValueError as error:
        raise _unreadable(body, error) from error


def _items(payload: Any, body: bytes) -> list[dict[str, Any]]:
    items = payload.get("data") if isinstance(payload, dict) else None
    if isinstance(items, list) and all(isinstance(item, dict) for item in items):
        return items
    if said := _error_message(payload):
        msg = f"The server answered with an error in place of embeddings: {said}"
        raise EmbeddingError(msg, found=payload)
    raise _unreadable(body, "no list of embeddings under 'data'")


def _places(items: Sequence[dict[str, Any]]) -> list[int]:
    """Return which text each item belongs to; servers that give no index keep the order."""
    indices = [item.get("index") for item in items]
    given = [place if index is None else index for place, index in enumerate(indices)]
    try:
        places = [int(index) for index in given]
        whole = all(float(index) == place for index, place in zip(given, places, strict=True))
    except (ValueError, TypeError, OverflowError):
        whole = False
    if not whole or sorted(places) != list(range(len(items))):
        msg = (
            f"The server's indices are not 0 to {len(items) - 1}, each once: it is unknown which "
            "vector belongs to which text. Try batch_size=1, or another server."
        )
        raise EmbeddingError(msg, found=given)
    return places


def _vector(embedding: Any) -> FloatArray:
    """Read one vector, whichever way it is written: shape (d,)."""
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite: refused later
        vector = _numbers(embedding)
    if vector.ndim == 2 and len(vector) == 1:  # noqa: PLR2004 - a list of one vector
        vector = vector[0]
    if vector.ndim > 1:
        msg = f"{len(vector)} vectors, one a token? Switch the server's pooling on"
        raise ValueError(msg)
    if vector.ndim == 0 or not vector.size:
        raise ValueError("null or empty" if vector.ndim else "a single number")
    return vector


def _numbers(embedding: Any) -> FloatArray:
    if embedding is None:
        return np.empty(0, dtype=np.float32)
    if isinstance(embedding, str):
        if embedding.lstrip().startswith("["):  # numbers written as a text
            return np.asarray(json.loads(embedding), dtype=np.float32)
        return np.frombuffer(_bytes(embedding), dtype="<f4")
    if isinstance(embedding, list) and any(isinstance(number, bool) for number in embedding[:1]):
        msg = "true and false are no numbers"
        raise TypeError(msg)
    return np.asarray(embedding, dtype=np.float32)


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        # Line ends, the alphabet of addresses, or no padding: all of them occur.
        plain = "".join(text.split()).translate(_URL_SAFE).rstrip("=")
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)


def _unusable(texts: Sequence[str], rows: Sequence[int], place: int, why: object) -> EmbeddingError:
    return EmbeddingError(
        f"Text {rows[place]} ({texts[place][:40]!r}): the embedding that the server gave for it "
        f"cannot be used: {why}. Leave that text out, or look at the server's log."
    )


def _unreadable(body: bytes, why: object) -> EmbeddingError:
    start = body[:_SHOWN].decode(errors="replace")
    return EmbeddingError(
        f"The server's answer is not an embeddings answer ({why}): it begins {start!r}. "
        "Check base_url (it usually ends in /v1) and the model's name."
    )


def _error_message(payload: Any) -> str | None:
    """Return what a server says went wrong, where it says so with status 200."""
    if not isinstance(payload, dict):
        return None
    for key in ("error", "message", "detail"):
        said = payload.get(key)
        if isinstance(said, dict):
            said = said.get("message") or said
        if said:
            return str(said)[:_SHOWN]
    return None


def _usage(counts: Any) -> Usage:
    counts = counts if isinstance(counts, dict) else {}
    given = (counts.get("prompt_tokens"), counts.get("total_tokens"))
    return Usage(1, *(count if isinstance(count, int) else 0 for count in given))
