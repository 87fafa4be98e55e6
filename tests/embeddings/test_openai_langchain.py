"""OpenAIMatryoshkaEmbeddings against LangChain's own suites, with a real server."""

from typing import Any

import pytest
from langchain_core.embeddings import Embeddings
from langchain_tests.integration_tests import EmbeddingsIntegrationTests
from langchain_tests.unit_tests import EmbeddingsUnitTests

from mrl_adapters.langchain.embeddings import OpenAIMatryoshkaEmbeddings


class TestOpenAIMatryoshkaEmbeddingsUnit(EmbeddingsUnitTests):
    @property
    def embeddings_class(self) -> type[Embeddings]:
        return OpenAIMatryoshkaEmbeddings

    @property
    def embedding_model_params(self) -> dict[str, Any]:
        return {"model": "text-embedding-3-large", "dimensions": 256}


class TestOpenAIMatryoshkaEmbeddingsIntegration(EmbeddingsIntegrationTests):
    @pytest.fixture(autouse=True)
    def serve(self, server: Any) -> None:
        self.url = server.url

    @property
    def embeddings_class(self) -> type[Embeddings]:
        return OpenAIMatryoshkaEmbeddings

    @property
    def embedding_model_params(self) -> dict[str, Any]:
        return {"model": "wordllama", "dimensions": 128, "base_url": self.url}
