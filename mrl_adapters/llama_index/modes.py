"""LlamaIndex's query modes: what each means for the plan, and how many nodes it wants.

HYBRID joins vectors and words as the plan does ("dbsf", "rescore"), else by their ranks, of which
``alpha`` is the vectors' weight: 1 searches by vectors alone, 0 by words alone, None leaves the
weights to the plan. SPARSE and TEXT_SEARCH search by words. SEMANTIC_HYBRID ranks what both
shortlist by the full vectors.
"""

from collections.abc import Mapping
from typing import Any

from llama_index.core.vector_stores import VectorStoreQuery
from llama_index.core.vector_stores.types import VectorStoreQueryMode

from mrl_adapters.arguments import number, whole
from mrl_adapters.embeddings.texts import require_query
from mrl_adapters.errors import ConfigurationError
from mrl_adapters.llama_index.options import search_plan
from mrl_adapters.qdrant.modes import without_words
from mrl_adapters.qdrant.plan import Hybrid, Plan, SearchPlan, layered

_HYBRIDS: Mapping[VectorStoreQueryMode, Hybrid] = {
    VectorStoreQueryMode.HYBRID: "rrf",
    VectorStoreQueryMode.SPARSE: "lexical",
    VectorStoreQueryMode.TEXT_SEARCH: "lexical",
    VectorStoreQueryMode.SEMANTIC_HYBRID: "rescore",
}
_VECTORS_ALONE = (VectorStoreQueryMode.DEFAULT, VectorStoreQueryMode.MMR)


def checked_mode(query: VectorStoreQuery) -> VectorStoreQueryMode:
    """Read a query's mode.

    Raises:
        ConfigurationError: This store has no such mode.
    """
    known = (*_VECTORS_ALONE, *_HYBRIDS)
    if query.mode not in known:
        mode = getattr(query.mode, "name", query.mode)
        names = ", ".join(each.name for each in known)
        msg = f"Query mode {mode}: this store has no such mode. Use one of: {names}."
        raise ConfigurationError(msg, found=query.mode, expected=known)
    return VectorStoreQueryMode(query.mode)


def needs_embedding(query: VectorStoreQuery) -> bool:
    """Return whether a query compares vectors."""
    mode = checked_mode(query)
    words = _HYBRIDS.get(mode) == "lexical"
    return not words and not (mode is VectorStoreQueryMode.HYBRID and query.alpha == 0)


def wanted(query: VectorStoreQuery) -> int:
    """Count the nodes that a query wants."""
    mode = checked_mode(query)
    own = {"HYBRID": "hybrid_top_k", "SPARSE": "sparse_top_k"}.get(mode.name)
    if own is not None and (given := getattr(query, own)) is not None:
        return whole(own, given)
    return whole("similarity_top_k", query.similarity_top_k)


def plan_of(
    query: VectorStoreQuery, options: Mapping[str, Any], own: SearchPlan | None = None
) -> Plan | None:
    """Collect what a query and its options change of a plan.

    Args:
        query: The query.
        options: Its options.
        own: The plan that is changed; None where it is not known yet.

    Raises:
        ConfigurationError: alpha is to weigh what the plan does not weigh.
    """
    changes = search_plan(options)
    mode = checked_mode(query)
    if mode is VectorStoreQueryMode.HYBRID:
        if query.alpha != 1:  # by vectors alone
            require_query(query.query_str or "")
        return layered(changes, _fusion(query.alpha, (own or SearchPlan()).merge(changes).hybrid))
    if mode in _HYBRIDS:
        require_query(query.query_str or "")
        return layered(changes, {"hybrid": _HYBRIDS[mode]})
    return changes if query.query_str else without_words(changes)


def _fusion(alpha: float | None, planned: Hybrid | None) -> dict[str, Any]:
    """Choose how HYBRID joins vectors and words: by the plan, or as alpha weighs their ranks."""
    unweighed = planned in {"dbsf", "rescore"}
    if alpha is None:
        return {"hybrid": planned if unweighed else "rrf"}
    expected = "a number from 0 (words alone) to 1 (vectors alone)"
    alpha = number("alpha", alpha, expected, 0, 1)
    if unweighed and 0 < alpha < 1:
        msg = (
            f"alpha is {alpha}, and the plan joins vectors and words by hybrid={planned!r}, which "
            "weighs neither. Leave alpha out, or pass plan={'hybrid': 'rrf'}."
        )
        raise ConfigurationError(msg, found=alpha, expected="rrf")
    return {"hybrid": "rrf", "weights": (alpha, 1 - alpha)}
