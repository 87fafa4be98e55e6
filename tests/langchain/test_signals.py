"""Signs of weak retrieval in the documents' metadata, under the key that is asked for."""

import numpy as np
import pytest
from langchain_core.documents import Document

from mrl_adapters.errors import ConfigurationError
from mrl_adapters.langchain import MatryoshkaRetriever, MatryoshkaVectorStore
from mrl_adapters.qdrant import Search, Signals, SparseVectors, TextIndex

QUESTION = "sockets that listen in place"
TEXTS = [
    *("Copy a directory tree to another place.", "Delete a file from the disk."),
    *("Parse a date from a string.", "Open a network socket and listen."),
    *("Sort a list of numbers in place.", "The gzip of a directory, compressed."),
]


@pytest.fixture
def worded(client, embeddings) -> MatryoshkaVectorStore:
    made = MatryoshkaVectorStore(client, "worded", embeddings, retrieval_mode="hybrid")
    made.add_texts(TEXTS, [{"n": n} for n in range(len(TEXTS))], ids=[*"abcdef"])
    return made


def signals(documents: list[Document]) -> list[dict[str, float | None]]:
    return [each.metadata["signals"] for each in documents]


def expected(store: MatryoshkaVectorStore, text: str | None = QUESTION) -> dict[str, float | None]:
    vector = store.embeddings.embed_query(QUESTION)
    [found] = store.driver.run(
        store.collection.signals([Search(np.asarray(vector, dtype=np.float32), 4, text=text)])
    )
    return found.described()


async def test_every_document_carries_its_questions_signals(worded, exactly) -> None:
    wanted = exactly(expected(worded))
    assert wanted["full_words"] is not None
    retriever = worded.as_retriever(k=2, signals_key="signals")
    own = MatryoshkaRetriever(vectorstore=worded, k=2, signals_key="signals")
    plain = worded.similarity_search(QUESTION, k=2)
    for found in (
        worded.similarity_search(QUESTION, k=2, signals_key="signals"),
        await worded.asimilarity_search(QUESTION, k=2, signals_key="signals"),
        worded.max_marginal_relevance_search(QUESTION, k=2, signals_key="signals"),
        worded.similarity_search(QUESTION, k=2, group_by="n", signals_key="signals"),
        retriever.invoke(QUESTION),
        await retriever.ainvoke(QUESTION),
        own.invoke(QUESTION),
        await own.ainvoke(QUESTION),
        *own.batch([QUESTION, QUESTION]),
        worded.similarity_search_batch([QUESTION], k=2, signals_key="signals")[0],
    ):
        assert [exactly(each) for each in signals(found)] == [wanted, wanted]
    assert [each.id for each in own.invoke(QUESTION)] == [each.id for each in plain]
    assert all("signals" not in each.metadata for each in worded.similarity_search(QUESTION))


async def test_a_batch_gives_each_question_its_own(worded) -> None:
    asked = [QUESTION, "gzip", "nothing of the kind"]
    for found in (
        worded.similarity_search_batch(asked, k=1, signals_key="signals"),
        await worded.asimilarity_search_batch(asked, k=1, signals_key="signals"),
    ):
        alone = [worded.similarity_search(each, k=1, signals_key="signals") for each in asked]
        for one, other in zip(found, alone, strict=True):
            assert signals(one) == [pytest.approx(each, abs=1e-5) for each in signals(other)]
        assert signals(found[2])[0]["words_spread"] == 0.0


def test_rankings_that_there_are_not_have_none(worded, store, embeddings, exactly) -> None:
    vector = embeddings.embed_query(QUESTION)
    [alone, *_] = signals(worded.similarity_search_by_vector(vector, signals_key="signals"))
    assert exactly(alone) == exactly(expected(worded, None))
    assert alone["words_spread"] is alone["full_words"] is None
    [unworded, *_] = signals(store.similarity_search(QUESTION, signals_key="signals"))
    assert unworded["full_words"] is None
    assert unworded["spread"] == pytest.approx(alone["spread"], abs=1e-3)
    embeddings.queries.clear()
    mode = {"retrieval_mode": "sparse", "signals_key": "signals"}
    [words, *_] = signals(worded.similarity_search(QUESTION, **mode))
    assert embeddings.queries == []
    assert words["spread"] is None
    assert words["words_spread"] == pytest.approx(expected(worded)["words_spread"])


@pytest.mark.parametrize("found_by", [{"text_index": TextIndex()}, {"sparse": SparseVectors()}])
@pytest.mark.parametrize("client", ["edge"], indirect=True)
def test_a_tenants_signals_are_of_its_own_documents(new_store, found_by) -> None:
    shared = new_store("tenants", tenant_field="who", **found_by)
    ours, theirs = shared.for_tenant("us"), shared.for_tenant("them")
    ours.add_texts(TEXTS, ids=[*"abcdef"])
    theirs.add_texts(["Sockets listen in place."] * 20)
    alone = new_store("alone", **found_by)
    alone.add_texts(TEXTS, ids=[*"abcdef"])
    for name in ("spread", "short_full", "full_words"):
        [got, *_] = signals(ours.similarity_search(QUESTION, signals_key="signals"))
        [wanted, *_] = signals(alone.similarity_search(QUESTION, signals_key="signals"))
        assert got[name] == pytest.approx(wanted[name], abs=1e-4)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"signals_key": ""}, "signals_key is ''"),
        ({"signals_key": 1}, "signals_key is 1"),
        ({"signals_key": "_id"}, "where stores keep something of their own"),
        ({"signals_key": "x", "score_key": "x"}, "score_key and signals_key are both 'x'"),
    ],
)
def test_keys_that_are_none_are_refused(store, given, message) -> None:
    with pytest.raises(ConfigurationError, match=message):
        store.similarity_search(QUESTION, **given)
    with pytest.raises(ConfigurationError, match=message):
        store.as_retriever(**given)


def test_more_like_this_has_none(store) -> None:
    with pytest.raises(ConfigurationError, match="signals are of questions"):
        store.more_like_this(["a"], signals_key="signals")


def test_a_store_without_a_collection_finds_nothing(new_store) -> None:
    assert new_store("nowhere").similarity_search(QUESTION, signals_key="signals") == []
    assert [*Signals().described().values()] == [None] * 5
