"""Servers that speak OpenAI's API in ways of their own: the same vectors of all of them.

The refusals are those of the servers that they are called after, word by word where known.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np
import openai
import pytest

from mrl_adapters import registry
from mrl_adapters.embeddings import OpenAIEmbedder, OpenAIOptions, WordLlamaEmbedder
from mrl_adapters.errors import ConfigurationError
from mrl_adapters.registry import ModelSpec

TEXTS = [f"text number {number}" for number in range(25)]
LIMIT = 10
TOO_MANY: dict[str, Callable[[int], tuple[int, Any]]] = {
    "DashScope": lambda count: (
        400,
        {
            "error": {
                "message": "<400> InternalError.Algo.InvalidParameter: Value error, batch size is "
                f"invalid, it should not be larger than {LIMIT}.: input.contents",
                "type": "InvalidParameter",
                "param": None,
                "code": "InvalidParameter",
            }
        },
    ),
    "TEI": lambda count: (
        422,
        {
            "message": f"batch size {count} > maximum allowed batch size {LIMIT}",
            "code": 422,
            "type": "Validation",
        },
    ),
    "OpenAI": lambda count: (
        400,
        {
            "error": {
                "message": "Invalid 'input': array too long. Expected an array with maximum length "
                f"{LIMIT}, but got an array with length {count} instead."
            }
        },
    ),
    "Azure": lambda count: (
        400,
        {"error": {"message": f"Too many inputs. The max number of inputs is {LIMIT}."}},
    ),
    "Gemini": lambda count: (
        400,
        [{"error": {"code": 400, "message": f"at most {LIMIT} requests can be in one batch"}}],
    ),
    "no number": lambda count: (400, {"error": {"message": "Too many inputs."}}),
    "a proxy": lambda count: (413, {"error": "Request Entity Too Large"}),
}


@pytest.fixture(params=["sync", "async"])
def ask(request: pytest.FixtureRequest) -> Callable[[OpenAIEmbedder, list[str]], np.ndarray]:
    """Embed texts, sync or async."""
    if request.param == "sync":
        return OpenAIEmbedder.embed_array
    return lambda embedder, texts: asyncio.run(embedder.aembed_array(texts))


@pytest.fixture
def fields_model(own_registry: None) -> ModelSpec:
    """A model whose server wants to know which side a text is of."""
    spec = ModelSpec(
        "needs-input-type",
        256,
        nested=(64,),
        dimensions_field="output_dimension",
        query_fields={"input_type": "query"},
        document_fields={"input_type": "passage"},
    )
    registry.register(spec)
    return spec


def make(server: Any, dimensions: int | None = None, **options: Any) -> OpenAIEmbedder:
    options = {"max_retries": 0, **options}
    return OpenAIEmbedder(
        "wordllama", dimensions, base_url=server.url, options=OpenAIOptions(**options)
    )


@pytest.mark.parametrize("who", TOO_MANY)
def test_a_server_that_takes_fewer_texts_at_a_time_gets_fewer_from_then_on(
    server: Any, wordllama: WordLlamaEmbedder, ask: Any, who: str
):
    server.refusal = lambda body: (
        TOO_MANY[who](len(body["input"])) if len(body["input"]) > LIMIT else None
    )
    embedder = make(server)
    right = wordllama.embed_array(TEXTS)
    np.testing.assert_allclose(ask(embedder, TEXTS), right, atol=1e-6)
    told = len(server.requests)
    np.testing.assert_allclose(ask(embedder, TEXTS), right, atol=1e-6)
    assert max(map(len, server.inputs()[told:])) <= LIMIT
    assert len(server.requests) - told <= 5
    if who in {"DashScope", "TEI", "OpenAI", "Azure"}:
        assert list(map(len, server.inputs()[:told])) == [25, 10, 10, 5]


def test_batches_that_are_refused_at_the_same_time_all_arrive(
    server: Any, wordllama: WordLlamaEmbedder, ask: Any
):
    server.refusal = lambda body: (
        TOO_MANY["TEI"](len(body["input"])) if len(body["input"]) > 3 else None
    )
    server.delay_s = 0.02
    vectors = ask(make(server, batch_size=8, concurrency=4), TEXTS)
    np.testing.assert_allclose(vectors, wordllama.embed_array(TEXTS), atol=1e-6)


@pytest.mark.parametrize(
    "said",
    [
        "input (600 tokens) is too large to process. increase the physical batch size",
        "This model's maximum context length is 512 tokens, however you requested 600 tokens",
        "Input validation error: `inputs` must have less than 512 tokens. Given: 600",
    ],
    ids=["llama.cpp", "vLLM", "TEI"],
)
def test_one_text_that_is_too_long_is_not_taken_for_too_many(server: Any, ask: Any, said: str):
    server.refusal = lambda body: (400, {"error": {"message": said}})
    with pytest.raises(openai.BadRequestError, match=r"tokens|physical"):
        ask(make(server), TEXTS)
    assert {len(texts) for texts in server.inputs()} == {25}


def test_the_registry_knows_how_many_texts_dashscope_takes(server: Any, ask: Any):
    server.embed = lambda texts: np.ones((len(texts), 1024), dtype=np.float32)
    ask(OpenAIEmbedder("text-embedding-v4", base_url=server.url), TEXTS)
    assert sorted(map(len, server.inputs())) == [5, 10, 10]


# Parameters


@pytest.mark.parametrize("status", [400, 422, 500, 501])
@pytest.mark.parametrize("what", ["base64", "dimensions", "both"])
@pytest.mark.parametrize("silent", [False, True], ids=["in words", "without a word"])
def test_a_refused_parameter_is_given_up_and_not_sent_again(
    server: Any, ask: Any, status: int, what: str, silent: bool
):
    def refusal(body: dict[str, Any]) -> tuple[int, Any] | None:
        encoded = body.get("encoding_format") == "base64" and what != "dimensions"
        sized = "dimensions" in body and what != "base64"
        if not encoded and not sized:
            return None
        name = "encoding_format base64" if encoded else "dimensions"
        return status, {} if silent else {"error": {"message": f"{name} is not supported"}}

    server.refusal = refusal
    embedder = make(server, 64)
    right = WordLlamaEmbedder(64).embed_array(TEXTS)
    np.testing.assert_allclose(ask(embedder, TEXTS), right, atol=1e-6)
    told = len(server.requests)
    np.testing.assert_allclose(ask(embedder, TEXTS), right, atol=1e-6)
    assert len(server.requests) == told + 1


@pytest.mark.parametrize("refusal", [(400, {}), (422, {}), (500, {}), None], ids=str)
def test_a_model_that_nests_is_shortened_here_where_its_server_does_not(
    server: Any, ask: Any, refusal: Any
):
    """The model's own API takes the size, this server (a gateway, say) does not."""
    full = np.random.default_rng(3).normal(size=(25, 1536)).astype(np.float32)
    server.embed = lambda texts: full[: len(texts)]
    server.dimensions = "ignore"
    server.refusal = lambda body: refusal if "dimensions" in body else None
    options = OpenAIOptions(max_retries=0)
    embedder = OpenAIEmbedder("text-embedding-3-small", 256, base_url=server.url, options=options)
    short = full[:, :256] / np.linalg.norm(full[:, :256], axis=1, keepdims=True)
    np.testing.assert_allclose(ask(embedder, TEXTS), short, atol=1e-6)


