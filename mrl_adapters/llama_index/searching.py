"""LlamaIndex's queries to the core's searches, and the answers back."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from llama_index.core.vector_stores import VectorStoreQuery, VectorStoreQueryResult
from llama_index.core.vector_stores.types import VectorStoreQueryMode
from qdrant_client import models

from mrl_adapters.arguments import MOST, refuse_unknown, require_list, whole
from mrl_adapters.embeddings.texts import require_query
from mrl_adapters.errors import ConfigurationError, EmbeddingError
from mrl_adapters.llama_index.events import MatryoshkaSearchEvent, dispatcher, listened
from mrl_adapters.llama_index.filters import filter_for, join, of_documents, of_nodes
from mrl_adapters.llama_index.modes import checked_mode, needs_embedding, plan_of, wanted
from mrl_adapters.llama_index.options import QUERY_OPTIONS, group_by, search_plan
from mrl_adapters.llama_index.points import add_signals, to_node
from mrl_adapters.llama_index.provenance import check_models
from mrl_adapters.qdrant import GroupBy, MatryoshkaCollection, SearchPlan
from mrl_adapters.qdrant.contents import Contents
from mrl_adapters.qdrant.engine import engine_of
from mrl_adapters.qdrant.examples import Examples, search_like
from mrl_adapters.qdrant.flow import Flow, ask
from mrl_adapters.qdrant.groups import ungrouped
from mrl_adapters.qdrant.modes import scores_vectors
from mrl_adapters.qdrant.payload_keys import checked_added_key
from mrl_adapters.qdrant.plan import Plan
from mrl_adapters.qdrant.query import Search, chosen_stages, diversity
from mrl_adapters.qdrant.signals import refuse_signals
from mrl_adapters.vectors import FloatArray

_MIN_MMR_CANDIDATES = 20
_FARTHER_IS_HIGHER = frozenset({"Euclid", "Manhattan"})


def answer(
    collection: MatryoshkaCollection,
    queries: Sequence[VectorStoreQuery],
    options: Mapping[str, Any],
) -> Flow[list[VectorStoreQueryResult]]:
    """Answer several queries, those of one mode in one request."""
    refuse_unknown("A query", options, QUERY_OPTIONS)
    require_list(queries, "queries", "queries")
    key = checked_added_key("signals_key", options.get("signals_key"))
    yield from check_models(collection, [query.query_embedding for query in queries])
    yield from collection.open()
    searches = [
        build_search(query, options, filter_for(collection, query.filters)) for query in queries
    ]
    results: dict[int, VectorStoreQueryResult] = {}
    pending: list[tuple[Plan | None, list[int]]] = []
    for place, (query, search) in enumerate(zip(queries, searches, strict=True)):
        if _asks_nothing(query):
            records = yield from collection.scroll(search.query_filter, limit=search.k)
            results[place] = to_result(records, collection.contents, "Cosine", unscored=0.0)
            continue
        changes = plan_of(query, options, collection.plan)
        same = next((places for plan, places in pending if plan == changes), None)
        if same is None:
            pending.append((changes, [place]))
        else:
            same.append(place)
    for changes, places in pending:
        asked = [searches[place] for place in places]
        found = yield from _search(collection, asked, changes, group_by(options, collection))
        if key is not None:
            signals = yield from collection.signals(asked, changes)
            for result, each in zip(found, signals, strict=True):
                add_signals(result.nodes or [], key, each)
        results.update(zip(places, found, strict=True))
    return [results[place] for place in range(len(queries))]


def _search(
    collection: MatryoshkaCollection,
    searches: Sequence[Search],
    changes: Plan | None,
    by: GroupBy | None,
) -> Flow[list[VectorStoreQueryResult]]:
    """Answer searches of one plan in one request, each with an event for the instrumentation."""
    opened = yield from collection.open()
    if by is None:
        answers = yield from collection.search(searches, changes)
    else:
        groups = yield from collection.search_groups(searches, by, changes)
        answers = [*map(ungrouped, groups)]
    plan = collection.plan.merge(changes)
    layout = opened and collection.layout  # it may have been opened anew, as another one
    if listened():
        engine = yield from ask(engine_of)
        stages = chosen_stages(layout, plan, engine) if layout else ()
        _send_events(collection.name, stages, plan, searches, answers)
    distance = layout.distance if layout and scores_vectors(plan) else "Cosine"
    return [to_result(points, collection.contents, distance) for points in answers]


def answer_like(
    collection: MatryoshkaCollection,
    examples: Examples,
    query: VectorStoreQuery,
    options: Mapping[str, Any],
) -> Flow[VectorStoreQueryResult]:
    """Find what is like stored nodes, as a query without an embedding says."""
    refuse_unknown("A query", options, QUERY_OPTIONS)
    refuse_signals(options.get("signals_key"))
    layout = yield from collection.open()
    condition = filter_for(collection, query.filters)

    def search_for(vector: FloatArray) -> Search:
        asked = replace(query, query_embedding=vector.tolist())
        return build_search(asked, options, condition)

    by = group_by(options, collection)
    points = yield from search_like(collection, examples, search_for, search_plan(options), by)
    return to_result(points, collection.contents, layout.distance if layout else "Cosine")


def _asks_nothing(query: VectorStoreQuery) -> bool:
    """Check for the blank question of an auto retriever, which wants what passes the filters."""
    vector = query.query_embedding or [1.0]
    return query.query_str == "" and not any(vector)


def _send_events(
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


def to_result(
    points: Sequence[models.ScoredPoint] | Sequence[models.Record],
    contents: Contents,
    distance: str,
    vector_name: str | None = None,
    *,
    unscored: float = 1.0,
) -> VectorStoreQueryResult:
    """Read points as nodes with similarities: ``unscored`` for points found without a score."""
    nodes = [to_node(point, contents, vector_name) for point in points]
    scores = (getattr(point, "score", None) for point in points)
    return VectorStoreQueryResult(
        nodes=nodes,
        similarities=[
            unscored if score is None else similarity(score, distance) for score in scores
        ],
        ids=[node.node_id for node in nodes],
    )


def similarity(score: float, distance: str) -> float:
    """Turn a score into LlamaIndex's, the higher the nearer: a distance d into 1 / (1 + d)."""
    return 1.0 / (1.0 + score) if distance in _FARTHER_IS_HIGHER else score


