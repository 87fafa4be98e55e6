"""Options of the store's methods: typed for editors, refused by name where they do not exist."""

from collections.abc import Mapping, Sequence
from typing import Any

from llama_index.core.callbacks import CallbackManager
from llama_index.core.schema import IndexNode
from llama_index.core.vector_stores.types import VectorStoreQueryMode
from qdrant_client import models
from typing_extensions import TypedDict

from mrl_adapters.llama_index.filters import paths_for
from mrl_adapters.qdrant import GroupBy, MatryoshkaCollection
from mrl_adapters.qdrant.groups import group_by_key
from mrl_adapters.qdrant.layout import WriteOrdering
from mrl_adapters.qdrant.plan import Plan, layered
from mrl_adapters.qdrant.stock import plan_changes


class SearchOptions(TypedDict, total=False):
    """The options of a query, beside the query itself: LlamaIndex's ``vector_store_kwargs``.

    Args:
        exact: Compare with every full vector instead of searching the short ones.
        shard_key: Search only these custom shards.
        score_threshold: The engine's own scores must exceed it (distances stay below it).
        qdrant_filters: A Qdrant filter that nodes must pass as well.
        mmr_threshold: In mode MMR: 1 ranks by similarity alone, 0 by diversity alone; 0.5 if None.
        mmr_prefetch_k: In mode MMR: candidates that diversity chooses from; None takes four times
            the nodes wanted, at least 20.
        shard_identifier: What the store's ``shard_key_selector_fn`` makes a shard key of.
        search_params: Qdrant's ``SearchParams``, or a dict of them, put over the plan.
        signals_key: Metadata key under which each node gets its question's
            :class:`~mrl_adapters.qdrant.Signals`, as a dict; models are not shown it, and what is
            stored stays as it is.
        group_by: Metadata key, or ``ref_doc_id``: ``similarity_top_k`` counts its values, the one
            with the best node first, and each comes with its best nodes side by side.
        group_size: Nodes of a value at most; 3 if not given.
    """

    exact: bool | None
    shard_key: str | int | list[str | int] | None
    score_threshold: float | None
    qdrant_filters: models.Filter | None
    mmr_threshold: float | None
    mmr_prefetch_k: int | None
    shard_identifier: Any
    search_params: models.SearchParams | Mapping[str, Any] | None
    signals_key: str | None
    group_by: str | None
    group_size: int | None


class QueryOptions(SearchOptions, total=False):
    """The options of a store's query: those of :class:`SearchOptions`, and its plan.

    Args:
        plan: A SearchPlan, or a dict of the knobs to change.
    """

    plan: Plan | None


class RetrieverOptions(SearchOptions, total=False):
    """The options of a retriever: those of :class:`SearchOptions`, and more.

    Args:
        mode: DEFAULT, MMR, HYBRID, SPARSE, TEXT_SEARCH or SEMANTIC_HYBRID (see
            :mod:`mrl_adapters.llama_index.modes`); with ``mmr_threshold`` it is MMR.
        alpha: In mode HYBRID the vectors' weight: 1 searches by vectors alone, 0 by words alone.
        sparse_top_k, hybrid_top_k: Nodes wanted in modes SPARSE and HYBRID, where these differ.
        node_ids, doc_ids: Search only these nodes, or the nodes of these documents.
        callback_manager: LlamaIndex's callbacks.
        objects: IndexNodes with the objects that stored ones lead to by their ``index_id``:
            retrievers, query engines, nodes. What they find takes the link's place.
    """

    mode: VectorStoreQueryMode | str
    alpha: float | None
    sparse_top_k: int | None
    hybrid_top_k: int | None
    node_ids: Sequence[str] | None
    doc_ids: Sequence[str] | None
    callback_manager: CallbackManager | None
    objects: Sequence[IndexNode] | None


class AddOptions(TypedDict, total=False):
    """The options of adding nodes.

    Args:
        shard_key: Custom shard to write to.
        ordering: Qdrant's ordering of concurrent writes (weak, medium, strong); None takes the
            layout's.
    """

    shard_key: str | int | None
    ordering: WriteOrdering | None


QUERY_OPTIONS = ("plan", *SearchOptions.__annotations__)


def group_by(
    options: Mapping[str, Any], collection: MatryoshkaCollection | None = None
) -> GroupBy | None:
    """Read what a query is grouped by; None where it is not."""
    key, size = options.get("group_by"), options.get("group_size")
    if key is None and size is None:
        return None
    return group_by_key(key, size, lambda key: paths_for(collection, key))


def search_plan(options: Mapping[str, Any]) -> Plan | None:
    """Collect what the options of a query change of a plan, whatever plan that will be."""
    given = options.get("search_params")
    changes = {} if given is None else plan_changes(given)
    for name in ("exact", "shard_key"):
        if (value := options.get(name)) is not None:
            changes[name] = value
    return layered(options.get("plan"), changes or None)
