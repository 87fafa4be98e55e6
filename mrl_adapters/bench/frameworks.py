"""The frameworks' stores, ours and the stock ones, as a program that uses them finds them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, ClassVar, cast

import numpy as np
from qdrant_client import QdrantClient, models

from mrl_adapters.bench.contender import Batch, Contender, Searcher, Setting
from mrl_adapters.bench.contenders import COLLECTION, Embedded, FullGraph, TwoStage
from mrl_adapters.qdrant import CollectionLayout, EdgeClient, SearchPlan
from mrl_adapters.vectors import FloatArray


class ReadyEmbeddings:
    """Embeddings that were computed before: looking one up costs nothing that matters.

    Args:
        vectors: Text to vector of shape (d,).
    """

    def __init__(self, vectors: dict[str, FloatArray]) -> None:
        self.vectors = vectors

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return the vectors as every LangChain embedding does: as lists."""
        rows: list[list[float]] = np.stack([self.vectors[text] for text in texts]).tolist()
        return rows

    def embed_query(self, text: str) -> list[float]:
        """Return one vector."""
        return self.embed_documents([text])[0]

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return the vectors."""
        return self.embed_documents(texts)

    async def aembed_query(self, text: str) -> list[float]:
        """Return one vector."""
        return self.embed_query(text)


@dataclass(frozen=True)
class OurLangChain(Embedded):
    """``mrl_adapters.langchain.MatryoshkaVectorStore``, documents in and out.

    Args:
        stages: Sizes of the short vectors.
    """

    stages: tuple[int, ...]
    name: ClassVar[str] = "LangChain, MatryoshkaVectorStore"
    ours: ClassVar[bool] = True
    needs: ClassVar[tuple[str, ...]] = ("mrl_adapters.langchain", "langchain_core.vectorstores")
    is_limited: ClassVar[bool] = False

    def load(self, client: EdgeClient, dimensions: int, batches: Iterator[Batch]) -> None:
        """Add the documents as texts."""
        from mrl_adapters.langchain import MatryoshkaVectorStore

        ready = ReadyEmbeddings({})
        layout = CollectionLayout(dimensions, self.stages)
        store = MatryoshkaVectorStore(client, COLLECTION, ready, layout=layout)
        for batch in batches:
            ready.vectors = dict(zip(batch.texts, batch.vectors, strict=True))
            store.add_texts(batch.texts, ids=batch.ids)

    def open(self, client: EdgeClient, k: int) -> Searcher:
        """Make the searching function."""
        from mrl_adapters.langchain import MatryoshkaVectorStore

        store = MatryoshkaVectorStore(client, COLLECTION, ReadyEmbeddings({}))

        def search(query: FloatArray, setting: Setting) -> list[str]:
            found = store.similarity_search_by_vector(
                query.tolist(), k, plan=cast(SearchPlan, setting)
            )
            return [str(document.id) for document in found]

        return search

    def chains(self, dimensions: int, k: int, points: int) -> Sequence[Sequence[Setting]]:
        """Try what the library tries without a framework."""
        return TwoStage(self.stages).chains(dimensions, k, points)


@dataclass(frozen=True)
class StockLangChain(Embedded):
    """``langchain_qdrant.QdrantVectorStore`` on the same client, documents in and out."""

    name: ClassVar[str] = "LangChain, langchain-qdrant"
    ours: ClassVar[bool] = False
    needs: ClassVar[tuple[str, ...]] = ("langchain_qdrant",)
    is_limited: ClassVar[bool] = False

    def load(self, client: EdgeClient, dimensions: int, batches: Iterator[Batch]) -> None:
        """Add the documents as texts."""
        full = models.VectorParams(size=dimensions, distance=models.Distance.COSINE)
        client.create_collection(COLLECTION, full)
        store: Any = None
        for batch in batches:
            store = store or self._store(client, batch.vectors[0])
            store.embeddings.vectors = dict(zip(batch.texts, batch.vectors, strict=True))
            store.add_texts(batch.texts, ids=batch.ids)

    def _store(self, client: EdgeClient, example: FloatArray) -> Any:
        """Make the store, which embeds a text at construction to learn the size."""
        from langchain_core.embeddings import Embeddings
        from langchain_qdrant import QdrantVectorStore

        class Ready(ReadyEmbeddings, Embeddings):
            """What the store's type check takes."""

        ready = Ready({"dummy_text": example})
        return QdrantVectorStore(cast(QdrantClient, client), COLLECTION, ready)

    def open(self, client: EdgeClient, k: int) -> Searcher:
        """Make the searching function."""
        size = client.get_collection(COLLECTION).config.params.vectors.size  # type: ignore[union-attr] # unnamed
        store = self._store(client, np.ones(size, dtype=np.float32))

        def search(query: FloatArray, setting: Setting) -> list[str]:
            found = store.similarity_search_by_vector(query.tolist(), k, search_params=setting)
            return [document.metadata["_id"] for document in found]

        return search

    def chains(self, dimensions: int, k: int, points: int) -> Sequence[Sequence[Setting]]:
        """Widen the beam."""
        return FullGraph().chains(dimensions, k, points)


