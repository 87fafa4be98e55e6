"""LlamaIndex's own parts over our store: what is composed of retrievers, indexes and memories."""

import asyncio
import gc
import json
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from llama_index.core import StorageContext, VectorStoreIndex
from llama_index.core.base.llms.types import ChatMessage, CompletionResponse
from llama_index.core.ingestion import DocstoreStrategy, IngestionCache, IngestionPipeline
from llama_index.core.llms import MockLLM
from llama_index.core.memory import Memory, VectorMemoryBlock
from llama_index.core.node_parser import (
    HierarchicalNodeParser,
    SentenceSplitter,
    TokenTextSplitter,
    get_leaf_nodes,
)
from llama_index.core.objects import ObjectIndex
from llama_index.core.postprocessor import (
    LLMRerank,
    SentenceTransformerRerank,
    SimilarityPostprocessor,
)
from llama_index.core.query_engine import RetrieverQueryEngine, RouterQueryEngine
from llama_index.core.retrievers import (
    AutoMergingRetriever,
    QueryFusionRetriever,
    RecursiveRetriever,
    RouterRetriever,
    VectorIndexAutoRetriever,
)
from llama_index.core.schema import Document, IndexNode, NodeWithScore
from llama_index.core.selectors import LLMSingleSelector
from llama_index.core.storage.docstore import SimpleDocumentStore
from llama_index.core.tools import FunctionTool, QueryEngineTool, RetrieverTool
from llama_index.core.vector_stores import MetadataInfo, VectorStoreInfo

from mrl_adapters.llama_index import MatryoshkaRetriever, MatryoshkaVectorStore

Call = Callable[..., Any]

pytestmark = [
    # Core leaves event loops open where a blocking method of its own runs a coroutine.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    # Core 0.13 calls what it has deprecated.
    pytest.mark.filterwarnings("ignore:Call to deprecated method get_doc_id"),
]


@pytest.fixture(autouse=True)
def _collect() -> Iterator[None]:
    """Have what core left open reported here, not in another test."""
    yield
    gc.collect()


DOCUMENTS = [
    Document(id_="copy.md", text="shutil.copytree copies a directory tree.", metadata={"n": 1}),
    Document(id_="gzip.md", text="gzip.compress makes data smaller.", metadata={"n": 2}),
    Document(id_="sort.md", text="list.sort orders numbers in place.", metadata={"n": 3}),
]


class Scripted(MockLLM):
    """An LLM that answers as it was told."""

    answer: str = ""

    def __init__(self, answer: str) -> None:
        super().__init__()
        self.answer = answer

    @classmethod
    def class_name(cls) -> str:
        return "Scripted"

    def complete(self, *_: Any, **__: Any) -> CompletionResponse:
        return CompletionResponse(text=self.answer)

    async def acomplete(self, *_: Any, **__: Any) -> CompletionResponse:
        return CompletionResponse(text=self.answer)


@pytest.fixture
def index(new_store: Any, embed_model: Any) -> VectorStoreIndex:
    context = StorageContext.from_defaults(vector_store=new_store())
    return VectorStoreIndex.from_documents(
        DOCUMENTS, storage_context=context, embed_model=embed_model
    )


def sources(found: Sequence[NodeWithScore]) -> list[str | None]:
    return [each.node.ref_doc_id for each in found]


# Documents and pipelines


def test_documents_are_refreshed_where_they_changed(index: VectorStoreIndex, call: Call) -> None:
    changed = Document(id_="gzip.md", text="zlib.compress makes data smaller.", metadata={"n": 2})
    assert call(index, "refresh_ref_docs", [DOCUMENTS[0], changed]) == [False, True]
    texts = sorted(node.text for node in index.vector_store.get_nodes())
    assert texts == sorted([DOCUMENTS[0].text, changed.text, DOCUMENTS[2].text])


def test_documents_are_replaced_by_their_ids_whoever_wrote_them(
    index: VectorStoreIndex, new_store: Any, embed_model: Any, call: Call
) -> None:
    opened = VectorStoreIndex.from_vector_store(new_store(), embed_model)
    for document in DOCUMENTS:
        call(opened, "update_ref_doc", document)
    assert len(index.vector_store.get_nodes()) == 3


