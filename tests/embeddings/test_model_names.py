"""Which model is behind an embedder of any kind."""

import enum
from types import SimpleNamespace

import pytest

from mrl_adapters.embeddings import TruncatedEmbedder, WordLlamaEmbedder
from mrl_adapters.embeddings.inspection import model_name


class Model(str, enum.Enum):
    SMALL = "text-embedding-3-small"


@pytest.mark.parametrize(
    ("attributes", "name"),
    [
        ({"model": "a"}, "a"),
        ({"model_name": "a"}, "a"),
        ({"model_id": "a"}, "a"),
        ({"model": "http://localhost:8080", "repo_id": "a"}, "a"),
        ({"model": object(), "model_name": "a"}, "a"),
        ({"model": Model.SMALL}, "text-embedding-3-small"),
        ({"model_name": "unknown"}, None),
        ({"model": ""}, None),
        ({}, None),
    ],
)
def test_the_usual_attributes_are_read(attributes: dict[str, object], name: str | None):
    assert model_name(SimpleNamespace(**attributes)) == name


def test_wrappers_are_looked_into(wordllama: WordLlamaEmbedder):
    cached = SimpleNamespace(underlying_embeddings=wordllama)
    assert model_name(cached) == model_name(TruncatedEmbedder(wordllama, 64)) == wordllama.model


def test_langchains_own_cache_is_looked_into(wordllama: WordLlamaEmbedder):
    from langchain_classic.embeddings import CacheBackedEmbeddings
    from langchain_core.stores import InMemoryByteStore

    cached = CacheBackedEmbeddings.from_bytes_store(
        wordllama,  # type: ignore[arg-type]  # has the four methods
        InMemoryByteStore(),
        key_encoder="sha256",
    )
    assert model_name(cached) == wordllama.model


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"azure_deployment": "text-embedding-3-large"}, "text-embedding-3-large"),
        ({"azure_deployment": "our-embeddings"}, None),
        ({"azure_deployment": "ours", "model": "text-embedding-3-small"}, "text-embedding-3-small"),
    ],
)
def test_an_azure_deployment_is_not_taken_for_ada_002(
    options: dict[str, str], name: str | None, monkeypatch: pytest.MonkeyPatch
):
    openai = pytest.importorskip("langchain_openai")
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "x")
    embeddings = openai.AzureOpenAIEmbeddings(
        azure_endpoint="https://x.invalid", api_version="2024-02-01", **options
    )
    assert model_name(embeddings) == name


def test_llama_index_embeddings_say_their_model():
    from llama_index.core import MockEmbedding

    assert model_name(MockEmbedding(8)) is None
    assert model_name(MockEmbedding(8, model_name="nomic-embed-text")) == "nomic-embed-text"
