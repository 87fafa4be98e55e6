"""Put hits into one order, whose beginning is the same however many are asked for.

Engines put equal scores in an order of chance, another one each time: equal ranks' sums, and those
of documents that are twins. They are ordered here, by their ids.

BM25 adds up the words of a question in float32, and not always in one order: of twins one may get
more than the other, or more when ten are asked for than when five are. So scores that words have a
part in are equal where they differ by less than such a rounding, a millionth, and the best of them
counts for all.
"""

import math
import operator
from collections.abc import Iterable

from qdrant_client import models

from mrl_adapters.qdrant.hybrid import FUSED
from mrl_adapters.qdrant.layout import NEARER_IS_LESS, CollectionLayout
from mrl_adapters.qdrant.plan import SearchPlan
from mrl_adapters.qdrant.query import Search

_ROUNDING = 1e-6
"""The share by which two sums of the same numbers differ at most: about 8 units of float32's last
place. Of questions with up to six words 1.3e-7 was measured."""


def by_words(plan: SearchPlan) -> bool:
    """Return whether words have a part in the scores of a plan."""
    return plan.searches in {*FUSED, "lexical"} and not plan.late_interaction


def falls(layout: CollectionLayout, plan: SearchPlan) -> bool:
    """Return whether scores fall along a ranking; distances rise."""
    return plan.late_interaction or by_words(plan) or layout.distance not in NEARER_IS_LESS


def tied(one: float, other: float, plan: SearchPlan) -> bool:
    """Return whether two scores of one ranking are equal, but for rounding."""
    if not by_words(plan):
        return one == other
    return abs(one - other) <= _ROUNDING * max(abs(one), abs(other))


def in_order(
    hits: list[models.ScoredPoint], search: Search, layout: CollectionLayout, plan: SearchPlan
) -> list[models.ScoredPoint]:
    """Put the hits of a search into one order, and cut what was asked for beyond it."""
    if search.mmr_lambda is not None:  # it stands in the order of diversity
        return hits
    sign = -1 if falls(layout, plan) else 1
    scores = [sign * hit.score for hit in hits]
    if not by_words(plan) and all(map(operator.lt, scores, scores[1:])):
        return hits[: search.k]  # as engines give them, where no score is twice
    ordered: list[models.ScoredPoint] = []
    for level in _levels(sorted(hits, key=lambda hit: sign * hit.score), plan):
        best = level[0].score
        level.sort(key=lambda hit: (isinstance(hit.id, str), hit.id))
        ordered += [
            hit if hit.score == best else hit.model_copy(update={"score": best}) for hit in level
        ]
    return ordered[: search.k]


def _levels(
    ranked: Iterable[models.ScoredPoint], plan: SearchPlan
) -> list[list[models.ScoredPoint]]:
    """Part a ranking into hits of equal scores."""
    levels: list[list[models.ScoredPoint]] = []
    before = math.nan  # equal to nothing
    for hit in ranked:
        if tied(before, hit.score, plan):
            levels[-1].append(hit)
        else:
            levels.append([hit])
        before = hit.score
    return levels
