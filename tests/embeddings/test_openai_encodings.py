"""Servers that take only some of the parameters: found out by asking, and asked once."""

import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np
import openai
import pytest

from mrl_adapters.embeddings import OpenAIEmbedder, OpenAIOptions, WordLlamaEmbedder
from mrl_adapters.errors import EmbeddingError

TEXTS = ["copy a directory tree", "parse JSON", "open a socket"]
REFUSALS: dict[str, tuple[int, Any]] = {
    "400": (400, {"error": {"message": "encoding_format 'base64' is not supported"}}),
    "400 without a word": (400, {}),
    "422": (422, {"detail": [{"msg": "Input should be 'float'"}]}),
    "501": (501, {"error": "not implemented"}),
    "200 with no data": (200, {"object": "list", "data": [], "usage": {}}),
    "200 with an error": (200, {"error": {"message": "bad parameter"}}),
    "200 with nulls": (200, {"data": [{"index": at, "embedding": None} for at in range(3)]}),
}


@pytest.fixture(params=["sync", "async"])
def ask(request: pytest.FixtureRequest) -> Callable[[OpenAIEmbedder], np.ndarray]:
    """Embed the texts in one colour or the other."""
    if request.param == "sync":
        return lambda embedder: embedder.embed_array(TEXTS)
    return lambda embedder: asyncio.run(embedder.aembed_array(TEXTS))


def make(server: Any, dimensions: int | None = None, **options: Any) -> OpenAIEmbedder:
    options = {"max_retries": 0, **options}
    return OpenAIEmbedder(
        "my-model", dimensions, base_url=server.url, options=OpenAIOptions(**options)
    )


def formats(server: Any) -> list[str | None]:
    return [request.get("encoding_format") for request in server.requests]


@pytest.mark.parametrize("how", REFUSALS)
@pytest.mark.parametrize("dimensions", [None, 64])
def test_a_server_that_refuses_base64_is_asked_for_numbers_from_then_on(
    server: Any, ask: Any, how: str, dimensions: int | None
):
    server.refusal = lambda body: REFUSALS[how] if body.get("encoding_format") == "base64" else None
    embedder = make(server, dimensions)
    right = WordLlamaEmbedder(dimensions or 256).embed_array(TEXTS)
    for _ in range(2):
        np.testing.assert_allclose(ask(embedder), right, atol=1e-6)
    assert formats(server)[-2:] == ["float", "float"]
    assert formats(server).count("float") == 2


def test_a_server_that_knows_no_such_parameter_is_asked_without(server: Any, ask: Any):
    refused = (422, {"detail": "Extra inputs are not permitted: encoding_format"})
    server.refusal = lambda body: refused if "encoding_format" in body else None
    embedder = make(server)
    for _ in range(2):
        np.testing.assert_allclose(ask(embedder), WordLlamaEmbedder().embed_array(TEXTS), atol=1e-6)
    assert formats(server) == ["base64", "float", None, None]


def test_a_server_that_refuses_both_parameters_is_asked_without(server: Any, ask: Any):
    def refusal(body: dict[str, Any]) -> tuple[int, Any] | None:
        for name in ("encoding_format", "dimensions"):
            if body.get(name) not in {None, "float"}:
                return 400, {"error": {"message": f"{name} is not supported"}}
        return None

    server.refusal = refusal
    np.testing.assert_allclose(
        ask(make(server, 64)), WordLlamaEmbedder(64).embed_array(TEXTS), atol=1e-6
    )
    asked = [(each.get("encoding_format"), each.get("dimensions")) for each in server.requests]
    assert asked == [("base64", 64), ("float", 64), ("float", None)]


def test_a_server_that_answers_in_base64_whatever_it_is_asked_is_read(server: Any, ask: Any):
    def with_base64(answer: dict[str, Any]) -> dict[str, Any]:
        import base64

        for item in answer["data"]:
            packed = np.array(item["embedding"], dtype="<f4").tobytes()
            item["embedding"] = base64.b64encode(packed).decode()
        return answer

    server.refusal = lambda body: (
        REFUSALS["400"] if body.get("encoding_format") == "base64" else None
    )
    server.reshape = with_base64
    np.testing.assert_allclose(ask(make(server)), WordLlamaEmbedder().embed_array(TEXTS), atol=1e-6)


def test_batches_that_find_out_at_the_same_time_all_succeed(server: Any, ask: Any):
    server.refusal = lambda body: (
        REFUSALS["400"] if body.get("encoding_format") == "base64" else None
    )
    server.delay_s = 0.05
    vectors = ask(make(server, batch_size=1, concurrency=3))
    np.testing.assert_allclose(vectors, WordLlamaEmbedder().embed_array(TEXTS), atol=1e-6)


def test_the_last_refusal_is_the_one_that_arrives(server: Any, ask: Any):
    def refusal(body: dict[str, Any]) -> tuple[int, Any]:
        if body.get("encoding_format") == "base64":
            return REFUSALS["422"]
        return 400, {"error": {"message": "dimensions 64 is not supported"}}

    server.refusal = refusal
    with pytest.raises(openai.BadRequestError, match="dimensions 64"):
        ask(make(server, 64, truncation="server"))
    assert len(server.requests) == 2


def test_once_the_server_has_answered_a_bad_request_is_not_repeated(server: Any, ask: Any):
    embedder = make(server)
    ask(embedder)
    server.faults = [400]
    with pytest.raises(openai.BadRequestError):
        ask(embedder)
    assert len(server.requests) == 2


@pytest.mark.parametrize("how", ["200 with an error", "200 with no data", "200 with nulls"])
def test_an_answer_without_vectors_is_an_error_if_numbers_bring_none_either(
    server: Any, ask: Any, how: str
):
    server.refusal = lambda body: REFUSALS[how]
    with pytest.raises(EmbeddingError, match=r"bad parameter|0 vectors for 3|Text 0 \('copy"):
        ask(make(server))
    assert formats(server) == ["base64", "float"]
