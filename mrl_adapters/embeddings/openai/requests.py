"""Ask a server for the embeddings of texts: on its own terms, and again where it fails in passing.

A request is a generator that yields attempts and pauses, and does no I/O itself.

Source:
    https://platform.openai.com/docs/api-reference/embeddings
"""

import re
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np

from mrl_adapters.embeddings.openai.answers import Answer, Usage, brings_nothing, decode
from mrl_adapters.embeddings.openai.packing import Piece
from mrl_adapters.errors import EmbeddingError
from mrl_adapters.vectors import FloatArray
from mrl_adapters.waiting import Attempt, Deadline, Pause, attempts, backoff_s, retry_after_s

Encoding: TypeAlias = Literal["base64", "float"] | None
Steps: TypeAlias = Generator[Attempt | Pause, Any, FloatArray]

_REMEDY = "Pass more: OpenAIOptions(timeout_s=...), or the timeout of your own client."

_PASSING = frozenset({408, 409, 429})  # beside 5xx, as the SDK has it
_FELL_OVER = 500  # in passing, or over a parameter
_UNKNOWN = 501  # the server does not know a parameter
_TOO_LARGE = 413
_REFUSED = frozenset({400, _TOO_LARGE, 415, 422, _UNKNOWN})
_OF_BATCH = re.compile(
    r"batch|too many (inputs|texts|items|strings)|array too long"
    r"|number of (inputs|texts|items)|at most \d+ (inputs|texts|items|strings)"
)
_OF_ONE_TEXT = "physical batch size"  # llama.cpp of a single text that is too long
_OF_ENCODING = ("encoding", "base64", "float")
# Numbers cost twice the bytes and a Python float each. None leaves the parameter out.
_NEXT: dict[Encoding, Encoding] = {"base64": "float", "float": None}


class Patience(NamedTuple):
    """How long one request may take.

    Args:
        limit_s: With its repetitions and the pauses between them, seconds; None is no limit.
        retries: How often it is repeated.
        more_s: Seconds that are added where the server itself says when to come back.
    """

    limit_s: float | None
    retries: int
    more_s: float = 0.0


@dataclass(frozen=True)
class Terms:
    """The parameters of a request that a server may refuse.

    Args:
        dimensions: The size to ask for; None asks for none.
        dimensions_field: What the server calls it.
        optional: Whether to go on without the size.
        encoding: How to ask for the numbers; None leaves it to the server.
        with_fields: Whether to send what the registry knows the server to need.
    """

    dimensions: int | None = None
    dimensions_field: str = "dimensions"
    optional: bool = False
    encoding: Encoding = "base64"
    with_fields: bool = True

    def without(self, words: str, fields: Mapping[str, Any]) -> "Terms | None":
        """Give up what the words of a refusal name, or else the likeliest; None: there is none."""
        size = replace(self, dimensions=None) if self.dimensions and self.optional else None
        bare = replace(self, with_fields=False) if self.with_fields and fields else None
        spoken_of = []
        if any(word in words for word in _OF_ENCODING):
            spoken_of.append(self.with_next_encoding())
        if "dimension" in words:
            spoken_of.append(size)
        if any(name.lower() in words for name in fields):
            spoken_of.append(bare)
        return next(filter(None, spoken_of or [size, bare, self.with_next_encoding()]), None)

    def with_next_encoding(self) -> "Terms | None":
        """Ask for the numbers in the next way, if there is one."""
        return replace(self, encoding=_NEXT[self.encoding]) if self.encoding else None


@dataclass
class Server:
    """What has been learnt about a server: its terms, and how many texts it takes at a time."""

    terms: Terms
    batch_size: int
    settled: bool = False  # it has answered to these terms

    def instead(self, tried: Terms, fewer: Terms | None) -> Terms | None:
        """Return the terms to go on with after a refusal; None if it was not for the terms."""
        if not self.settled:
            return fewer
        # Others that were under way may have found out in the meantime.
        return self.terms if self.terms != tried else None


