"""The vector store for LangChain: converts, and leaves the work to the core."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from numpy.typing import ArrayLike
from qdrant_client import AsyncQdrantClient
from typing_extensions import Self, override

from mrl_adapters.embeddings import ArrayEmbedder, Embedder, model_name
from mrl_adapters.langchain.documents import batches_of, columns_of
from mrl_adapters.langchain.filters import to_filter
from mrl_adapters.langchain.options import ADDING_OPTIONS, existing_options, sorted_options
from mrl_adapters.langchain.progress import Progress, reporting
from mrl_adapters.langchain.searching import SearchingStore
from mrl_adapters.qdrant import CollectionLayout, Driver, MatryoshkaCollection
from mrl_adapters.qdrant.driver import Client
from mrl_adapters.qdrant.flow import Flow
from mrl_adapters.qdrant.ids import DocumentId
from mrl_adapters.qdrant.load import Load
from mrl_adapters.qdrant.options import refuse_unknown
from mrl_adapters.qdrant.plan import Plan

_BATCH_SIZE = 256


class MatryoshkaVectorStore(SearchingStore):
    """Search short vectors first, re-rank with full ones, in one Qdrant query.

    Every text is embedded once, at full size; the short vectors are derived. The collection is
    created by the first documents; searching it before finds nothing.

    Setup:
        ``pip install 'mrl-adapters[langchain]'``

    Key init args:
        client: EdgeClient or QdrantClient, from :func:`mrl_adapters.qdrant.connect`.
        collection_name: Name of the collection.
        embedding: Any LangChain Embeddings, at its full size.
        layout: How a new collection is laid out; None takes the stage from the model registry.
        plan: How it is searched: a SearchPlan, or a dict of the knobs to change.
        async_client: Used by the async methods; None derives one from ``client``.

    Instantiate:
        .. code-block:: python

            from mrl_adapters.embeddings import WordLlamaEmbedder
            from mrl_adapters.langchain import MatryoshkaVectorStore
            from mrl_adapters.qdrant import connect

            store = MatryoshkaVectorStore(connect(path="vectors"), "docs", WordLlamaEmbedder())

    Add:
        .. code-block:: python

            store.add_documents(documents)

    Search:
        .. code-block:: python

            store.similarity_search("copy a directory tree", k=4, filter={"source": "shutil"})

    Async:
        .. code-block:: python

            await store.asimilarity_search_with_score("copy a directory tree", k=4)

    Use as retriever:
        .. code-block:: python

            from mrl_adapters.langchain import MatryoshkaRetriever

            retriever = MatryoshkaRetriever(vectorstore=store, k=4)  # or store.as_retriever()
            retriever.invoke("copy a directory tree")
    """

    def __init__(
        self,
        client: Client | None,
        collection_name: str,
        embedding: Embeddings | Embedder,
        *,
        layout: CollectionLayout | None = None,
        plan: Plan | None = None,
        async_client: AsyncQdrantClient | None = None,
    ) -> None:
        self._driver = Driver(client, async_client)
        self._embedding = embedding
        self._collection = MatryoshkaCollection(
            collection_name, layout=layout, plan=plan, model=model_name(embedding)
        )

    @property
    def collection(self) -> MatryoshkaCollection:
        """The framework-free collection behind this store."""
        return self._collection

    @property
    def driver(self) -> Driver:
        """What runs the collection's flows on the client."""
        return self._driver

    @property
    def collection_name(self) -> str:
        """Name of the collection."""
        return self._collection.name

    @property
    @override
    def embeddings(self) -> Embeddings:
        # An Embedder has every method of Embeddings; LangChain only ever calls those.
        return self._embedding  # type: ignore[return-value]

    @classmethod
    @override
    def from_texts(
        cls,
        texts: Iterable[str],
        embedding: Embeddings | Embedder,
        metadatas: Iterable[dict[str, Any] | None] | None = None,
        *,
        ids: Iterable[DocumentId | None] | None = None,
        **kwargs: Any,
    ) -> Self:
        """Make a store, and its collection if it does not exist, and add texts.

        Args:
            texts: The texts; a generator is read batch by batch.
            embedding: Any LangChain Embeddings.
            metadatas: One mapping a text.
            ids: One id a text, None entries for new ids.
            **kwargs: ``collection_name`` (required); ``client`` or the arguments of
                :func:`~mrl_adapters.qdrant.connect`; ``layout``, ``plan``, ``async_client``; and
                those of :meth:`add_texts`.
        """
        own, adding = sorted_options(kwargs)
        store = cls(embedding=embedding, **own)
        store.add_texts(texts, metadatas, ids=ids, **adding)
        return store

    @classmethod
    @override
    async def afrom_texts(
        cls,
        texts: Iterable[str],
        embedding: Embeddings | Embedder,
        metadatas: Iterable[dict[str, Any] | None] | None = None,
        *,
        ids: Iterable[DocumentId | None] | None = None,
        **kwargs: Any,
    ) -> Self:
        """Make a store and add texts, as :meth:`from_texts` does."""
        own, adding = sorted_options(kwargs)
        store = cls(embedding=embedding, **own)
        await store.aadd_texts(texts, metadatas, ids=ids, **adding)
        return store

    @classmethod
    @override
    def from_documents(
        cls, documents: Iterable[Document], embedding: Embeddings | Embedder, **kwargs: Any
    ) -> Self:
        """Make a store and add documents, as :meth:`from_texts` does; their own ids are kept."""
        return cls.from_texts(embedding=embedding, **{**columns_of(documents), **kwargs})

    @classmethod
    @override
    async def afrom_documents(
        cls, documents: Iterable[Document], embedding: Embeddings | Embedder, **kwargs: Any
    ) -> Self:
        """Make a store and add documents, as :meth:`from_documents` does."""
        return await cls.afrom_texts(embedding=embedding, **{**columns_of(documents), **kwargs})

    @classmethod
    def from_existing_collection(
        cls, embedding: Embeddings | Embedder, collection_name: str, **kwargs: Any
    ) -> Self:
        """Open a collection that exists; its layout is read from it.

        Args:
            embedding: The Embeddings that it was written with.
            collection_name: Name of the collection.
            **kwargs: ``client`` or the arguments of :func:`~mrl_adapters.qdrant.connect`;
                ``plan``, ``async_client``.

        Raises:
            CollectionMismatchError: It does not exist, or was written by another model.
        """
        own = existing_options({**kwargs, "collection_name": collection_name})
        store = cls(embedding=embedding, **own)
        store.driver.run(store.collection.open(must_exist=True))
        return store

    @classmethod
    async def afrom_existing_collection(
        cls, embedding: Embeddings | Embedder, collection_name: str, **kwargs: Any
    ) -> Self:
        """Open a collection that exists, as :meth:`from_existing_collection` does."""
        own = existing_options({**kwargs, "collection_name": collection_name})
        store = cls(embedding=embedding, **own)
        await store.driver.arun(store.collection.open(must_exist=True))
        return store

    @override
    def add_texts(
        self,
        texts: Iterable[str],
        metadatas: Iterable[dict[str, Any] | None] | None = None,
        *,
        ids: Iterable[DocumentId | None] | None = None,
        batch_size: int = _BATCH_SIZE,
        progress: Progress = False,
        shard_key: str | int | None = None,
        **kwargs: Any,
    ) -> list[str]:
        """Embed texts, each once at full size, and store them batch by batch.

        Args:
            texts: The texts; a generator is read batch by batch.
            metadatas: One mapping a text.
            ids: One id a text: any string, integer or UUID; one that is there already, in any
                spelling that Qdrant takes, is replaced. None entries get new ids.
            batch_size: Texts that are embedded, checked and written together.
            progress: True shows a bar; a function is called with the number of texts stored by
                each batch.
            shard_key: Custom shard to write to.
            **kwargs: None are known; a misspelt option is an error.

        Returns:
            The ids, as given; integers and UUIDs as strings.

        Raises:
            ConfigurationError: Texts, metadatas and ids differ in number, or something of them
                cannot be stored.
            EmbeddingError: A vector holds NaN, infinity or only zeros. Nothing of its batch was
                written.

        Whatever ends the call says what became of it: the error's ``stored_ids`` and
        ``missing_ids`` (see :meth:`mrl_adapters.qdrant.load.Load.told`). The same call again
        completes it, without storing anything twice.
        """
        refuse_unknown("add_texts()", kwargs, ADDING_OPTIONS)
        load = Load(self._collection, shard_key=shard_key)
        with load.told(), reporting(progress, texts) as report:
            for batch in batches_of(texts, metadatas, ids, batch_size):
                named = self._driver.run(load.name(batch.ids, batch.payloads, whole=batch.whole))
                for part, some, payloads in batch.portions(named, batch_size):
                    report(self._driver.run(load.add(part, self._embed(some), payloads)))
            if kept := self._driver.run(load.finish()):
                report(kept)
        return load.ids

    @override
    async def aadd_texts(
        self,
        texts: Iterable[str],
        metadatas: Iterable[dict[str, Any] | None] | None = None,
        *,
        ids: Iterable[DocumentId | None] | None = None,
        batch_size: int = _BATCH_SIZE,
        progress: Progress = False,
        shard_key: str | int | None = None,
        **kwargs: Any,
    ) -> list[str]:
        """Embed and store texts, as :meth:`add_texts` does."""
        refuse_unknown("add_texts()", kwargs, ADDING_OPTIONS)
        load = Load(self._collection, shard_key=shard_key)
        with load.told(), reporting(progress, texts) as report:
            for batch in batches_of(texts, metadatas, ids, batch_size):
                flow = load.name(batch.ids, batch.payloads, whole=batch.whole)
                named = await self._driver.arun(flow)
                for part, some, payloads in batch.portions(named, batch_size):
                    vectors = await self._aembed(some)
                    report(await self._driver.arun(load.add(part, vectors, payloads)))
            if kept := await self._driver.arun(load.finish()):
                report(kept)
        return load.ids

    @override
    def add_documents(self, documents: Iterable[Document], **kwargs: Any) -> list[str]:
        """Embed and store documents, as :meth:`add_texts` does; their own ids are kept.

        Args:
            documents: Documents; a generator is read batch by batch.
            **kwargs: Those of :meth:`add_texts`; ``ids`` go before the documents' own.
        """
        return self.add_texts(**{**columns_of(documents), **kwargs})

    @override
    async def aadd_documents(self, documents: Iterable[Document], **kwargs: Any) -> list[str]:
        return await self.aadd_texts(**{**columns_of(documents), **kwargs})

    def _embed(self, texts: list[str]) -> ArrayLike:
        if isinstance(self._embedding, ArrayEmbedder):
            return self._embedding.embed_array(texts)
        return self._embedding.embed_documents(texts)

    async def _aembed(self, texts: list[str]) -> ArrayLike:
        if isinstance(self._embedding, ArrayEmbedder):
            return await self._embedding.aembed_array(texts)
        return await self._embedding.aembed_documents(texts)

    @override
    def delete(self, ids: Sequence[DocumentId] | None = None, **kwargs: Any) -> bool:
        """Delete documents.

        Args:
            ids: Which, in any spelling; None deletes every document. Those that are not there are
                passed over.
            **kwargs: ``filter`` deletes only documents that pass it as well.
        """
        self._driver.run(self._delete(ids, kwargs))
        return True

    @override
    async def adelete(self, ids: Sequence[DocumentId] | None = None, **kwargs: Any) -> bool:
        await self._driver.arun(self._delete(ids, kwargs))
        return True

    def _delete(self, ids: Sequence[DocumentId] | None, options: Mapping[str, Any]) -> Flow[None]:
        refuse_unknown("delete()", options, ("filter",))
        return self._collection.delete(ids, to_filter(options.get("filter")))
