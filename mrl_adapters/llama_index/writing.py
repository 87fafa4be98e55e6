"""How nodes get into a LlamaIndex store and out of it again, sync and async."""

from collections.abc import Sequence
from typing import Any

from llama_index.core.bridge.pydantic import Field, PrivateAttr
from llama_index.core.schema import BaseNode
from llama_index.core.vector_stores import MetadataFilters
from llama_index.core.vector_stores.types import BasePydanticVectorStore
from typing_extensions import Unpack, override

from mrl_adapters.arguments import refuse_unknown, require_list, require_members
from mrl_adapters.errors import ConfigurationError, EmbeddingError
from mrl_adapters.llama_index.filters import filter_for, join, of_nodes
from mrl_adapters.llama_index.options import AddOptions
from mrl_adapters.llama_index.points import to_node, to_payload
from mrl_adapters.llama_index.provenance import check_models
from mrl_adapters.llama_index.reserved import refuse_unseen, unseen
from mrl_adapters.llama_index.stock import refuse_shard, shard_key_of
from mrl_adapters.llama_index.updates import ReplacedDocuments
from mrl_adapters.qdrant import Driver, MatryoshkaCollection
from mrl_adapters.qdrant.flow import Flow
from mrl_adapters.qdrant.ids import DocumentId, id_texts
from mrl_adapters.qdrant.layout import WriteOrdering
from mrl_adapters.qdrant.loading import Load
from mrl_adapters.qdrant.payload import PlainPayloads
from mrl_adapters.qdrant.points import checked_vectors

_INSTEAD = "Put texts into nodes with embeddings, or insert Documents into a VectorStoreIndex."


