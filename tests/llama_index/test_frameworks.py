"""LlamaIndex's own machinery on top of the store and the embeddings; no network, no key."""

import asyncio
import gc
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from llama_index.core import StorageContext, VectorStoreIndex
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.indices.query.query_transform.base import HyDEQueryTransform
from llama_index.core.ingestion import DocstoreStrategy, IngestionPipeline
from llama_index.core.llms import MockLLM
from llama_index.core.memory import ChatMemoryBuffer, VectorMemoryBlock
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.query_engine import SubQuestionQueryEngine
from llama_index.core.question_gen.types import BaseQuestionGenerator, SubQuestion
from llama_index.core.retrievers import QueryFusionRetriever, VectorIndexRetriever
from llama_index.core.schema import Document, IndexNode, QueryBundle
from llama_index.core.storage.docstore import SimpleDocumentStore
from llama_index.core.tools import QueryEngineTool, ToolMetadata
from llama_index.core.vector_stores import MetadataFilter, MetadataFilters

from mrl_adapters.embeddings import WordLlamaEmbedder
from mrl_adapters.errors import ConfigurationError
from mrl_adapters.llama_index import MatryoshkaEmbedding, MatryoshkaRetriever, MatryoshkaVectorStore
from mrl_adapters.qdrant import CollectionLayout, connect

