"""LangChain's own conformance suites, on both in-process engines, with nothing skipped."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.vectorstores import VectorStore
from langchain_tests.integration_tests.retrievers import RetrieversIntegrationTests
from langchain_tests.integration_tests.vectorstores import VectorStoreIntegrationTests

from mrl_adapters.langchain import MatryoshkaRetriever, MatryoshkaVectorStore
from mrl_adapters.qdrant import CollectionLayout, connect


class _StoreSuite(VectorStoreIntegrationTests):
    place: dict[str, str]

    @pytest.fixture
    def vectorstore(self, tmp_path: Path) -> Iterator[VectorStore]:
        place = {
            name: value.format(tmp_path=tmp_path / "vectors") for name, value in self.place.items()
        }
        client = connect(**place)
        yield MatryoshkaVectorStore(
            client, "docs", self.get_embeddings(), layout=CollectionLayout(6, (2,))
        )
        client.close()


class TestStoreOnEdge(_StoreSuite):
    place = {"path": "{tmp_path}"}


class TestStoreOnLocalMode(_StoreSuite):
    place = {"location": ":memory:"}


class _RetrieverSuite(RetrieversIntegrationTests):
    place: dict[str, str]

    @pytest.fixture(autouse=True)
    def store(self, tmp_path: Path) -> Iterator[None]:
        place = {
            name: value.format(tmp_path=tmp_path / "vectors") for name, value in self.place.items()
        }
        client = connect(**place)
        self._store = MatryoshkaVectorStore(
            client,
            "docs",
            VectorStoreIntegrationTests.get_embeddings(),
            layout=CollectionLayout(6, (2,)),
        )
        self._store.add_documents([Document(page_content=str(number)) for number in range(5)])
        yield
        client.close()

    @property
    def retriever_constructor(self) -> type[MatryoshkaRetriever]:
        return MatryoshkaRetriever

    @property
    def retriever_constructor_params(self) -> dict[str, Any]:
        return {"vectorstore": self._store}

    @property
    def retriever_query_example(self) -> str:
        return "3"


class TestRetrieverOnEdge(_RetrieverSuite):
    place = {"path": "{tmp_path}"}


class TestRetrieverOnLocalMode(_RetrieverSuite):
    place = {"location": ":memory:"}