class WritingStore(BasePydanticVectorStore):
    """The writing and reading half of :class:`~mrl_adapters.llama_index.MatryoshkaVectorStore`."""

    collection_name: str
    # What the stock store shows of its arguments; it is not serialised, for there may be secrets.
    url: str | None = Field(None, exclude=True, repr=False)
    client_kwargs: dict[str, Any] = Field(default_factory=dict, exclude=True, repr=False)
    batch_size: int = Field(1_024, exclude=True)
    parallel: int = Field(1, exclude=True)
    max_retries: int = Field(3, exclude=True)
    text_key: str | None = Field(None, exclude=True)
    index_doc_id: bool = Field(default=True, exclude=True)
    enable_hybrid: bool = Field(default=False, exclude=True)

    _collection: MatryoshkaCollection = PrivateAttr()
    _driver: Driver = PrivateAttr()
    _replaced: ReplacedDocuments = PrivateAttr()
    _stock: dict[str, Any] = PrivateAttr()

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
            **options: ``shard_key``, the custom shard to write to; ``ordering``.

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
            return self._driver.run(add_nodes(load, nodes, self._replaced, self.batch_size))

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
            flow = add_nodes(load, nodes, self._replaced, self.batch_size)
            return await self._driver.arun(flow)

    def _load(self, shard_identifier: Any, options: AddOptions) -> Load:
        refuse_unknown("add()", options, ("shard_key", "shard_identifier", "ordering"))
        shard_key = options.get("shard_key")
        if shard_identifier is not None:
            shard_key = shard_key_of(shard_identifier, self._stock)
        return Load(self._collection, shard_key=shard_key, ordering=options.get("ordering"))

    @override
    def delete(self, ref_doc_id: str, shard_identifier: Any = None, **options: Any) -> None:
        """Delete the nodes of one document; they are put back if its new form is refused.

        LlamaIndex updates a document by deleting and then adding it. The error that refuses the
        new form has ``restored_ids``, the documents whose old form is back.

        Args:
            ref_doc_id: The document's id; for a node that came from none, the node's own.
            shard_identifier: Refused, as in all that is done wherever the nodes are.
            **options: ``ordering``, of concurrent writes: weak, medium or strong.
        """
        refuse_shard("delete()", shard_identifier, options, "ordering")
        self._driver.run(self._replaced.delete(ref_doc_id, options.get("ordering")))

    @override
    async def adelete(self, ref_doc_id: str, shard_identifier: Any = None, **options: Any) -> None:
        """Delete the nodes of one document, as :meth:`delete` does."""
        refuse_shard("delete()", shard_identifier, options, "ordering")
        await self._driver.arun(self._replaced.delete(ref_doc_id, options.get("ordering")))

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
            **options: ``ordering``, of concurrent writes: weak, medium or strong.

        Raises:
            ConfigurationError: Neither ids nor filters are given.
        """
        refuse_shard("delete_nodes()", shard_identifier, options, "ordering")
        self._driver.run(delete_nodes(self._collection, node_ids, filters, options.get("ordering")))

    @override
    async def adelete_nodes(
        self,
        node_ids: Sequence[DocumentId] | None = None,
        filters: MetadataFilters | None = None,
        shard_identifier: Any = None,
        **options: Any,
    ) -> None:
        """Delete nodes, as :meth:`delete_nodes` does."""
        refuse_shard("delete_nodes()", shard_identifier, options, "ordering")
        await self._driver.arun(
            delete_nodes(self._collection, node_ids, filters, options.get("ordering"))
        )

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


def add_nodes(
    load: Load, nodes: Sequence[BaseNode], replaced: ReplacedDocuments, batch_size: int
) -> Flow[list[str]]:
    """Store nodes, every embedding checked before anything is written, and return their ids."""
    given = list(require_list(nodes, "nodes", "nodes"))
    try:
        ids = yield from _add(load, given, batch_size)
    except Exception as error:
        real = [each for each in given if isinstance(each, BaseNode)]
        yield from replaced.restore(real, load.stored, error)
        raise
    replaced.forget(given)
    return ids


def _add(load: Load, nodes: Sequence[BaseNode], batch_size: int) -> Flow[list[str]]:
    ids = id_texts(node.node_id for node in require_members(nodes, "nodes", BaseNode, _INSTEAD))
    load.ids += ids
    if not ids:
        return ids
    names = [f"node {identifier!r}" for identifier in ids]
    vectors = [_embedding(node) for node in nodes]
    yield from check_models(load.collection, vectors, learn=True)
    full = checked_vectors(vectors, names, None)
    yield from load.collection.open()
    payloads = [to_payload(node, load.collection.text_field) for node in nodes]
    for start in range(0, len(ids), batch_size):
        rows = slice(start, start + batch_size)
        yield from load.add(ids[rows], full[rows], PlainPayloads(payloads[rows]))
    yield from load.finish()
    return ids


def _embedding(node: BaseNode) -> list[float]:
    if node.embedding is None:
        msg = (
            f"Node {node.node_id!r} has no embedding. Put it in through a VectorStoreIndex or an "
            "IngestionPipeline with an embed_model, or set node.embedding."
        )
        raise EmbeddingError(msg)
    return node.embedding


def read_nodes(
    collection: MatryoshkaCollection,
    node_ids: Sequence[DocumentId] | None,
    filters: MetadataFilters | None,
    limit: int | None,
    *,
    with_embeddings: bool,
) -> Flow[list[BaseNode]]:
    """Read the nodes that have one of some ids and pass filters."""
    ids = None if node_ids is None else id_texts(node_ids, "node_ids")
    layout = yield from collection.open()
    if layout is None or ids == []:
        return []
    # An unnamed vector cannot be asked for by name.
    vectors = ([layout.full_name] if layout.full_name else True) if with_embeddings else False
    condition = filter_for(collection, filters)
    if ids is not None and condition is None:
        records = yield from collection.get(ids, with_vectors=vectors)
        records = records[:limit]
    else:
        wanted = join(condition, of_nodes(ids))
        records = yield from collection.scroll(wanted, limit=limit, with_vectors=vectors)
    vector_name = layout.full_name if with_embeddings else None
    return [to_node(record, collection.contents, vector_name) for record in records]


def delete_nodes(
    collection: MatryoshkaCollection,
    node_ids: Sequence[DocumentId] | None,
    filters: MetadataFilters | None,
    ordering: WriteOrdering | None = None,
) -> Flow[None]:
    """Delete the nodes that have one of some ids and pass filters.

    Raises:
        ConfigurationError: Neither is given, or all nodes pass the filters; or they name metadata
            that they cannot see: see :mod:`mrl_adapters.llama_index.reserved`.
    """
    ids = None if node_ids is None else id_texts(node_ids, "node_ids")
    yield from collection.open()
    condition = filter_for(collection, filters)
    if ids is None and condition is None:
        msg = "delete_nodes() got neither node_ids nor filters. To delete all, call clear()."
        raise ConfigurationError(msg)
    if (hiding := unseen(filters)) is not None:
        records = yield from collection.scroll(join(condition, of_nodes(ids), hiding))
        refuse_unseen(filters, records)
    yield from collection.delete(ids, condition, ordering=ordering)
