"""Convert the queries of `qdrant_client.models` into the engine's.

Source: https://qdrant.tech/documentation/concepts/hybrid-queries/ and .../concepts/explore/
"""

import math
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import numpy as np
import qdrant_edge as edge
from qdrant_client import models

from mrl_adapters.edge.client_models import parsed, refuse_fields, set_fields
from mrl_adapters.edge.config import edge_enum
from mrl_adapters.edge.formulas import edge_formula
from mrl_adapters.edge.names import PointId
from mrl_adapters.errors import EmbeddingError

# How to find the vector of a stored point: (id, vector name) -> vector.
Lookup = Callable[[PointId, str], Any]

USUAL_RRF_K = 2
_DEFAULT_DIVERSITY = 0.5


class QueryIntake:
    """The conversion of one query, which collects the stored points that it names."""

    def __init__(self, using: str, limit: int, lookup: Lookup) -> None:
        self.mentioned: set[PointId] = set()
        self._using = using
        self._limit = limit
        self._lookup = lookup

    def convert(self, query: Any) -> Any:
        """Convert a query."""
        if query is None:
            return None
        kind = type(query).__name__
        if kind in _FIXED:
            return _FIXED[kind](query)
        if kind in _SEARCHES:
            return _SEARCHES[kind](self, query)
        if kind == "dict":
            return self.convert(parsed(models.QueryInterface, query))
        return edge.Query.Nearest(self.vector(query), self._using)

    def vector(self, value: Any) -> Any:
        """Return a query vector as the binding reads it fastest; look up the vector of an id."""
        if isinstance(value, np.ndarray) and value.ndim > 1:
            value = value.tolist()
        if isinstance(value, list) and value and isinstance(value[0], list):
            return [_finite(row) for row in value]
        if isinstance(value, list):
            return _finite(value)
        if isinstance(value, (np.ndarray, memoryview)):
            row = np.ascontiguousarray(value, dtype=np.float32)
            return _finite(row.data, float(np.vdot(row, row)))
        if isinstance(value, models.SparseVector):
            return edge.SparseVector(value.indices, _finite(value.values))
        if isinstance(value, (int, str, UUID)):
            self.mentioned.add(value)
            return self._lookup(value, self._using)
        message = (
            f"EdgeClient does not offer queries by {type(value).__name__}. Pass a vector, a "
            "point id or another query of qdrant_client.models, or connect to a Qdrant server."
        )
        raise NotImplementedError(message)

    def nearest(self, query: models.NearestQuery) -> Any:
        """Convert a search, with or without diversity."""
        vector, mmr = self.vector(query.nearest), query.mmr
        if mmr is None:
            return edge.Query.Nearest(vector, self._using)
        refuse_fields(mmr, set_fields(mmr).keys() - {"diversity", "candidates_limit"})
        diversity = _DEFAULT_DIVERSITY if mmr.diversity is None else mmr.diversity
        candidates = mmr.candidates_limit or self._limit
        return edge.Mmr(vector, 1.0 - diversity, candidates, self._using)

    def recommend(self, query: models.RecommendQuery) -> Any:
        """Convert a search by examples."""
        given = query.recommend
        positive = [self.vector(example) for example in given.positive or []]
        negative = [self.vector(example) for example in given.negative or []]
        strategy = given.strategy or models.RecommendStrategy.AVERAGE_VECTOR
        if strategy is models.RecommendStrategy.BEST_SCORE:
            examples = edge.RecommendQuery(positive, negative)
            return edge.Query.RecommendBestScore(examples, self._using)
        if strategy is models.RecommendStrategy.SUM_SCORES:
            examples = edge.RecommendQuery(positive, negative)
            return edge.Query.RecommendSumScores(examples, self._using)
        if not positive:
            message = "RecommendQuery by average vector has no positive example. Pass at least one."
            raise ValueError(message)
        return edge.Query.Nearest(_average(positive, negative), self._using)

    def discover(self, query: models.DiscoverQuery) -> Any:
        """Convert a search for a target within a context."""
        given = query.discover
        converted = edge.DiscoverQuery(self.vector(given.target), self._pairs(given.context))
        return edge.Query.Discover(converted, self._using)

    def context(self, query: models.ContextQuery) -> Any:
        """Convert a search by context alone."""
        return edge.Query.Context(edge.ContextQuery(self._pairs(query.context)), self._using)

    def feedback(self, query: models.RelevanceFeedbackQuery) -> Any:
        """Convert a search for a target that earlier results, scored by somebody, correct."""
        given = query.relevance_feedback
        items = [
            edge.FeedbackItem(self.vector(item.example), item.score) for item in given.feedback
        ]
        strategy = edge.NaiveFeedbackStrategy(**set_fields(given.strategy.naive))
        target = self.vector(given.target)
        return edge.Query.FeedbackNaive(
            edge.FeedbackNaiveQuery(target, items, strategy), self._using
        )

    def text(self, query: models.TextQuery) -> Any:
        """Convert a search by BM25 over the text index of the payload field that `using` names."""
        given = query.text
        if isinstance(given, str):
            return edge.TextQuery(self._using, given)
        scoring = getattr(given.scoring, "bm25", given.scoring)
        params = None if scoring is None else edge.Bm25Params(**set_fields(scoring))
        return edge.TextQuery(self._using, given.query, params)

    def _pairs(self, given: Any) -> list[edge.ContextPair]:
        pairs = given if isinstance(given, list) else [given]
        return [
            edge.ContextPair(self.vector(pair.positive), self.vector(pair.negative))
            for pair in pairs
        ]


