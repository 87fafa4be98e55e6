"""Maximal marginal relevance over sparse vectors, which the engine has for dense ones only.

Source: https://qdrant.tech/documentation/concepts/search-relevance/#maximal-marginal-relevance-mmr
"""

from collections.abc import Sequence
from typing import Any, TypeAlias

from qdrant_client import models

_Terms: TypeAlias = dict[int, float]


def needs_own_diversity(request: models.QueryRequest, sparse: Any) -> bool:
    """Tell whether a request asks for diversity among sparse vectors.

    Args:
        request: The client's request.
        sparse: The names of the collection's sparse vectors.
    """
    query = request.query
    return (
        isinstance(query, models.NearestQuery)
        and query.mmr is not None
        and (request.using in sparse)
    )


def candidates_request(request: models.QueryRequest) -> models.QueryRequest:
    """Ask for the points to choose from, with the vectors to tell them apart by."""
    query: Any = request.query
    wanted = (request.limit or 10) + (request.offset or 0)
    update = {
        "query": query.nearest,
        "limit": max(query.mmr.candidates_limit or wanted, 1),
        "offset": None,
        "with_vector": [request.using],
    }
    return request.model_copy(update=update)


def chosen(
    request: models.QueryRequest, found: Sequence[models.ScoredPoint]
) -> list[models.ScoredPoint]:
    """Choose points that are near to the query and unlike each other.

    Args:
        request: What was asked for; its ``mmr.diversity`` is 0.5 where not given.
        found: The candidates, best first, with their vectors.

    Returns:
        The page that was asked for, in the order of choosing.
    """
    query: Any = request.query
    weight = 0.5 if query.mmr.diversity is None else query.mmr.diversity
    terms = [_terms(point, request.using or "") for point in found]
    scores = [point.score for point in found]
    pending, order = list(range(len(found))), list[int]()
    nearest = [0.0] * len(found)
    wanted = (request.limit or 10) + (request.offset or 0)
    while pending and len(order) < wanted:
        # The last of equals, as the server takes it.
        best = max(
            pending,
            key=lambda at: (
                (1 - weight) * scores[at] - weight * nearest[at] if order else scores[at],
                at,
            ),
        )
        pending.remove(best)
        for at in pending:
            likeness = _dot(terms[at], terms[best])
            nearest[at] = max(nearest[at], likeness) if order else likeness
        order.append(best)
    return [found[at] for at in order[request.offset or 0 :]]


def _terms(point: models.ScoredPoint, using: str) -> _Terms:
    vectors: Any = point.vector
    vector = vectors[using]
    return dict(zip(vector.indices, vector.values, strict=True))


def _dot(one: _Terms, other: _Terms) -> float:
    return sum(value * other[index] for index, value in one.items() if index in other)
