"""OpenAIEmbedder against a real server on loopback that is late, drips, or limits rates."""

import time
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from typing import Any

import openai
import pytest

from mrl_adapters.embeddings import OpenAIEmbedder, OpenAIOptions
from mrl_adapters.errors import ConfigurationError, DeadlineError, EmbeddingError

LATE = (DeadlineError, openai.APITimeoutError)
MARGIN_S = 2  # of a busy machine
Ask = Callable[[OpenAIEmbedder], Awaitable[Any]]

ASKS: dict[str, Ask] = {}


def door(ask: Ask) -> Ask:
    ASKS[ask.__name__] = ask
    return ask


@door
async def documents(embedder: OpenAIEmbedder) -> Any:
    return embedder.embed_documents(["a", "b"])


@door
async def query(embedder: OpenAIEmbedder) -> Any:
    return embedder.embed_query("a")


@door
async def documents_awaited(embedder: OpenAIEmbedder) -> Any:
    return await embedder.aembed_documents(["a", "b"])


@door
async def query_awaited(embedder: OpenAIEmbedder) -> Any:
    return await embedder.aembed_query("a")


@pytest.fixture(params=sorted(ASKS))
def ask(request: pytest.FixtureRequest) -> Ask:
    return ASKS[request.param]


def make(server: Any, **options: Any) -> OpenAIEmbedder:
    return OpenAIEmbedder("wordllama", base_url=server.url, options=OpenAIOptions(**options))


async def took_s(work: Awaitable[object], errors: Any) -> float:
    began = time.monotonic()
    with pytest.raises(errors):
        await work
    return time.monotonic() - began


@pytest.mark.parametrize("fault", ["stall", "drip", "drip-headers"])
async def test_a_request_ends_by_its_deadline(server: Any, ask: Ask, fault: str) -> None:
    server.faults = [fault] * 9
    assert 0.3 <= await took_s(ask(make(server, timeout_s=0.3)), LATE) < 0.3 + MARGIN_S


@pytest.mark.parametrize("fault", ["drip", "drip-headers"])
async def test_an_answer_that_drips_says_what_to_do(server: Any, ask: Ask, fault: str) -> None:
    server.faults = [fault] * 9
    with pytest.raises(DeadlineError, match=r"within 0\.3 s.*timeout_s=") as caught:
        await ask(make(server, timeout_s=0.3))
    assert caught.value.expected == 0.3


async def test_many_requests_end_together(server: Any) -> None:
    server.faults = ["drip"] * 99
    embedder = make(server, timeout_s=0.3, batch_size=1, concurrency=4)
    began = time.monotonic()
    with pytest.raises(DeadlineError):
        embedder.embed_documents(["text"] * 40)
    assert time.monotonic() - began < 0.6 + MARGIN_S


async def test_failures_are_not_repeated_beyond_the_deadline(server: Any, ask: Ask) -> None:
    server.faults = [500] * 99
    embedder = make(server, timeout_s=1, max_retries=1000)
    assert await took_s(ask(embedder), openai.InternalServerError) < 1 + MARGIN_S
    assert 2 <= len(server.requests) <= 4


async def test_a_client_of_ones_own_has_its_own_limit(server: Any) -> None:
    server.faults = ["drip"] * 9
    for timeout in (0.3, openai.Timeout(60, read=0.3)):
        options = {"base_url": server.url, "api_key": "k", "timeout": timeout}
        with openai.OpenAI(**options) as client:
            embedder = OpenAIEmbedder("wordllama", client=client)
            assert await took_s(documents(embedder), LATE) < 0.3 + MARGIN_S
        async with openai.AsyncOpenAI(**options) as async_client:
            embedder = OpenAIEmbedder("wordllama", async_client=async_client)
            assert await took_s(documents_awaited(embedder), LATE) < 0.3 + MARGIN_S


async def test_a_client_of_ones_own_has_its_own_repetitions(server: Any) -> None:
    server.faults = [503] * 9
    with openai.OpenAI(base_url=server.url, api_key="k", max_retries=1) as client:
        with pytest.raises(openai.InternalServerError):
            OpenAIEmbedder("wordllama", client=client).embed_query("a")
        assert len(server.requests) == 2
        with openai.OpenAI(
            base_url=server.url, api_key="k", timeout=None, max_retries=0
        ) as unlimited:
            server.faults = []
            assert OpenAIEmbedder("wordllama", client=unlimited).embed_query("a")


# Rate limits


def in_s(seconds: float) -> str:
    moment = datetime.now(timezone.utc) + timedelta(seconds=seconds)
    return format_datetime(moment, usegmt=True)


@pytest.mark.parametrize(
    ("ask", "status"),
    [("documents", 429), ("documents_awaited", 503), ("query", 503), ("query_awaited", 429)],
    indirect=["ask"],
)
async def test_a_server_that_says_when_to_come_back_is_asked_then(
    server: Any, ask: Ask, status: int
) -> None:
    at_least_s = {"0.5": 0.5, "in 2 s": 0.8, "a minute ago": 0.2, "-5": 0.2, "soon": 0.2, "": 0.2}
    for said, pause_s in at_least_s.items():
        dates = {"in 2 s": in_s(2), "a minute ago": in_s(-60)}
        server.faults, server.retry_after_s = [status], dates.get(said, said)
        began = time.monotonic()
        await ask(make(server, timeout_s=5))
        assert pause_s <= time.monotonic() - began < 2 + MARGIN_S, said
    assert len(server.requests) == 2 * len(at_least_s)


@pytest.mark.parametrize("status", [429, 503])
async def test_a_server_that_says_to_come_back_too_late_is_not_waited_for(
    server: Any, ask: Ask, status: int
) -> None:
    server.faults = [status] * 99
    late = ("9", "3600", "9" * 30, "1e999", "inf", in_s(3600), in_s(10**9))
    for said in late:
        server.retry_after_s = said
        error = openai.RateLimitError if status == 429 else openai.InternalServerError
        assert await took_s(ask(make(server, timeout_s=2)), error) < MARGIN_S
    assert len(server.requests) == len(late)


async def test_documents_wait_as_long_again_where_the_server_asks_for_it(server: Any) -> None:
    server.retry_after_s = 1
    server.faults = [429]
    assert len(await documents(make(server, timeout_s=0.8))) == 2
    server.faults = [429]
    assert await took_s(query(make(server, timeout_s=0.8)), openai.RateLimitError) < 0.8


# What is no answer


@pytest.mark.parametrize("fault", ["html", "cut", "missing", "nan"])
async def test_what_is_no_answer_is_said_to_be_none_and_not_asked_for_again(
    server: Any, ask: Ask, fault: str
) -> None:
    server.faults = [fault] * 9
    with pytest.raises(EmbeddingError, match=r"server"):
        await ask(make(server))
    # Nothing at all for one text may mean that the server does not know the encoding.
    assert len(server.requests) == 1 + (fault == "missing" and ask in (query, query_awaited))


async def test_an_error_with_status_200_is_told_in_the_servers_words(server: Any, ask: Ask) -> None:
    server.refusal = lambda request: (200, {"error": {"message": "no credit left"}})
    with pytest.raises(EmbeddingError, match="no credit left"):
        await ask(make(server))


@pytest.mark.parametrize("timeout_s", [0, -1, float("nan"), float("inf")])
def test_a_limit_that_is_none_is_refused(timeout_s: float) -> None:
    with pytest.raises(ConfigurationError, match="timeout_s is"):
        OpenAIOptions(timeout_s=timeout_s)
