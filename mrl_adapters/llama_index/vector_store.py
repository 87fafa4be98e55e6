"""The vector store for LlamaIndex: converts, and leaves the work to the core."""

from collections.abc import Mapping, Sequence
from typing import Any

from llama_index.core.vector_stores import (
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryResult,
)
from qdrant_client import AsyncQdrantClient, models
from typing_extensions import Self, Unpack, override

from mrl_adapters.arguments import whole
from mrl_adapters.llama_index.events import span
from mrl_adapters.llama_index.options import QueryOptions
from mrl_adapters.llama_index.searching import answer, answer_like, to_result
from mrl_adapters.llama_index.stock import (
    AT_ONCE,
    ORDER,
    StoreOptions,
    layout_fields,
    own_indexes,
    place_of,
    with_shard,
    with_words,
    words_of,
)
from mrl_adapters.llama_index.updates import ReplacedDocuments
from mrl_adapters.llama_index.writing import WritingStore
from mrl_adapters.qdrant import CollectionLayout, Driver, MatryoshkaCollection, connect
from mrl_adapters.qdrant.closing import ClosingStore
from mrl_adapters.qdrant.driver import Client
from mrl_adapters.qdrant.examples import Examples
from mrl_adapters.qdrant.flow import Flow
from mrl_adapters.qdrant.ids import DocumentId
from mrl_adapters.qdrant.payload_keys import AskedKeys
from mrl_adapters.qdrant.plan import Plan
from mrl_adapters.qdrant.stock import named, refuse_given


