"""What ``recommend`` builds and asks: a sample of the vectors, and queries that are not in it."""

import math
from collections.abc import Sequence
from typing import NamedTuple, cast

import numpy as np
from numpy.typing import ArrayLike
from qdrant_client import models

from mrl_adapters import registry
from mrl_adapters.errors import ConfigurationError
from mrl_adapters.evaluation.searcher import Queries, Searchable, Searcher, draw
from mrl_adapters.qdrant import CollectionLayout
from mrl_adapters.qdrant.layout import Distance
from mrl_adapters.qdrant.points import checked_queries, checked_vectors
from mrl_adapters.vectors import FloatArray

_AMPLE = 1.2  # times the least number of queries
_MANY = 2.5  # times that number, where vectors abound


class LayoutSample(NamedTuple):
    """What is built and asked."""

    base: CollectionLayout
    documents: FloatArray
    queries: Queries
    points: int
    store: Searchable | None
    asked: Queries
    """The queries for the whole of the store: a point that is one does not find itself."""


def draw_sample(
    source: ArrayLike | Searchable,
    queries: ArrayLike | None,
    least: int,
    sample: int,
    model: str | None,
    distance: Distance,
    rng: np.random.Generator,
) -> LayoutSample:
    """Draw the sample and, unless they are given, the queries from the vectors.

    Where there are more vectors than are built, more than the least number of queries are held
    back: plans that miss a little can be proved, too.
    """
    ample = math.ceil(_MANY * least)
    store: Searchable | None = None
    own: Sequence[models.ExtendedPointId | None] = ()
    if hasattr(source, "collection") and hasattr(source, "driver"):
        store = cast("Searchable", source)
        searcher = Searcher(store, 1)
        points, (found, own) = searcher.points, draw(searcher, sample + ample, rng)
        layout = searcher.layout
        # What a collection is cut to, and its codes, are what is looked for.
        base = CollectionLayout(
            layout.dimensions,
            (),
            layout.distance,
            model=layout.model or model,
            reduction=layout.reduction,
            full_name=layout.full_name,
        )
    else:
        array = np.asarray(source, dtype=np.float32)
        points = len(array)
        found = array[rng.permutation(points)[: sample + ample]]
        found = checked_vectors(found, [f"vector {row}" for row in range(len(found))], None)
        spec = registry.find(model) if model else None
        reduction = spec.reduction if spec and spec.reduction != "none" else "prefix"
        base = CollectionLayout(found.shape[1], (), distance, model=model, reduction=reduction)
    if queries is None:
        held = min(ample, max(math.ceil(_AMPLE * least), len(found) - sample), len(found) // 2)
        asked, documents = found[:held], found[held:]
    else:
        given = np.asarray(queries, dtype=np.float32)
        names = [f"query {row}" for row in range(len(given))]
        asked = checked_queries(given, names, base.dimensions)[rng.permutation(len(given))]
        documents, own = found[:sample], ()
    if not len(documents):
        msg = "No vectors to measure with. Pass some, or a collection that holds some."
        raise ConfigurationError(msg)
    nobody = [None] * len(asked)
    of_store = Queries(asked, own[: len(asked)] or nobody)
    return LayoutSample(base, documents, Queries(asked, nobody), points, store, of_store)