def _finite(values: Any, squares: float = math.nan) -> Any:
    """Let a query vector through; the engine answers one with NaN by nothing at all."""
    if math.isfinite(squares) or math.isfinite(math.hypot(*values)):
        return values
    message = "The query vector holds NaN or infinity. Check the text and the model behind it."
    raise EmbeddingError(message)


def edge_order_by(given: str | models.OrderBy) -> edge.OrderBy:
    """Convert an ordering by payload field."""
    if isinstance(given, str):
        return edge.OrderBy(given)
    start: Any = given.start_from
    return edge.OrderBy(
        given.key,
        edge_enum(edge.Direction, given.direction),
        start.isoformat() if hasattr(start, "isoformat") else start,
    )


def _fusion(given: models.FusionQuery) -> Any:
    if given.fusion is models.Fusion.DBSF:
        return edge.Fusion.Dbsf()
    return edge.Fusion.Rrf(USUAL_RRF_K)


def _rrf(given: models.RrfQuery) -> Any:
    return edge.Fusion.Rrf(given.rrf.k or USUAL_RRF_K, given.rrf.weights)


_FIXED: dict[str, Callable[[Any], Any]] = {
    "FusionQuery": _fusion,
    "RrfQuery": _rrf,
    "FormulaQuery": edge_formula,
    "OrderByQuery": lambda given: edge_order_by(given.order_by),
    "SampleQuery": lambda _: edge.Sample.Random,
}

_SEARCHES: dict[str, Callable[[QueryIntake, Any], Any]] = {
    "NearestQuery": QueryIntake.nearest,
    "RecommendQuery": QueryIntake.recommend,
    "DiscoverQuery": QueryIntake.discover,
    "ContextQuery": QueryIntake.context,
    "RelevanceFeedbackQuery": QueryIntake.feedback,
    "TextQuery": QueryIntake.text,
}


def _average(positive: Sequence[Any], negative: Sequence[Any]) -> Any:
    """Return ``2 * mean(positive) - mean(negative)``; of multi-vectors all rows, some negated.

    Source: https://qdrant.tech/documentation/concepts/explore/#average-vector-strategy
    """
    if isinstance(positive[0], edge.SparseVector):
        return _sparse_average(positive, negative)
    if isinstance(positive[0], list) and positive[0] and isinstance(positive[0][0], list):
        return [row for rows in positive for row in rows] + [
            [-value for value in row] for rows in negative for row in rows
        ]
    mean = np.mean(np.array(positive, dtype=np.float32), axis=0)
    if negative:
        mean = 2 * mean - np.mean(np.array(negative, dtype=np.float32), axis=0)
    return mean.astype(np.float32).data


def _sparse_average(positive: Sequence[Any], negative: Sequence[Any]) -> edge.SparseVector:
    values: dict[int, float] = {}
    for examples, weight in ((positive, 2.0 if negative else 1.0), (negative, -1.0)):
        for vector in examples:
            for index, value in zip(vector.indices, vector.values, strict=True):
                values[index] = values.get(index, 0.0) + weight * value / len(examples)
    indices = sorted(values)
    return edge.SparseVector(indices, [values[index] for index in indices])
