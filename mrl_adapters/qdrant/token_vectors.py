"""Compute token vectors: of texts that are stored, and of questions."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from mrl_adapters.errors import ConfigurationError, DimensionsError, EmbeddingError
from mrl_adapters.qdrant.contents import text_of
from mrl_adapters.qdrant.flow import Computation, Flow
from mrl_adapters.qdrant.layout import CollectionLayout
from mrl_adapters.qdrant.payload_keys import PayloadKeys
from mrl_adapters.qdrant.plan import SearchPlan
from mrl_adapters.qdrant.query import Search
from mrl_adapters.vectors import FloatArray

TokenRows: TypeAlias = list[list[float]]

_ROWS = 2
_LARGEST_FLOAT16 = float(np.finfo(np.float16).max)


def document_tokens(
    name: str,
    layout: CollectionLayout,
    payloads: Sequence[dict[str, Any]],
    keys: PayloadKeys,
    names: Sequence[str],
) -> Flow[dict[str, list[TokenRows]]]:
    """Compute the token vectors of texts that are about to be stored.

    Args:
        name: The collection.
        layout: What it has.
        payloads: What is stored, one a point.
        keys: Where payloads keep texts.
        names: What to call each in a message.

    Returns:
        Vector name to the rows of each point; one of zeros, which matches nothing, for a text
        without tokens. Empty where the collection has no token vectors.

    Raises:
        ConfigurationError: What computes them is not at hand.
        EmbeddingError: It gives something else, or another number of it.
        DimensionsError: Tokens have another size than the collection's.
    """
    tokens = layout.late_interaction
    if tokens is None:
        return {}
    encoder = tokens.computed_by(name)
    texts = [text_of(payload, keys) for payload in payloads]
    given = list((yield Computation(lambda: encoder.embed_documents(texts))))
    if len(given) != len(texts):
        msg = (
            f"The token encoder returned {len(given)} arrays for {len(texts)} texts, expected one "
            "a text. Check the encoder."
        )
        raise EmbeddingError(msg, found=len(given), expected=len(texts))
    pairs = zip(given, names, strict=True)
    arrays = [checked_tokens(each, whose, tokens.dimensions) for each, whose in pairs]
    nothing = [[0.0] * tokens.dimensions]
    return {tokens.name: [array.tolist() if len(array) else nothing for array in arrays]}


def with_question_tokens(
    name: str, searches: Sequence[Search], layout: CollectionLayout, plan: SearchPlan
) -> Flow[Sequence[Search]]:
    """Compute the token vectors of questions, each text once, for plans that rank by them.

    Raises:
        ConfigurationError: The collection has none, a search has no text, or its text no tokens;
            or what computes them is not at hand.
        EmbeddingError, DimensionsError: As :func:`document_tokens`.
    """
    if not plan.late_interaction:
        return searches
    tokens = layout.late_interaction
    if tokens is None:
        msg = (
            f"The plan ranks by late interaction, and collection {name!r} is open without token "
            "vectors. Open it with layout=CollectionLayout(..., late_interaction=TokenVectors("
            "name, dimensions, encoder=...)), or pass late_interaction=False."
        )
        raise ConfigurationError(msg, collection=name, found=None, expected="late_interaction")
    texts = [*dict.fromkeys(each.text for each in searches if each.tokens is None)]
    if None in texts:
        msg = (
            "The plan ranks by late interaction, and the search has no text. Pass the question's "
            "text beside its vector (text=...), or late_interaction=False."
        )
        raise ConfigurationError(msg, found=None, expected="text")
    known: dict[str | None, ArrayLike] = {}
    if texts:
        encoder = tokens.computed_by(name)
        given = yield Computation(lambda: [encoder.embed_query(text) for text in texts if text])
        known = dict(zip(texts, given, strict=True))
    return [replace(each, tokens=_question(known, each, tokens.dimensions)) for each in searches]


def _question(known: dict[str | None, ArrayLike], search: Search, dimensions: int) -> FloatArray:
    given = known[search.text] if search.tokens is None else search.tokens
    array = checked_tokens(given, "the question", dimensions)
    if not len(array):
        msg = (
            f"The question {search.text!r} has no tokens that the encoder knows, so late "
            "interaction ranks nothing by it. Pass late_interaction=False for it."
        )
        raise EmbeddingError(msg, found=search.text)
    return array


def checked_tokens(given: ArrayLike, whose: str, dimensions: int) -> FloatArray:
    """Refuse token vectors that an engine would not store, or search with.

    Args:
        given: What an encoder returned for one text.
        whose: What to call it in a message.
        dimensions: The size that each must have.

    Returns:
        float32 of shape (tokens, dimensions); without tokens of zeros, which match nothing.
    """
    try:
        array = np.asarray(given, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise _refused(whose, f"are {given!r:.80}, expected an array of floats") from error
    if array.size == 0:
        return np.empty((0, dimensions), dtype=np.float32)
    if array.ndim != _ROWS:
        raise _refused(whose, f"have shape {array.shape}, expected (tokens, {dimensions})")
    if array.shape[1] != dimensions:
        msg = (
            f"The token vectors of {whose} have {array.shape[1]} dimensions, the collection's "
            f"{dimensions}. Compute them with the model that the collection was made with."
        )
        raise DimensionsError(msg, found=array.shape[1], expected=dimensions)
    if not (np.abs(array) <= _LARGEST_FLOAT16).all():  # not ">": NaN compares with nothing
        raise _refused(whose, "hold NaN, infinity or a number beyond float16's 65504")
    return array[array.any(axis=1)]


def _refused(whose: str, what: str) -> EmbeddingError:
    msg = (
        f"The token vectors of {whose} {what}. They were neither stored nor searched with: check "
        "the token encoder."
    )
    return EmbeddingError(msg)
