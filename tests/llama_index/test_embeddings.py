"""Embeddings for LlamaIndex: hooks, events, caches, secrets."""

import asyncio
import copy
import json
import pickle
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.callbacks import CallbackManager, CBEventType, LlamaDebugHandler
from llama_index.core.ingestion import IngestionCache, IngestionPipeline
from llama_index.core.ingestion.pipeline import get_transformation_hash
from llama_index.core.schema import Document, TextNode
from llama_index.core.storage.kvstore import SimpleKVStore
from pydantic import PrivateAttr

from mrl_adapters.embeddings import WordLlamaEmbedder
from mrl_adapters.embeddings.inspection import model_name
from mrl_adapters.errors import ConfigurationError, DimensionsError
from mrl_adapters.llama_index import MatryoshkaEmbedding, OpenAIMatryoshkaEmbedding
from mrl_adapters.llama_index.embedder import EmbedderEmbedding
from mrl_adapters.llama_index.embeddings import without_secrets
from mrl_adapters.registry import MatryoshkaWarning
from mrl_adapters.vectors import truncate

WORDLLAMA = WordLlamaEmbedder()


class Counting(BaseEmbedding):
    """wordllama behind LlamaIndex's private hooks, with a list of the texts it was asked."""

    api_key: str = "sk-secret"
    _asked: list[str] = PrivateAttr(default_factory=list)

    @classmethod
    def class_name(cls) -> str:
        return "Counting"

    def _get_query_embedding(self, query: str) -> list[float]:
        self._asked.append(f"? {query}")
        return WORDLLAMA.embed_query(query)

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._get_query_embedding(query)

    def _get_text_embedding(self, text: str) -> list[float]:
        return self._get_text_embeddings([text])[0]

    def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        self._asked += texts
        return WORDLLAMA.embed_documents(texts)

    async def _aget_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return self._get_text_embeddings(texts)


class Limiter:
    """Count how often leave was asked for."""

    def __init__(self) -> None:
        self.acquired = 0

    def acquire(self) -> None:
        self.acquired += 1

    async def async_acquire(self) -> None:
        self.acquired += 1


@pytest.fixture
def inner() -> Counting:
    return Counting(model_name="dleemiller/word-llama-l2-supercat")


@pytest.mark.parametrize(
    ("method", "argument"),
    [
        ("get_query_embedding", "copy"),
        ("get_text_embedding", "copy"),
        ("get_text_embedding_batch", ["copy", "paste"]),
    ],
)
def test_vectors_are_unit_prefixes_in_every_way_of_asking(inner, call, method, argument):
    found = call(MatryoshkaEmbedding(inner, 64), method, argument)
    texts = [argument] if isinstance(argument, str) else argument
    expected = truncate(WORDLLAMA.embed_documents(texts), 64)
    assert np.allclose(np.atleast_2d(found), expected, atol=1e-6)
    assert all(type(number) is float for number in np.atleast_2d(found).tolist()[0])
    flat = found if isinstance(argument, str) else found[0]
    assert type(flat) is list
    assert type(flat[0]) is float


def test_nodes_are_embedded_as_a_transformation(inner, call):
    embed_model = MatryoshkaEmbedding(inner, 64)
    [node] = embed_model([TextNode(text="copy")])
    assert len(node.embedding) == 64
    [node] = asyncio.run(embed_model.acall([TextNode(text="copy")]))
    assert len(node.embedding) == 64


def test_each_text_is_reported_once(inner, call):
    debug = LlamaDebugHandler(print_trace_on_end=False)
    embed_model = MatryoshkaEmbedding(inner, 64)
    manager = CallbackManager([debug])
    embed_model.callback_manager = inner.callback_manager = manager
    call(embed_model, "get_query_embedding", "copy")
    call(embed_model, "get_text_embedding_batch", ["a", "b"])
    chunks = [end.payload["chunks"] for _, end in debug.get_event_pairs(CBEventType.EMBEDDING)]
    assert sorted(chunks) == [["a", "b"], ["copy"]]


def test_batches_are_of_the_inner_models_size():
    inner = Counting(embed_batch_size=3, num_workers=2)
    embed_model = MatryoshkaEmbedding(inner, 64)
    assert (embed_model.embed_batch_size, embed_model.num_workers) == (3, 2)


def test_the_inner_models_cache_serves_every_size(inner, call):
    inner.embeddings_cache = SimpleKVStore()
    large, small = MatryoshkaEmbedding(inner, 128), MatryoshkaEmbedding(inner, 64)
    first = call(large, "get_text_embedding_batch", ["copy", "paste"])
    second = call(small, "get_text_embedding_batch", ["copy", "paste"])
    assert inner._asked == ["copy", "paste"]
    assert (len(first[0]), len(second[0])) == (128, 64)
    assert np.allclose(truncate(first, 64), second, atol=1e-6)
    [kept] = inner.embeddings_cache.get("copy", collection="embeddings").values()
    assert len(kept) == 256


