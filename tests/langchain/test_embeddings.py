"""MatryoshkaEmbeddings against LangChain's own suites."""

from typing import Any

import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding, Embeddings
from langchain_core.load import dumps
from langchain_tests.integration_tests import EmbeddingsIntegrationTests
from langchain_tests.unit_tests import EmbeddingsUnitTests

from mrl_adapters.embeddings import WordLlamaEmbedder
from mrl_adapters.embeddings.inspection import model_name
from mrl_adapters.langchain.embeddings import MatryoshkaEmbeddings

PARAMS = {"base": WordLlamaEmbedder(), "dimensions": 128}


class TestMatryoshkaEmbeddingsUnit(EmbeddingsUnitTests):
    @property
    def embeddings_class(self) -> type[Embeddings]:
        return MatryoshkaEmbeddings

    @property
    def embedding_model_params(self) -> dict[str, Any]:
        return PARAMS


class TestMatryoshkaEmbeddingsIntegration(EmbeddingsIntegrationTests):
    @property
    def embeddings_class(self) -> type[Embeddings]:
        return MatryoshkaEmbeddings

    @property
    def embedding_model_params(self) -> dict[str, Any]:
        return PARAMS


def test_any_langchain_embeddings_can_be_the_base():
    embeddings = MatryoshkaEmbeddings(DeterministicFakeEmbedding(size=32), 8)
    assert isinstance(embeddings, Embeddings)
    assert len(embeddings.embed_query("x")) == embeddings.dimensions == 8
    assert model_name(embeddings) is None


def test_a_base_with_a_key_does_not_show_it(monkeypatch: pytest.MonkeyPatch):
    openai = pytest.importorskip("langchain_openai")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    embeddings = MatryoshkaEmbeddings(openai.OpenAIEmbeddings(model="text-embedding-3-large"), 256)
    assert "secret" not in repr(embeddings) + str(embeddings) + dumps(embeddings)
    assert embeddings.model == "text-embedding-3-large"