def test_nodes_with_ids_of_their_own_are_replaced_by_them(new_store: Any, embed_model: Any) -> None:
    splitter = SentenceSplitter(id_func=lambda place, document: f"{document.id_}-{place}")
    for _ in range(2):
        VectorStoreIndex.from_documents(
            DOCUMENTS,
            storage_context=StorageContext.from_defaults(vector_store=new_store()),
            embed_model=embed_model,
            transformations=[splitter],
        )
    assert sorted(node.node_id for node in new_store().get_nodes()) == [
        "copy.md-0",
        "gzip.md-0",
        "sort.md-0",
    ]


@pytest.mark.parametrize("strategy", DocstoreStrategy, ids=lambda each: each.name)
def test_a_pipeline_may_run_twice(
    new_store: Any, embed_model: Any, call: Call, strategy: DocstoreStrategy
) -> None:
    store = new_store()
    line = IngestionPipeline(
        transformations=[SentenceSplitter(chunk_size=64, chunk_overlap=0), embed_model],
        vector_store=store,
        docstore=SimpleDocumentStore(),
        docstore_strategy=strategy,
        cache=IngestionCache(),
    )
    assert len(call(line, "run", documents=DOCUMENTS)) == 3
    assert call(line, "run", documents=DOCUMENTS) == []
    call(line, "run", documents=DOCUMENTS[:2])
    kept = {"copy.md", "gzip.md"}
    if strategy != DocstoreStrategy.UPSERTS_AND_DELETE:
        kept.add("sort.md")
    assert sorted(node.ref_doc_id or "" for node in store.get_nodes()) == sorted(kept)


