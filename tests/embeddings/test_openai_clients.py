"""Keys that stay secret, clients of one's own, many loops and threads."""

import asyncio
import copy
import gc
import logging
import pickle
import traceback
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import openai
import pytest
from langchain_core.load import dumps
from pydantic import SecretStr

from mrl_adapters import loop_clients
from mrl_adapters.embeddings import OpenAIEmbedder, OpenAIOptions, WordLlamaEmbedder
from mrl_adapters.errors import ConfigurationError
from mrl_adapters.langchain.embeddings import OpenAIMatryoshkaEmbeddings

SECRET = "sk-very-secret"  # noqa: S105 - a made-up key


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the machine's own key and server out of the tests."""
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


def everything_reachable(thing: object, depth: int = 4) -> str:
    """Write out an object's attributes and their attributes."""
    if depth == 0 or not hasattr(thing, "__dict__"):
        return repr(thing)
    return repr(thing) + "".join(
        f"{name}={everything_reachable(value, depth - 1)}" for name, value in vars(thing).items()
    )


def said(error: BaseException) -> list[str]:
    """Write out an error as logs and terminals do."""
    return [str(error), repr(error), *traceback.format_exception(error)]


@pytest.mark.parametrize("key", [SECRET, SecretStr(SECRET)], ids=["str", "SecretStr"])
@pytest.mark.parametrize("kind", [OpenAIEmbedder, OpenAIMatryoshkaEmbeddings])
async def test_the_key_is_sent_and_shown_nowhere_else(
    server: Any, kind: type[OpenAIEmbedder], key: Any, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG)
    embedder = kind("wordllama", 128, base_url=server.url, api_key=key)
    before = everything_reachable(embedder)
    embedder.embed_query("x")
    await embedder.aembed_query("x")
    server.faults = [401]
    with pytest.raises(openai.AuthenticationError) as caught:
        embedder.embed_query("x")
    sent = {request["headers"]["Authorization"] for request in server.requests}
    assert sent == {f"Bearer {SECRET}"}
    shown = [before, repr(embedder), str(embedder), f"{vars(embedder)}", dumps(embedder)]
    shown += [pickle.dumps(embedder).decode("latin-1"), caplog.text, *said(caught.value)]
    assert not [text for text in shown if SECRET in text]


async def test_the_llama_index_twin_shows_no_key_either(
    server: Any, caplog: pytest.LogCaptureFixture
):
    llama_index = pytest.importorskip("mrl_adapters.llama_index")
    caplog.set_level(logging.DEBUG)
    embed_model = llama_index.OpenAIMatryoshkaEmbedding(
        "wordllama", 128, base_url=server.url, api_key=SECRET
    )
    embed_model.get_query_embedding("x")
    await embed_model.aget_text_embedding("x")
    server.faults = [401]
    with pytest.raises(openai.AuthenticationError) as caught:
        embed_model.get_query_embedding("x")
    assert server.requests[0]["headers"]["Authorization"] == f"Bearer {SECRET}"
    shown = [repr(embed_model), str(embed_model), embed_model.to_json(), f"{embed_model.to_dict()}"]
    shown += [embed_model.model_dump_json(), f"{embed_model.model_dump()}", caplog.text]
    shown += [pickle.dumps(embed_model).decode("latin-1"), *said(caught.value)]
    assert not [text for text in shown if SECRET in text]


def test_construction_needs_no_key_and_makes_no_call(server: Any):
    OpenAIEmbedder()
    OpenAIMatryoshkaEmbeddings("text-embedding-3-large", 256, base_url=server.url)
    assert server.requests == []


def test_openais_own_server_needs_a_key():
    with pytest.raises(openai.OpenAIError, match="OPENAI_API_KEY"):
        OpenAIEmbedder().embed_query("x")