def test_questions_are_cached_apart_from_documents(inner, call):
    inner.embeddings_cache = SimpleKVStore()
    embed_model = MatryoshkaEmbedding(inner, 64)
    for _ in range(2):
        question = call(embed_model, "get_query_embedding", "copy")
        call(embed_model, "get_text_embedding", "copy")
    assert inner._asked == ["? copy", "copy"]
    assert len(question) == 64


def test_the_inner_models_rate_limiter_is_asked(call):
    inner = Counting()
    if "rate_limiter" not in type(inner).model_fields:
        pytest.skip("llama-index-core 0.13 has no rate limiters")
    inner.rate_limiter = limiter = Limiter()
    embed_model = MatryoshkaEmbedding(inner, 64)
    call(embed_model, "get_query_embedding", "copy")
    call(embed_model, "get_text_embedding_batch", ["a", "b"])
    assert limiter.acquired == 2
    inner.embeddings_cache = SimpleKVStore()
    call(embed_model, "get_query_embedding", "copy")
    call(embed_model, "get_query_embedding", "copy")
    assert limiter.acquired == 3


def test_wrappers_of_different_sizes_or_models_do_not_hash_alike(inner):
    nodes = [TextNode(id_="x", text="copy")]
    models = [
        MatryoshkaEmbedding(inner, 64),
        MatryoshkaEmbedding(inner, 128),
        MatryoshkaEmbedding(Counting(model_name="other"), 64),
        MatryoshkaEmbedding(WordLlamaEmbedder(128), 64),
        MatryoshkaEmbedding(WordLlamaEmbedder(), 64),
    ]
    assert len({get_transformation_hash(nodes, each) for each in models}) == len(models)
    again = MatryoshkaEmbedding(Counting(model_name=inner.model_name), 64)
    assert get_transformation_hash(nodes, again) == get_transformation_hash(nodes, models[0])


def test_an_ingestion_cache_never_returns_another_size(inner):
    cache = IngestionCache()
    sizes = [
        len(
            IngestionPipeline(transformations=[MatryoshkaEmbedding(inner, size)], cache=cache)
            .run(documents=[Document(id_="x", text="copy")])[0]
            .embedding
        )
        for size in (64, 128, 64)
    ]
    assert sizes == [64, 128, 64]


def test_no_credential_is_shown(inner):
    embed_model = MatryoshkaEmbedding(inner, 64)
    shown = [
        embed_model.to_dict(),
        embed_model.to_json(),
        embed_model.to_payload(),
        repr(embed_model),
        str(embed_model),
    ]
    assert "sk-secret" not in str(shown)
    assert embed_model.to_payload() == {
        "class_name": "MatryoshkaEmbedding",
        "model_name": "dleemiller/word-llama-l2-supercat",
        "embed_batch_size": 10,
        "dimensions": 64,
        "inner": "Counting",
    }
    assert inner.api_key == "sk-secret"


def test_secrets_are_left_out_at_every_depth():
    given = {
        "api_key": 1,
        "azure_ad_token": 1,
        "default_headers": {"Authorization": 1},
        "inner": {"apikey": 1, "password": 1, "dimensions": 2},
        "max_tokens": 3,
        "keywords": 4,
    }
    assert without_secrets(given) == {"inner": {"dimensions": 2}, "max_tokens": 3, "keywords": 4}


def test_prompts_are_put_before_the_texts_once():
    inner = Counting(model_name="nomic-embed-text-v1.5")
    with pytest.raises(DimensionsError, match="Counting gave vectors of 256 dimensions"):
        MatryoshkaEmbedding(inner, 512).get_text_embedding("search_document: copy")
    embed_model = MatryoshkaEmbedding(inner, 256)
    embed_model.get_query_embedding("copy")
    embed_model.get_text_embedding_batch(["copy"])
    MatryoshkaEmbedding(inner, 256, prompts=False).get_text_embedding("copy")
    assert inner._asked == [
        "search_document: copy",
        "? search_query: copy",
        "search_document: copy",
        "copy",
    ]
    assert embed_model.applies_prompts


def test_an_impossible_size_is_an_error(inner):
    with pytest.raises(DimensionsError, match="Choose dimensions from 1 to 256"):
        MatryoshkaEmbedding(inner, 512)
    with pytest.raises(DimensionsError, match="Choose at least 1"):
        MatryoshkaEmbedding(Counting(), 0)
    with pytest.warns(MatryoshkaWarning, match="not trained at 100 dimensions"):
        MatryoshkaEmbedding(inner, 100)
    with pytest.raises(ConfigurationError, match="object is not an embedder"):
        MatryoshkaEmbedding(object(), 64)  # type: ignore[arg-type] # on purpose


def test_the_model_behind_a_wrapper_is_known(inner):
    assert model_name(MatryoshkaEmbedding(inner, 64)) == "dleemiller/word-llama-l2-supercat"
    assert model_name(MatryoshkaEmbedding(Counting(), 64)) is None
    assert model_name(MatryoshkaEmbedding(Counting(), 64, model="my-model")) == "my-model"