def test_what_a_cache_holds_is_embedded_once_and_stored_again(
    new_store: Any, embed_model: Any, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, asked = new_store(), []
    ask = type(embed_model).get_text_embedding_batch

    def counted(self: Any, texts: list[str], *args: Any, **kwargs: Any) -> Any:
        asked.extend(texts)
        return ask(self, texts, *args, **kwargs)

    monkeypatch.setattr(type(embed_model), "get_text_embedding_batch", counted)
    line = IngestionPipeline(
        transformations=[embed_model], vector_store=store, cache=IngestionCache()
    )
    for _ in range(2):
        line.run(documents=DOCUMENTS)
    assert len(asked) == 3
    assert len(store.get_nodes()) == 3


# Retrievers of retrievers


SPECS = [
    ([("n", ">", 1), ("n", "<", 3)], ["gzip.md"]),
    ([("n", "in", [1, 3])], ["copy.md", "sort.md"]),
    ([("n", "nin", [1, 3])], ["gzip.md"]),
    ([("n", "!=", 2)], ["copy.md", "sort.md"]),
    ([("n", "==", 9)], []),
    ([], ["copy.md", "gzip.md", "sort.md"]),
]


@pytest.mark.parametrize(("filters", "expected"), SPECS, ids=str)
def test_an_auto_retriever_filters_as_its_llm_says(
    index: VectorStoreIndex, call: Call, filters: list[Any], expected: list[str]
) -> None:
    written = [dict(zip(("key", "operator", "value"), each, strict=True)) for each in filters]
    answer = json.dumps({"query": "a file", "filters": written, "top_k": 3})
    retriever = VectorIndexAutoRetriever(
        index,
        vector_store_info=VectorStoreInfo(
            content_info="Functions",
            metadata_info=[MetadataInfo(name="n", type="int", description="Number")],
        ),
        llm=Scripted(answer),
        similarity_top_k=3,
    )
    assert sorted(sources(call(retriever, "retrieve", "the second"))) == expected


def test_an_auto_retriever_without_a_question_takes_what_passes_the_filters(
    index: VectorStoreIndex, call: Call
) -> None:
    spec = {"query": "", "filters": [{"key": "n", "operator": ">=", "value": 2}], "top_k": None}
    retriever = VectorIndexAutoRetriever(
        index,
        vector_store_info=VectorStoreInfo(content_info="Functions", metadata_info=[]),
        llm=Scripted(json.dumps(spec)),
        default_empty_query_vector=[0.0] * 256,
        empty_query_top_k=9,
    )
    assert sorted(sources(call(retriever, "retrieve", "all from two on"))) == ["gzip.md", "sort.md"]


def test_fusion_asks_several_questions(
    index: VectorStoreIndex, embed_model: Any, call: Call
) -> None:
    fusion = QueryFusionRetriever(
        [
            index.as_retriever(similarity_top_k=1),
            MatryoshkaRetriever(index.vector_store, embed_model, 1),
        ],
        llm=Scripted("compress data\nsort a list"),
        num_queries=3,
        similarity_top_k=3,
        mode="reciprocal_rerank",
        use_async=False,
    )
    found = call(fusion, "retrieve", "copy a directory")
    assert sorted(sources(found)) == ["copy.md", "gzip.md", "sort.md"]


def chosen(place: int) -> LLMSingleSelector:
    answer = json.dumps([{"choice": place + 1, "reason": "told so"}])
    return LLMSingleSelector.from_defaults(llm=Scripted(answer))


@pytest.mark.parametrize("place", [0, 1])
def test_a_router_asks_the_retriever_that_is_chosen(
    index: VectorStoreIndex, embed_model: Any, call: Call, place: int
) -> None:
    tools = [
        RetrieverTool.from_defaults(
            MatryoshkaRetriever(index.vector_store, embed_model, k), description=f"finds {k}"
        )
        for k in (1, 2)
    ]
    router = RouterRetriever(selector=chosen(place), retriever_tools=tools, llm=MockLLM())
    assert len(call(router, "retrieve", "copy a directory")) == place + 1


def test_a_router_asks_the_query_engine_that_is_chosen(index: VectorStoreIndex, call: Call) -> None:
    tools = [
        QueryEngineTool.from_defaults(
            index.as_query_engine(llm=MockLLM(), similarity_top_k=k), description=f"finds {k}"
        )
        for k in (1, 2)
    ]
    engine = RouterQueryEngine(selector=chosen(1), query_engine_tools=tools, llm=MockLLM())
    answer = call(engine, "query", "copy a directory")
    assert len(answer.source_nodes) == 2
    assert "shutil.copytree" in str(answer)


def test_links_are_followed_from_store_to_store(
    new_store: Any, embed_model: Any, index: VectorStoreIndex, call: Call
) -> None:
    links = [
        IndexNode(id_="l1", text="About copying directories and files.", index_id="files"),
        IndexNode(id_="l2", text="About cats.", index_id="cats"),
    ]
    nodes = VectorStoreIndex(
        links,
        storage_context=StorageContext.from_defaults(
            vector_store=MatryoshkaVectorStore(
                f"{index.vector_store.collection_name}_links", index.vector_store.client
            )
        ),
        embed_model=embed_model,
    )
    try:
        recursive = RecursiveRetriever(
            "root",
            retriever_dict={
                "root": nodes.as_retriever(similarity_top_k=1),
                "files": index.as_retriever(similarity_top_k=1),
                "cats": index.as_retriever(similarity_top_k=3),
            },
        )
        assert sources(call(recursive, "retrieve", "copy a directory")) == ["copy.md"]
    finally:
        nodes.vector_store.clear()


def test_leaves_are_merged_into_their_parents(new_store: Any, embed_model: Any, call: Call) -> None:
    text = " ".join(f"Sentence {n} copies a directory tree to a place." for n in range(40))
    splitters = {
        size: TokenTextSplitter(chunk_size=int(size), chunk_overlap=0) for size in ("512", "64")
    }
    parser = HierarchicalNodeParser.from_defaults(
        node_parser_ids=[*splitters], node_parser_map=splitters
    )
    nodes = parser.get_nodes_from_documents([Document(id_="long.md", text=text)])
    docstore = SimpleDocumentStore()
    docstore.add_documents(nodes)
    context = StorageContext.from_defaults(vector_store=new_store(), docstore=docstore)
    leaves = get_leaf_nodes(nodes)
    made = VectorStoreIndex(leaves, storage_context=context, embed_model=embed_model)
    merging = AutoMergingRetriever(made.as_retriever(similarity_top_k=len(leaves)), context)
    found = call(merging, "retrieve", "copy a directory")
    assert {each.node.node_id for each in found} <= {node.node_id for node in nodes}
    assert max(len(each.node.get_content()) for each in found) > max(len(n.text) for n in leaves)


# Query engines and what they do with the nodes


def engine_over(
    index: VectorStoreIndex, embed_model: Any, processors: list[Any]
) -> RetrieverQueryEngine:
    return RetrieverQueryEngine.from_args(
        MatryoshkaRetriever(index.vector_store, embed_model, 3),
        llm=MockLLM(),
        node_postprocessors=processors,
    )


def test_nodes_below_a_similarity_are_cut_off(
    index: VectorStoreIndex, embed_model: Any, call: Call
) -> None:
    found = MatryoshkaRetriever(index.vector_store, embed_model, 3).retrieve("copy a directory")
    cutoff = (found[0].score + found[1].score) / 2
    engine = engine_over(index, embed_model, [SimilarityPostprocessor(similarity_cutoff=cutoff)])
    assert sources(call(engine, "query", "copy a directory").source_nodes) == ["copy.md"]


def test_an_llm_ranks_a_shortlist_again(
    index: VectorStoreIndex, embed_model: Any, call: Call
) -> None:
    reranker = LLMRerank(llm=Scripted("Doc: 3, Relevance: 9\nDoc: 1, Relevance: 4"), top_n=2)
    found = MatryoshkaRetriever(index.vector_store, embed_model, 3).retrieve("copy a directory")
    engine = engine_over(index, embed_model, [reranker])
    ranked = call(engine, "query", "copy a directory").source_nodes
    assert [each.node_id for each in ranked] == [found[2].node_id, found[0].node_id]


class Words:
    """What stands for a cross-encoder: the share of a question's words that a text has."""

    def predict(self, pairs: Sequence[Sequence[str]]) -> list[float]:
        return [sum(word in text for word in asked.split()) / 10 for asked, text in pairs]


def test_a_cross_encoder_ranks_a_shortlist_again(
    index: VectorStoreIndex, embed_model: Any, call: Call
) -> None:
    reranker = SentenceTransformerRerank.model_construct(
        top_n=1, model="words", keep_retrieval_score=True
    )
    reranker._model = Words()
    engine = engine_over(index, embed_model, [reranker])
    [best] = call(engine, "query", "orders numbers in place").source_nodes
    assert best.node.ref_doc_id == "sort.md"
    assert best.score == pytest.approx(0.4)
    assert 0 < best.node.metadata["retrieval_score"] <= 1


# Memories and tools


def test_a_memory_brings_back_what_was_said(new_store: Any, embed_model: Any) -> None:
    session = uuid.uuid4().hex

    async def talk() -> str:
        memory = Memory.from_defaults(
            session_id=session,
            token_limit=60,
            chat_history_token_ratio=0.5,
            token_flush_size=10,
            memory_blocks=[VectorMemoryBlock(vector_store=new_store(), embed_model=embed_model)],
        )
        for text in ("My cat is called Miez.", "I like long walks " * 12, "It rains today " * 12):
            await memory.aput(ChatMessage(role="user", content=text))
            await memory.aput(ChatMessage(role="assistant", content="I see. " * 6))
        told = await memory.aget("What is my cat called?")
        return "\n".join(str(each.content) for each in told)

    assert "Miez" in asyncio.run(talk())


def test_tools_are_found_by_what_they_do(new_store: Any, embed_model: Any, call: Call) -> None:
    def copy_directory(source: str) -> str:
        """Copy a directory tree to another place."""
        return source

    def compress(data: str) -> str:
        """Compress data with gzip."""
        return data

    tools = [FunctionTool.from_defaults(copy_directory), FunctionTool.from_defaults(compress)]
    objects = ObjectIndex.from_objects(
        tools,
        storage_context=StorageContext.from_defaults(vector_store=new_store()),
        embed_model=embed_model,
    )
    [tool] = call(objects.as_retriever(similarity_top_k=1), "retrieve", "make a file smaller")
    assert tool.metadata.name == "compress"
    objects.insert_object(
        FunctionTool.from_defaults(lambda n: n, name="sort", description="Sort a list of numbers.")
    )
    [tool] = call(objects.as_retriever(similarity_top_k=1), "retrieve", "order a list")
    assert tool.metadata.name == "sort"
