"""The vector store for LangChain: converts, and leaves the work to the core."""

import copy
from collections.abc import Iterable
from typing import Any

from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from qdrant_client import AsyncQdrantClient, models
from typing_extensions import Self, Unpack, override

from mrl_adapters.arguments import refuse_unknown
from mrl_adapters.embeddings import Embedder
from mrl_adapters.embeddings.embedder import as_embedder
from mrl_adapters.embeddings.inspection import model_name
from mrl_adapters.langchain.batches import columns_of
from mrl_adapters.langchain.embedder import as_embeddings
from mrl_adapters.langchain.options import (
    STORE_OPTIONS,
    FromTextsOptions,
    OpenOptions,
    StoreOptions,
    existing_store_options,
    new_store_options,
)
from mrl_adapters.langchain.similar_documents import SimilarSearchingStore
from mrl_adapters.langchain.stock import (
    CONSTRUCT_ORDER,
    FROM_TEXTS_ORDER,
    SPARSE_VECTOR_NAME,
    STORE_ORDER,
    RetrievalMode,
    creation_options,
    layout_fields,
    retrieval_mode,
    sparse_vectors,
    store_plan,
    words_of,
)
from mrl_adapters.langchain.writing import WritingStore
from mrl_adapters.qdrant import CollectionLayout, Driver, MatryoshkaCollection
from mrl_adapters.qdrant.closing import ClosingStore
from mrl_adapters.qdrant.driver import Client
from mrl_adapters.qdrant.ids import DocumentId
from mrl_adapters.qdrant.modes import with_sparse
from mrl_adapters.qdrant.payload_keys import AskedKeys, PayloadKeys
from mrl_adapters.qdrant.plan import Plan
from mrl_adapters.qdrant.stock import named


