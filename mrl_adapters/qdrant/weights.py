"""The weights of words: of texts that are stored, and of questions."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Literal, TypeAlias

import numpy as np
from qdrant_client import models

from mrl_adapters.errors import EmbeddingError
from mrl_adapters.qdrant.contents import text_of
from mrl_adapters.qdrant.engine import Engine
from mrl_adapters.qdrant.flow import Computation, Flow, current_engine
from mrl_adapters.qdrant.layout import CollectionLayout
from mrl_adapters.qdrant.payload_keys import PayloadKeys
from mrl_adapters.qdrant.plan import SearchPlan
from mrl_adapters.qdrant.query import Search
from mrl_adapters.qdrant.sparse import SparseVectors

SparseColumn: TypeAlias = list[models.SparseVector]

_LARGEST_INDEX = 2**32 - 1


def words_found_by(
    layout: CollectionLayout, engine: Engine
) -> Literal["sparse", "text_index"] | None:
    """Return what finds words in a collection: sparse vectors before a text index; None if none.

    A model that nobody has handed over finds none, so that a text index beside it is taken.
    """
    indexed = layout.text_index is not None and engine.ranks_texts
    sparse = layout.sparse
    if sparse is not None and (sparse.can_be_computed or not indexed):
        return "sparse"
    return "text_index" if indexed else None


def document_weights(
    name: str,
    layout: CollectionLayout,
    payloads: Sequence[dict[str, Any]],
    keys: PayloadKeys,
    names: Sequence[str],
) -> Flow[dict[str, SparseColumn]]:
    """Weigh the words of texts that are about to be stored.

    Args:
        name: The collection.
        layout: What it has.
        payloads: What is stored, one a point.
        keys: Where payloads keep texts.
        names: What to call each in a message.

    Returns:
        Vector name to one sparse vector a point; an empty one for a text without words. Empty
        where the collection has no sparse vectors.

    Raises:
        ConfigurationError: A model computes them, which is not at hand.
        EmbeddingError: It gives no sparse vectors, or another number of them.
    """
    if layout.sparse is None:
        return {}
    encoder = layout.sparse.computed_by(name)
    texts = [text_of(payload, keys) for payload in payloads]
    vectors = yield from _computed(layout.sparse, lambda: encoder.embed_documents(texts))
    return {layout.sparse.name: checked_weights(vectors, names)}


def with_question_weights(
    name: str, searches: Sequence[Search], layout: CollectionLayout, plan: SearchPlan
) -> Flow[Sequence[Search]]:
    """Weigh the words of questions, each text once, for plans that find words by sparse vectors."""
    sparse = layout.sparse
    if plan.searches is None or sparse is None:
        return searches
    asked = [each.text for each in searches if each.text is not None and each.sparse is None]
    texts = [*dict.fromkeys(asked)]
    if not texts or words_found_by(layout, current_engine()) != "sparse":
        return searches
    encoder = sparse.computed_by(name)
    weighed = yield from _computed(sparse, lambda: [*map(encoder.embed_query, texts)])
    known = dict(zip(texts, checked_weights(weighed, ["the question"] * len(texts)), strict=True))
    return [
        replace(each, sparse=known[each.text])
        if each.text is not None and each.sparse is None
        else each
        for each in searches
    ]


def _computed(sparse: SparseVectors, act: Callable[[], Any]) -> Flow[Any]:
    """Compute something: a model's work beside an event loop; BM25 costs less than that way."""
    return (yield Computation(act)) if sparse.encoder is not None else act()


def checked_weights(vectors: Any, names: Sequence[str]) -> SparseColumn:
    """Refuse what an engine would not store, or search with.

    Args:
        vectors: What an encoder returned.
        names: What to call each in a message.
    """
    given = list(vectors)
    if len(given) != len(names):
        msg = (
            f"The sparse encoder returned {len(given)} vectors for {len(names)} texts, expected "
            "one a text. Check the encoder."
        )
        raise EmbeddingError(msg, found=len(given), expected=len(names))
    return [_checked(vector, name) for vector, name in zip(given, names, strict=True)]


def _checked(vector: Any, name: str) -> models.SparseVector:
    try:
        indices = np.asarray(vector.indices)
        values = np.asarray(vector.values, dtype=np.float32)
    except (AttributeError, TypeError, ValueError) as error:
        raise _refused(name, f"is {vector!r:.80}, which has no indices and values") from error
    what = None
    if indices.ndim != 1 or indices.shape != values.shape:
        what = f"has {indices.shape} indices and {values.shape} values"
    elif indices.size == 0:
        return models.SparseVector.model_construct(indices=[], values=[])
    elif indices.dtype.kind not in "iu":
        what = f"has indices of type {indices.dtype}, expected whole numbers"
    elif indices.min() < 0 or indices.max() > _LARGEST_INDEX:
        what = f"has an index outside 0 to {_LARGEST_INDEX}"
    elif len(np.unique(indices)) != len(indices):
        what = "has an index twice"
    elif not np.isfinite(values).all():
        what = "holds NaN or infinity"
    if what is not None:
        raise _refused(name, what)
    return models.SparseVector.model_construct(indices=indices.tolist(), values=values.tolist())


def _refused(name: str, what: str) -> EmbeddingError:
    msg = (
        f"The sparse vector of {name} {what}. It was neither stored nor searched with: check the "
        "sparse encoder."
    )
    return EmbeddingError(msg)
