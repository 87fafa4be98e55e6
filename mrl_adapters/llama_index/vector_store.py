"""The vector store for LlamaIndex: converts, and leaves the work to the core."""

from collections.abc import Sequence
from typing import Any

from llama_index.core.bridge.pydantic import PrivateAttr
from llama_index.core.schema import BaseNode
from llama_index.core.vector_stores import (
    MetadataFilters,
)
from qdrant_client import AsyncQdrantClient
from typing_extensions import Unpack, override

from mrl_adapters.arguments import refuse_unknown, whole
from mrl_adapters.llama_index.options import AddOptions
from mrl_adapters.llama_index.searching import SearchingStore
from mrl_adapters.llama_index.stock import (
    ORDER,
    StoreOptions,
    layout_fields,
    own_indexes,
    place_of,
    refuse_shard,
    shard_key_of,
)
from mrl_adapters.llama_index.writing import (
    ReplacedDocuments,
    add_nodes,
    delete_nodes,
    read_nodes,
)
from mrl_adapters.qdrant import CollectionLayout, Driver, MatryoshkaCollection, connect
from mrl_adapters.qdrant.driver import Client
from mrl_adapters.qdrant.ids import DocumentId
from mrl_adapters.qdrant.loading import Load
from mrl_adapters.qdrant.payload_keys import AskedKeys
from mrl_adapters.qdrant.plan import Plan
from mrl_adapters.qdrant.stock import named