def build_search(
    query: VectorStoreQuery, options: Mapping[str, Any], condition: models.Filter | None
) -> Search:
    """Build the search of a query, its filters converted, or refuse what it asks for."""
    threshold = _mmr_threshold(query, options)
    compared = query.query_embedding is not None and needs_embedding(query)
    if query.query_embedding is None and needs_embedding(query):
        if query.query_str is not None:
            require_query(query.query_str)  # LlamaIndex does not embed a blank one
        msg = "The query has no embedding. Set query_embedding, or use a retriever."
        raise EmbeddingError(msg)
    k = wanted(query)
    fetch_k = options.get("mmr_prefetch_k")
    documents = of_documents(query.doc_ids) if query.doc_ids else None
    return Search(
        vector=np.asarray(query.query_embedding, dtype=np.float32) if compared else None,
        k=k,
        query_filter=join(
            condition, of_nodes(query.node_ids or None), documents, options.get("qdrant_filters")
        ),
        score_threshold=options.get("score_threshold"),
        mmr_lambda=threshold,
        fetch_k=(
            max(_MIN_MMR_CANDIDATES, min(4 * k, MOST))
            if fetch_k is None
            else whole("mmr_prefetch_k", fetch_k)
        ),
        text=query.query_str or None,
    )


def _mmr_threshold(query: VectorStoreQuery, options: Mapping[str, Any]) -> float | None:
    threshold = options.get("mmr_threshold")
    if threshold is None:
        threshold = query.mmr_threshold
    if query.mode == VectorStoreQueryMode.MMR:
        return 0.5 if threshold is None else diversity("mmr_threshold", threshold)
    checked_mode(query)
    if threshold is not None or options.get("mmr_prefetch_k") is not None:
        msg = "mmr_threshold and mmr_prefetch_k need the query mode MMR."
        raise ConfigurationError(msg)
    return None
