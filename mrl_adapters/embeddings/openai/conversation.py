"""One request to an embeddings API, from what is sent to the checked array, without any I/O.

Source:
    https://platform.openai.com/docs/api-reference/embeddings
"""

import dataclasses
from collections.abc import Generator, Sequence
from typing import Any, Literal, TypeAlias

from mrl_adapters.embeddings.openai.answers import Answer, brings_nothing, decode, parse

Flow: TypeAlias = Generator[dict[str, Any], bytes, Answer]
Encoding: TypeAlias = Literal["base64", "float"] | None

# How servers say that they do not know a parameter or its value.
_REFUSED = frozenset({400, 415, 422, 501})
_OF_ENCODING = ("encoding", "base64", "float")
# Numbers cost twice the bytes and a Python float each. None leaves the parameter out.
_NEXT: dict[Encoding, Encoding] = {"base64": "float", "float": None}


@dataclasses.dataclass
class Terms:
    """What is agreed with a server about its parameters; learnt as it answers.

    Args:
        dimensions: What to ask for; None asks for nothing.
        optional: Whether to go on without, should the server refuse the parameter.
        encoding: How to ask for the numbers; None leaves it to the server.
        settled: Whether the server has answered to these terms.
    """

    dimensions: int | None
    optional: bool
    encoding: Encoding = "base64"
    settled: bool = False

    def request(self) -> dict[str, Any]:
        """Give the parameters to send."""
        asked = {"encoding_format": self.encoding, "dimensions": self.dimensions}
        return {name: value for name, value in asked.items() if value is not None}

    def without(self, refusal: str) -> "Terms | None":
        """Give up one parameter: the one that a refusal speaks of, else ``dimensions`` first.

        Args:
            refusal: What the server said.

        Returns:
            The terms to try next, or None if there are none.
        """
        text = refusal.lower()
        encoding = any(word in text for word in _OF_ENCODING)
        size = "dimension" in text and not encoding
        if self.dimensions is not None and self.optional and not encoding:
            return dataclasses.replace(self, dimensions=None)
        if self.encoding in _NEXT and not size:
            return self.with_next_encoding()
        return None

    def with_next_encoding(self) -> "Terms":
        """Ask for the numbers in the next way."""
        return dataclasses.replace(self, encoding=_NEXT[self.encoding])

    def settle(self, agreed: "Terms") -> None:
        """Keep what the server has answered to: nothing that it refused is asked again."""
        self.dimensions, self.encoding, self.settled = agreed.dimensions, agreed.encoding, True


def converse(model: str, texts: list[str], terms: Terms, rows: Sequence[int] | None = None) -> Flow:
    """Ask for the embeddings of texts: yields a request, is sent the answer's body.

    Args:
        model: The model's name.
        texts: What to embed.
        terms: What is agreed so far; changed by what the server makes of it.
        rows: The places of these texts in the caller's list, for messages.

    Raises:
        EmbeddingError: The answer does not hold one vector of one size for each text.
    """
    trying = dataclasses.replace(terms)
    while True:
        try:
            body = yield {"model": model, "input": texts, **trying.request()}
        except Exception as error:
            # The SDK's class is not imported here; what it stands for is in the status.
            if getattr(error, "status_code", None) not in _REFUSED:
                raise
            fewer = _next(trying, terms, trying.without(str(error)))
            if fewer is None:
                raise
            trying = fewer
            continue
        # Some servers answer what they do not know with status 200 and nothing in it.
        if trying.encoding == "base64" and not trying.settled and brings_nothing(parse(body)):
            fewer = _next(trying, terms, trying.with_next_encoding())
            if fewer is not None:
                trying = fewer
                continue
        answer = decode(body, texts, rows)
        terms.settle(trying)
        return answer


def _next(tried: Terms, agreed: Terms, fewer: Terms | None) -> Terms | None:
    """Choose the terms to go on with; None where the server has answered to those just refused."""
    if not agreed.settled:
        return fewer
    # Other requests that were under way have found out in the meantime.
    return dataclasses.replace(agreed) if agreed.request() != tried.request() else None
