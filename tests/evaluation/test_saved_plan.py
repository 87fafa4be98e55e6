"""A plan saved with a collection, as its users meet it: in what their searches find."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from langchain_core.embeddings import Embeddings
from llama_index.core import MockEmbedding
from llama_index.core.vector_stores import VectorStoreQuery

from mrl_adapters.evaluation import OpenCollection, save_plan
from mrl_adapters.langchain import MatryoshkaVectorStore as LangChainStore
from mrl_adapters.llama_index import MatryoshkaRetriever
from mrl_adapters.llama_index import MatryoshkaVectorStore as LlamaIndexStore
from mrl_adapters.qdrant import (
    CollectionLayout,
    Driver,
    MatryoshkaCollection,
    SearchPlan,
    connect,
)
from mrl_adapters.qdrant.driver import Client

# The short half of each vector says the opposite of the whole: text n is the n-th best answer by
# all numbers, and the n-th worst by the short ones. A plan's shortlist of s finds the last s.
COUNT = 300
ANGLES = np.linspace(0.1, 1.4, COUNT)
VECTORS = np.c_[0.1 * np.sin(ANGLES), 0.1 * np.cos(ANGLES), np.cos(ANGLES), np.sin(ANGLES)]
QUESTION = [0.05, 0.0, 1.0, 0.0]
BY_DEFAULT = COUNT - SearchPlan().candidates(1)
SAVED = SearchPlan(oversampling=1, min_candidates=7)
BY_SAVED = COUNT - 7


class Asking(Embeddings):
    """Ask one question, whatever the words."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [QUESTION for _ in texts]

    def embed_query(self, text: str) -> list[float]:
        del text
        return QUESTION


class LlamaAsking(MockEmbedding):
    """Ask the same question through LlamaIndex."""

    def _get_query_embedding(self, query: str) -> list[float]:
        del query
        return QUESTION


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    with connect(path=str(tmp_path)) as opened:
        yield opened


@pytest.fixture
def tuned(client: Client) -> OpenCollection:
    """Texts 0 to 299 as LangChain writes them, which LlamaIndex reads too; the plan is saved."""
    layout = CollectionLayout(4, (2,), full_datatype="float32", quantization=None)
    store = OpenCollection(MatryoshkaCollection("docs", layout=layout), Driver(client))
    names = [str(row) for row in range(COUNT)]
    payloads = [{"page_content": name, "metadata": {}} for name in names]
    store.driver.run(store.collection.add(names, VECTORS, payloads))
    save_plan(store, SAVED)
    return store


def langchain(client: Client, plan: SearchPlan | None = None) -> LangChainStore:
    return LangChainStore.from_existing_collection("docs", Asking(), client=client, plan=plan)


def found_by_langchain(store: LangChainStore, **options: object) -> int:
    (document,) = store.similarity_search("?", k=1, **options)
    return int(document.page_content)


def found_by_llama_index(store: LlamaIndexStore, **options: object) -> int:
    result = store.query(VectorStoreQuery(query_embedding=QUESTION, similarity_top_k=1), **options)
    assert result.nodes is not None
    return int(result.nodes[0].get_content())


def test_langchain_searches_by_the_saved_plan_unless_told_otherwise(
    client: Client, tuned: OpenCollection
) -> None:
    del tuned
    assert found_by_langchain(langchain(client)) == BY_SAVED
    assert found_by_langchain(langchain(client, SearchPlan())) == BY_DEFAULT
    assert found_by_langchain(langchain(client), plan={"exact": True}) == 0
    retriever = langchain(client).as_retriever(search_kwargs={"k": 1})
    assert [each.page_content for each in retriever.invoke("?")] == [str(BY_SAVED)]


def test_llama_index_searches_by_the_saved_plan_unless_told_otherwise(
    client: Client, tuned: OpenCollection
) -> None:
    del tuned
    assert found_by_llama_index(LlamaIndexStore("docs", client=client)) == BY_SAVED
    told = LlamaIndexStore("docs", client=client, plan=SearchPlan())
    assert found_by_llama_index(told) == BY_DEFAULT
    store = LlamaIndexStore("docs", client=client)
    assert found_by_llama_index(store, exact=True) == 0
    retriever = MatryoshkaRetriever(store, LlamaAsking(4), similarity_top_k=1)
    assert [each.get_content() for each in retriever.retrieve("?")] == [str(BY_SAVED)]


def test_the_store_that_was_tuned_searches_by_the_plan_at_once(
    client: Client, tuned: OpenCollection
) -> None:
    save_plan(tuned, SearchPlan())
    ours = langchain(client)
    theirs = LlamaIndexStore("docs", client=client)
    assert found_by_langchain(ours) == found_by_llama_index(theirs) == BY_DEFAULT
    save_plan(ours, SAVED)
    save_plan(theirs, SAVED)
    assert found_by_langchain(ours) == found_by_llama_index(theirs) == BY_SAVED


def test_a_saved_plan_outlives_the_process(tmp_path: Path, tuned: OpenCollection) -> None:
    tuned.driver.client.close()
    with connect(path=str(tmp_path)) as again:
        assert found_by_langchain(langchain(again)) == BY_SAVED
