"""The vector store for LlamaIndex: converts, and leaves the work to the core."""

from collections.abc import Sequence
from typing import Any

from llama_index.core.bridge.pydantic import PrivateAttr
from llama_index.core.schema import BaseNode
from llama_index.core.vector_stores import (
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryResult,
)
from llama_index.core.vector_stores.types import BasePydanticVectorStore
from qdrant_client import AsyncQdrantClient
from typing_extensions import Unpack, override

from mrl_adapters.arguments import refuse_unknown
from mrl_adapters.llama_index.events import span
from mrl_adapters.llama_index.options import QueryOptions
from mrl_adapters.llama_index.reserved import DOCUMENT_KEY
from mrl_adapters.llama_index.searching import answer
from mrl_adapters.llama_index.writing import (
    ReplacedDocuments,
    add_nodes,
    delete_nodes,
    read_nodes,
)
from mrl_adapters.qdrant import CollectionLayout, Driver, MatryoshkaCollection
from mrl_adapters.qdrant.driver import Client
from mrl_adapters.qdrant.ids import DocumentId
from mrl_adapters.qdrant.loading import Load
from mrl_adapters.qdrant.payload_keys import AskedKeys
from mrl_adapters.qdrant.plan import Plan

_EXACT_INDEXES = {"keyword", "integer", "float", "bool", "datetime", "uuid"}


