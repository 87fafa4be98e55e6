"""LangChain's and LangGraph's own parts over our stores, retrievers and embeddings."""

from collections.abc import Sequence
from typing import Any

import pytest
from langchain_classic.indexes import SQLRecordManager
from langchain_classic.retrievers import (
    ContextualCompressionRetriever,
    EnsembleRetriever,
    MergerRetriever,
    MultiQueryRetriever,
    MultiVectorRetriever,
    ParentDocumentRetriever,
    TimeWeightedVectorStoreRetriever,
)
from langchain_classic.retrievers.document_compressors import (
    CrossEncoderReranker,
    DocumentCompressorPipeline,
    EmbeddingsFilter,
)
from langchain_classic.retrievers.multi_vector import SearchType
from langchain_core.cross_encoders import BaseCrossEncoder
from langchain_core.documents import Document
from langchain_core.example_selectors import (
    MaxMarginalRelevanceExampleSelector,
    SemanticSimilarityExampleSelector,
)
from langchain_core.indexing import InMemoryRecordManager, RecordManager, aindex, index
from langchain_core.language_models.fake_chat_models import FakeListChatModel
from langchain_core.retrievers import BaseRetriever
from langchain_core.stores import InMemoryStore
from langchain_core.tools import create_retriever_tool
from langchain_text_splitters import CharacterTextSplitter
from langgraph.graph import END, START, StateGraph
from langgraph.store.memory import InMemoryStore as GraphStore
from typing_extensions import TypedDict

from mrl_adapters.langchain import MatryoshkaRetriever, MatryoshkaVectorStore

PAGES = {
    "files": "Copy a directory tree to another place.\n\nDelete a file from the disk.",
    "times": "Parse a date from a string.\n\nSleep for some seconds.",
    "nets": "Open a network socket and listen.\n\nDownload a page from a web server.",
}


@pytest.fixture(params=["retriever", "as_retriever"])
def retriever(request, store) -> BaseRetriever:
    if request.param == "retriever":
        return MatryoshkaRetriever(vectorstore=store, k=3)
    return store.as_retriever(search_kwargs={"k": 3})


def ids(documents: Sequence[Document]) -> list[str | None]:
    return [each.id for each in documents]


async def both(retriever: BaseRetriever, question: str) -> list[Document]:
    """Return what a retriever finds, the same sync and async."""
    found = retriever.invoke(question)
    assert await retriever.ainvoke(question) == found
    return found


# Retrievers over the store


@pytest.mark.parametrize("search_type", SearchType)
async def test_multi_vector_retriever_gives_the_whole_documents(new_store, search_type) -> None:
    whole = [Document(page_content=text, metadata={"name": name}) for name, text in PAGES.items()]
    store = new_store()
    retriever = MultiVectorRetriever(
        vectorstore=store,
        docstore=InMemoryStore(),
        id_key="page",
        search_type=search_type,
        search_kwargs={"k": 1},
    )
    parts = [
        Document(page_content=part, metadata={"page": name})
        for name, text in PAGES.items()
        for part in text.split("\n\n")
    ]
    retriever.vectorstore.add_documents(parts)
    retriever.docstore.mset([*zip(PAGES, whole, strict=True)])
    for name, question in (("files", "remove a file"), ("nets", "fetch a page from the web")):
        assert [each.metadata["name"] for each in await both(retriever, question)] == [name]


@pytest.mark.parametrize("given", [None, ["one", "two", "three"]])
async def test_parent_document_retriever_splits_and_gives_parents(new_store, given) -> None:
    splitter = CharacterTextSplitter(separator="\n\n", chunk_size=45, chunk_overlap=0)
    store = new_store()
    retriever = ParentDocumentRetriever(
        vectorstore=store,
        docstore=InMemoryStore(),
        child_splitter=splitter,
        search_kwargs={"k": 1, "plan": {"exact": True}},
    )
    documents = [Document(page_content=text) for text in PAGES.values()]
    retriever.add_documents(documents, ids=given)
    assert len(store.similarity_search("files", k=99)) == 6
    assert [each.page_content for each in await both(retriever, "delete")] == [PAGES["files"]]
    await retriever.aadd_documents([Document(page_content="Sort numbers.\n\nSearch in a list.")])
    assert (await both(retriever, "sort"))[0].page_content.startswith("Sort numbers.")