def test_a_server_that_fails_for_the_moment_is_asked_for_the_same_again(server: Any, ask: Any):
    server.faults = [500]
    ask(make(server, 64, max_retries=2), TEXTS)
    asked = [(each["encoding_format"], each["dimensions"]) for each in server.requests]
    assert asked == [("base64", 64)] * 2


def test_a_server_that_keeps_failing_is_asked_as_often_as_the_retries_allow(server: Any):
    server.refusal = lambda body: (500, {})
    with pytest.raises(openai.InternalServerError):
        make(server, max_retries=3).embed_query("a")
    assert len(server.requests) == 4


# Fields


def test_fields_of_the_callers_own_are_sent_with_every_request(server: Any, ask: Any):
    embedder = make(
        server,
        extra_body={"user": "me", "truncate": "END"},
        query_body={"input_type": "query"},
        document_body={"input_type": "passage"},
    )
    ask(embedder, TEXTS)
    embedder.embed_query("a")
    sent = [(each["user"], each["truncate"], each["input_type"]) for each in server.requests]
    assert sent == [("me", "END", "passage"), ("me", "END", "query")]


def test_fields_of_the_callers_own_are_sent_whatever_the_server_says(server: Any, ask: Any):
    server.refusal = lambda body: (400, {"error": {"message": "input_type is unknown"}})
    with pytest.raises(openai.BadRequestError, match="input_type"):
        ask(make(server, extra_body={"input_type": "query"}), TEXTS)
    assert all("input_type" in each for each in server.requests)


@pytest.mark.parametrize("name", ["extra_body", "query_body", "document_body"])
@pytest.mark.parametrize("field", ["model", "input"])
def test_fields_that_the_embedder_sends_itself_are_refused(name: str, field: str):
    with pytest.raises(ConfigurationError, match=f"{name} has '{field}'"):
        OpenAIOptions(**{name: {field: "x"}})


