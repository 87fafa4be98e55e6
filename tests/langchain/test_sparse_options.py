"""Sparse vectors under every option of a search: tenants, groups, batches, more like this."""

import asyncio

import pytest

from mrl_adapters.langchain import MatryoshkaVectorStore
from mrl_adapters.qdrant import CollectionLayout, SparseVectors

TEXTS = [
    *("Copy a directory tree to another place.", "Delete a file from the disk."),
    *("Parse a date from a string.", "Open a network socket and listen."),
    *("Sort a list of numbers in place.", "The gzip of a directory, compressed."),
]
MODES = ["sparse", "hybrid", "dbsf", "rescore"]
QUESTION = "a socket in another directory"


@pytest.fixture
def make(client, embeddings):
    def made(name: str, **layout: object) -> MatryoshkaVectorStore:
        wanted = CollectionLayout(256, (64,), sparse=SparseVectors(avg_len=6), **layout)
        return MatryoshkaVectorStore(client, name, embeddings, layout=wanted)

    return made


@pytest.fixture
def store(make) -> MatryoshkaVectorStore:
    filled = make("docs")
    metadatas = [{"source": "even" if n % 2 == 0 else "odd"} for n in range(len(TEXTS))]
    filled.add_texts(TEXTS, metadatas, ids=[*"abcdef"])
    return filled


def scored(found):
    return {document.id: pytest.approx(score, abs=1e-5) for document, score in found}


@pytest.mark.parametrize("client", ["edge"], indirect=True)
@pytest.mark.parametrize("mode", MODES)
def test_a_tenant_finds_its_own_alone(make, mode):
    shared = make("tenants", tenant_field="who")
    ours, theirs = shared.for_tenant("us"), shared.for_tenant("them")
    theirs.add_texts([f"A socket in another directory, number {n}." for n in range(30)])
    ours.add_texts(TEXTS, ids=[*"abcdef"])
    for found in (
        ours.similarity_search(QUESTION, k=10, retrieval_mode=mode),
        asyncio.run(ours.asimilarity_search(QUESTION, k=10, retrieval_mode=mode)),
    ):
        assert found
        assert {each.id for each in found} <= {*"abcdef"}
        assert {each.metadata["who"] for each in found} == {"us"}
    found = theirs.similarity_search(QUESTION, k=10, retrieval_mode=mode)
    assert len(found) == 10
    assert not {each.id for each in found} & {*"abcdef"}


@pytest.mark.parametrize("mode", MODES)
def test_groups_are_the_ranking_grouped(store, mode):
    whole = store.similarity_search(QUESTION, k=6, retrieval_mode=mode)
    sources = [*dict.fromkeys(each.metadata["source"] for each in whole)]
    for k in range(1, len(sources) + 1):
        wanted = [
            each.id
            for source in sources[:k]
            for each in [one for one in whole if one.metadata["source"] == source][:2]
        ]
        options = {"k": k, "group_by": "source", "group_size": 2, "retrieval_mode": mode}
        for found in (
            store.similarity_search(QUESTION, **options),
            asyncio.run(store.asimilarity_search(QUESTION, **options)),
        ):
            assert [each.id for each in found] == wanted


@pytest.mark.parametrize("mode", MODES)
def test_a_batch_finds_what_its_questions_find(store, mode):
    asked = [QUESTION, "gzip", "nothing of the kind whatever"]
    alone = [store.similarity_search_with_score(each, k=3, retrieval_mode=mode) for each in asked]
    for found in (
        store.similarity_search_batch_with_score(asked, k=3, retrieval_mode=mode),
        asyncio.run(store.asimilarity_search_batch_with_score(asked, k=3, retrieval_mode=mode)),
    ):
        assert [dict(scored(each)) for each in alone] == [
            {document.id: score for document, score in each} for each in found
        ]


def test_more_like_this_compares_vectors_alone(store, make, embeddings):
    """Words of the stored examples have no part in it, whatever the store's own mode is."""
    worded = MatryoshkaVectorStore(store.client, "docs", embeddings, plan={"hybrid": "rrf"})
    for found in (
        worded.more_like_this_with_score(["a"], k=3, negative=["b"]),
        asyncio.run(worded.amore_like_this_with_score(["a"], k=3, negative=["b"])),
    ):
        plain = store.more_like_this_with_score(["a"], k=3, negative=["b"])
        assert {document.id: score for document, score in found} == scored(plain)
        assert "a" not in scored(found)
