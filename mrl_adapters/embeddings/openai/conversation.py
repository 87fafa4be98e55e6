"""One request to an embeddings API, from what is sent to the checked array, without any I/O.

Source:
    https://platform.openai.com/docs/api-reference/embeddings
"""

import base64
import binascii
import dataclasses
from collections.abc import Generator
from typing import Any, TypeAlias

import numpy as np

from mrl_adapters.embeddings.openai.usage import Usage
from mrl_adapters.errors import EmbeddingError
from mrl_adapters.vectors import FloatArray

Flow: TypeAlias = Generator[dict[str, Any], bytes, "Answer"]
_REFUSED = frozenset({400, 422})  # how servers say that they do not know a parameter


@dataclasses.dataclass(frozen=True)
class Answer:
    """What one request brought.

    Args:
        vectors: Shape (texts, d), in the order of the texts.
        usage: By the server's own count.
    """

    vectors: FloatArray
    usage: Usage


class Terms:
    """What is agreed with a server about ``dimensions``; learnt as it answers.

    Args:
        dimensions: What to ask for; None asks for nothing.
        optional: Whether to go on without, should the server refuse the parameter.
    """

    def __init__(self, dimensions: int | None, *, optional: bool) -> None:
        self.dimensions = dimensions
        self.optional = optional


def converse(model: str, texts: list[str], terms: Terms) -> Flow:
    """Ask for the embeddings of texts: yields a request, is sent the answer's body.

    Raises:
        EmbeddingError: The answer does not hold one vector of one size for each text.
    """
    request: dict[str, Any] = {"model": model, "input": texts, "encoding_format": "base64"}
    asked = terms.dimensions
    if asked is None:
        return decode((yield request), len(texts))
    try:
        body = yield {**request, "dimensions": asked}
    except Exception as error:
        # The SDK's class is not imported here; what it stands for is in the status.
        if not terms.optional or getattr(error, "status_code", None) not in _REFUSED:
            raise
        body = yield request
        terms.dimensions = None  # refused with, accepted without: never ask again
    return decode(body, len(texts))


def decode(body: bytes, count: int) -> Answer:
    """Read an answer's body: order restored by ``index``, base64 or numbers.

    Args:
        body: The JSON text.
        count: How many texts were sent.

    Raises:
        EmbeddingError: It does not hold one vector of one size for each text.
    """
    import jiter  # the SDK's own parser: it reads megabytes of base64 six times as fast as json

    try:
        payload = jiter.from_json(body)
        items = payload["data"]
        given = len(items)
        places = [int(item.get("index", at)) for at, item in enumerate(items)]
        rows = [_row(item["embedding"]) for item in items]
        widths = {len(row) for row in rows}
    except (ValueError, KeyError, TypeError, AttributeError, binascii.Error) as error:
        start = body[:200].decode(errors="replace")
        msg = (
            f"The server's answer is not an embeddings answer ({error!r}): it begins {start!r}. "
            "Check base_url (it usually ends in /v1) and the model's name."
        )
        raise EmbeddingError(msg) from error
    if given != count:
        msg = (
            f"The server gave {given} vectors for {count} texts. Nothing of it can be trusted: "
            "try a smaller batch_size, or another server."
        )
        raise EmbeddingError(msg)
    if sorted(places) != list(range(count)):
        msg = (
            f"The server's indices are not 0 to {count - 1}, each once: it is unknown which "
            "vector belongs to which text. Try batch_size=1, or another server."
        )
        raise EmbeddingError(msg)
    if len(widths) != 1 or 0 in widths:
        msg = (
            f"The server gave vectors of {sorted(widths)} dimensions in one answer, "
            "expected one size. Check the server."
        )
        raise EmbeddingError(msg)
    vectors = np.empty((count, widths.pop()), dtype=np.float32)
    for place, row in zip(places, rows, strict=True):
        vectors[place] = row
    return Answer(vectors, _usage(payload.get("usage")))


def _row(embedding: str | list[float]) -> FloatArray:
    if isinstance(embedding, str):
        return np.frombuffer(base64.b64decode(embedding), dtype="<f4")
    return np.asarray(embedding, dtype=np.float32)


def _usage(counts: dict[str, int] | None) -> Usage:
    counts = counts or {}
    return Usage(1, counts.get("prompt_tokens") or 0, counts.get("total_tokens") or 0)
