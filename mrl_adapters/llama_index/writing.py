"""Write, read and delete nodes, and keep what an update deletes until its new form is stored."""

import logging
from collections.abc import Iterable, Sequence

from llama_index.core.schema import BaseNode
from llama_index.core.vector_stores import MetadataFilters
from qdrant_client import models

from mrl_adapters.arguments import require_list, require_members
from mrl_adapters.errors import ConfigurationError, EmbeddingError
from mrl_adapters.llama_index.filters import join, of_documents, of_nodes, to_filter
from mrl_adapters.llama_index.points import to_node, to_payload
from mrl_adapters.llama_index.provenance import check_models
from mrl_adapters.llama_index.reserved import refuse_unseen, unseen
from mrl_adapters.qdrant import MatryoshkaCollection
from mrl_adapters.qdrant.flow import Flow
from mrl_adapters.qdrant.ids import DocumentId, id_texts
from mrl_adapters.qdrant.loading import Load
from mrl_adapters.qdrant.payload import PlainPayloads
from mrl_adapters.qdrant.points import checked_vectors
from mrl_adapters.qdrant.writing import put_back

logger: logging.Logger = logging.getLogger(__name__)

# Points of about 50 KB each; of a larger document the old form is not kept.
_MOST_POINTS = 1_000
_INSTEAD = "Put texts into nodes with embeddings, or insert Documents into a VectorStoreIndex."


class ReplacedDocuments:
    """The documents that were deleted last and have not been added again since.

    LlamaIndex updates a document by deleting it and then adding it. Where what is added is
    refused, the document would be gone in both forms: the old one is put back.
    """

    def __init__(self, collection: MatryoshkaCollection) -> None:
        self._collection = collection
        self._points: dict[str, list[models.Record]] = {}

    def delete(self, document_id: str) -> Flow[None]:
        """Delete a document's nodes, and keep them in memory."""
        nodes = of_documents([document_id])
        found = yield from self._collection.scroll(nodes, limit=_MOST_POINTS + 1, with_vectors=True)
        yield from self._collection.delete(query_filter=nodes)
        if found:
            self._points[document_id] = found
            while sum(map(len, self._points.values())) > _MOST_POINTS:
                del self._points[next(iter(self._points))]

    def forget(self, nodes: Iterable[BaseNode]) -> None:
        """Let go of documents whose new form is stored."""
        if self._points:
            for node in nodes:
                self._points.pop(_document_of(node), None)

    def restore(self, nodes: Iterable[BaseNode], stored: set[str], error: Exception) -> Flow[None]:
        """Put documents back of whose new form nothing is stored, and note them in the error."""
        nodes = list(nodes)
        half = {_document_of(node) for node in nodes if node.node_id in stored}
        lost = dict.fromkeys(_document_of(node) for node in nodes)
        wanted = [each for each in lost if each in self._points and each not in half]
        if not wanted:
            return
        points = [point for each in wanted for point in self._points[each]]
        try:
            layout = yield from self._collection.open(must_exist=True)
            if layout is not None:
                yield from put_back(self._collection.name, points, layout)
        except Exception:  # the first error says why; a later call may still put them back
            logger.exception("Documents %s were deleted, and cannot be put back now", wanted)
            return
        for each in wanted:
            del self._points[each]
        vars(error)["restored_ids"] = wanted
        message = f"Documents {wanted} were deleted before, to be replaced: they are back."
        logger.warning("Collection %r: %s", self._collection.name, message)
        if hasattr(error, "add_note"):  # since Python 3.11
            error.add_note(message)


def _document_of(node: BaseNode) -> str:
    return node.ref_doc_id or node.node_id


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
    payloads = [to_payload(node) for node in nodes]
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
    condition = to_filter(filters, layout.payload_indexes)
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
) -> Flow[None]:
    """Delete the nodes that have one of some ids and pass filters.

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