class MatryoshkaVectorStore(ClosingStore, WritingStore, SimilarSearchingStore):
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

    Others are those of langchain-qdrant's store, in its order where they have no name: see
    :class:`~mrl_adapters.langchain.options.StoreOptions`.

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

    CONTENT_KEY = PayloadKeys.content
    METADATA_KEY = PayloadKeys.metadata
    VECTOR_NAME = CollectionLayout.full_name
    SPARSE_VECTOR_NAME = SPARSE_VECTOR_NAME

    def __init__(
        self,
        client: Client | None,
        collection_name: str,
        embedding: Embeddings | Embedder,
        *rest: Any,
        layout: CollectionLayout | None = None,
        plan: Plan | None = None,
        async_client: AsyncQdrantClient | None = None,
        **options: Unpack[StoreOptions],
    ) -> None:
        whose = type(self).__name__
        given = named(whose, rest, STORE_ORDER, options)
        refuse_unknown(whose, given, STORE_OPTIONS)
        self._driver = Driver(client, async_client)
        self.retrieval_mode: RetrievalMode = retrieval_mode(whose, given)
        """What finds documents unless a call says otherwise."""
        self._fields = layout_fields(whose, given, layout)
        self._sparse = sparse_vectors(whose, given)
        layout = with_sparse(whose, layout, self._sparse)
        content, metadata = map(given.get, ("content_payload_key", "metadata_payload_key"))
        self._asked = AskedKeys(content, metadata, kept=True)
        self._embedder = as_embedder(embedding)
        self._embeddings = as_embeddings(embedding)
        self._collection = MatryoshkaCollection(
            collection_name,
            layout=layout,
            plan=store_plan(whose, given, plan),
            model=model_name(embedding),
            keys=self._asked,
            layout_fields=self._fields,
            creation_options=creation_options(given),
            words=words_of(whose, given),
        ).for_all_tenants(said=given.get("all_tenants", False))

    def for_tenant(self, tenant: str) -> Self:
        """Return this store as one tenant sees it.

        Whatever it searches, reads, counts or deletes is the tenant's, whatever a filter says; what
        it adds bears the tenant's name in its metadata, and never takes another tenant's id. The
        layout's ``tenant_field`` is the metadata key of that name.

        Args:
            tenant: The tenant's name.

        Raises:
            ConfigurationError: It is no text, or this store is another tenant's already.
        """
        scoped = copy.copy(self)
        scoped._collection = self._collection.for_tenant(tenant)  # noqa: SLF001 - its own class
        return scoped

    @property
    def client(self) -> Any:
        """The blocking client, or the asynchronous one where that is all there is."""
        return self._driver.client or self._driver.async_client

    @property
    def collection(self) -> MatryoshkaCollection:
        """The framework-free collection behind this store."""
        return self._collection

    @property
    def collection_name(self) -> str:
        """Name of the collection."""
        return self._collection.name

    @property
    def vector_name(self) -> str:
        """Name of the full vector, as the collection has it once it has been opened."""
        layout = self._collection.layout
        return layout.full_name if layout else self._fields.get("full_name", self.VECTOR_NAME)

    @property
    def sparse_vector_name(self) -> str:
        """Name of the sparse vectors, as the collection has it once it has been opened."""
        layout = self._collection.layout
        sparse = (layout.sparse if layout else None) or self._sparse
        return sparse.name if sparse else self.SPARSE_VECTOR_NAME

    @property
    def sparse_embeddings(self) -> Any:
        """What computes the sparse vectors; None for BM25 in this process, and without any."""
        return self._sparse.encoder if self._sparse else None

    @property
    def distance(self) -> models.Distance:
        """How vectors are compared, as the collection has it once it has been opened."""
        layout = self._collection.layout
        fields = vars(layout) if layout else self._fields
        return models.Distance(fields.get("distance", "Cosine"))

    @property
    def content_payload_key(self) -> str:
        """Where payloads keep the text, as the collection has it once it has been opened."""
        return self._asked.content or self._collection.keys.content

    @property
    def metadata_payload_key(self) -> str | None:
        """Where payloads keep the metadata; None where they stand beside the text."""
        return self._asked.metadata or self._collection.keys.metadata

    @property
    @override
    def embeddings(self) -> Embeddings:
        """What texts are embedded with; an embedder of another kind in LangChain's class."""
        return self._embeddings

    @classmethod
    def construct_instance(
        cls, embedding: Embeddings | Embedder, *rest: Any, **options: Any
    ) -> Self:
        """Make a store as langchain-qdrant does; its collection is made by the first documents.

        Args:
            embedding: Any LangChain Embeddings.
            *rest: The first options, in langchain-qdrant's order.
            **options: ``client_options``, a dict of the arguments of
                :func:`~mrl_adapters.qdrant.connect`; others as for :meth:`from_texts`.
        """
        given = named("construct_instance()", rest, CONSTRUCT_ORDER, options)
        place = given.pop("client_options", None) or {}
        own, _ = new_store_options("construct_instance()", {**place, **given})
        store = cls(embedding=embedding, **own)
        if given.get("force_recreate"):
            store.driver.run(store.collection.drop())
        return store

    @classmethod
    @override
    def from_texts(  # type: ignore[override] # unknown options are refused
        cls,
        texts: Iterable[str],
        embedding: Embeddings | Embedder,
        metadatas: Iterable[dict[str, Any] | None] | None = None,
        ids: Iterable[DocumentId | None] | None = None,
        *rest: Any,
        **options: Unpack[FromTextsOptions],
    ) -> Self:
        """Make a store, and its collection if it does not exist, and add texts.

        Args:
            texts: The texts; a generator is read batch by batch.
            embedding: Any LangChain Embeddings.
            metadatas: One mapping a text.
            ids: One id a text, None entries for new ids.
            *rest: The first options, in langchain-qdrant's order.
            **options: See :class:`~mrl_adapters.langchain.options.FromTextsOptions`.
        """
        given = named("from_texts()", rest, FROM_TEXTS_ORDER, options)
        own, adding = new_store_options("from_texts()", given)
        store = cls(embedding=embedding, **own)
        if given.get("force_recreate"):
            store.driver.run(store.collection.drop())
        store.add_texts(texts, metadatas, ids, **adding)
        return store

    @classmethod
    @override
    async def afrom_texts(  # type: ignore[override] # unknown options are refused
        cls,
        texts: Iterable[str],
        embedding: Embeddings | Embedder,
        metadatas: Iterable[dict[str, Any] | None] | None = None,
        ids: Iterable[DocumentId | None] | None = None,
        *rest: Any,
        **options: Unpack[FromTextsOptions],
    ) -> Self:
        """Make a store and add texts, as :meth:`from_texts` does."""
        given = named("from_texts()", rest, FROM_TEXTS_ORDER, options)
        own, adding = new_store_options("from_texts()", given)
        store = cls(embedding=embedding, **own)
        if given.get("force_recreate"):
            await store.driver.arun(store.collection.drop())
        await store.aadd_texts(texts, metadatas, ids, **adding)
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
        collection_name: str,
        embedding: Embeddings | Embedder,
        *rest: Any,
        **options: Unpack[OpenOptions],
    ) -> Self:
        """Open a collection that exists; its layout is read from it.

        Args:
            collection_name: Name of the collection.
            embedding: The Embeddings that it was written with.
            *rest: The first options, in langchain-qdrant's order.
            **options: See :class:`~mrl_adapters.langchain.options.OpenOptions`.

        Raises:
            CollectionMismatchError: It does not exist, was written by another model, or keeps its
                payloads under other keys.
        """
        store = cls(embedding=embedding, **existing_store_options(collection_name, rest, options))
        store.driver.run(store.collection.open(must_exist=True))
        return store

    @classmethod
    async def afrom_existing_collection(
        cls,
        collection_name: str,
        embedding: Embeddings | Embedder,
        *rest: Any,
        **options: Unpack[OpenOptions],
    ) -> Self:
        """Open a collection that exists, as :meth:`from_existing_collection` does."""
        store = cls(embedding=embedding, **existing_store_options(collection_name, rest, options))
        await store.driver.arun(store.collection.open(must_exist=True))
        return store