class MatryoshkaVectorStore(BasePydanticVectorStore):
    """Search short vectors first, re-rank with full ones, in one Qdrant query.

    Takes the nodes' embeddings at full size and derives the short vectors; works with any
    embed_model, through VectorStoreIndex, IngestionPipeline or by itself. The collection is
    created by the first nodes; searching it before finds nothing. Its payloads are those of
    llama-index-vector-stores-qdrant.

    Args:
        collection_name: Name of the collection.
        client: EdgeClient or QdrantClient, from :func:`mrl_adapters.qdrant.connect`.
        aclient: Used by the async methods; None derives one from ``client``. With ``aclient``
            alone only the async methods work.
        layout: How a new collection is laid out; None takes the first embedding's size, and the
            stage from the model registry.
        plan: How it is searched: a SearchPlan, or a dict of the knobs to change.
        model: Name of the embedding model, kept with the collection; opening it with another is
            an error. None learns it from this package's embed_models, whose vectors are known by
            their numbers as long as they are stored by the process that made them, or from a
            MatryoshkaRetriever made before the first nodes.
        text_key: Where points that hold no node keep their text, as in the stock store; None
            takes what the collection says, or what a few of its points show without doubt.

    Examples:
        >>> from llama_index.core import StorageContext, VectorStoreIndex
        >>> from mrl_adapters.llama_index import MatryoshkaVectorStore
        >>> from mrl_adapters.qdrant import connect
        >>> store = MatryoshkaVectorStore("docs", connect(path="vectors"))
        >>> context = StorageContext.from_defaults(vector_store=store)
        >>> index = VectorStoreIndex.from_documents(documents, storage_context=context)
    """

    stores_text: bool = True
    flat_metadata: bool = False
    collection_name: str

    _collection: MatryoshkaCollection = PrivateAttr()
    _driver: Driver = PrivateAttr()
    _replaced: ReplacedDocuments = PrivateAttr()

    def __init__(
        self,
        collection_name: str,
        client: Client | None = None,
        aclient: AsyncQdrantClient | None = None,
        *,
        layout: CollectionLayout | None = None,
        plan: Plan | None = None,
        model: str | None = None,
        text_key: str | None = None,
    ) -> None:
        fields: dict[str, Any] = {"collection_name": collection_name}
        super().__init__(**fields)
        self._driver = Driver(client, aclient)
        self._collection = MatryoshkaCollection(
            collection_name,
            layout=layout,
            plan=plan,
            model=model,
            payload_indexes=_own_indexes(layout),
            keys=AskedKeys(text_key),
        )
        self._replaced = ReplacedDocuments(self._collection)

    @classmethod
    @override
    def class_name(cls) -> str:
        return "MatryoshkaVectorStore"

    @override
    def __getstate__(self) -> dict[str, Any]:
        # LlamaIndex would leave out what cannot be pickled: a store without its client.
        self._driver.__reduce__()
        return super().__getstate__()

    @property
    @override
    def client(self) -> Any:
        """The blocking client, or the asynchronous one if that is all there is."""
        return self._driver.client or self._driver.async_client

    @property
    def collection(self) -> MatryoshkaCollection:
        """The framework-free collection behind this store."""
        return self._collection

    @property
    def driver(self) -> Driver:
        """What runs the collection's flows on the client."""
        return self._driver

    # Writing

    @override
    def add(self, nodes: Sequence[BaseNode], **kwargs: Any) -> list[str]:
        """Store nodes; one with an id that is there already is replaced.

        Args:
            nodes: Nodes with embeddings of full size.
            **kwargs: ``shard_key``, the custom shard to write to.

        Returns:
            The nodes' ids.

        Raises:
            EmbeddingError: A node has no embedding, or one with NaN or infinity. Nothing was
                written.
            DimensionsError: The embeddings' size is not the collection's.

        Warns:
            ZeroVectorsWarning: Embeddings are all zeros: those nodes are stored, but no search
                finds them.

        Whatever ends the call says what became of it: the error's ``stored_ids`` and
        ``missing_ids``. The same call again completes it.
        """
        load = self._load(kwargs)
        with load.told():
            return self._driver.run(add_nodes(load, nodes, self._replaced))

    @override
    async def async_add(self, nodes: Sequence[BaseNode], **kwargs: Any) -> list[str]:
        """Store nodes, as :meth:`add` does."""
        load = self._load(kwargs)
        with load.told():
            return await self._driver.arun(add_nodes(load, nodes, self._replaced))

    def _load(self, options: dict[str, Any]) -> Load:
        refuse_unknown("add()", options, ("shard_key",))
        return Load(self._collection, shard_key=options.get("shard_key"))

    @override
    def delete(self, ref_doc_id: str, **delete_kwargs: Any) -> None:
        """Delete the nodes of one document; they are put back if its new form is refused.

        LlamaIndex updates a document by deleting and then adding it. The error that refuses the
        new form has ``restored_ids``, the documents whose old form is back.

        Args:
            ref_doc_id: The document's id; for a node that came from none, the node's own.
            **delete_kwargs: None are known.
        """
        refuse_unknown("delete()", delete_kwargs, ())
        self._driver.run(self._replaced.delete(ref_doc_id))

    @override
    async def adelete(self, ref_doc_id: str, **delete_kwargs: Any) -> None:
        """Delete the nodes of one document, as :meth:`delete` does."""
        refuse_unknown("delete()", delete_kwargs, ())
        await self._driver.arun(self._replaced.delete(ref_doc_id))

    @override
    def delete_nodes(
        self,
        node_ids: Sequence[DocumentId] | None = None,
        filters: MetadataFilters | None = None,
        **delete_kwargs: Any,
    ) -> None:
        """Delete nodes by id, by filters, or by both: those that satisfy both.

        Args:
            node_ids: Which; an empty list deletes none.
            filters: Metadata filters.
            **delete_kwargs: None are known.

        Raises:
            ConfigurationError: Neither ids nor filters are given.
        """
        refuse_unknown("delete_nodes()", delete_kwargs, ())
        self._driver.run(delete_nodes(self._collection, node_ids, filters))

    @override
    async def adelete_nodes(
        self,
        node_ids: Sequence[DocumentId] | None = None,
        filters: MetadataFilters | None = None,
        **delete_kwargs: Any,
    ) -> None:
        """Delete nodes, as :meth:`delete_nodes` does."""
        refuse_unknown("delete_nodes()", delete_kwargs, ())
        await self._driver.arun(delete_nodes(self._collection, node_ids, filters))

    @override
    def clear(self) -> None:
        """Delete every node; the collection and its layout stay."""
        self._driver.run(self._collection.delete())

    @override
    async def aclear(self) -> None:
        """Delete every node, as :meth:`clear` does."""
        await self._driver.arun(self._collection.delete())

    # Reading

    @override
    def get_nodes(
        self,
        node_ids: Sequence[DocumentId] | None = None,
        filters: MetadataFilters | None = None,
        limit: int | None = None,
        *,
        with_embeddings: bool = False,
    ) -> list[BaseNode]:
        """Read nodes by id, by filters, or by both: those that satisfy both.

        Args:
            node_ids: Which, None for all. Those that are not there are left out.
            filters: Metadata filters.
            limit: Stop after this many nodes; None reads all.
            with_embeddings: Whether nodes come with their embeddings, as stored: of unit length
                under Cosine, rounded to float16 unless the layout says otherwise.
        """
        return self._driver.run(
            read_nodes(self._collection, node_ids, filters, limit, with_embeddings=with_embeddings)
        )

    @override
    async def aget_nodes(
        self,
        node_ids: Sequence[DocumentId] | None = None,
        filters: MetadataFilters | None = None,
        limit: int | None = None,
        *,
        with_embeddings: bool = False,
    ) -> list[BaseNode]:
        """Read nodes, as :meth:`get_nodes` does."""
        return await self._driver.arun(
            read_nodes(self._collection, node_ids, filters, limit, with_embeddings=with_embeddings)
        )

    @override
    @span
    def query(  # type: ignore[override] # unknown options are refused
        self, query: VectorStoreQuery, **options: Unpack[QueryOptions]
    ) -> VectorStoreQueryResult:
        """Find the nodes nearest to a query's embedding.

        Scores are the full vectors' own similarities; under Euclid and Manhattan
        1 / (1 + distance): the higher, the nearer, as LlamaIndex expects.

        Args:
            query: The query, in mode DEFAULT or MMR. Ids and filters all have to hold; empty
                lists of ids mean no restriction, as LlamaIndex's own retrievers pass them.
            **options: See :class:`~mrl_adapters.llama_index.options.QueryOptions`. Retrievers
                pass them on from their ``vector_store_kwargs``.

        Raises:
            ConfigurationError: The mode is another one, or an option does not exist.
            DimensionsError: The embedding's size is not the collection's.
            EmbeddingError: There is no embedding, or one with NaN, infinity or only zeros.
        """
        return self._driver.run(answer(self._collection, [query], options))[0]

    @override
    @span
    async def aquery(  # type: ignore[override] # unknown options are refused
        self, query: VectorStoreQuery, **options: Unpack[QueryOptions]
    ) -> VectorStoreQueryResult:
        """Find nodes, as :meth:`query` does."""
        return (await self._driver.arun(answer(self._collection, [query], options)))[0]

    @span
    def query_batch(
        self, queries: Sequence[VectorStoreQuery], **options: Unpack[QueryOptions]
    ) -> list[VectorStoreQueryResult]:
        """Answer several queries in one request.

        Args:
            queries: As :meth:`query` takes them.
            **options: The same for all of them.

        Returns:
            One result a query.
        """
        return self._driver.run(answer(self._collection, queries, options))

    @span
    async def aquery_batch(
        self, queries: Sequence[VectorStoreQuery], **options: Unpack[QueryOptions]
    ) -> list[VectorStoreQueryResult]:
        """Answer several queries in one request, as :meth:`query_batch` does."""
        return await self._driver.arun(answer(self._collection, queries, options))


def _own_indexes(layout: CollectionLayout | None) -> dict[str, str]:
    """List the indexes that the store's own conditions need.

    Nodes are deleted by their document. Members of arrays are told from values by an index of
    their own (see :mod:`mrl_adapters.llama_index.filters`); it is empty where there are none.
    """
    wanted = dict(layout.payload_indexes) if layout else {}
    if layout and layout.tenant_field:
        wanted[layout.tenant_field] = "keyword"
    members = {f"{key}[]": kind for key, kind in wanted.items() if kind in _EXACT_INDEXES}
    return {DOCUMENT_KEY: "keyword", **members}
