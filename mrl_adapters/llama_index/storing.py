"""Write, read and delete nodes: flows over a collection."""

from collections.abc import Sequence

from llama_index.core.schema import BaseNode
from llama_index.core.vector_stores import MetadataFilters

from mrl_adapters.arguments import require_list, require_members
from mrl_adapters.errors import ConfigurationError, EmbeddingError
from mrl_adapters.llama_index.filters import to_filter
from mrl_adapters.llama_index.nodes import to_node, to_payload
from mrl_adapters.llama_index.provenance import check_models
from mrl_adapters.llama_index.queries import join, of_nodes
from mrl_adapters.llama_index.replaced import Replaced
from mrl_adapters.llama_index.reserved import refuse_unseen, unseen
from mrl_adapters.qdrant import MatryoshkaCollection
from mrl_adapters.qdrant.flow import Flow
from mrl_adapters.qdrant.ids import DocumentId, id_texts
from mrl_adapters.qdrant.loading import Load
from mrl_adapters.qdrant.payload import PlainPayloads
from mrl_adapters.qdrant.points import checked_vectors

_BATCH = 1_024
_INSTEAD = "Put texts into nodes with embeddings, or insert Documents into a VectorStoreIndex."


def add_nodes(load: Load, nodes: Sequence[BaseNode], replaced: Replaced) -> Flow[list[str]]:
    """Store nodes: every embedding is checked before anything is written.

    Args:
        load: Where to write.
        nodes: Nodes with embeddings of full size.
        replaced: The documents that these may be the new form of; refused, the old one is back.

    Returns:
        The nodes' ids.
    """
    given = list(require_list(nodes, "nodes", "nodes"))
    try:
        ids = yield from _add(load, given)
    except Exception as error:
        real = [each for each in given if isinstance(each, BaseNode)]
        yield from replaced.restore(real, load.stored, error)
        raise
    replaced.forget(given)
    return ids


def _add(load: Load, nodes: Sequence[BaseNode]) -> Flow[list[str]]:
    ids = id_texts(node.node_id for node in require_members(nodes, "nodes", BaseNode, _INSTEAD))
    load.ids += ids
    if not ids:
        return ids
    names = [f"node {identifier!r}" for identifier in ids]
    vectors = [_embedding(node) for node in nodes]
    yield from check_models(load.collection, vectors, learn=True)
    full = checked_vectors(vectors, names, None)
    payloads = [to_payload(node) for node in nodes]
    for start in range(0, len(ids), _BATCH):
        rows = slice(start, start + _BATCH)
        yield from load.add(ids[rows], full[rows], PlainPayloads(payloads[rows]))
    yield from load.finish()
    return ids


def read_nodes(
    collection: MatryoshkaCollection,
    node_ids: Sequence[DocumentId] | None,
    filters: MetadataFilters | None,
    limit: int | None,
    *,
    with_embeddings: bool,
) -> Flow[list[BaseNode]]:
    """Read the nodes that have one of some ids and pass filters.

    Args:
        collection: The collection.
        node_ids: Their ids, None for all.
        filters: Metadata filters.
        limit: Stop after this many nodes; None reads all.
        with_embeddings: Whether nodes come with their embeddings.
    """
    ids = None if node_ids is None else id_texts(node_ids, "node_ids")
    layout = yield from collection.open()
    if layout is None or ids == []:
        return []
    # An unnamed vector cannot be asked for by name.
    vectors = ([layout.full_name] if layout.full_name else True) if with_embeddings else False
    condition = to_filter(filters, layout.payload_indexes)
    if ids is not None and condition is None:
        records = yield from collection.get(ids, with_vectors=vectors)
        records = records[:limit]
    else:
        wanted = join(condition, of_nodes(ids))
        records = yield from collection.scroll(wanted, limit=limit, with_vectors=vectors)
    named = layout.full_name if with_embeddings else None
    return [to_node(record, collection.contents, named) for record in records]


def delete_nodes(
    collection: MatryoshkaCollection,
    node_ids: Sequence[DocumentId] | None,
    filters: MetadataFilters | None,
) -> Flow[None]:
    """Delete the nodes that have one of some ids and pass filters.

    Args:
        collection: The collection.
        node_ids: Their ids.
        filters: Metadata filters.

    Raises:
        ConfigurationError: Neither is given, or all nodes pass the filters; or they name metadata
            that they cannot see: see :mod:`mrl_adapters.llama_index.reserved`.
    """
    ids = None if node_ids is None else id_texts(node_ids, "node_ids")
    layout = yield from collection.open()
    condition = to_filter(filters, layout.payload_indexes if layout else None)
    if ids is None and condition is None:
        msg = "delete_nodes() got neither node_ids nor filters. To delete all, call clear()."
        raise ConfigurationError(msg)
    if (hiding := unseen(filters)) is not None:
        records = yield from collection.scroll(join(condition, of_nodes(ids), hiding))
        refuse_unseen(filters, records)
    yield from collection.delete(ids, condition)


def _embedding(node: BaseNode) -> list[float]:
    if node.embedding is None:
        msg = (
            f"Node {node.node_id!r} has no embedding. Put it in through a VectorStoreIndex or an "
            "IngestionPipeline with an embed_model, or set node.embedding."
        )
        raise EmbeddingError(msg)
    return node.embedding
