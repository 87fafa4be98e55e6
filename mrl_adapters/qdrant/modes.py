"""How frameworks' programs say that words join a search: modes, fusions, sparse models."""

import copy
from collections.abc import Mapping
from typing import Any

from qdrant_client import models

from mrl_adapters.errors import ConfigurationError
from mrl_adapters.qdrant.layout import CollectionLayout
from mrl_adapters.qdrant.lexical import TextIndex
from mrl_adapters.qdrant.plan import SearchPlan

_BM25 = "qdrant/bm25"
_INSTEAD = (
    "Words are ranked here by BM25 over the collection's text index, in its own language: leave it "
    "out and pass layout=CollectionLayout(..., text_index=TextIndex(...)), or take the stock store."
)


def fusion_changes(whose: str, fusion: Any) -> dict[str, Any]:
    """Turn Qdrant's fusion queries into the knobs of a plan.

    Raises:
        ConfigurationError: It is none that a plan has.
    """
    if fusion is None:
        return {}
    if isinstance(fusion, models.RrfQuery):
        rrf = fusion.rrf
        weights = {} if rrf.weights is None else {"weights": tuple(rrf.weights)}
        return {"hybrid": "rrf", **({} if rrf.k is None else {"rrf_k": rrf.k}), **weights}
    kind = fusion.fusion if isinstance(fusion, models.FusionQuery) else fusion
    if kind in {*models.Fusion}:
        return {"hybrid": models.Fusion(kind).value}
    expected = "models.FusionQuery(fusion='rrf' or 'dbsf') or models.RrfQuery"
    msg = f"{whose} got {fusion!r} as a fusion, expected {expected}."
    raise ConfigurationError(msg, found=fusion, expected=expected)


def with_ranking(layout: CollectionLayout, field: str | None = None) -> CollectionLayout:
    """Let a layout have a text index that ranks: its own, else the usual one.

    Args:
        layout: The layout.
        field: Payload field that it is on, unless it names one.
    """
    index = layout.text_index or TextIndex()
    placed = index if field is None else index.on(field)
    if placed == layout.text_index:
        return layout
    ranked = copy.copy(layout)  # what its caller chose stays known
    object.__setattr__(ranked, "text_index", placed)
    return ranked


def check_sparse_model(whose: str, name: str, model: object) -> None:
    """Take a sparse model that ranks as the text index does, which stands for it; refuse others.

    Args:
        whose: Who was given it.
        name: The option.
        model: The model, or its name.

    Raises:
        ConfigurationError: It is not BM25.
    """
    inner = getattr(model, "_model", None)
    called = model if isinstance(model, str) else None
    for holder in (model, inner, getattr(inner, "model", None)):
        called = called or getattr(holder, "model_name", None)
    if called is None or str(called).lower() != _BM25:
        msg = f"{whose} got {name}={called or type(model).__name__!r}. {_INSTEAD}"
        raise ConfigurationError(msg, found=model, expected="Qdrant/bm25")


def without_words(changes: SearchPlan | Mapping[str, Any] | None) -> Any:
    """Let a search that has no text go by vectors alone, unless its own plan says otherwise."""
    if isinstance(changes, SearchPlan) or (changes and "hybrid" in changes):
        return changes
    return {**(changes or {}), "hybrid": None}


def scores_vectors(plan: SearchPlan) -> bool:
    """Return whether scores are the full vectors', not those of words or of ranks."""
    return plan.searches in {None, "rescore"}
