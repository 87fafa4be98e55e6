"""The vector store for LangChain: converts, and leaves the work to the core."""

from collections.abc import Iterable
from typing import Any

from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from qdrant_client import AsyncQdrantClient
from typing_extensions import Self, Unpack, override

from mrl_adapters.embeddings import Embedder
from mrl_adapters.embeddings.embedder import as_embedder
from mrl_adapters.embeddings.inspection import model_name
from mrl_adapters.langchain.batches import columns_of
from mrl_adapters.langchain.embedder import as_embeddings
from mrl_adapters.langchain.options import (
    FromTextsOptions,
    OpenOptions,
    existing_store_options,
    new_store_options,
)
from mrl_adapters.langchain.searching import SearchingStore
from mrl_adapters.langchain.writing import WritingStore
from mrl_adapters.qdrant import CollectionLayout, Driver, MatryoshkaCollection
from mrl_adapters.qdrant.driver import Client
from mrl_adapters.qdrant.ids import DocumentId
from mrl_adapters.qdrant.payload_keys import AskedKeys
from mrl_adapters.qdrant.plan import Plan


class MatryoshkaVectorStore(WritingStore, SearchingStore):
    """Search short vectors first, re-rank with full ones, in one Qdrant query.

    Every text is embedded once, at full size; the short vectors are derived. The collection is
    created by the first documents; searching it before finds nothing.

    Setup:
        ``pip install 'mrl-adapters[langchain]'``

    Key init args:
        client: EdgeClient or QdrantClient, from :func:`mrl_adapters.qdrant.connect`.
        collection_name: Name of the collection.
        embedding: Any LangChain Embeddings, or an embedder of ``mrl_adapters.embeddings``, at its
            full size.
        layout: How a new collection is laid out; None takes the stage from the model registry.
        plan: How it is searched: a SearchPlan, or a dict of the knobs to change.
        async_client: Used by the async methods; None derives one from ``client``.
        content_payload_key, metadata_payload_key: Where payloads keep the text and the metadata,
            as in langchain-qdrant. None takes what the collection says, or what a few of its
            points show without doubt, or ``page_content`` and ``metadata``; a new collection
            keeps them, and opening it with others is an error.

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
        content_payload_key: str | None = None,
        metadata_payload_key: str | None = None,
    ) -> None:
        self._driver = Driver(client, async_client)
        self._embedder = as_embedder(embedding)
        self._embeddings = as_embeddings(embedding)
        self._collection = MatryoshkaCollection(
            collection_name,
            layout=layout,
            plan=plan,
            model=model_name(embedding),
            keys=AskedKeys(content_payload_key, metadata_payload_key, kept=True),
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
        """What texts are embedded with; an embedder of another kind in LangChain's class."""
        return self._embeddings

    @classmethod
    @override
    def from_texts(  # type: ignore[override] # unknown options are refused
        cls,
        texts: Iterable[str],
        embedding: Embeddings | Embedder,
        metadatas: Iterable[dict[str, Any] | None] | None = None,
        *,
        ids: Iterable[DocumentId | None] | None = None,
        **options: Unpack[FromTextsOptions],
    ) -> Self:
        """Make a store, and its collection if it does not exist, and add texts.

        Args:
            texts: The texts; a generator is read batch by batch.
            embedding: Any LangChain Embeddings.
            metadatas: One mapping a text.
            ids: One id a text, None entries for new ids.
            **options: ``collection_name`` (required), and others: see
                :class:`~mrl_adapters.langchain.options.FromTextsOptions`.
        """
        own, adding = new_store_options(options)
        store = cls(embedding=embedding, **own)
        store.add_texts(texts, metadatas, ids=ids, **adding)
        return store

    @classmethod
    @override
    async def afrom_texts(  # type: ignore[override] # unknown options are refused
        cls,
        texts: Iterable[str],
        embedding: Embeddings | Embedder,
        metadatas: Iterable[dict[str, Any] | None] | None = None,
        *,
        ids: Iterable[DocumentId | None] | None = None,
        **options: Unpack[FromTextsOptions],
    ) -> Self:
        """Make a store and add texts, as :meth:`from_texts` does."""
        own, adding = new_store_options(options)
        store = cls(embedding=embedding, **own)
        await store.aadd_texts(texts, metadatas, ids=ids, **adding)
        return store

    @classmethod
    @override
    def from_documents(
        cls, documents: Iterable[Document], embedding: Embeddings | Embedder, **options: Any
    ) -> Self:
        """Make a store and add documents, as :meth:`from_texts` does; their own ids are kept."""
        return cls.from_texts(embedding=embedding, **{**columns_of(documents), **options})

    @classmethod
    @override
    async def afrom_documents(
        cls, documents: Iterable[Document], embedding: Embeddings | Embedder, **options: Any
    ) -> Self:
        """Make a store and add documents, as :meth:`from_documents` does."""
        return await cls.afrom_texts(embedding=embedding, **{**columns_of(documents), **options})

    @classmethod
    def from_existing_collection(
        cls,
        embedding: Embeddings | Embedder,
        collection_name: str,
        **options: Unpack[OpenOptions],
    ) -> Self:
        """Open a collection that exists; its layout is read from it.

        Args:
            embedding: The Embeddings that it was written with.
            collection_name: Name of the collection.
            **options: See :class:`~mrl_adapters.langchain.options.OpenOptions`.

        Raises:
            CollectionMismatchError: It does not exist, was written by another model, or keeps its
                payloads under other keys.
        """
        own = existing_store_options({**options, "collection_name": collection_name})
        store = cls(embedding=embedding, **own)
        store.driver.run(store.collection.open(must_exist=True))
        return store

    @classmethod
    async def afrom_existing_collection(
        cls,
        embedding: Embeddings | Embedder,
        collection_name: str,
        **options: Unpack[OpenOptions],
    ) -> Self:
        """Open a collection that exists, as :meth:`from_existing_collection` does."""
        own = existing_store_options({**options, "collection_name": collection_name})
        store = cls(embedding=embedding, **own)
        await store.driver.arun(store.collection.open(must_exist=True))
        return store