# Core leaves event loops open where a blocking method of its own runs a coroutine.
pytestmark = [
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


@pytest.fixture
def index(new_store, embed_model) -> VectorStoreIndex:
    context = StorageContext.from_defaults(vector_store=new_store())
    return VectorStoreIndex.from_documents(
        DOCUMENTS, storage_context=context, embed_model=embed_model
    )


def test_an_index_is_made_from_documents_and_queried(index):
    answer = index.as_query_engine(llm=MockLLM(), similarity_top_k=1).query("copy a directory")
    assert "shutil.copytree" in str(answer)
    assert answer.source_nodes[0].node.ref_doc_id == "copy.md"


def test_an_index_opens_a_collection_that_exists(index, new_store, embed_model):
    opened = VectorStoreIndex.from_vector_store(new_store(layout=None), embed_model)
    [found] = opened.as_retriever(similarity_top_k=1).retrieve("gzip")
    assert found.node.ref_doc_id == "gzip.md"


def test_any_embed_model_of_any_size_will_do(new_store):
    embed_model = MatryoshkaEmbedding(WordLlamaEmbedder(), 128)
    context = StorageContext.from_defaults(vector_store=new_store(layout=None))
    made = VectorStoreIndex.from_documents(
        DOCUMENTS, storage_context=context, embed_model=embed_model
    )
    [found] = made.as_retriever(similarity_top_k=1).retrieve("copy a directory")
    assert found.node.ref_doc_id == "copy.md"
    assert made.vector_store.collection.layout.stages == (64,)


def test_an_index_is_filled_asynchronously(new_store, embed_model):
    context = StorageContext.from_defaults(vector_store=new_store())
    made = VectorStoreIndex.from_documents(
        DOCUMENTS, storage_context=context, embed_model=embed_model, use_async=True
    )

    async def work() -> str:
        await made.ainsert(Document(id_="new.md", text="socket.listen waits for a connection."))
        [found] = await made.as_retriever(similarity_top_k=1).aretrieve("listen on a socket")
        return found.node.ref_doc_id

    assert asyncio.run(work()) == "new.md"


def test_documents_are_updated_and_deleted(index):
    index.update_ref_doc(Document(id_="gzip.md", text="zlib.compress makes data smaller."))
    texts = {node.text for node in index.vector_store.get_nodes()}
    assert "zlib.compress makes data smaller." in texts
    assert len(texts) == 3
    index.delete_ref_doc("copy.md")
    assert {node.ref_doc_id for node in index.vector_store.get_nodes()} == {"gzip.md", "sort.md"}
    asyncio.run(index.adelete_ref_doc("sort.md"))
    [left] = index.vector_store.get_nodes()
    index.delete_nodes([left.node_id])
    assert index.vector_store.get_nodes() == []


def test_query_options_pass_through_a_retriever(index):
    def found(**options: Any) -> list[str]:
        retriever = index.as_retriever(similarity_top_k=3, **options)
        return [each.node.ref_doc_id for each in retriever.retrieve("copy a directory")]

    every = found()
    filters = MetadataFilters(filters=[MetadataFilter(key="n", value=2)])
    assert found(filters=filters) == ["gzip.md"]
    with pytest.raises(ConfigurationError, match="no option 'exakt'"):
        found(vector_store_kwargs={"exakt": True})
    assert found(vector_store_kwargs={"score_threshold": 0.999}) == []
    assert found(doc_ids=["sort.md"]) == ["sort.md"]
    mmr = {"vector_store_query_mode": "mmr"}
    assert found(**mmr, vector_store_kwargs={"mmr_threshold": 1.0}) == every


def test_an_index_with_an_index_node_hides_its_text_nodes_and_our_retriever_does_not(
    index, embed_model
):
    index.insert_nodes([IndexNode(id_="link", index_id="x", text="See the other handbook.")])
    own = index.as_retriever(similarity_top_k=9).retrieve("copy a directory")
    assert [each.node_id for each in own] == ["link"]
    ours = MatryoshkaRetriever(index.vector_store, embed_model, 9).retrieve("copy a directory")
    assert len(ours) == 4
    unrestricted = VectorIndexRetriever(index, similarity_top_k=9, node_ids=None)
    assert len(unrestricted.retrieve("copy a directory")) == 4


@pytest.mark.parametrize("mode", ["context", "condense_question", "condense_plus_context"])
def test_chat_engines(index, mode):
    # Core's default memory leaves database connections open.
    memory = ChatMemoryBuffer.from_defaults(llm=MockLLM())
    engine = index.as_chat_engine(chat_mode=mode, llm=MockLLM(), memory=memory, similarity_top_k=1)
    assert engine.chat("How do I copy a directory?").source_nodes
    assert asyncio.run(engine.achat("And a file?")).source_nodes


class Dividing(BaseQuestionGenerator):
    """Ask the one tool the same question twice, without an LLM."""

    def generate(self, tools: Sequence[ToolMetadata], query: QueryBundle) -> list[SubQuestion]:
        return [
            SubQuestion(sub_question=text, tool_name=tools[0].name)
            for text in (query.query_str, "gzip")
        ]

    async def agenerate(
        self, tools: Sequence[ToolMetadata], query: QueryBundle
    ) -> list[SubQuestion]:
        return self.generate(tools, query)

    def _get_prompts(self) -> dict[str, Any]:
        return {}

    def _update_prompts(self, prompts: dict[str, Any]) -> None:
        """There are none."""


def test_sub_questions(index):
    tool = QueryEngineTool.from_defaults(
        index.as_query_engine(llm=MockLLM(), similarity_top_k=1), name="docs", description="Docs."
    )
    engine = SubQuestionQueryEngine.from_defaults(
        [tool], llm=MockLLM(), question_gen=Dividing(), use_async=True, verbose=False
    )
    answer = engine.query("copy a directory")
    assert "shutil.copytree" in str(answer)
    assert "gzip.compress" in str(answer)


def test_fusion_of_retrievers(index, embed_model):
    retrievers = [
        index.as_retriever(similarity_top_k=2),
        MatryoshkaRetriever(index.vector_store, embed_model, 2),
    ]
    for mode in ("reciprocal_rerank", "relative_score", "dist_based_score", "simple"):
        fusion = QueryFusionRetriever(
            retrievers, llm=MockLLM(), mode=mode, num_queries=1, similarity_top_k=2
        )
        assert fusion.retrieve("copy a directory")[0].node.ref_doc_id == "copy.md"


def test_a_query_transform_with_several_strings(index):
    transform = HyDEQueryTransform(llm=MockLLM(), include_original=True)
    bundle = transform.run("copy a directory")
    assert len(bundle.embedding_strs) == 2
    found = index.as_retriever(similarity_top_k=3).retrieve(bundle)
    assert "copy.md" in {each.node.ref_doc_id for each in found}


async def test_a_memory_block_remembers_by_session(new_store, embed_model):
    block = VectorMemoryBlock(vector_store=new_store(), embed_model=embed_model)
    for session, text in [("one", "My cat is called Miez."), ("two", "My cat is called Tom.")]:
        said = ChatMessage(role="user", content=text, additional_kwargs={"session_id": session})
        await block.aput([said])
    asked = [ChatMessage(role="user", content="What is my cat called?")]
    remembered = await block.aget(asked, session_id="one")
    assert "Miez" in str(remembered)
    assert "Tom" not in str(remembered)


def pipeline(store: MatryoshkaVectorStore, embed_model: Any, **options: Any) -> IngestionPipeline:
    return IngestionPipeline(
        transformations=[SentenceSplitter(chunk_size=64, chunk_overlap=0), embed_model],
        vector_store=store,
        **options,
    )


def stored(store: MatryoshkaVectorStore) -> set[str]:
    return {node.text for node in store.get_nodes()}


@pytest.mark.parametrize("colour", ["sync", "async"])
def test_a_pipeline_upserts_what_changed(new_store, embed_model, colour):
    store = new_store()
    line = pipeline(store, embed_model, docstore=SimpleDocumentStore())

    def run(documents: list[Document]) -> int:
        if colour == "sync":
            return len(line.run(documents=documents))
        return len(asyncio.run(line.arun(documents=documents)))

    assert run(DOCUMENTS) == 3
    assert run(DOCUMENTS) == 0
    assert run([DOCUMENTS[0], Document(id_="gzip.md", text="bz2 is slower.")]) == 1
    assert stored(store) == {DOCUMENTS[0].text, "bz2 is slower.", DOCUMENTS[2].text}


@pytest.mark.parametrize("colour", ["sync", "async"])
def test_a_pipeline_without_a_splitter_replaces_whole_documents(new_store, embed_model, colour):
    store = new_store()
    line = IngestionPipeline(
        transformations=[embed_model],
        vector_store=store,
        docstore=SimpleDocumentStore(),
        docstore_strategy=DocstoreStrategy.UPSERTS,
    )
    for text in ("first", "second"):
        documents = [Document(id_="same", text=text)]
        if colour == "sync":
            line.run(documents=documents)
        else:
            asyncio.run(line.arun(documents=documents))
    assert stored(store) == {"second"}


@pytest.mark.slow
def test_a_pipeline_with_workers_embeds_in_other_processes(tmp_path):
    with connect(path=str(tmp_path / "v")) as client:
        store = MatryoshkaVectorStore("docs", client, layout=CollectionLayout(256, (64,)))
        # Without a splitter: core's own hangs in other processes (0.14.25).
        line = IngestionPipeline(
            transformations=[MatryoshkaEmbedding(WordLlamaEmbedder(), 256)], vector_store=store
        )
        line.run(documents=DOCUMENTS, num_workers=2)
        assert stored(store) == {each.text for each in DOCUMENTS}
