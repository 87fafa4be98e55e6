"""OpenAIEmbedder against a real server on loopback, in every way that servers misbehave."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import openai
import pytest

from mrl_adapters.embeddings import OpenAIEmbedder, OpenAIOptions, WordLlamaEmbedder
from mrl_adapters.errors import ConfigurationError, DimensionsError, EmbeddingError

TEXTS = ["copy a directory tree", "parse JSON", "open a socket", "sort a list", "hash a file"]
Ask = Callable[[OpenAIEmbedder, list[str]], Awaitable[np.ndarray]]


@pytest.fixture(params=["sync", "async"])
def ask(request: pytest.FixtureRequest) -> Ask:
    """Embed documents in one colour or the other."""

    async def sync(embedder: OpenAIEmbedder, texts: list[str]) -> np.ndarray:
        return embedder.embed_array(texts)

    async def native(embedder: OpenAIEmbedder, texts: list[str]) -> np.ndarray:
        return await embedder.aembed_array(texts)

    return sync if request.param == "sync" else native


def make(server: Any, dimensions: int | None = None, **options: Any) -> OpenAIEmbedder:
    return OpenAIEmbedder(
        "wordllama", dimensions, base_url=server.url, options=OpenAIOptions(**options)
    )


@pytest.mark.parametrize("floats", [False, True], ids=["base64", "numbers"])
@pytest.mark.parametrize("shuffle", [False, True], ids=["in-order", "shuffled"])
async def test_vectors_arrive_exactly_and_in_order(
    server: Any, wordllama: WordLlamaEmbedder, ask: Ask, floats: bool, shuffle: bool
):
    server.floats, server.shuffle = floats, shuffle
    vectors = await ask(make(server), TEXTS)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, wordllama.embed_array(TEXTS), atol=1e-7)
    assert len(server.requests) == 1
    assert "dimensions" not in server.requests[0]


@pytest.mark.parametrize("way", ["honour", "ignore", "reject"])
async def test_short_vectors_are_right_whatever_the_server_makes_of_dimensions(
    server: Any, ask: Ask, way: str
):
    server.dimensions = way
    embedder = make(server, 64)
    for _ in range(2):
        vectors = await ask(embedder, TEXTS)
    np.testing.assert_allclose(vectors, WordLlamaEmbedder(64).embed_array(TEXTS), atol=1e-6)
    # A server that refused is asked without from then on: three requests, not four.
    asked = [request.get("dimensions") for request in server.requests]
    assert asked == ([64, None, None] if way == "reject" else [64, 64])


async def test_a_server_that_gives_too_few_dimensions_is_an_error(server: Any, ask: Ask):
    server.dimensions = "short"
    with pytest.raises(DimensionsError, match="gave vectors of 63 dimensions, asked for 64"):
        await ask(make(server, 64), TEXTS)


async def test_truncation_by_the_server_alone_tolerates_no_disobedience(server: Any, ask: Ask):
    embedder = make(server, 64, truncation="server")
    assert (await ask(embedder, TEXTS)).shape == (5, 64)
    server.dimensions = "ignore"
    with pytest.raises(DimensionsError, match=r"gave vectors of 256.*truncation='auto'"):
        await ask(embedder, TEXTS)
    server.dimensions = "reject"
    with pytest.raises(openai.BadRequestError, match="not supported"):
        await ask(embedder, TEXTS)


async def test_truncation_by_the_client_never_asks(server: Any, ask: Ask):
    server.dimensions = "reject"
    vectors = await ask(make(server, 64, truncation="client"), TEXTS)
    np.testing.assert_allclose(vectors, WordLlamaEmbedder(64).embed_array(TEXTS), atol=1e-6)
    assert len(server.requests) == 1


@pytest.mark.parametrize("fault", [429, 500, 503, 408, "drop"])
async def test_what_fails_for_the_moment_is_tried_again(server: Any, ask: Ask, fault: int | str):
    server.faults = [fault]
    assert (await ask(make(server), TEXTS)).shape == (5, 256)
    assert len(server.requests) == 2


async def test_retry_after_is_honoured(server: Any, ask: Ask):
    server.retry_after_s = 0.3
    server.faults = [429]
    await ask(make(server), TEXTS)
    assert server.requests[1]["at_s"] - server.requests[0]["at_s"] >= 0.3


async def test_after_the_last_retry_the_sdks_own_error_arrives(server: Any, ask: Ask):
    server.faults = [429] * 3
    with pytest.raises(openai.RateLimitError, match="status 429"):
        await ask(make(server, max_retries=1), TEXTS)
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("fault", "problem"),
    [
        ("nan", r"Text 4 \('hash a file'\).*holds NaN"),
        ("missing", "gave 4 vectors for 5 texts"),
        ("twice", "indices are not 0 to 4"),
        ("html", r"not an embeddings answer.*<html>Welcome.*base_url"),
    ],
)
@pytest.mark.parametrize("floats", [False, True], ids=["base64", "numbers"])
async def test_an_answer_that_cannot_be_trusted_is_an_error(
    server: Any, ask: Ask, fault: str, problem: str, floats: bool
):
    server.floats = floats
    server.faults = [fault]
    with pytest.raises(EmbeddingError, match=problem):
        await ask(make(server), TEXTS)


async def test_a_bad_request_that_is_not_about_dimensions_arrives_as_it_is(server: Any, ask: Ask):
    server.faults = [400] * 4
    with pytest.raises(openai.BadRequestError, match="status 400"):
        await ask(make(server, 64), TEXTS)
    server.faults = [401]
    with pytest.raises(openai.AuthenticationError):
        await ask(make(server, 64), TEXTS)
    assert (await ask(make(server, 64), TEXTS)).shape == (5, 64)


async def test_ada_002_is_never_asked_for_a_size(server: Any, ask: Ask):
    server.embed = lambda texts: np.ones((len(texts), 1536), dtype=np.float32)
    embedder = OpenAIEmbedder("text-embedding-ada-002", 1536, base_url=server.url)
    assert (await ask(embedder, TEXTS)).shape == (5, 1536)
    assert "dimensions" not in server.requests[0]
    for truncation in ("auto", "server", "client"):
        with pytest.raises(DimensionsError, match="takes no `dimensions`"):
            OpenAIEmbedder(
                "text-embedding-ada-002", 256, options=OpenAIOptions(truncation=truncation)
            )


async def test_a_model_with_a_recipe_is_shortened_here(server: Any, ask: Ask):
    raw = np.random.default_rng(0).normal(3, 1, (5, 768)).astype(np.float32)
    server.embed = lambda texts: raw[: len(texts)]
    vectors = await ask(OpenAIEmbedder("nomic-embed-text:v1.5", 64, base_url=server.url), TEXTS)
    by_hand = (raw - raw.mean(axis=1, keepdims=True))[:, :64]
    by_hand /= np.linalg.norm(by_hand, axis=1, keepdims=True)
    np.testing.assert_allclose(vectors, by_hand, atol=1e-6)
    assert "dimensions" not in server.requests[0]
    assert server.requests[0]["input"][0] == "search_document: copy a directory tree"


async def test_a_model_that_makes_its_own_short_vectors_is_asked_and_never_sliced(
    server: Any, ask: Ask
):
    server.embed = lambda texts: np.ones((len(texts), 2560), dtype=np.float32)
    embedder = OpenAIEmbedder("zeroentropy/zembed-1", 640, base_url=server.url)
    assert (await ask(embedder, TEXTS)).shape == (5, 640)
    server.dimensions = "ignore"
    with pytest.raises(ConfigurationError, match="own projection"):
        await ask(embedder, TEXTS)
    with pytest.raises(ConfigurationError, match="own projection"):
        OpenAIEmbedder("zembed-1", 640, options=OpenAIOptions(truncation="client"))


async def test_another_model_behind_a_known_name_is_noticed(server: Any, ask: Ask):
    embedder = OpenAIEmbedder("text-embedding-3-small", base_url=server.url)
    with pytest.raises(DimensionsError, match="256 dimensions, expected 1536: another model"):
        await ask(embedder, TEXTS)


async def test_an_unknown_models_size_is_learnt_and_then_kept(server: Any, ask: Ask):
    embedder = OpenAIEmbedder("our-own", base_url=server.url)
    assert embedder.dimensions is None
    assert (await ask(embedder, [])).shape == (0, 0)
    await ask(embedder, TEXTS)
    assert embedder.dimensions == 256
    server.embed = lambda texts: np.ones((len(texts), 8), dtype=np.float32)
    with pytest.raises(DimensionsError, match="8 dimensions, expected 256"):
        await ask(embedder, TEXTS)


async def test_an_unknown_model_is_shortened_too(server: Any, ask: Ask):
    server.dimensions = "reject"
    embedder = OpenAIEmbedder("our-own", 64, base_url=server.url)
    vectors = await ask(embedder, TEXTS)
    np.testing.assert_allclose(vectors, WordLlamaEmbedder(64).embed_array(TEXTS), atol=1e-6)
    with pytest.raises(DimensionsError, match="at least 1"):
        OpenAIEmbedder("our-own", 0)


async def test_two_sizes_in_one_call_are_an_error(server: Any, ask: Ask):
    def changing(texts: list[str]) -> np.ndarray:
        return np.ones((len(texts), 8 if len(texts) == 1 else 9), dtype=np.float32)

    server.embed = changing
    with pytest.raises(EmbeddingError, match=r"\[8, 9\] dimensions.*several servers"):
        await ask(make(server, batch_size=4), TEXTS)


async def test_unnormalised_vectors_are_normalised(server: Any, ask: Ask):
    server.embed = lambda texts: np.full((len(texts), 256), 7, dtype=np.float32)
    np.testing.assert_allclose(await ask(make(server), TEXTS), 1 / 16, atol=1e-7)


async def test_many_texts_go_in_batches_a_few_at_a_time_and_come_back_in_order(
    server: Any, wordllama: WordLlamaEmbedder, ask: Ask
):
    texts = [f"text number {number}" for number in range(200)]
    server.delay_s = 0.02
    vectors = await ask(make(server, batch_size=16, concurrency=3), texts)
    np.testing.assert_allclose(vectors, wordllama.embed_array(texts), atol=1e-7)
    assert sorted(map(len, server.inputs())) == [8] + [16] * 12
    assert server.most_at_once == 3


async def test_one_failed_batch_ends_the_call(server: Any, ask: Ask):
    server.delay_s = 0.02
    server.faults = [401]
    with pytest.raises(openai.AuthenticationError):
        await ask(make(server, batch_size=1, concurrency=1), TEXTS * 20)
    assert len(server.requests) < 20


async def test_giving_up_on_a_call_stops_its_requests(server: Any):
    server.delay_s = 0.1
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(
            make(server, batch_size=1, concurrency=1).aembed_documents(TEXTS * 20), 0.15
        )
    await asyncio.sleep(0.3)
    assert len(server.requests) <= 3


async def test_usage_adds_up_over_calls_and_colours(server: Any, ask: Ask):
    embedder = make(server, batch_size=2)
    await ask(embedder, TEXTS)
    await embedder.aembed_query("copy a tree")
    usage = embedder.usage
    assert (usage.requests, usage.prompt_tokens, usage.total_tokens) == (4, 18, 18)


async def test_what_was_answered_before_a_failure_is_counted(server: Any, ask: Ask):
    embedder = make(server, batch_size=2, concurrency=1)
    server.faults = ["none", "none", 401]
    with pytest.raises(openai.AuthenticationError):
        await ask(embedder, TEXTS)
    assert (embedder.usage.requests, embedder.usage.prompt_tokens) == (2, 12)


async def test_queries_and_documents_get_their_prompts(server: Any):
    server.embed = lambda texts: np.ones((len(texts), 768), dtype=np.float32)
    embedder = OpenAIEmbedder("embeddinggemma:300m", base_url=server.url)
    embedder.embed_documents(["one"])
    await embedder.aembed_documents(["title: none | text: two"])
    embedder.embed_query("three")
    await embedder.aembed_query("four")
    plain = OpenAIOptions(prompts=False)
    OpenAIEmbedder("embeddinggemma", base_url=server.url, options=plain).embed_query("five")
    assert [text for [text] in server.inputs()] == [
        "title: none | text: one",
        "title: none | text: two",
        "task: search result | query: three",
        "task: search result | query: four",
        "five",
    ]


async def test_a_clients_context_reaches_the_requests(server: Any):
    import contextvars

    import httpx2

    trace = contextvars.ContextVar("trace", default="none")
    seen: list[str] = []
    client = httpx2.Client(event_hooks={"request": [lambda _request: seen.append(trace.get())]})
    trace.set("mine")
    make(server, batch_size=1, http_client=client).embed_documents(TEXTS)
    client.close()
    assert seen == ["mine"] * 5
