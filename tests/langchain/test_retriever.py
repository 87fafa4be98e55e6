"""The retriever: fields, overrides, tracing, chains."""

from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnablePassthrough
from pydantic import ValidationError
from qdrant_client import models
from reference import diverse_ranking, ranking, shortlists

from mrl_adapters.errors import ConfigurationError
from mrl_adapters.langchain import MatryoshkaRetriever
from mrl_adapters.qdrant import SearchPlan
from mrl_adapters.qdrant.engine import LOCAL, engine_of


@pytest.fixture
def retriever(store) -> MatryoshkaRetriever:
    return MatryoshkaRetriever(vectorstore=store, k=2)


def ids(documents) -> list[str]:
    return [each.id for each in documents]


def test_fields_are_used_and_can_be_given_for_one_call(retriever):
    assert len(retriever.invoke("files")) == 2
    assert len(retriever.invoke("files", k=5)) == 5
    assert ids(retriever.invoke("files", filter={"n": 3})) == ["d"]
    assert retriever.invoke("files", score_threshold=0.99) == []
    filtered = MatryoshkaRetriever(vectorstore=retriever.vectorstore, filter={"n": [1, 2]})
    assert sorted(ids(filtered.invoke("files"))) == ["b", "c"]


async def test_async_gives_the_same(retriever):
    assert await retriever.ainvoke("files", k=3) == retriever.invoke("files", k=3)
    assert await retriever.abatch(["files", "dates"]) == retriever.batch(["files", "dates"])


@pytest.mark.parametrize("share", [0, 0.3, 0.5, 1])
def test_mmr_diversifies_as_greedy_choice_among_all_documents_does(
    retriever, embeddings, vectors, share
):
    expected = diverse_ranking(embeddings.embed_query("copy files"), vectors, 4, share)
    options = {"k": 4, "fetch_k": 6, "lambda_mult": share}
    assert ids(retriever.invoke("copy files", search_type="mmr", **options)) == expected
    nearest = [name for name, _ in ranking(embeddings.embed_query("copy files"), vectors)][:4]
    assert ids(retriever.invoke("copy files", **options)) == nearest


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        (SearchPlan(oversampling=2, min_candidates=3, stages=(128,)), {"short_128": 4}),
        ({"min_candidates": 20, "stages": (128,)}, {"short_128": 20}),
        ({"exact": True}, {}),
    ],
    ids=["a plan", "knobs", "exact"],
)
def test_a_plan_is_a_field_or_an_override(store, retriever, requests, plan, expected):
    MatryoshkaRetriever(vectorstore=store, k=2, plan=plan).invoke("files")
    retriever.invoke("files", plan=plan)
    assert [shortlists(request) for request in requests] == [expected, expected]
    assert [request.limit for request in requests] == [3, 3]  # one more tells of equal scores


def test_a_misspelt_field_or_override_is_an_error(store, retriever):
    with pytest.raises(ValidationError, match="top_k"):
        MatryoshkaRetriever(vectorstore=store, top_k=3)
    with pytest.raises(ConfigurationError, match="no option 'top_k'"):
        retriever.invoke("files", top_k=3)
    with pytest.raises(ConfigurationError, match="'best', expected one of: similarity, mmr"):
        retriever.invoke("files", search_type="best")


class Recorder(BaseCallbackHandler):
    def __init__(self) -> None:
        self.metadata: dict[str, Any] = {}
        self.events: list[tuple[str, Any]] = []

    def on_retriever_start(self, serialized, query, *, metadata=None, **kwargs) -> None:
        self.metadata = metadata

    def on_custom_event(self, name, data, **kwargs) -> None:
        self.events.append((name, data))


@pytest.mark.parametrize("colour", ["sync", "async"])
async def test_tracers_see_provider_model_stages_and_shortlists(retriever, colour):
    recorder = Recorder()
    config = {"callbacks": [recorder]}
    if colour == "sync":
        retriever.invoke("files", config, k=20, plan={"stages": (128,)})
    else:
        await retriever.ainvoke("files", config, k=20, plan={"stages": (128,)})
    assert recorder.metadata["ls_retriever_name"] == "matryoshka"
    assert recorder.metadata["ls_vector_store_provider"] == "MatryoshkaVectorStore"
    assert recorder.metadata["ls_embedding_provider"] == "CountingEmbeddings"
    assert recorder.metadata["ls_embedding_model"] == "dleemiller/word-llama-l2-supercat"
    ((name, facts),) = recorder.events
    assert name == "matryoshka_search"
    assert (facts["stages"], facts["shortlists"]) == ([128], [160])
    assert facts["search_s"] > 0


@pytest.mark.parametrize(
    "call",
    [
        {"k": 20},
        {"k": 3, "offset": 30},
        {"search_type": "mmr", "fetch_k": 60},
        {"search_type": "mmr", "fetch_k": 5, "k": 20, "offset": 7},
        {"fetch_k": 60},
        {"search_params": {"hnsw_ef": 9, "quantization": {"oversampling": 70}}},
        {"search_params": models.SearchParams(exact=True)},
        {"search_params": {"exact": True}, "plan": {"min_candidates": 150}},
        {"plan": {"exact": True}},
    ],
    ids=repr,
)
@pytest.mark.parametrize("colour", ["sync", "async"])
async def test_tracers_see_the_shortlists_that_were_asked_for(store, requests, call, colour):
    retriever = MatryoshkaRetriever(vectorstore=store, plan={"stages": (128,)})
    recorder = Recorder()
    config = {"callbacks": [recorder]}
    retriever.invoke("files", **call)
    asked = max(map(shortlists, requests), key=lambda limits: [*limits.values()])  # the deepest
    if colour == "sync":
        retriever.invoke("files", config, **call)
    else:
        await retriever.ainvoke("files", config, **call)
    ((_, facts),) = recorder.events
    assert facts["shortlists"] == [*asked.values()]
    assert [f"short_{stage}" for stage in facts["stages"]] == [*asked]


def test_tracers_see_that_local_mode_uses_no_stages_by_itself(retriever, client):
    recorder = Recorder()
    retriever.invoke("files", {"callbacks": [recorder]})
    used = [] if engine_of(client) is LOCAL else [128]
    assert recorder.events[0][1]["stages"] == used


def test_it_works_in_a_chain_and_as_the_stores_own_retriever(store, retriever):
    prompt = ChatPromptTemplate.from_template("{context}\n\n{question}")
    llm = GenericFakeChatModel(messages=iter([AIMessage("an answer")] * 2))
    for each in (retriever, store.as_retriever(search_kwargs={"k": 2})):
        chain = {"context": each, "question": RunnablePassthrough()} | prompt | llm
        assert (chain | StrOutputParser()).invoke("files") == "an answer"