@dataclass(frozen=True)
class OurLlamaIndex(Embedded):
    """``mrl_adapters.llama_index.MatryoshkaVectorStore``, nodes in and out.

    Args:
        stages: Sizes of the short vectors.
    """

    stages: tuple[int, ...]
    name: ClassVar[str] = "LlamaIndex, MatryoshkaVectorStore"
    ours: ClassVar[bool] = True
    needs: ClassVar[tuple[str, ...]] = ("llama_index.core", "mrl_adapters.llama_index")
    is_limited: ClassVar[bool] = False

    def load(self, client: EdgeClient, dimensions: int, batches: Iterator[Batch]) -> None:
        """Add the documents as nodes."""
        from mrl_adapters.llama_index import MatryoshkaVectorStore

        layout = CollectionLayout(dimensions, self.stages)
        store = MatryoshkaVectorStore(COLLECTION, client=client, layout=layout)
        for batch in batches:
            store.add(_nodes(batch))

    def open(self, client: EdgeClient, k: int) -> Searcher:
        """Make the searching function."""
        from llama_index.core.vector_stores.types import VectorStoreQuery

        from mrl_adapters.llama_index import MatryoshkaVectorStore

        store = MatryoshkaVectorStore(COLLECTION, client=client)

        def search(query: FloatArray, setting: Setting) -> list[str]:
            asked = VectorStoreQuery(query_embedding=query.tolist(), similarity_top_k=k)
            found = store.query(asked, plan=cast(SearchPlan, setting))
            return [node.node_id for node in found.nodes or ()]

        return search

    def chains(self, dimensions: int, k: int, points: int) -> Sequence[Sequence[Setting]]:
        """Try what the library tries without a framework."""
        return TwoStage(self.stages).chains(dimensions, k, points)


@dataclass(frozen=True)
class StockLlamaIndex(Embedded):
    """``llama_index.vector_stores.qdrant.QdrantVectorStore``, nodes in and out."""

    name: ClassVar[str] = "LlamaIndex, llama-index-vector-stores-qdrant"
    ours: ClassVar[bool] = False
    needs: ClassVar[tuple[str, ...]] = ("llama_index.vector_stores.qdrant",)
    is_limited: ClassVar[bool] = False

    def load(self, client: EdgeClient, dimensions: int, batches: Iterator[Batch]) -> None:
        """Add the documents as nodes; the store creates the collection."""
        del dimensions
        store = self._store(client)
        for batch in batches:
            store.add(_nodes(batch))

    def _store(self, client: EdgeClient) -> Any:
        from llama_index.vector_stores.qdrant import QdrantVectorStore

        return QdrantVectorStore(COLLECTION, client=cast(QdrantClient, client))

    def open(self, client: EdgeClient, k: int) -> Searcher:
        """Make the searching function."""
        from llama_index.core.vector_stores.types import VectorStoreQuery

        store = self._store(client)

        def search(query: FloatArray, setting: Setting) -> list[str]:
            del setting
            asked = VectorStoreQuery(query_embedding=query.tolist(), similarity_top_k=k)
            return [node.node_id for node in store.query(asked).nodes]

        return search

    def chains(self, dimensions: int, k: int, points: int) -> Sequence[Sequence[Setting]]:
        """It lets nobody choose how hard it searches."""
        del dimensions, k, points
        return [[None]]


def framework_contenders(stages: tuple[int, ...]) -> list[Contender]:
    """List the stores whose packages are installed."""
    stores: list[Contender] = [
        OurLangChain(stages),
        StockLangChain(),
        OurLlamaIndex(stages),
        StockLlamaIndex(),
    ]
    return [store for store in stores if all(map(_installed, store.needs))]


def _installed(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:  # a parent package is missing
        return False


def _nodes(batch: Batch) -> list[Any]:
    from llama_index.core.schema import TextNode

    return [
        TextNode(id_=name, text=text, embedding=vector)
        for name, text, vector in zip(batch.ids, batch.texts, batch.vectors.tolist(), strict=True)
    ]
