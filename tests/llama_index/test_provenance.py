"""A collection learns its model from whatever made the vectors, and keeps other models out."""

import threading
from typing import Any

import numpy as np
import pytest
from llama_index.core import StorageContext, VectorStoreIndex
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.schema import Document, QueryBundle, TextNode
from llama_index.core.vector_stores import VectorStoreQuery

from mrl_adapters.errors import CollectionMismatchError
from mrl_adapters.llama_index import (
    MatryoshkaEmbedding,
    MatryoshkaRetriever,
    MatryoshkaVectorStore,
)
from mrl_adapters.llama_index.embedder import EmbedderEmbedding
from mrl_adapters.llama_index.provenance import _Memory, made_by

SIZE = 16


class Numbers:
    """An embedder: numbers drawn from the text and the model's name."""

    def __init__(self, model: str) -> None:
        self.model = model

    def embed_query(self, text: str) -> list[float]:
        drawn = np.random.default_rng([*self.model.encode(), *text.encode()]).normal(size=SIZE)
        return (drawn / np.linalg.norm(drawn)).tolist()

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self.embed_query(text) for text in texts]

    async def aembed_query(self, text: str) -> list[float]:
        return self.embed_query(text)

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        return self.embed_documents(texts)


WRAPPERS = {
    "adopted": lambda model: EmbedderEmbedding(Numbers(model)),
    "shortened": lambda model: MatryoshkaEmbedding(Numbers(model), 8),
    "not shortened": lambda model: MatryoshkaEmbedding(Numbers(model), SIZE),
    "named by hand": lambda model: MatryoshkaEmbedding(Numbers(""), 8, model=model),
}


@pytest.fixture(params=WRAPPERS)
def wrap(request: pytest.FixtureRequest) -> Any:
    return WRAPPERS[request.param]


def documents(*texts: str) -> list[Document]:
    return [Document(text=text) for text in texts or ("copy a tree", "sort a list")]


def index_documents(store: MatryoshkaVectorStore, model: BaseEmbedding) -> None:
    context = StorageContext.from_defaults(vector_store=store)
    VectorStoreIndex.from_documents(documents(), storage_context=context, embed_model=model)


def insert_documents(store: MatryoshkaVectorStore, model: BaseEmbedding) -> None:
    VectorStoreIndex.from_vector_store(store, embed_model=model).insert(documents()[0])


def run_a_pipeline(store: MatryoshkaVectorStore, model: BaseEmbedding) -> None:
    IngestionPipeline(transformations=[model], vector_store=store).run(documents=documents())


def transform_and_add(store: MatryoshkaVectorStore, model: BaseEmbedding) -> None:
    store.add(model([TextNode(text="copy a tree")]))


def embed_and_add(store: MatryoshkaVectorStore, model: BaseEmbedding) -> None:
    store.add([TextNode(text="copy", embedding=model.get_text_embedding("copy"))])


WRITERS = {
    "an index": index_documents,
    "an insertion": insert_documents,
    "a pipeline": run_a_pipeline,
    "a transformation": transform_and_add,
    "one embedding": embed_and_add,
}


@pytest.fixture
def store(new_store) -> MatryoshkaVectorStore:
    return new_store(layout=None)


def model_of(store: MatryoshkaVectorStore) -> str | None:
    fresh = MatryoshkaVectorStore(store.collection_name, store.client)
    layout = fresh.driver.run(fresh.collection.open())
    return layout.model if layout else None


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_whoever_writes_teaches_the_model(store, wrap, write) -> None:
    write(store, wrap("the-model"))
    assert model_of(store) == "the-model"


async def test_so_does_an_asynchronous_pipeline(new_store, wrap) -> None:
    store = new_store(layout=None)
    pipeline = IngestionPipeline(transformations=[wrap("the-model")], vector_store=store)
    await pipeline.arun(documents=documents())
    assert model_of(store) == "the-model"


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_another_model_cannot_write(store, wrap, write) -> None:
    write(store, wrap("the-model"))
    before = store.driver.run(store.collection.count())
    with pytest.raises(CollectionMismatchError, match=r"'the-model'.*'another-model'"):
        write(store, wrap("another-model"))
    fresh = MatryoshkaVectorStore(store.collection_name, store.client)
    with pytest.raises(CollectionMismatchError, match=r"'the-model'.*'another-model'"):
        write(fresh, wrap("another-model"))
    assert store.driver.run(store.collection.count()) == before