async def test_ensemble_retriever_joins_ours_with_another(store, retriever) -> None:
    other = store.as_retriever(k=2, filter={"even": True})
    ensemble = EnsembleRetriever(retrievers=[retriever, other], weights=[0.5, 0.5])
    found = await both(ensemble, "files")
    assert set(ids(found)) == {*ids(retriever.invoke("files")), *ids(other.invoke("files"))}
    first = ids(retriever.invoke("files"))
    shared = [each for each in first if each in ids(other.invoke("files"))]
    assert ids(found)[0] == shared[0]  # what both have goes before the rest
    merged = MergerRetriever(retrievers=[retriever, other])
    assert set(ids(await both(merged, "files"))) == set(ids(found))


async def test_multi_query_retriever_asks_each_of_its_questions(retriever) -> None:
    llm = FakeListChatModel(responses=["dates\nnetwork sockets"])
    found = ids(await both(MultiQueryRetriever.from_llm(retriever, llm), "anything"))
    asked = [ids(retriever.invoke(question)) for question in ("dates", "network sockets")]
    assert found == [*dict.fromkeys(asked[0] + asked[1])]


async def test_time_weighted_retriever_scores_by_relevance(new_store) -> None:
    store = new_store()
    retriever = TimeWeightedVectorStoreRetriever(vectorstore=store, k=1, decay_rate=0.0)
    retriever.add_documents([Document(page_content=text) for text in PAGES.values()])
    assert retriever.invoke("delete a file")[0].page_content == PAGES["files"]
    assert (await retriever.ainvoke("web server"))[0].page_content == PAGES["nets"]


# Compression and re-ranking


class SharedWords(BaseCrossEncoder):
    """A cross-encoder: reads question and text together, here the share of words in both."""

    def score(self, text_pairs: list[tuple[str, str]]) -> list[float]:
        pairs = [(set(one.lower().split()), set(two.lower().split())) for one, two in text_pairs]
        return [len(one & two) / len(one | two) for one, two in pairs]


async def test_a_cross_encoder_re_ranks_what_two_stages_found(store) -> None:
    wide = MatryoshkaRetriever(vectorstore=store, k=6)
    reranked = ContextualCompressionRetriever(
        base_compressor=CrossEncoderReranker(model=SharedWords(), top_n=2), base_retriever=wide
    )
    assert ids(await both(reranked, "a list in place"))[0] == "e"
    assert len(await both(reranked, "a list in place")) == 2
    filtered = reranked.model_copy(
        update={"base_retriever": store.as_retriever(k=6, filter={"n": [0, 1]})}
    )
    assert set(ids(await both(filtered, "a list in place"))) == {"a", "b"}


async def test_a_pipeline_of_compressors_takes_our_embeddings(store, retriever) -> None:
    pipeline = DocumentCompressorPipeline(
        transformers=[EmbeddingsFilter(embeddings=store.embeddings, k=1)]
    )
    compressed = ContextualCompressionRetriever(base_compressor=pipeline, base_retriever=retriever)
    nearest = ids(retriever.invoke("compress"))[0]
    assert [each.page_content for each in await both(compressed, "compress")] == [
        next(each.page_content for each in retriever.invoke("compress") if each.id == nearest)
    ]


# Tools and examples


async def test_a_retriever_becomes_a_tool(retriever) -> None:
    tool = create_retriever_tool(retriever, "find", "Finds functions.", document_separator="|")
    expected = "|".join(each.page_content for each in retriever.invoke("gzip"))
    assert tool.invoke({"query": "gzip"}) == expected
    assert await tool.ainvoke({"query": "gzip"}) == expected


@pytest.mark.parametrize(
    "selector", [SemanticSimilarityExampleSelector, MaxMarginalRelevanceExampleSelector]
)
async def test_example_selectors_make_a_store_and_choose(client, embeddings, selector) -> None:
    examples = [{"input": text, "output": name} for name, text in PAGES.items()]
    given = {"k": 1, "input_keys": ["input"], "client": client, "collection_name": "examples"}
    chosen = selector.from_examples(examples, embeddings, MatryoshkaVectorStore, **given)
    assert chosen.select_examples({"input": "delete a file"}) == [examples[0]]
    chosen.add_example({"input": "Compress data.", "output": "gzip"})
    assert (await chosen.aselect_examples({"input": "compression"}))[0]["output"] == "gzip"


# LangGraph


class State(TypedDict):
    question: str
    found: list[Document]
    answer: str