def test_the_registrys_fields_are_sent_for_each_side(
    server: Any, ask: Any, fields_model: ModelSpec
):
    embedder = OpenAIEmbedder(fields_model.name, 64, base_url=server.url)
    ask(embedder, ["a"])
    embedder.embed_query("a")
    assert [each["input_type"] for each in server.requests] == ["passage", "query"]
    assert [each["output_dimension"] for each in server.requests] == [64, 64]
    assert not any("dimensions" in each for each in server.requests)


def test_the_registrys_fields_give_way_to_the_callers(server: Any, fields_model: ModelSpec):
    options = OpenAIOptions(query_body={"task": "retrieval.query"}, document_body={})
    embedder = OpenAIEmbedder(fields_model.name, base_url=server.url, options=options)
    embedder.embed_documents(["a"])
    embedder.embed_query("a")
    assert "input_type" not in server.requests[0]
    assert "input_type" not in server.requests[1]
    assert server.requests[1]["task"] == "retrieval.query"


@pytest.mark.parametrize(
    "said", [{"detail": "Extra inputs are not permitted: input_type"}, {}], ids=["words", "none"]
)
def test_a_server_that_does_not_know_the_registrys_fields_is_asked_without(
    server: Any, ask: Any, fields_model: ModelSpec, said: Any
):
    server.refusal = lambda body: (422, said) if "input_type" in body else None
    embedder = OpenAIEmbedder(fields_model.name, base_url=server.url)
    for _ in range(2):
        ask(embedder, ["a"])
    assert ["input_type" in each for each in server.requests] == [True, False, False]
    assert {each["encoding_format"] for each in server.requests} == {"base64"}


def test_nims_models_and_jinas_say_which_side_a_text_is_of(server: Any):
    server.embed = lambda texts: np.ones((len(texts), 2048), dtype=np.float32)
    nim = OpenAIEmbedder("nvidia/llama-3.2-nv-embedqa-1b-v2", base_url=server.url)
    nim.embed_documents(["a"])
    nim.embed_query("a")
    server.embed = lambda texts: np.ones((len(texts), 1024), dtype=np.float32)
    jina = OpenAIEmbedder("jina-embeddings-v3", base_url=server.url)
    jina.embed_documents(["a"])
    jina.embed_query("a")
    sides = [each.get("input_type") or each.get("task") for each in server.requests]
    assert sides == ["passage", "query", "retrieval.passage", "retrieval.query"]


# Addresses and answers


def test_the_environments_server_needs_no_key(
    server: Any, ask: Any, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    assert ask(OpenAIEmbedder("wordllama"), TEXTS).shape == (25, 256)


@pytest.mark.parametrize("where", ["argument", "environment"])
def test_openais_own_address_needs_one(where: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    url = "https://api.openai.com/v1"
    monkeypatch.setenv("OPENAI_BASE_URL", url)
    embedder = OpenAIEmbedder(base_url=url if where == "argument" else None)
    with pytest.raises(openai.OpenAIError, match="OPENAI_API_KEY"):
        embedder.embed_query("a")


def test_azures_deployments_are_reached_through_its_client(server: Any, ask: Any):
    """The path names the deployment, and the key is sent as Azure has it."""
    arguments = {
        "azure_endpoint": server.url.removesuffix("/v1"),
        "api_key": "k",
        "api_version": "2024-10-21",
    }

    async def both() -> list[np.ndarray]:
        with openai.AzureOpenAI(**arguments) as client:
            async with openai.AsyncAzureOpenAI(**arguments) as async_client:
                embedder = OpenAIEmbedder("wordllama", client=client, async_client=async_client)
                return [embedder.embed_array(["a"]), await embedder.aembed_array(["a"])]

    one, other = asyncio.run(both())
    np.testing.assert_array_equal(one, other)
    assert [each["headers"]["Api-Key"] for each in server.requests] == ["k", "k"]


@pytest.mark.parametrize(
    "change",
    [
        lambda item, at: item.update(index=None),
        lambda item, at: item.pop("index"),
        lambda item, at: item.update(index=str(at)),
        lambda item, at: item.update(embedding=[item["embedding"]]),
    ],
    ids=["index null", "no index", "index a text", "nested"],
)
def test_answers_in_other_shapes_are_read(
    server: Any, wordllama: WordLlamaEmbedder, ask: Any, change: Any
):
    def reshape(answer: dict[str, Any]) -> dict[str, Any]:
        for at, item in enumerate(answer["data"]):
            change(item, at)
        return answer

    server.floats, server.reshape = True, reshape
    np.testing.assert_allclose(ask(make(server), TEXTS), wordllama.embed_array(TEXTS), atol=1e-6)