def test_the_environments_key_and_server_are_used(server: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-env")
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    OpenAIEmbedder("wordllama").embed_query("x")
    assert server.requests[0]["headers"]["Authorization"] == "Bearer sk-env"


def test_a_pickled_embedder_works_with_the_environments_key(
    server: Any, monkeypatch: pytest.MonkeyPatch
):
    options = OpenAIOptions(batch_size=2)
    embedder = OpenAIEmbedder("wordllama", 64, base_url=server.url, api_key=SECRET, options=options)
    embedder.embed_query("x")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-env")
    other = pickle.loads(pickle.dumps(embedder))  # noqa: S301 - our own bytes
    assert other.usage.requests == 0
    assert other.embed_documents(["x"] * 3) == embedder.embed_documents(["x"] * 3)
    keys = [request["headers"]["Authorization"] for request in server.requests]
    assert keys.count("Bearer sk-env") == 2


def test_a_copy_in_the_process_keeps_its_key(server: Any):
    embedder = OpenAIEmbedder("wordllama", base_url=server.url, api_key=SECRET)
    for other in (copy.copy(embedder), copy.deepcopy(embedder)):
        other.embed_query("x")
    assert {r["headers"]["Authorization"] for r in server.requests} == {f"Bearer {SECRET}"}


@pytest.mark.parametrize("given", ["client", "async_client", "http_client"])
def test_an_embedder_with_a_client_of_ones_own_is_not_pickled(given: str):
    if given == "http_client":
        embedder = OpenAIEmbedder(options=OpenAIOptions(http_client=object()))
    else:
        embedder = OpenAIEmbedder(**{given: object()})
    with pytest.raises(ConfigurationError, match=r"cannot be pickled.*Give it base_url"):
        pickle.dumps(embedder)


async def test_clients_of_ones_own_are_used_and_left_open(server: Any):
    arguments = {"base_url": server.url, "api_key": "mine"}
    with openai.OpenAI(**arguments) as client:
        async with openai.AsyncOpenAI(**arguments) as async_client:
            embedder = OpenAIEmbedder("wordllama", client=client, async_client=async_client)
            assert embedder.embed_query("x") == await embedder.aembed_query("x")
            del embedder
            assert not client.is_closed()
            assert not async_client.is_closed()
    assert {r["headers"]["Authorization"] for r in server.requests} == {"Bearer mine"}


async def test_a_sync_client_alone_serves_async_methods_from_a_thread(server: Any):
    with openai.OpenAI(base_url=server.url, api_key="mine") as client:
        embedder = OpenAIEmbedder("wordllama", client=client)
        assert await embedder.aembed_query("x") == embedder.embed_query("x")


async def test_an_async_client_alone_cannot_serve_sync_methods(server: Any):
    async with openai.AsyncOpenAI(base_url=server.url, api_key="mine") as client:
        embedder = OpenAIEmbedder("wordllama", async_client=client)
        await embedder.aembed_query("x")
        with pytest.raises(ConfigurationError, match="only async_client was given"):
            embedder.embed_query("x")


async def test_http_clients_of_ones_own_are_used_and_left_open(server: Any):
    import httpx2

    with httpx2.Client(headers={"X-Team": "a"}) as sync:
        async with httpx2.AsyncClient(headers={"X-Team": "b"}) as native:
            options = OpenAIOptions(http_client=sync, http_async_client=native)
            embedder = OpenAIEmbedder("wordllama", base_url=server.url, options=options)
            embedder.embed_query("x")
            await embedder.aembed_query("x")
            await embedder.aembed_query("x")
            assert not sync.is_closed
            assert not native.is_closed
    assert [request["headers"]["X-Team"] for request in server.requests] == ["a", "b", "b"]


def test_one_embedder_serves_one_loop_after_another(server: Any, wordllama: WordLlamaEmbedder):
    embedder = OpenAIEmbedder("wordllama", base_url=server.url)
    for _ in range(3):
        vectors = asyncio.run(embedder.aembed_array(["x", "y"]))
        np.testing.assert_allclose(vectors, wordllama.embed_array(["x", "y"]), atol=1e-7)
    gc.collect()  # an unclosed connection would warn here, and warnings are errors


def test_one_embedder_serves_loops_and_threads_at_once(server: Any):
    embedder = OpenAIEmbedder("wordllama", base_url=server.url)

    def work(number: int) -> list[float]:
        if number % 2:
            return embedder.embed_query("x")
        return asyncio.run(embedder.aembed_query("x"))

    with ThreadPoolExecutor(4) as executor:
        answers = list(executor.map(work, range(12)))
    assert all(answer == answers[0] for answer in answers)
    assert embedder.usage.requests == 12
    gc.collect()


def test_a_sync_client_is_closed_once_its_embedder_is_gone(server: Any):
    embedder = OpenAIEmbedder("wordllama", base_url=server.url)
    embedder.embed_query("x")
    client = embedder._clients.sync()
    assert not client.is_closed()
    del embedder
    gc.collect()
    assert client.is_closed()


async def test_a_client_is_closed_once_its_embedder_is_gone(server: Any):
    before = set(loop_clients._open)
    embedder = OpenAIEmbedder("wordllama", base_url=server.url)
    await embedder.aembed_query("x")
    [lifetime] = loop_clients._open - before
    del embedder
    gc.collect()
    for _ in range(20):
        await asyncio.sleep(0.01)
    assert lifetime.client.is_closed()
    assert lifetime not in loop_clients._open


def test_a_client_whose_loop_was_closed_roughly_is_forgotten(server: Any):
    before = len(loop_clients._open)
    embedder = OpenAIEmbedder("wordllama", base_url=server.url)
    rough = asyncio.new_event_loop()
    lifetime_of_rough = rough.run_until_complete(embedder._clients.current())
    rough.close()
    assert lifetime_of_rough is not None
    assert len(loop_clients._open) == before + 1
    asyncio.run(embedder.aembed_query("x"))
    assert len(loop_clients._open) == before
    other = asyncio.new_event_loop()
    other.run_until_complete(embedder._clients.current())
    other.close()
    del embedder
    gc.collect()
    assert len(loop_clients._open) == before
