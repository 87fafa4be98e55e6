"""Many questions at a time: what each would find, by one request and one call of the embedder."""

from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.runnables import RunnableLambda

from mrl_adapters.embeddings import WordLlamaEmbedder
from mrl_adapters.errors import ConfigurationError, EmbeddingError
from mrl_adapters.langchain import MatryoshkaRetriever, MatryoshkaVectorStore

QUESTIONS = ["copy files", "parse dates", "sockets"]


@pytest.fixture(params=["sync", "async"])
def call(request):
    """Call a method of a store or retriever, or its async twin, by the blocking name."""

    async def do(owner, method, *args, **kwargs) -> Any:
        if request.param == "sync":
            return getattr(owner, method)(*args, **kwargs)
        return await getattr(owner, f"a{method}")(*args, **kwargs)

    return do


@pytest.fixture
def batches(client, monkeypatch) -> list[int]:
    """How many searches each request holds, from here on."""
    sizes: list[int] = []
    answer = client.query_batch_points

    def query_batch_points(collection_name, requests, **options):
        sizes.append(len(requests))
        return answer(collection_name, requests, **options)

    monkeypatch.setattr(client, "query_batch_points", query_batch_points)
    return sizes


@pytest.mark.parametrize(
    "options",
    [{}, {"k": 2, "offset": 1}, {"filter": {"n": [1, 2, 4]}}, {"lambda_mult": 0.3, "fetch_k": 6}],
    ids=["plain", "a page", "a filter", "diverse"],
)
async def test_a_batch_finds_what_its_questions_find(store, call, exactly, options):
    expected = [store.similarity_search_with_score(each, **options) for each in QUESTIONS]
    found = await call(store, "similarity_search_batch_with_score", QUESTIONS, **options)
    assert exactly(found) == exactly(expected)
    documents = await call(store, "similarity_search_batch", QUESTIONS, **options)
    assert exactly(documents) == exactly([[document for document, _ in each] for each in expected])


async def test_a_batch_is_one_request_and_one_call_of_the_embedder(
    client, store, call, batches, monkeypatch
):
    embedder = WordLlamaEmbedder()
    calls: list[int] = []
    embed = embedder._embed
    monkeypatch.setattr(
        embedder,
        "_embed",
        lambda texts, query: calls.append(len(texts)) or embed(texts, query=query),
    )
    opened = MatryoshkaVectorStore(client, store.collection_name, embedder)
    await call(opened, "similarity_search_batch", QUESTIONS)
    retriever = MatryoshkaRetriever(vectorstore=opened, k=2)
    found = await call(retriever, "batch", QUESTIONS, k=3)
    assert found == [store.similarity_search(each, k=3) for each in QUESTIONS]
    chain = retriever | RunnableLambda(len)
    assert await call(chain, "batch", QUESTIONS) == [2, 2, 2]
    await call(opened.as_retriever(search_type="mmr"), "batch", QUESTIONS)
    assert [size for size in batches if size != 1] == [3, 3, 3, 3]
    assert calls == [3, 3, 3, 3]


@pytest.mark.parametrize("search_type", ["similarity", "mmr", "similarity_score_threshold"])
async def test_a_batch_of_a_stores_retriever_finds_what_its_questions_find(
    store, call, search_type
):
    options = {"score_threshold": 0.1} if search_type == "similarity_score_threshold" else {"k": 2}
    retriever = store.as_retriever(search_type=search_type, **options)
    expected = [retriever.invoke(each) for each in QUESTIONS]
    assert await call(retriever, "batch", QUESTIONS) == expected
    assert await call(retriever, "batch", []) == []


async def test_each_question_keeps_a_run_of_its_own(store, call):
    class Recorder(BaseCallbackHandler):
        def __init__(self) -> None:
            self.told: list[Any] = []

        def on_retriever_start(self, serialized, query, *, tags=None, **kwargs) -> None:
            self.told.append((query, tags))

        def on_retriever_end(self, documents, **kwargs) -> None:
            self.told.append(len(documents))

        def on_custom_event(self, name, data, **kwargs) -> None:
            self.told.append(name)
            assert data["search_s"] > 0

    recorder = Recorder()
    configs = [{"callbacks": [recorder], "tags": [tag]} for tag in "ab"]
    retriever = MatryoshkaRetriever(vectorstore=store, k=2)
    await call(retriever, "batch", QUESTIONS[:2], configs)
    event = "matryoshka_search"
    assert recorder.told == [("copy files", ["a"]), event, 2, ("parse dates", ["b"]), event, 2]


async def test_what_is_wrong_with_one_question_is_its_own(store, call):
    retriever = MatryoshkaRetriever(vectorstore=store, k=1)
    asked = ["copy files", " ", "sockets"]
    first, wrong, last = await call(retriever, "batch", asked, return_exceptions=True)
    assert [first, last] == [retriever.invoke("copy files"), retriever.invoke("sockets")]
    assert isinstance(wrong, EmbeddingError)
    with pytest.raises(EmbeddingError, match="blank"):
        await call(retriever, "batch", asked)
    with pytest.raises(EmbeddingError, match="blank"):
        await call(store, "similarity_search_batch", asked)


async def test_what_fails_for_all_is_told_to_each(store, call):
    def refuse(query) -> None:
        raise OSError(query)

    retriever = MatryoshkaRetriever(vectorstore=store)
    store._embedder.embed_query = refuse
    found = await call(retriever, "batch", QUESTIONS, return_exceptions=True)
    assert [type(each) for each in found] == [OSError] * 3
    with pytest.raises(OSError, match="copy"):
        await call(retriever, "batch", QUESTIONS)
    with pytest.raises(ConfigurationError, match="no option 'top_k'"):
        await call(retriever, "batch", QUESTIONS, top_k=3)


async def test_a_lone_question_is_no_batch_and_none_is_an_empty_one(store, call):
    with pytest.raises(ConfigurationError, match="queries is 'copy"):
        await call(store, "similarity_search_batch", "copy files")
    assert await call(store, "similarity_search_batch", []) == []