@dataclass
class Batch:
    """Texts that are asked for together.

    Args:
        model: The model's name.
        pieces: What to embed.
        server: What is known of the server; changed by what it makes of a request.
        patience: How long it is waited for.
        count: Called with the usage of an answer as it comes: it is paid for, even if another
            request then fails.
        body: What the caller wants the request to carry besides.
        fields: What the registry knows the server to need besides.
    """

    model: str
    pieces: Sequence[Piece]
    server: Server
    patience: Patience
    count: Callable[[Usage], None]
    body: Mapping[str, Any]
    fields: Mapping[str, Any]

    def __post_init__(self) -> None:
        """Begin with the terms known so far."""
        self._terms = self.server.terms

    def steps(self) -> Steps:
        """Ask until all are embedded, in parts where the server takes no more at a time."""
        parts: list[FloatArray] = []
        start = 0
        while start < len(self.pieces):
            pieces = self.pieces[start : start + self.server.batch_size]
            answer = yield from self._ask(pieces)
            if answer is not None:
                self.count(answer.usage)
                parts.append(answer.vectors)
                start += len(pieces)
        return join(self.model, parts)

    def _ask(self, pieces: Sequence[Piece]) -> Generator[Attempt | Pause, Any, Answer | None]:
        """Ask for some of them; None if they were too many at a time."""
        texts, rows = [piece.text for piece in pieces], [piece.row for piece in pieces]
        limit_s, retries, more_s = self.patience
        deadline = Deadline(limit_s, more_s=more_s, remedy=_REMEDY)
        self._terms = self.server.terms
        while True:
            try:
                request = partial(self._request, texts)
                body = yield from attempts(request, deadline, retries, self._pause_after)
            except Exception as error:
                if size := _batch_limit(error, len(texts)):
                    self.server.batch_size = min(size, self.server.batch_size)
                    return None
                if not self._give_way(error):
                    raise
                if _status(error) == _FELL_OVER:
                    retries = 0  # it has been repeated
                continue
            # Some servers answer what they do not know with status 200 and nothing in it.
            unsure = self._terms.encoding == "base64" and not self.server.settled
            if unsure and brings_nothing(body):
                self._terms = self._terms.with_next_encoding() or self._terms
                continue
            answer = decode(body, texts, rows)
            self.server.terms, self.server.settled = self._terms, True
            return answer

    def _request(self, texts: list[str]) -> dict[str, Any]:
        terms = self._terms
        asked = {"encoding_format": terms.encoding, terms.dimensions_field: terms.dimensions}
        asked = {name: value for name, value in asked.items() if value is not None}
        fields = self.fields if terms.with_fields else {}
        return {"model": self.model, "input": texts, **asked, **fields, **self.body}

    def _pause_after(self, error: Exception, attempt: int) -> Pause | None:
        if attempt and _status(error) == _FELL_OVER:
            self._give_way(error)
        return _pause_after(error, attempt)

    def _give_way(self, error: Exception) -> bool:
        """Go on without a parameter, where the server may have failed because of it."""
        if _status(error) not in {*_REFUSED, _FELL_OVER}:
            return False
        fewer = self._terms.without(_words(error), self.fields)
        terms = self.server.instead(self._terms, fewer)
        self._terms = terms or self._terms
        return terms is not None


def join(model: str, parts: Sequence[FloatArray]) -> FloatArray:
    """Put arrays of vectors together, in order."""
    widths = {part.shape[1] for part in parts}
    if len(widths) != 1:
        msg = (
            f"Model '{model}' answered with vectors of {sorted(widths)} dimensions, "
            "expected one size. Check whether several servers stand behind base_url."
        )
        raise EmbeddingError(msg)
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _status(error: Exception) -> int | None:
    return getattr(error, "status_code", None)  # the SDK's class is not imported


def _words(error: Exception) -> str:
    # The SDK's message leaves out a body that is a list, as Gemini's are.
    return f"{error} {getattr(error, 'body', '')}".lower()


def _batch_limit(error: Exception, count: int) -> int | None:
    """Return how many texts a server takes, where it refuses ``count`` as too many."""
    status, words = _status(error), _words(error)
    of_batch = status == _TOO_LARGE or _OF_BATCH.search(words)
    if status not in _REFUSED or not of_batch or _OF_ONE_TEXT in words or count == 1:
        return None
    numbers = {int(number) for number in re.findall(r"\b\d{1,4}\b", words)} - {status}
    return max((number for number in numbers if 0 < number < count), default=count // 2)


def _pause_after(error: Exception, attempt: int) -> Pause | None:
    """Return how long to wait before a request is repeated; None if that cannot help."""
    import openai

    if isinstance(error, openai.APIStatusError):
        headers = error.response.headers
        said = headers.get("x-should-retry")  # the API's own word goes first
        status = error.status_code
        passing = status in _PASSING or (status >= _FELL_OVER and status != _UNKNOWN)
        if said == "false" or not (passing or said == "true"):
            return None
        milliseconds = retry_after_s(headers.get("retry-after-ms"))
        asked_s = retry_after_s(headers.get("retry-after"))
        if milliseconds is not None:
            asked_s = milliseconds / 1000
        if asked_s:
            return Pause(asked_s, asked=True)
    elif not isinstance(error, openai.APIConnectionError):
        return None
    return Pause(backoff_s(attempt))
