"""Read the bodies of embeddings answers, in every shape that servers give them.

Source:
    https://platform.openai.com/docs/api-reference/embeddings
"""

import base64
import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mrl_adapters.embeddings.openai.usage import Usage
from mrl_adapters.errors import EmbeddingError
from mrl_adapters.vectors import FloatArray

_SHOWN = 200  # characters of an answer that cannot be read
_URL_SAFE = str.maketrans("-_", "+/")


@dataclasses.dataclass(frozen=True)
class Answer:
    """What one request brought.

    Args:
        vectors: Shape (texts, d), in the order of the texts.
        usage: By the server's own count.
    """

    vectors: FloatArray
    usage: Usage


def parse(body: bytes) -> Any:
    """Parse a body's JSON.

    Raises:
        EmbeddingError: It is none.
    """
    import jiter  # the SDK's own parser: it reads megabytes of base64 six times as fast as json

    try:
        return jiter.from_json(body)
    except ValueError as error:
        raise _unreadable(body, error) from error


def brings_nothing(payload: Any) -> bool:
    """Tell whether an answer holds no vector at all, for none of the texts: an error, say."""
    data = payload.get("data") if isinstance(payload, dict) else None
    items = data if isinstance(data, list) else []
    return not any(isinstance(item, dict) and item.get("embedding") for item in items)


def decode(body: bytes, texts: Sequence[str], rows: Sequence[int] | None = None) -> Answer:
    """Read an answer's body: order restored by ``index``, base64 or numbers.

    Args:
        body: The JSON text.
        texts: What was sent.
        rows: The places of these texts in the caller's list, for messages; None counts them.

    Raises:
        EmbeddingError: It does not hold one vector of one size for each text.
    """
    payload = parse(body)
    items = payload.get("data") if isinstance(payload, dict) else None
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        if said := _error_message(payload):
            msg = f"The server answered with an error in place of embeddings: {said}"
            raise EmbeddingError(msg, found=payload)
        raise _unreadable(body, "no list of embeddings under 'data'")
    if len(items) != len(texts):
        msg = (
            f"The server gave {len(items)} vectors for {len(texts)} texts. Nothing of it can be "
            "trusted: try a smaller batch_size, or another server."
        )
        raise EmbeddingError(msg, found=len(items), expected=len(texts))
    places = _places(items)
    read = []
    for place, item in zip(places, items, strict=True):
        try:
            read.append(_row(item.get("embedding")))
        except (ValueError, TypeError) as error:
            raise _unusable(place, texts, rows, error) from error
    widths = sorted({len(row) for row in read})
    if len(widths) != 1:
        msg = (
            f"The server gave vectors of {widths} dimensions in one answer, expected one size. "
            "Check the server."
        )
        raise EmbeddingError(msg, found=widths)
    vectors = np.empty((len(texts), widths[0]), dtype=np.float32)
    for place, row in zip(places, read, strict=True):
        vectors[place] = row
    if not math.isfinite(np.vdot(vectors, vectors)):  # or its squares overflow: look closer
        for place in np.flatnonzero(~np.isfinite(vectors).all(axis=1)).tolist():
            raise _unusable(place, texts, rows, "it holds NaN, infinity or null")
    return Answer(vectors, _usage(payload.get("usage")))


def _places(items: Sequence[Mapping[str, Any]]) -> list[int]:
    """Say which text each item belongs to; servers that give no index keep the order."""
    places = [
        at if (given := item.get("index")) is None else given for at, item in enumerate(items)
    ]
    try:
        whole = [int(place) for place in places]
        exact = all(float(place) == at for place, at in zip(places, whole, strict=True))
    except (ValueError, TypeError, OverflowError):
        exact = False
    if not exact or sorted(whole) != list(range(len(items))):
        msg = (
            f"The server's indices are not 0 to {len(items) - 1}, each once: it is unknown which "
            "vector belongs to which text. Try batch_size=1, or another server."
        )
        raise EmbeddingError(msg, found=places)
    return whole


def _row(embedding: Any) -> FloatArray:
    """Read one vector, whichever way it is written: shape (d,)."""
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite: refused later
        vector = _numbers(embedding)
    if vector.ndim == 2 and len(vector) == 1:  # noqa: PLR2004 - a list of one vector
        vector = vector[0]
    if vector.ndim > 1:
        msg = f"{len(vector)} vectors, one a token? Switch the server's pooling on"
        raise ValueError(msg)
    if vector.ndim == 0 or not vector.size:
        msg = "null or empty" if vector.ndim else "a single number"
        raise ValueError(msg)
    return vector


def _numbers(embedding: Any) -> FloatArray:
    if embedding is None:
        return np.empty(0, dtype=np.float32)
    if isinstance(embedding, str):
        if embedding.lstrip().startswith("["):  # numbers written as a text
            return np.asarray(json.loads(embedding), dtype=np.float32)
        return np.frombuffer(_bytes(embedding), dtype="<f4")
    if isinstance(embedding, list) and any(isinstance(each, bool) for each in embedding[:1]):
        msg = "true and false are no numbers"
        raise TypeError(msg)
    return np.asarray(embedding, dtype=np.float32)


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        # Line ends, the alphabet of addresses, or no padding: all of them are seen.
        plain = "".join(text.split()).translate(_URL_SAFE).rstrip("=")
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)


def _unusable(
    place: int, texts: Sequence[str], rows: Sequence[int] | None, why: object
) -> EmbeddingError:
    row = rows[place] if rows else place
    return EmbeddingError(
        f"Text {row} ({texts[place][:40]!r}): the embedding that the server gave for it cannot be "
        f"used: {why}. Leave that text out, or look at the server's log."
    )


def _unreadable(body: bytes, why: object) -> EmbeddingError:
    start = body[:_SHOWN].decode(errors="replace")
    return EmbeddingError(
        f"The server's answer is not an embeddings answer ({why}): it begins {start!r}. "
        "Check base_url (it usually ends in /v1) and the model's name."
    )


def _error_message(payload: Any) -> str | None:
    """Find what a server says went wrong, where it says so with status 200."""
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
    return Usage(1, *(each if isinstance(each, int) else 0 for each in given))
