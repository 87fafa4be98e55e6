"""Blank texts and questions with embedders that refuse them, as most services do."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings

from mrl_adapters.embeddings import WordLlamaEmbedder
from mrl_adapters.errors import EmbeddingError
from mrl_adapters.langchain import MatryoshkaEmbeddings, MatryoshkaRetriever, MatryoshkaVectorStore
from mrl_adapters.qdrant import ZeroVectorsWarning


class Refusing(Embeddings):
    """An embedding that ends with an error where a text is blank."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        assert all(map(str.strip, texts))
        return [[float(len(text)), 2.0, 3.0, 4.0] for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]


EMBEDDINGS = {
    "another package's": Refusing,
    "shortened": lambda: MatryoshkaEmbeddings(Refusing(), 4),
    "ours": WordLlamaEmbedder,
}
ADD = {
    "sync": lambda store, pages: store.add_documents(pages),
    "async": lambda store, pages: asyncio.run(store.aadd_documents(pages)),
}


@pytest.mark.parametrize("kind", EMBEDDINGS)
@pytest.mark.parametrize("colour", ADD)
@pytest.mark.parametrize("texts", [["one", "", " \n", "four"], ["", "\t"]], ids=["some", "all"])
def test_a_blank_page_costs_no_other(client, kind, colour, texts):
    store = MatryoshkaVectorStore(client, "docs", EMBEDDINGS[kind]())
    pages = [Document(page_content=text, id=str(row)) for row, text in enumerate(texts)]
    with pytest.warns(ZeroVectorsWarning, match="of 2 documents"):
        ids = ADD[colour](store, pages)
    assert [each.page_content for each in store.get_by_ids(ids)] == texts
    found = {each.page_content for each in store.similarity_search("one", k=9)}
    assert found == {text for text in texts if text.strip()}


SEARCHES: list[Callable[[MatryoshkaVectorStore, str], Any]] = [
    lambda store, text: store.similarity_search(text),
    lambda store, text: store.similarity_search_with_score(text),
    lambda store, text: store.similarity_search_with_relevance_scores(text),
    lambda store, text: store.max_marginal_relevance_search(text),
    lambda store, text: store.search(text, "similarity"),
    lambda store, text: asyncio.run(store.asimilarity_search(text)),
    lambda store, text: asyncio.run(store.asimilarity_search_with_relevance_scores(text)),
    lambda store, text: asyncio.run(store.amax_marginal_relevance_search(text)),
    lambda store, text: store.as_retriever(search_type="mmr").invoke(text),
    lambda store, text: MatryoshkaRetriever(vectorstore=store).invoke(text),
    lambda store, text: asyncio.run(MatryoshkaRetriever(vectorstore=store).ainvoke(text)),
    lambda store, text: MatryoshkaRetriever(vectorstore=store).batch(["one", text]),
]


@pytest.mark.parametrize("search", SEARCHES)
@pytest.mark.parametrize("text", ["", " \n"])
def test_a_blank_question_is_refused_in_words(client, search, text):
    store = MatryoshkaVectorStore(client, "docs", Refusing())
    for _ in range(2):  # also where there is no collection yet
        with pytest.raises(EmbeddingError, match="The question is blank"):
            search(store, text)
        store.add_texts(["one", "two"], ids=["a", "b"])