async def test_a_graph_retrieves_and_answers(retriever) -> None:
    def retrieve(state: State) -> dict[str, Any]:
        return {"found": retriever.invoke(state["question"])}

    def answer(state: State) -> dict[str, Any]:
        return {"answer": state["found"][0].page_content}

    builder = StateGraph(State)
    builder.add_node("retrieve", retrieve)
    builder.add_node("reply", answer)
    builder.add_edge(START, "retrieve")
    builder.add_edge("retrieve", "reply")
    builder.add_edge("reply", END)
    graph = builder.compile()
    expected = retriever.invoke("compress")[0].page_content
    assert graph.invoke({"question": "compress"})["answer"] == expected
    assert (await graph.ainvoke({"question": "compress"}))["answer"] == expected


async def test_langgraphs_store_searches_by_our_embeddings(embeddings) -> None:
    store = GraphStore(index={"dims": 256, "embed": embeddings, "fields": ["text"]})
    for name, text in PAGES.items():
        store.put(("docs",), name, {"text": text})
    assert store.search(("docs",), query="delete a file", limit=1)[0].key == "files"
    assert (await store.asearch(("docs",), query="web", limit=1))[0].key == "nets"


# Indexing


@pytest.fixture
def sql_records(tmp_path) -> RecordManager:
    made = SQLRecordManager("docs", db_url=f"sqlite:///{tmp_path}/records.db")
    made.create_schema()
    return made


def sources(**pages: str) -> list[Document]:
    return [
        Document(page_content=part, metadata={"source": name})
        for name, text in pages.items()
        for part in text.split("\n\n")
    ]


def stored(store: MatryoshkaVectorStore) -> list[str]:
    return sorted(each.page_content for each in store.similarity_search("anything", k=99))


# What is left of the pages when one has changed and one is gone.
LEFT = {
    None: {"old files", "new files", "kept", "times", "nets"},
    "incremental": {"new files", "kept", "times", "nets"},
    "scoped_full": {"new files", "kept", "times", "nets"},
    "full": {"new files", "kept", "times"},
}


@pytest.mark.filterwarnings("ignore:Using SHA-1")
@pytest.mark.parametrize("key_encoder", ["sha1", "sha256", "blake2b"])
@pytest.mark.parametrize("cleanup", LEFT)
@pytest.mark.parametrize("way", ["sync", "async", "sync with SQL"])
async def test_indexing_keeps_step_with_its_sources(
    new_store, sql_records, embeddings, cleanup, key_encoder, way
) -> None:
    store = new_store()
    records = sql_records if way == "sync with SQL" else InMemoryRecordManager("docs")

    async def run(documents: list[Document]) -> dict[str, int]:
        given: dict[str, Any] = {
            "cleanup": cleanup,
            "source_id_key": "source",
            "key_encoder": key_encoder,
            "batch_size": 2,
        }
        if way == "async":
            return dict(await aindex(documents, records, store, **given))
        return dict(index(documents, records, store, **given))

    before = sources(files="old files\n\nkept", times="times", nets="nets")
    after = sources(files="new files\n\nkept", times="times")
    assert (await run(before))["num_added"] == 4
    assert (await run(before)) == {
        "num_added": 0,
        "num_updated": 0,
        "num_skipped": 4,
        "num_deleted": 0,
    }
    embedded = len(embeddings.documents)
    told = await run(after)
    assert (told["num_added"], told["num_skipped"]) == (1, 2)
    assert len(embeddings.documents) == embedded + 1
    assert stored(store) == sorted(LEFT[cleanup])
    assert told["num_deleted"] == 5 - len(LEFT[cleanup])
    again = await run(after)
    assert (again["num_added"], again["num_skipped"], again["num_deleted"]) == (0, 3, 0)
    assert stored(store) == sorted(LEFT[cleanup])


def test_indexing_again_by_force_replaces_and_does_not_double(new_store) -> None:
    store, records = new_store(), InMemoryRecordManager("docs")
    documents = sources(files="one\n\ntwo")
    given: dict[str, Any] = {"cleanup": "full", "key_encoder": "sha256"}
    index(documents, records, store, **given)
    told = index(documents, records, store, force_update=True, **given)
    assert told["num_updated"] == 2
    assert stored(store) == ["one", "two"]
    assert index([], records, store, **given)["num_deleted"] == 2
    assert stored(store) == []
