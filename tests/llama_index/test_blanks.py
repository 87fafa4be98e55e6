"""Blank texts and questions with embed_models that refuse them, as most services do."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from llama_index.core import MockEmbedding, StorageContext, VectorStoreIndex
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.schema import QueryBundle, TextNode
from llama_index.core.storage.kvstore import SimpleKVStore
from llama_index.core.vector_stores import VectorStoreQuery

from mrl_adapters.embeddings import TruncatedEmbedder, WordLlamaEmbedder
from mrl_adapters.errors import EmbeddingError
from mrl_adapters.llama_index import MatryoshkaEmbedding, MatryoshkaRetriever
from mrl_adapters.llama_index.embedder import EmbedderEmbedding, unit_mean
from mrl_adapters.qdrant import ZeroVectorsWarning


class Refusing(MockEmbedding):
    """An embed_model that ends with an error where a text is blank."""

    def _get_text_embedding(self, text):
        assert text.strip()
        return [float(len(text)), *[1.0] * (self.embed_dim - 1)]

    def _get_query_embedding(self, query):
        return self._get_text_embedding(query)

    async def _aget_text_embedding(self, text):
        return self._get_text_embedding(text)

    async def _aget_query_embedding(self, query):
        return self._get_text_embedding(query)


class Texts:
    """Another framework's embedder that ends with an error where a text is blank."""

    def embed_documents(self, texts):
        assert all(map(str.strip, texts))
        return [[float(len(text)), *[1.0] * 255] for text in texts]

    def embed_query(self, text):
        return self.embed_documents([text])[0]


MODELS: dict[str, Callable[[], Any]] = {
    "shortened": lambda: MatryoshkaEmbedding(Refusing(embed_dim=512), 256),
    "shortened, cached": lambda: MatryoshkaEmbedding(
        Refusing(embed_dim=512, embeddings_cache=SimpleKVStore()), 256
    ),
    "another framework's": lambda: EmbedderEmbedding(Texts()),
    "shortened elsewhere": lambda: EmbedderEmbedding(TruncatedEmbedder(Texts(), 256)),
    "ours": lambda: EmbedderEmbedding(WordLlamaEmbedder()),
}
INGEST: dict[str, Callable[[Any, Any, Any], Any]] = {
    "index": lambda store, model, nodes: VectorStoreIndex(
        nodes,
        storage_context=StorageContext.from_defaults(vector_store=store),
        embed_model=model,
    ),
    "pipeline": lambda store, model, nodes: IngestionPipeline(
        transformations=[model], vector_store=store, disable_cache=True
    ).run(nodes=nodes),
    "async pipeline": lambda store, model, nodes: asyncio.run(
        IngestionPipeline(transformations=[model], vector_store=store, disable_cache=True).arun(
            nodes=nodes
        )
    ),
}


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("way", INGEST)  # an index leaves out what is empty: these are not
@pytest.mark.parametrize("texts", [["one", " ", " \n", "four"], [" ", "\t"]], ids=["some", "all"])
def test_a_blank_page_costs_no_other(new_store, kind, way, texts):
    store, model = new_store(), MODELS[kind]()
    nodes = [TextNode(text=text, id_=str(row)) for row, text in enumerate(texts)]
    with pytest.warns(ZeroVectorsWarning, match="of 2 documents"):
        INGEST[way](store, model, nodes)
    assert sorted(node.text for node in store.get_nodes()) == sorted(texts)
    found = MatryoshkaRetriever(store, model, 9).retrieve("one")
    assert {each.node.text for each in found} == {text for text in texts if text.strip()}


ASK: list[Callable[[MatryoshkaRetriever, Any], Any]] = [
    lambda retriever, asked: retriever.retrieve(asked),
    lambda retriever, asked: asyncio.run(retriever.aretrieve(asked)),
    lambda retriever, asked: retriever.retrieve_batch(["one", asked]),
    lambda retriever, asked: asyncio.run(retriever.aretrieve_batch(["one", asked])),
]


@pytest.mark.parametrize("ask", ASK)
@pytest.mark.parametrize("kind", MODELS)
def test_a_blank_question_is_refused_in_words(new_store, kind, ask):
    retriever = MatryoshkaRetriever(new_store(), MODELS[kind]())
    for asked in ("", " \n", QueryBundle(""), QueryBundle("x", custom_embedding_strs=["", " "])):
        with pytest.raises(EmbeddingError, match="The question is blank"):
            ask(retriever, asked)


@pytest.mark.parametrize("kind", MODELS)
def test_an_indexs_own_retriever_refuses_it_too(new_store, kind):
    store, model = new_store(), MODELS[kind]()
    store.add([TextNode(text="one", embedding=[1.0] * 256)])
    index = VectorStoreIndex.from_vector_store(store, embed_model=model)
    with pytest.raises(EmbeddingError, match="The question is blank"):
        index.as_retriever().retrieve("")
    with pytest.raises(EmbeddingError, match="The question is blank"):
        asyncio.run(index.as_retriever().aretrieve(""))


def test_blank_ones_among_several_wordings_are_passed_over(new_store):
    store, model = new_store(), EmbedderEmbedding(WordLlamaEmbedder())
    store.add([TextNode(text="one", embedding=model.get_text_embedding("one"))])
    asked = QueryBundle("x", custom_embedding_strs=["one", "", " "])
    (found,) = MatryoshkaRetriever(store, model).retrieve(asked)
    assert found.score == pytest.approx(1, abs=1e-3)


def test_a_query_of_vectors_needs_no_words(new_store):
    store = new_store()
    store.add([TextNode(text="one", embedding=[1.0] * 256)])
    query = VectorStoreQuery(query_embedding=[1.0] * 256, query_str="", similarity_top_k=1)
    assert [node.text for node in store.query(query).nodes] == ["one"]
    with pytest.raises(EmbeddingError, match="The query has no embedding"):
        store.query(VectorStoreQuery(similarity_top_k=1))


def test_the_mean_of_no_questions_is_refused():
    with pytest.raises(EmbeddingError, match="no question to embed"):
        unit_mean([])
    with pytest.raises(EmbeddingError, match="no question to embed"):
        EmbedderEmbedding(WordLlamaEmbedder()).get_agg_embedding_from_queries([])