def test_the_mean_of_several_questions_has_unit_length(inner, call):
    embed_model = MatryoshkaEmbedding(inner, 64)
    mean = call(embed_model, "get_agg_embedding_from_queries", ["copy a tree", "gzip"])
    assert np.linalg.norm(mean) == pytest.approx(1, abs=1e-6)
    one = call(embed_model, "get_agg_embedding_from_queries", ["gzip"])
    assert one == embed_model.get_query_embedding("gzip")
    first = call(embed_model, "get_agg_embedding_from_queries", ["a", "b"], lambda each: each[0])
    assert first == embed_model.get_query_embedding("a")


def test_a_framework_free_embedder_is_adopted(call):
    embed_model = EmbedderEmbedding(WORDLLAMA)
    assert call(embed_model, "get_query_embedding", "copy") == WORDLLAMA.embed_query("copy")
    assert call(embed_model, "get_text_embedding", "copy") == WORDLLAMA.embed_query("copy")
    batch = call(embed_model, "get_text_embedding_batch", ["a", "b"])
    assert batch == WORDLLAMA.embed_documents(["a", "b"])
    assert embed_model.class_name() == "EmbedderEmbedding"


def test_a_wrapper_travels_to_another_process():
    embed_model = MatryoshkaEmbedding(WordLlamaEmbedder(), 64)
    other = pickle.loads(pickle.dumps(embed_model))  # noqa: S301 - our own bytes
    assert other.get_query_embedding("copy") == embed_model.get_query_embedding("copy")
    assert other.to_dict() == embed_model.to_dict()


class Locked(WordLlamaEmbedder):
    """An embedder that cannot be pickled."""

    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()

    def __reduce__(self):
        return Locked, (self.lock,)


@pytest.mark.parametrize(
    "wrapped", [EmbedderEmbedding, lambda inner: MatryoshkaEmbedding(inner, 64)]
)
def test_what_cannot_be_pickled_is_refused_in_words_and_goes_on_working(wrapped):
    embed_model = wrapped(Locked())
    for _ in range(2):
        with pytest.raises(
            ConfigurationError, match=r"Embedding cannot be pickled, because .*lock"
        ):
            pickle.dumps(embed_model)
    assert embed_model.get_query_embedding("copy")
    assert copy.copy(embed_model).get_query_embedding("copy")


@pytest.mark.parametrize(
    "kind", [MatryoshkaEmbedding, EmbedderEmbedding, OpenAIMatryoshkaEmbedding]
)
def test_a_dict_or_json_makes_no_embed_model_and_says_so(kind):
    made = (
        OpenAIMatryoshkaEmbedding()
        if kind is OpenAIMatryoshkaEmbedding
        else (EmbedderEmbedding(WordLlamaEmbedder()))
    )
    made = MatryoshkaEmbedding(made, 64) if kind is MatryoshkaEmbedding else made
    for make in (lambda: kind.from_dict(made.to_dict()), lambda: kind.from_json(made.to_json())):
        with pytest.raises(
            ConfigurationError, match=rf"{kind.__name__} cannot be made from a dict"
        ):
            make()


@pytest.fixture
def openai_server() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """An embeddings API on loopback with wordllama's vectors, and the requests that it got."""
    requests: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            requests.append(body)
            vectors = WORDLLAMA.embed_array(body["input"]).tolist()
            data = [
                {"object": "embedding", "index": place, "embedding": vector}
                for place, vector in enumerate(vectors)
            ]
            usage = {"prompt_tokens": 7, "total_tokens": 7}
            answer = {"object": "list", "model": body["model"], "data": data, "usage": usage}
            sent = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        def log_message(self, *_: Any) -> None:
            """Keep the test's output clean."""

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{http.server_port}/v1", requests
    http.shutdown()
    http.server_close()


def test_openai_is_asked_once_for_many_texts(openai_server, call):
    url, requests = openai_server
    embed_model = OpenAIMatryoshkaEmbedding("my-model", base_url=url, api_key="sk-secret")
    texts = [f"text {place}" for place in range(50)]
    vectors = call(embed_model, "get_text_embedding_batch", texts)
    assert np.allclose(vectors, WORDLLAMA.embed_documents(texts), atol=1e-6)
    assert [each["input"] for each in requests] == [texts]
    assert len(call(embed_model, "get_query_embedding", "copy")) == 256
    assert (embed_model.dimensions, embed_model.usage.total_tokens) == (256, 14)
    assert "sk-secret" not in str(embed_model.to_dict()) + repr(embed_model)
    assert model_name(embed_model) == "my-model"


def test_openai_needs_no_key_until_it_is_asked(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    embed_model = OpenAIMatryoshkaEmbedding("text-embedding-3-large", 1024)
    assert (embed_model.dimensions, embed_model.class_name()) == (1024, "OpenAIMatryoshkaEmbedding")
    assert MatryoshkaEmbedding(embed_model, 256).model_name == "text-embedding-3-large"
