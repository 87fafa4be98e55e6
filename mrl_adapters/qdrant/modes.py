"""How frameworks' programs say that words join a search: modes, fusions, sparse models."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from qdrant_client import models

from mrl_adapters.errors import ConfigurationError
from mrl_adapters.qdrant.layout import CollectionLayout
from mrl_adapters.qdrant.plan import Hybrid, Plan, SearchPlan
from mrl_adapters.qdrant.sparse import BM25, SparseEncoder, SparseVectors
from mrl_adapters.qdrant.stock import given_settings, refuse_given


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
    if isinstance(kind, str) and kind in {*models.Fusion}:
        return {"hybrid": models.Fusion(kind).value}
    expected = "models.FusionQuery(fusion='rrf' or 'dbsf') or models.RrfQuery"
    msg = f"{whose} got {fusion!r} as a fusion, expected {expected}."
    raise ConfigurationError(msg, found=fusion, expected=expected)


def with_sparse(
    whose: str, layout: CollectionLayout | None, sparse: SparseVectors | None
) -> CollectionLayout | None:
    """Let a layout have the sparse vectors that stock options ask for.

    Args:
        whose: Who was given them.
        layout: The layout; None where there is no whole one.
        sparse: The sparse vectors, with what computes them.

    Raises:
        ConfigurationError: The layout has others, with what computes them.
    """
    if layout is None or sparse is None:
        return layout
    own = layout.sparse
    if own is None:
        return layout.placed(sparse=sparse)
    if own.encoder is not None and own.encoder is not sparse.encoder:
        msg = f"{whose} got a sparse encoder beside a layout with {own!r}. Say it in one of both."
        raise ConfigurationError(msg, found=sparse.encoder, expected=own.encoder)
    model = own.model if sparse.encoder is None else sparse.model
    return layout.placed(sparse=replace(own, encoder=sparse.encoder, model=model))


def sparse_of(
    name: str | None,
    usual_name: str,
    encoder: SparseEncoder | None,
    option: str,
    params: models.SparseVectorParams | Mapping[str, Any] | None,
) -> SparseVectors | None:
    """Read what stock options say of sparse vectors; None if nothing.

    Args:
        name: Name of the vector, if there is one.
        usual_name: Its name where there is none.
        encoder: What computes it, if not BM25 in this process.
        option: Which option says how it is stored.
        params: How it is stored.

    Raises:
        ConfigurationError: They say what has no counterpart here.
    """
    given = given_settings(option, params, models.SparseVectorParams)
    index = given_settings(f"{option}.index", given.pop("index", None), models.SparseIndexParams)
    way = "Leave it out, or set it by client.update_collection once the collection is there."
    refuse_given(f"{option}.index", index, tuple(index), way)
    if name is None and encoder is None and not given:
        return None
    idf = None if "modifier" not in given else given["modifier"] == models.Modifier.IDF
    return SparseVectors(name=name or usual_name, encoder=encoder, idf=idf)


def check_sparse_model(whose: str, name: str, model: str) -> None:
    """Take a sparse model that is computed here, which stands for fastembed's; refuse others.

    Args:
        whose: Who was given it.
        name: The option.
        model: The model's name.

    Raises:
        ConfigurationError: It is not BM25.
    """
    if model.lower() != BM25:
        msg = (
            f"{whose} got {name}={model!r}. BM25 is computed here, other sparse models where you "
            "like: pass sparse_doc_fn= and sparse_query_fn=, texts to lists of indices and values."
        )
        raise ConfigurationError(msg, found=model, expected="Qdrant/bm25")


def hybrid_of(plan: Plan | None) -> Hybrid | None:
    """Return how a plan, or a change of one, joins words; None where it does not say."""
    hybrid: Hybrid | None = (
        plan.get("hybrid") if isinstance(plan, Mapping) else getattr(plan, "hybrid", None)
    )
    return hybrid


def without_words(changes: SearchPlan | Mapping[str, Any] | None) -> Any:
    """Let a search that has no text go by vectors alone, unless its own plan says otherwise."""
    if isinstance(changes, SearchPlan):
        return changes
    return {"hybrid": None, "late_interaction": False, **(changes or {})}


def scores_vectors(plan: SearchPlan) -> bool:
    """Return whether scores are the full vectors', not those of words, ranks or tokens."""
    return plan.searches in {None, "rescore"} and not plan.late_interaction