class MatryoshkaVectorStore(SearchingStore):
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
        *rest: The first options, in the stock store's order.
        **options: See :class:`~mrl_adapters.llama_index.stock.StoreOptions`.

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

    _replaced: ReplacedDocuments = PrivateAttr()
    _batch_size: int = PrivateAttr()

    def __init__(
        self,
        collection_name: str,
        client: Client | None = None,
        aclient: AsyncQdrantClient | None = None,
        *rest: Any,
        layout: CollectionLayout | None = None,
        plan: Plan | None = None,
        model: str | None = None,
        **options: Unpack[StoreOptions],
    ) -> None:
        fields: dict[str, Any] = {"collection_name": collection_name}
        super().__init__(**fields)
        whose = type(self).__name__
        self._stock = named(whose, rest, ORDER, options)
        fields = layout_fields(whose, self._stock, layout)
        self._batch_size = whole("batch_size", self._stock.get("batch_size", 1_024))
        place = place_of(self._stock)
        if client is None and aclient is None and place:
            client = connect(**place)
        self._driver = Driver(client, aclient)
        self._collection = MatryoshkaCollection(
            collection_name,
            layout=layout,
            plan=plan,
            model=model,
            payload_indexes=own_indexes(layout, fields, self._stock),
            keys=AskedKeys(self._stock.get("text_key")),
            layout_fields=fields,
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

    @override
    def add(  # type: ignore[override] # unknown options are refused
        self,
        nodes: Sequence[BaseNode],
        shard_identifier: Any = None,
        **options: Unpack[AddOptions],
    ) -> list[str]:
        """Store nodes; one with an id that is there already is replaced.

        Args:
            nodes: Nodes with embeddings of full size.
            shard_identifier: What ``shard_key_selector_fn`` makes a shard key of.
            **options: ``shard_key``, the custom shard to write to.

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
        load = self._load(shard_identifier, options)
        with load.told():
            return self._driver.run(add_nodes(load, nodes, self._replaced, self._batch_size))

    @override
    async def async_add(  # type: ignore[override] # unknown options are refused
        self,
        nodes: Sequence[BaseNode],
        shard_identifier: Any = None,
        **options: Unpack[AddOptions],
    ) -> list[str]:
        """Store nodes, as :meth:`add` does."""
        load = self._load(shard_identifier, options)
        with load.told():
            flow = add_nodes(load, nodes, self._replaced, self._batch_size)
            return await self._driver.arun(flow)

    def _load(self, shard_identifier: Any, options: AddOptions) -> Load:
        refuse_unknown("add()", options, ("shard_identifier", "shard_key"))
        shard_key = options.get("shard_key")
        if shard_identifier is not None:
            shard_key = shard_key_of(shard_identifier, self._stock)
        return Load(self._collection, shard_key=shard_key)

    @override
    def delete(self, ref_doc_id: str, shard_identifier: Any = None, **options: Any) -> None:
        """Delete the nodes of one document; they are put back if its new form is refused.

        LlamaIndex updates a document by deleting and then adding it. The error that refuses the
        new form has ``restored_ids``, the documents whose old form is back.

        Args:
            ref_doc_id: The document's id; for a node that came from none, the node's own.
            shard_identifier: Refused, as in all that is done wherever the nodes are.
            **options: None are known.
        """
        refuse_shard("delete()", shard_identifier, options)
        self._driver.run(self._replaced.delete(ref_doc_id))

    @override
    async def adelete(self, ref_doc_id: str, shard_identifier: Any = None, **options: Any) -> None:
        """Delete the nodes of one document, as :meth:`delete` does."""
        refuse_shard("delete()", shard_identifier, options)
        await self._driver.arun(self._replaced.delete(ref_doc_id))

    @override
    def delete_nodes(
        self,
        node_ids: Sequence[DocumentId] | None = None,
        filters: MetadataFilters | None = None,
        shard_identifier: Any = None,
        **options: Any,
    ) -> None:
        """Delete nodes by id, by filters, or by both: those that satisfy both.

        Args:
            node_ids: Which; an empty list deletes none.
            filters: Metadata filters.
            shard_identifier: Refused.
            **options: None are known.

        Raises:
            ConfigurationError: Neither ids nor filters are given.
        """
        refuse_shard("delete_nodes()", shard_identifier, options)
        self._driver.run(delete_nodes(self._collection, node_ids, filters))

    @override
    async def adelete_nodes(
        self,
        node_ids: Sequence[DocumentId] | None = None,
        filters: MetadataFilters | None = None,
        shard_identifier: Any = None,
        **options: Any,
    ) -> None:
        """Delete nodes, as :meth:`delete_nodes` does."""
        refuse_shard("delete_nodes()", shard_identifier, options)
        await self._driver.arun(delete_nodes(self._collection, node_ids, filters))

    @override
    def clear(self) -> None:
        """Delete the collection; the next nodes make it anew, of their size."""
        self._driver.run(self._collection.drop())

    @override
    async def aclear(self) -> None:
        """Delete the collection, as :meth:`clear` does."""
        await self._driver.arun(self._collection.drop())

    @override
    def get_nodes(
        self,
        node_ids: Sequence[DocumentId] | None = None,
        filters: MetadataFilters | None = None,
        limit: int | None = None,
        shard_identifier: Any = None,
        *,
        with_embeddings: bool = True,
    ) -> list[BaseNode]:
        """Read nodes by id, by filters, or by both: those that satisfy both.

        Args:
            node_ids: Which, None for all. Those that are not there are left out.
            filters: Metadata filters.
            limit: Stop after this many nodes; None reads all.
            shard_identifier: Refused.
            with_embeddings: Whether nodes come with their embeddings, as stored: of unit length
                under Cosine, rounded to float16 unless the layout says otherwise.
        """
        refuse_shard("get_nodes()", shard_identifier, {})
        return self._driver.run(
            read_nodes(self._collection, node_ids, filters, limit, with_embeddings=with_embeddings)
        )

    @override
    async def aget_nodes(
        self,
        node_ids: Sequence[DocumentId] | None = None,
        filters: MetadataFilters | None = None,
        limit: int | None = None,
        shard_identifier: Any = None,
        *,
        with_embeddings: bool = True,
    ) -> list[BaseNode]:
        """Read nodes, as :meth:`get_nodes` does."""
        refuse_shard("get_nodes()", shard_identifier, {})
        return await self._driver.arun(
            read_nodes(self._collection, node_ids, filters, limit, with_embeddings=with_embeddings)
        )
