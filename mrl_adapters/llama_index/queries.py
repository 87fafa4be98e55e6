"""LlamaIndex's queries to the core's searches, and the answers back."""

from collections.abc import Sequence

import numpy as np
from llama_index.core.vector_stores import VectorStoreQuery, VectorStoreQueryResult
from llama_index.core.vector_stores.types import VectorStoreQueryMode
from qdrant_client import models

from mrl_adapters.arguments import require_list, whole
from mrl_adapters.embeddings.texts import require_query
from mrl_adapters.errors import ConfigurationError, EmbeddingError
from mrl_adapters.llama_index.events import MatryoshkaSearchEvent, dispatcher, listened
from mrl_adapters.llama_index.filters import to_filter
from mrl_adapters.llama_index.nodes import DOCUMENT_KEY, to_node
from mrl_adapters.llama_index.options import QueryOptions
from mrl_adapters.llama_index.provenance import check_models
from mrl_adapters.qdrant import MatryoshkaCollection, SearchPlan
from mrl_adapters.qdrant.contents import Contents
from mrl_adapters.qdrant.engine import engine_of
from mrl_adapters.qdrant.filters import admitted
from mrl_adapters.qdrant.flow import Flow, ask
from mrl_adapters.qdrant.ids import DocumentId, id_text, id_texts, stored_ids
from mrl_adapters.qdrant.query import Search, chosen_stages, diversity

_MIN_MMR_CANDIDATES = 20
_FARTHER_IS_HIGHER = frozenset({"Euclid", "Manhattan"})


def answer(
    collection: MatryoshkaCollection,
    queries: Sequence[VectorStoreQuery],
    options: QueryOptions,
) -> Flow[list[VectorStoreQueryResult]]:
    """Answer several queries in one request, and tell the instrumentation of each.

    Args:
        collection: The collection.
        queries: The queries.
        options: What holds for all of them.

    Returns:
        One result a query.
    """
    require_list(queries, "queries", "queries")
    yield from check_models(collection, [query.query_embedding for query in queries])
    layout = yield from collection.open()
    indexes = layout.payload_indexes if layout else {}
    searches = [_search(query, options, to_filter(query.filters, indexes)) for query in queries]
    plan = options.plan_over(collection.plan)
    answers = yield from collection.search(searches, plan)
    if listened():
        engine = yield from ask(engine_of)
        stages = chosen_stages(layout, plan, engine) if layout else ()
        _tell(collection.name, stages, plan, searches, answers)
    distance = layout.distance if layout else "Cosine"
    return [_result(points, collection.contents, distance) for points in answers]


def _tell(
    name: str,
    stages: Sequence[int],
    plan: SearchPlan,
    searches: Sequence[Search],
    answers: Sequence[Sequence[models.ScoredPoint]],
) -> None:
    for search, points in zip(searches, answers, strict=True):
        dispatcher.event(
            MatryoshkaSearchEvent(
                collection_name=name,
                similarity_top_k=search.k,
                stages=list(stages),
                shortlists=plan.shortlists(len(stages), search.reach),
                found=len(points),
            )
        )


def _result(
    points: Sequence[models.ScoredPoint], contents: Contents, distance: str
) -> VectorStoreQueryResult:
    nodes = [to_node(point, contents) for point in points]
    return VectorStoreQueryResult(
        nodes=nodes,
        similarities=[similarity(point.score, distance) for point in points],
        ids=[node.node_id for node in nodes],
    )


def similarity(score: float, distance: str) -> float:
    """Give a score as LlamaIndex reads one: the higher, the nearer.

    Args:
        score: What the engine gives: a similarity, or a distance under Euclid and Manhattan.
        distance: The collection's.

    Returns:
        The similarity; of a distance d it is 1 / (1 + d), so that d is ``1 / similarity - 1``.
    """
    return 1.0 / (1.0 + score) if distance in _FARTHER_IS_HIGHER else score


def _search(
    query: VectorStoreQuery, options: QueryOptions, condition: models.Filter | None
) -> Search:
    threshold = _mmr_threshold(query, options)
    if query.query_embedding is None:
        if query.query_str is not None:
            require_query(query.query_str)  # LlamaIndex does not embed a blank one
        msg = "The query has no embedding. Set query_embedding, or use a retriever."
        raise EmbeddingError(msg)
    k = whole("similarity_top_k", query.similarity_top_k)
    fetch_k = options.mmr_prefetch_k
    documents = of_documents(query.doc_ids) if query.doc_ids else None
    return Search(
        vector=np.asarray(query.query_embedding, dtype=np.float32),
        k=k,
        query_filter=join(
            condition, of_nodes(query.node_ids or None), documents, options.qdrant_filters
        ),
        score_threshold=options.score_threshold,
        mmr_lambda=threshold,
        fetch_k=(
            max(_MIN_MMR_CANDIDATES, 4 * k) if fetch_k is None else whole("mmr_prefetch_k", fetch_k)
        ),
    )


def _mmr_threshold(query: VectorStoreQuery, options: QueryOptions) -> float | None:
    threshold = query.mmr_threshold if options.mmr_threshold is None else options.mmr_threshold
    if query.mode == VectorStoreQueryMode.MMR:
        return 0.5 if threshold is None else diversity("mmr_threshold", threshold)
    if query.mode != VectorStoreQueryMode.DEFAULT:
        msg = (
            f"Query mode {query.mode.name}: this store holds dense vectors only. Use mode DEFAULT "
            "or MMR."
        )
        raise ConfigurationError(msg)
    if threshold is not None or options.mmr_prefetch_k is not None:
        msg = "mmr_threshold and mmr_prefetch_k need the query mode MMR, found DEFAULT."
        raise ConfigurationError(msg)
    return None


def of_documents(ids: Sequence[DocumentId]) -> models.Filter:
    """Select the nodes of some documents.

    Args:
        ids: The documents' ids, at least one.

    Raises:
        ConfigurationError: They are no list, or one of them is no id.
    """
    given = [id_text(each, "A document's id") for each in require_list(ids, "doc_ids", "ids")]
    match = models.MatchValue(value=given[0]) if len(given) == 1 else models.MatchAny(any=given)
    return models.Filter(must=[models.FieldCondition(key=DOCUMENT_KEY, match=match)])


def of_nodes(ids: Sequence[DocumentId] | None) -> models.Filter | None:
    """Select nodes by id.

    Args:
        ids: Their ids; None selects all.
    """
    if ids is None:
        return None
    return models.Filter(must=[models.HasIdCondition(has_id=stored_ids(id_texts(ids, "node_ids")))])


def join(*filters: models.Filter | None) -> models.Filter | None:
    """Select what passes all of some filters.

    Args:
        *filters: Filters; None, and one that restricts nothing, pass everything.
    """
    given = [each for each in map(admitted, filters) if each is not None]
    return given[0] if len(given) == 1 else models.Filter(must=[*given]) if given else None