def test_another_model_cannot_search(store, wrap) -> None:
    index_documents(store, wrap("the-model"))
    fresh = MatryoshkaVectorStore(store.collection_name, store.client)
    other = wrap("another-model")
    index = VectorStoreIndex.from_vector_store(fresh, embed_model=other)
    searches = {
        "our retriever": MatryoshkaRetriever(fresh, other).retrieve,
        "the index's": index.as_retriever().retrieve,
        "several questions": lambda _: index.as_retriever().retrieve(
            QueryBundle("copy", custom_embedding_strs=["copy", "a tree"])
        ),
        "the store": lambda text: fresh.query(
            VectorStoreQuery(query_embedding=other.get_query_embedding(text), similarity_top_k=1)
        ),
    }
    for search in searches.values():
        with pytest.raises(CollectionMismatchError, match=r"'the-model'.*'another-model'"):
            search("copy a tree")


def test_the_same_model_goes_on(store, wrap) -> None:
    for write in WRITERS.values():
        write(store, wrap("the-model"))
    index = VectorStoreIndex.from_vector_store(store, embed_model=wrap("the-model"))
    assert index.as_retriever(similarity_top_k=1).retrieve("copy a tree")[0].text == "copy a tree"


def test_nodes_of_two_models_are_refused_before_anything_is_written(store, wrap) -> None:
    nodes = [TextNode(text=text) for text in ("copy", "sort")]
    wrap("the-model")(nodes[:1])
    wrap("another-model")(nodes[1:])
    with pytest.raises(CollectionMismatchError, match=r"'another-model'.*'the-model'"):
        store.add(nodes)
    assert not store.client.collection_exists(store.collection_name)


def test_nodes_without_a_name_take_the_retrievers(store) -> None:
    retriever = MatryoshkaRetriever(store, WRAPPERS["adopted"]("the-model"))
    vector = Numbers("whoever").embed_query("copy")
    store.add([TextNode(text="copy", embedding=vector)])
    assert model_of(store) == "the-model"
    assert retriever.retrieve("copy")


def test_a_search_before_the_first_nodes_teaches_nothing(store, wrap) -> None:
    other = wrap("another-model")
    query = VectorStoreQuery(query_embedding=other.get_query_embedding("copy"), similarity_top_k=1)
    assert store.query(query).nodes == []
    index_documents(store, wrap("the-model"))
    assert model_of(store) == "the-model"


def test_of_two_models_that_made_a_vector_the_last_counts() -> None:
    memory = _Memory()
    memory.keep("one", [[0.5, 0.5], [1.0, 0.0]])
    memory.keep("two", [[0.5, 0.5]])
    assert memory.models_of([[0.5, 0.5]]) == ["two"]
    assert memory.models_of([[1.0, 0.0], [0.5, 0.5], None, []]) == ["one", "two"]


def test_a_name_given_by_hand_wins_over_the_inner_models(store) -> None:
    index_documents(store, MatryoshkaEmbedding(Numbers("inner"), SIZE, model="by-hand"))
    assert model_of(store) == "by-hand"


def test_zeros_say_nothing() -> None:
    memory = _Memory()
    memory.keep("one", [[0.0] * 4])
    assert memory.models_of([[0.0] * 4]) == []


def test_the_memory_forgets_the_oldest() -> None:
    memory = _Memory()
    for start in range(0, 20_000, 1_000):
        memory.keep("one", [[float(start + n), 1.0] for n in range(1, 1_001)])
    assert len(memory._models) <= 8_192
    assert memory.models_of([[20_000.0, 1.0]]) == ["one"]
    assert memory.models_of([[1.0, 1.0]]) == []


def test_threads_share_the_memory() -> None:
    memory = _Memory()

    def keep(model: int) -> None:
        for n in range(200):
            memory.keep(str(model), [[float(model), float(n), float(i)] for i in range(1, 100)])

    threads = [threading.Thread(target=keep, args=(model,)) for model in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(memory._models) <= 8_192


def test_a_model_without_a_name_is_not_remembered() -> None:
    vectors = [[0.25, 0.125, 0.0625]]
    assert made_by(EmbedderEmbedding(Numbers("")), vectors) is vectors
