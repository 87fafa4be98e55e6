"""Put hits into one order, whose beginning is the same however many are asked for.

Engines put equal scores in an order of chance, another one each time: equal ranks' sums, and those
of documents that are twins. They are ordered here, by their ids.

Of rankings that words have a part in, scores are equal but for rounding (:mod:`~mrl_adapters.edge`
says why), and the best of equals counts for all.
"""

import operator

from qdrant_client import models

from mrl_adapters.edge import ROUNDING, by_id, nearly_equal, runs
from mrl_adapters.qdrant.hybrid import FUSED
from mrl_adapters.qdrant.layout import NEARER_IS_LESS, CollectionLayout
from mrl_adapters.qdrant.plan import SearchPlan
from mrl_adapters.qdrant.query import Search


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
    return nearly_equal(one, other)


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
    ranked = sorted(hits, key=lambda hit: sign * hit.score)
    rounding = ROUNDING if by_words(plan) else 0.0
    for run in runs([hit.score for hit in ranked], search.k, rounding):
        best = ranked[run.start].score
        ranked[run] = [
            hit if hit.score == best else hit.model_copy(update={"score": best})
            for hit in sorted(ranked[run], key=lambda hit: by_id(hit.id))
        ]
    return ranked[: search.k]