class MatryoshkaVectorStore(ClosingStore, WritingStore):
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
        whose = type(self).__name__
        stock = named(whose, rest, ORDER, options)
        fields = layout_fields(whose, stock, layout)
        layout = with_words(whose, layout, stock)
        whole("batch_size", stock.get("batch_size", 1))
        keys = AskedKeys(stock.get("text_key"))
        shown = {n: v for n, v in stock.items() if n in type(self).model_fields and v is not None}
        super().__init__(**{"collection_name": collection_name, **shown})
        self._stock = stock
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
            keys=keys,
            layout_fields=fields,
            words=words_of(stock),
        ).for_all_tenants(said=self._stock.get("all_tenants", False))
        self._replaced = ReplacedDocuments(self._collection)

    def for_tenant(self, tenant: str) -> Self:
        """Return this store as one tenant sees it.

        Whatever it searches, reads or deletes is the tenant's, whatever filters say; what it adds
        bears the tenant's name beside its metadata, and never takes another tenant's id. The
        layout's ``tenant_field`` is the metadata key of that name.

        Args:
            tenant: The tenant's name.

        Raises:
            ConfigurationError: It is no text, or this store is another tenant's already.
        """
        scoped = self.model_copy()
        scoped._collection = self._collection.for_tenant(tenant)  # noqa: SLF001 - its own class
        scoped._replaced = ReplacedDocuments(scoped._collection)  # noqa: SLF001
        return scoped

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
    def dense_vector_name(self) -> str:
        """Name of the full vector, as the layout has it."""
        layout = self._collection.layout
        return layout.full_name if layout else self._stock.get("dense_vector_name") or "full"

    @property
    def collection(self) -> MatryoshkaCollection:
        """The framework-free collection behind this store."""
        return self._collection

    @override
    @span
    def query(  # type: ignore[override] # unknown options are refused
        self, query: VectorStoreQuery, **options: Unpack[QueryOptions]
    ) -> VectorStoreQueryResult:
        """Find the nodes nearest to a query's embedding.

        Scores are the full vectors' own similarities; under Euclid and Manhattan
        1 / (1 + distance): the higher, the nearer, as LlamaIndex expects.

        Args:
            query: The query, in a mode of :mod:`mrl_adapters.llama_index.modes`. Ids and filters
                all have to hold; empty lists of ids mean no restriction, as LlamaIndex's own
                retrievers pass them. An embedding of zeros beside an empty ``query_str``, as auto
                retrievers pass for a blank question, takes any nodes that hold.
            **options: See :class:`~mrl_adapters.llama_index.options.QueryOptions`. Retrievers
                pass them on from their ``vector_store_kwargs``.

        Raises:
            ConfigurationError: The mode is another one, or an option does not exist.
            DimensionsError: The embedding's size is not the collection's.
            EmbeddingError: There is no embedding, or one with NaN, infinity or only zeros.
        """
        return self._driver.run(self._answer([query], options))[0]

    @override
    @span
    async def aquery(  # type: ignore[override] # unknown options are refused
        self, query: VectorStoreQuery, **options: Unpack[QueryOptions]
    ) -> VectorStoreQueryResult:
        """Find nodes, as :meth:`query` does."""
        return (await self._driver.arun(self._answer([query], options)))[0]

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
        return self._driver.run(self._answer(queries, options))

    @span
    async def aquery_batch(
        self, queries: Sequence[VectorStoreQuery], **options: Unpack[QueryOptions]
    ) -> list[VectorStoreQueryResult]:
        """Answer several queries in one request, as :meth:`query_batch` does."""
        return await self._driver.arun(self._answer(queries, options))

    @span
    def more_like_this(
        self,
        positive: Sequence[DocumentId],
        similarity_top_k: int = 4,
        *,
        negative: Sequence[DocumentId] = (),
        filters: MetadataFilters | None = None,
        **options: Unpack[QueryOptions],
    ) -> VectorStoreQueryResult:
        """Find nodes that are like stored ones; these are not among them.

        Args:
            positive: Ids of nodes that results are to be like.
            similarity_top_k: Nodes wanted.
            negative: Ids of nodes that results are not to be like.
            filters: Metadata filters.
            **options: See :class:`~mrl_adapters.llama_index.options.QueryOptions`.

        Raises:
            ConfigurationError: No node has one of the ids, there is no positive one, or an option
                does not exist.
            EmbeddingError: One of the nodes has no vector.
        """
        examples = Examples(positive, negative)
        return self._driver.run(self._like(examples, similarity_top_k, filters, options))

    @span
    async def amore_like_this(
        self,
        positive: Sequence[DocumentId],
        similarity_top_k: int = 4,
        *,
        negative: Sequence[DocumentId] = (),
        filters: MetadataFilters | None = None,
        **options: Unpack[QueryOptions],
    ) -> VectorStoreQueryResult:
        """Find nodes that are like stored ones, as :meth:`more_like_this` does."""
        examples = Examples(positive, negative)
        return await self._driver.arun(self._like(examples, similarity_top_k, filters, options))

    def parse_to_query_result(
        self, response: Sequence[models.ScoredPoint] | Sequence[models.Record]
    ) -> VectorStoreQueryResult:
        """Read points that a client of Qdrant found, as :meth:`query` answers with them.

        Args:
            response: The points, with their payloads.
        """
        if self._driver.client is not None:
            self._driver.run(self._collection.open())  # says by which keys its payloads are read
        layout, contents = self._collection.layout, self._collection.contents
        distance = layout.distance if layout else "Cosine"
        return to_result(response, contents, distance, self.dense_vector_name)

    def set_query_functions(self, **functions: Any) -> None:
        """Refuse what sparse and hybrid search would be made of later: a store has it at once."""
        refuse_given("set_query_functions()", functions, tuple(functions), AT_ONCE)

    def _answer(
        self, queries: Sequence[VectorStoreQuery], options: Mapping[str, Any]
    ) -> Flow[list[VectorStoreQueryResult]]:
        return answer(self._collection, queries, with_shard(options, self._stock))

    def _like(
        self,
        examples: Examples,
        similarity_top_k: int,
        filters: MetadataFilters | None,
        options: Mapping[str, Any],
    ) -> Flow[VectorStoreQueryResult]:
        query = VectorStoreQuery(similarity_top_k=similarity_top_k, filters=filters)
        return answer_like(self._collection, examples, query, with_shard(options, self._stock))
