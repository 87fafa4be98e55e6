"""Scores in the documents' metadata, under the key that is asked for and nowhere else."""

from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from pydantic import ValidationError
from reference import diverse_ranking, ranking

from mrl_adapters.errors import ConfigurationError
from mrl_adapters.langchain import MatryoshkaRetriever, MatryoshkaVectorStore
from mrl_adapters.qdrant.payload_keys import STORES_OWN

Make = Callable[..., BaseRetriever]
WAYS: dict[str, Make] = {
    "retriever": lambda store, **given: MatryoshkaRetriever(vectorstore=store, **given),
    "as_retriever": lambda store, **given: store.as_retriever(**given),
    "search_kwargs": lambda store, search_type="similarity", **given: store.as_retriever(
        search_type=search_type, search_kwargs=given
    ),
}


@pytest.fixture(params=WAYS)
def make(request, store) -> Make:
    return lambda **given: WAYS[request.param](store, **given)


def scored(documents: list[Document], key: str = "score") -> dict[str | None, Any]:
    return {each.id: each.metadata.get(key) for each in documents}


async def test_scores_are_the_full_vectors_own(make, vectors, embeddings) -> None:
    retriever = make(k=3, score_key="score")
    expected = dict(ranking(embeddings.embed_query("files"), vectors)[:3])
    for found in (
        retriever.invoke("files"),
        await retriever.ainvoke("files"),
        *retriever.batch(["files"]),
        *retriever.stream("files"),
        *[each async for each in retriever.astream("files")],
    ):
        assert scored(found) == pytest.approx(expected, abs=5e-4)
        assert {type(each.metadata["score"]) for each in found} == {float}
        assert all(each.metadata.keys() == {"n", "even", "score"} for each in found)


async def test_diverse_documents_have_their_similarity_to_the_question(
    make, vectors, embeddings
) -> None:
    given = {"search_type": "mmr", "k": 4, "fetch_k": 6, "lambda_mult": 0.2}
    retriever = make(score_key="near", **given)
    asked = embeddings.embed_query("files")
    chosen = diverse_ranking(asked, vectors, 4, 0.2)
    scores = dict(ranking(asked, vectors))
    for found in (retriever.invoke("files"), await retriever.ainvoke("files")):
        assert [each.id for each in found] == chosen
        expected = {name: scores[name] for name in chosen}
        assert scored(found, "near") == pytest.approx(expected, abs=5e-4)


async def test_a_threshold_of_relevance_leaves_the_score_as_it_is(store, exactly) -> None:
    given = {"score_threshold": 0.1, "score_key": "score", "k": 2}
    retriever = store.as_retriever(search_type="similarity_score_threshold", search_kwargs=given)
    expected = {each.id: score for each, score in store.similarity_search_with_score("files", 2)}
    assert exactly(scored(retriever.invoke("files"))) == exactly(expected)
    assert exactly(scored(await retriever.ainvoke("files"))) == exactly(expected)


def test_a_call_can_ask_for_them_or_not(make) -> None:
    assert all("score" not in each.metadata for each in make(k=2).invoke("files"))
    assert all(scored(make(k=2).invoke("files", score_key="score")).values())
    silent = make(k=2, score_key="score").invoke("files", score_key=None)
    assert scored(silent) == dict.fromkeys(scored(silent))


SEARCHES = [
    *("similarity_search", "similarity_search_with_score"),
    *("similarity_search_by_vector", "similarity_search_with_score_by_vector"),
    *("max_marginal_relevance_search", "max_marginal_relevance_search_by_vector"),
    "max_marginal_relevance_search_with_score",
    "max_marginal_relevance_search_with_score_by_vector",
]


@pytest.mark.parametrize("method", SEARCHES)
async def test_every_search_takes_the_key(store, embeddings, exactly, method: str) -> None:
    asked = embeddings.embed_query("files") if "by_vector" in method else "files"
    found = getattr(store, method)(asked, 2, score_key="score")
    again = await getattr(store, f"a{method}")(asked, 2, score_key="score")
    assert exactly(again) == exactly(found)
    for each in found:
        document, score = each if isinstance(each, tuple) else (each, each.metadata["score"])
        assert document.metadata["score"] == score


def test_what_is_stored_stays_as_it_is(new_store) -> None:
    store: MatryoshkaVectorStore = new_store()
    store.add_texts(["files", "dates"], [{"score": "mine", "n": 1}, {"n": 2}], ids=["a", "b"])
    found = store.similarity_search("files", 2, score_key="score")
    assert found[0].metadata == {"score": pytest.approx(1, abs=5e-4), "n": 1}
    assert store.get_by_ids(["a", "b"]) == [
        Document(id="a", page_content="files", metadata={"score": "mine", "n": 1}),
        Document(id="b", page_content="dates", metadata={"n": 2}),
    ]
    assert store.similarity_search("files", 1)[0].metadata == {"score": "mine", "n": 1}
    assert [each.id for each in store.similarity_search("x", filter={"score": "mine"})] == ["a"]


@pytest.mark.parametrize("key", [*sorted(STORES_OWN), "_id", "_collection_name", "", 3, ["a"]])
def test_other_keys_are_refused(make, store, key) -> None:
    refused = r"score_key is .*expected a name such as 'score', or None"
    with pytest.raises((ConfigurationError, ValidationError), match=refused):
        make(score_key=key)
    for call in (
        lambda: make().invoke("files", score_key=key),
        lambda: store.similarity_search("files", score_key=key),
    ):
        with pytest.raises(ConfigurationError, match=refused):
            call()
