"""How an OpenAIEmbedder behaves."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal

from mrl_adapters.errors import ConfigurationError

_TEXTS_PER_REQUEST = (
    2048  # inputs a request; https://platform.openai.com/docs/api-reference/embeddings
)
_MAX_TOKENS = 300_000  # tokens a request, the same page


@dataclasses.dataclass(frozen=True)
class OpenAIOptions:
    """How texts are sent and answers are treated.

    Args:
        truncation: Who shortens the vectors: ``server`` (the ``dimensions`` parameter, anything
            else is an error), ``client`` (asks for the full size, slices here), or ``auto``
            (asks the server where the model allows it, slices here where it refuses or ignores
            that; for models whose short vectors are slices).
        over_long: What happens to a text beyond the model's length: ``error``, ``truncate``
            (its end is lost) or ``split_average`` (its parts' vectors are averaged by length).
            With no tokeniser at hand (see `tokens`) ``error`` leaves the decision to the server,
            the others go by UTF-8 bytes, of which there are at least as many as tokens.
        empty: What happens to a blank text: ``skip`` (it is not sent, its vector is all zeros)
            or ``error``.
        prompts: Whether to put the model's prompts before the texts.
        extra_body: Fields that every request carries besides, such as ``{"user": "..."}``. These
            go before the registry's and are sent as they are, whatever the server says of them.
        query_body: Fields that requests for questions carry, such as
            ``{"input_type": "query"}``; None takes the registry's.
        document_body: The same for stored texts.
        max_tokens: Longest input; None takes the registry's.
        batch_size: Most texts a request, 1 to 2048; fewer where the registry knows the server to
            take fewer, or the server has said so.
        request_tokens: Most tokens a request, below OpenAI's 300,000.
        concurrency: Most requests at a time for one call.
        max_retries: How often a request that failed for the moment (429, 5xx, connection) is
            sent again, as long as there is time; the server's Retry-After is honoured.
        timeout_s: Longest time for one request, repetitions and the pauses between them
            included. Documents wait as long again where the server says when to come back.
        http_client: The sync HTTP client to use, for proxies and certificates.
        http_async_client: The same for the async methods. It belongs to one event loop.
    """

    truncation: Literal["auto", "server", "client"] = "auto"
    over_long: Literal["error", "truncate", "split_average"] = "error"
    empty: Literal["error", "skip"] = "skip"
    prompts: bool = True
    extra_body: Mapping[str, Any] = dataclasses.field(default_factory=dict, hash=False)
    query_body: Mapping[str, Any] | None = dataclasses.field(default=None, hash=False)
    document_body: Mapping[str, Any] | None = dataclasses.field(default=None, hash=False)
    max_tokens: int | None = None
    batch_size: int = _TEXTS_PER_REQUEST
    request_tokens: int = 280_000
    concurrency: int = 4
    max_retries: int = 4
    timeout_s: float = 60.0
    http_client: Any = dataclasses.field(default=None, repr=False, compare=False)
    http_async_client: Any = dataclasses.field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse values that no request can be made with."""
        _one_of("truncation", self.truncation, ("auto", "server", "client"))
        _one_of("over_long", self.over_long, ("error", "truncate", "split_average"))
        _one_of("empty", self.empty, ("error", "skip"))
        _between("batch_size", self.batch_size, 1, _TEXTS_PER_REQUEST)
        _between("request_tokens", self.request_tokens, 1, _MAX_TOKENS)
        _between("concurrency", self.concurrency, 1, 1024)
        if self.max_tokens is not None:
            _between("max_tokens", self.max_tokens, 1, 10_000_000)
        _between("max_retries", self.max_retries, 0, 1000)
        _between("timeout_s", self.timeout_s, 0.001, 1_000_000)
        for name in ("extra_body", "query_body", "document_body"):
            reserved = {"model", "input"} & set(getattr(self, name) or {})
            if reserved:
                msg = (
                    f"{name} has {min(reserved)!r}, which the embedder itself sends. Leave it out."
                )
                raise ConfigurationError(msg)


def _one_of(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        msg = f"{name} is {value!r}. Choose one of: {', '.join(choices)}."
        raise ConfigurationError(msg)


def _between(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        msg = f"{name} is {value}. Choose {low} to {high}."
        raise ConfigurationError(msg)
