"""A document whose vector is all zeros is kept, and costs neither its batch nor what was there."""

import asyncio

import pytest
from langchain_core.documents import Document

from mrl_adapters.langchain import MatryoshkaVectorStore
from mrl_adapters.qdrant import ZeroVectorsWarning


class Blank:
    """An embedding that gives zeros for blank texts, as many do."""

    def embed_documents(self, texts):
        return [[0.0] * 4 if not text.strip() else [1.0, 2.0, 3.0, 4.0] for text in texts]

    def embed_query(self, text):
        return self.embed_documents([text])[0]


ADD = {
    "sync": lambda store, pages, size: store.add_documents(pages, batch_size=size),
    "async": lambda store, pages, size: asyncio.run(store.aadd_documents(pages, batch_size=size)),
}


@pytest.mark.parametrize("colour", ADD)
@pytest.mark.parametrize("batch_size", [1, 64])
def test_a_blank_page_is_kept_and_not_found(client, colour, batch_size):
    store = MatryoshkaVectorStore(client, "docs", Blank())
    pages = [
        Document(page_content=text, id=each, metadata={"page": each})
        for each, text in (("a", "one"), ("b", " "), ("c", ""), ("d", "four"))
    ]
    with pytest.warns(ZeroVectorsWarning, match=r"of 2 documents \('b', 'c'\)") as told:
        ids = ADD[colour](store, pages, batch_size)
    assert (ids, len(told)) == (["a", "b", "c", "d"], 1)
    assert [each.page_content for each in store.get_by_ids(ids)] == ["one", " ", "", "four"]
    for search in ({}, {"plan": {"exact": True}}):
        assert {each.id for each in store.similarity_search("x", k=9, **search)} == {"a", "d"}
    assert {each.id for each in store.max_marginal_relevance_search("x", k=9)} == {"a", "d"}
    store.delete(filter={"page": "b"})
    store.delete(["c"])
    assert [each.id for each in store.get_by_ids(ids)] == ["a", "d"]


def test_a_document_that_became_blank_leaves_the_searches(client):
    store = MatryoshkaVectorStore(client, "docs", Blank())
    store.add_texts(["old", "other"], ids=["a", "b"])
    with pytest.warns(ZeroVectorsWarning):
        store.add_texts([""], ids=["a"])
    assert [each.page_content for each in store.similarity_search("old", k=9)] == ["other"]
    assert [each.page_content for each in store.get_by_ids(["a"])] == [""]
