"""More like this: search by stored documents instead of a question.

The examples' full vectors are read and averaged as Qdrant's recommendations are: twice the mean of
the positive ones, less the mean of the negative ones. The result is searched for as any question
is, in two stages, and the examples are not among what is found.

Source: https://qdrant.tech/documentation/concepts/explore/#average-vector-strategy
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from qdrant_client import models

from mrl_adapters.errors import ConfigurationError, EmbeddingError
from mrl_adapters.qdrant.collection import MatryoshkaCollection
from mrl_adapters.qdrant.filters import admitted
from mrl_adapters.qdrant.flow import Flow
from mrl_adapters.qdrant.groups import GroupBy, ungrouped
from mrl_adapters.qdrant.ids import DocumentId, id_texts, original_id, point_id
from mrl_adapters.qdrant.modes import without_words
from mrl_adapters.qdrant.plan import Plan
from mrl_adapters.qdrant.query import Search
from mrl_adapters.qdrant.reading import vector_of
from mrl_adapters.vectors import FloatArray, as_vectors


@dataclass(frozen=True)
class Examples:
    """Stored documents that say what is looked for.

    Args:
        positive: Ids of documents that results are to be like.
        negative: Ids of documents that results are not to be like.

    Raises:
        ConfigurationError: There is no positive one, or an id is none.
    """

    positive: Sequence[DocumentId]
    negative: Sequence[DocumentId] = ()

    def __post_init__(self) -> None:
        """Read the ids."""
        for name in ("positive", "negative"):
            texts = [*dict.fromkeys(id_texts(getattr(self, name)))]
            object.__setattr__(self, name, texts)
        if not self.positive:
            msg = "There is no positive example. Pass the id of at least one stored document."
            raise ConfigurationError(msg, found=[], expected="at least one id")


def search_like(
    collection: MatryoshkaCollection,
    examples: Examples,
    search_for: Callable[[FloatArray], Search],
    plan: Plan | None = None,
    by: GroupBy | None = None,
) -> Flow[list[models.ScoredPoint]]:
    """Find what is like stored documents.

    Args:
        collection: The collection; what its tenant does not see is no example.
        examples: The stored documents.
        search_for: Builds the search for a vector of shape (d,).
        plan: How, if not by the collection's own plan, of which words and tokens have no part.
        by: What results are grouped by.

    Returns:
        Hits, none of them an example.

    Raises:
        ConfigurationError: An example is not stored, or ``plan`` asks for words or tokens.
        EmbeddingError: An example is stored without a vector.
    """
    layout = yield from collection.open(must_exist=True)
    assert layout is not None  # noqa: S101 - must_exist
    ids = [*examples.positive, *examples.negative]
    name = layout.full_name
    records = yield from collection.get(ids, with_vectors=[name] if name else True)
    there = {point_id(original_id(each.id, each.payload)): each for each in records}
    positive, negative = (
        _vectors(collection.name, some, there, name)
        for some in (examples.positive, examples.negative)
    )
    mean = positive.mean(axis=0)
    wanted = 2 * mean - negative.mean(axis=0) if len(negative) else mean
    search = search_for(wanted)
    themselves = models.HasIdCondition(has_id=[record.id for record in records])
    given = admitted(search.query_filter)
    others = models.Filter(must=[given] if given else None, must_not=[themselves])
    searches = [replace(search, query_filter=others)]
    changes = without_words(plan)
    if by is None:
        return (yield from collection.search(searches, changes))[0]
    return ungrouped((yield from collection.search_groups(searches, by, changes))[0])


def _vectors(
    name: str, texts: Sequence[Any], there: dict[Any, models.Record], full: str
) -> FloatArray:
    vectors = []
    for text in texts:
        record = there.get(point_id(text))
        if record is None:
            msg = f"Collection {name!r} holds no document {text!r}, which is to be an example."
            raise ConfigurationError(msg, collection=name, found=text)
        vector = vector_of(record, full)
        if vector is None:
            msg = f"Collection {name!r}: document {text!r} has no vector, so nothing is like it."
            raise EmbeddingError(msg, collection=name, found=text)
        vectors.append(vector)
    return as_vectors(vectors) if vectors else np.empty((0, 0), dtype=np.float32)
