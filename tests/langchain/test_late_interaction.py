"""Late interaction in a LangChain store: an option of a plan, for stores, retrievers and calls."""

from typing import Any

import numpy as np
import pytest

from mrl_adapters.embeddings import WordLlamaTokens
from mrl_adapters.errors import ConfigurationError
from mrl_adapters.langchain import MatryoshkaRetriever, MatryoshkaVectorStore
from mrl_adapters.qdrant import CollectionLayout, TokenVectors
from mrl_adapters.vectors import normalize

TEXTS = [
    *("Copy a directory tree to another place.", "Delete a file from the disk."),
    *("Parse a date from a string.", "Open a network socket and listen."),
    *("Sort a list of numbers in place.", "The gzip of a directory, compressed."),
]
QUESTION = "compressed directory"
LATE = {"late_interaction": True}
ENCODER = WordLlamaTokens()
LAYOUT = CollectionLayout(256, (64,), late_interaction=TokenVectors("colbert", 256, ENCODER))


def by_brute_force() -> list[tuple[str, Any]]:
    asked = normalize(ENCODER.embed_query(QUESTION))
    held = zip("abcdef", ENCODER.embed_documents(TEXTS), strict=True)
    scores = {name: float((asked @ normalize(each).T).max(axis=1).sum()) for name, each in held}
    return sorted(scores.items(), key=lambda item: -item[1])


def scored(found: Any) -> list[tuple[str, float]]:
    return [(document.id, round(score, 4)) for document, score in found]


async def test_a_plan_ranks_by_late_interaction(client, embeddings):
    store = MatryoshkaVectorStore(client, "docs", embeddings, layout=LAYOUT)
    await store.aadd_texts(TEXTS, ids=[*"abcdef"])
    wanted = by_brute_force()[:3]
    found = scored(store.similarity_search_with_score(QUESTION, k=3, plan=LATE))
    assert [name for name, _ in found] == [name for name, _ in wanted]
    assert [score for _, score in found] == pytest.approx([score for _, score in wanted], abs=5e-3)
    assert scored(await store.asimilarity_search_with_score(QUESTION, k=3, plan=LATE)) == found
    planned = MatryoshkaVectorStore(client, "docs", embeddings, layout=LAYOUT, plan=LATE)
    assert scored(planned.similarity_search_with_score(QUESTION, k=3)) == found
    [batched] = await planned.asimilarity_search_batch_with_score([QUESTION], k=3)
    assert scored(batched) == found
    retriever = MatryoshkaRetriever(vectorstore=store, k=3)
    ids = [name for name, _ in wanted]
    assert [each.id for each in retriever.invoke(QUESTION, plan=LATE)] == ids
    assert [each.id for each in await retriever.ainvoke(QUESTION, plan=LATE)] == ids


def test_a_threshold_is_a_score_of_late_interaction(client, embeddings):
    store = MatryoshkaVectorStore(client, "docs", embeddings, layout=LAYOUT)
    store.add_texts(TEXTS, ids=[*"abcdef"])
    [(first, highest), (_, next_highest), *_] = by_brute_force()
    limit = (highest + next_highest) / 2
    found = store.similarity_search(QUESTION, k=6, plan=LATE, score_threshold=limit)
    assert [each.id for each in found] == [first]
    relevant = store.similarity_search_with_relevance_scores(QUESTION, k=6, plan=LATE)
    shares = [share for _, share in relevant]
    assert shares == sorted(shares, reverse=True)
    assert all(0 <= share <= 1 for share in shares)


def test_a_search_by_a_vector_has_no_tokens_and_goes_by_vectors(client, embeddings):
    store = MatryoshkaVectorStore(client, "docs", embeddings, layout=LAYOUT, plan=LATE)
    store.add_texts(TEXTS, ids=[*"abcdef"])
    vector = embeddings.embed_query(QUESTION)
    plain = store.similarity_search(QUESTION, k=3, plan={"late_interaction": False})
    assert store.similarity_search_by_vector(vector, k=3) == plain
    with pytest.raises(ConfigurationError, match="has no text"):
        store.similarity_search_by_vector(vector, k=3, plan=LATE)


def test_tenants_see_their_own(client, embeddings):
    tokens = TokenVectors("colbert", 256, ENCODER)
    layout = CollectionLayout(256, (64,), late_interaction=tokens, tenant_field="owner")
    store = MatryoshkaVectorStore(client, "docs", embeddings, layout=layout, plan=LATE)
    store.for_tenant("ada").add_texts(TEXTS[:3], ids=[*"abc"])
    store.for_tenant("bob").add_texts(TEXTS[3:], ids=[*"def"])
    assert {each.id for each in store.for_tenant("ada").similarity_search(QUESTION, k=9)} == {
        *"abc"
    }
    [first, *_] = store.for_tenant("bob").similarity_search(QUESTION, k=9)
    assert first.id == "f"


def test_replaced_documents_get_their_new_tokens(client, embeddings):
    store = MatryoshkaVectorStore(client, "docs", embeddings, layout=LAYOUT)
    store.add_texts(TEXTS, ids=[*"abcdef"])
    store.add_texts([TEXTS[5]], ids=["a"])
    held, _ = client.scroll("docs", with_vectors=["colbert"])
    shapes = sorted(np.shape(each.vector["colbert"])[0] for each in held)
    assert shapes == sorted(len(each) for each in ENCODER.embed_documents([TEXTS[5], *TEXTS[1:]]))
