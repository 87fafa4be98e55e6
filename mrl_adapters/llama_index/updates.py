"""Keep what an update deletes until its new form is stored."""

import logging
from collections.abc import Iterable

from llama_index.core.schema import BaseNode
from qdrant_client import models

from mrl_adapters.llama_index.filters import of_documents
from mrl_adapters.qdrant import MatryoshkaCollection
from mrl_adapters.qdrant.flow import Flow
from mrl_adapters.qdrant.layout import WriteOrdering
from mrl_adapters.qdrant.writing import put_back

logger: logging.Logger = logging.getLogger(__name__)

# Points of about 50 KB each; of a larger document the old form is not kept.
_MOST_POINTS = 1_000


class ReplacedDocuments:
    """The documents that were deleted last and have not been added again since.

    LlamaIndex updates a document by deleting it and then adding it. Where what is added is
    refused, the document would be gone in both forms: the old one is put back.
    """

    def __init__(self, collection: MatryoshkaCollection) -> None:
        self._collection = collection
        self._points: dict[str, list[models.Record]] = {}

    def delete(self, document_id: str, ordering: WriteOrdering | None = None) -> Flow[None]:
        """Delete a document's nodes, and keep them in memory."""
        nodes = of_documents([document_id])
        found = yield from self._collection.scroll(nodes, limit=_MOST_POINTS + 1, with_vectors=True)
        yield from self._collection.delete(query_filter=nodes, ordering=ordering)
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
