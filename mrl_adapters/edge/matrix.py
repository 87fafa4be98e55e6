"""How near the points of a random sample are to each other.

Source: https://qdrant.tech/documentation/concepts/explore/#distance-matrix
"""

from collections.abc import Callable
from typing import Any, TypeAlias

from qdrant_client import models

Find: TypeAlias = Callable[[list[models.QueryRequest]], list[list[models.ScoredPoint]]]
_Row: TypeAlias = tuple[Any, list[models.ScoredPoint]]


def distance_matrix(
    find: Find, using: str | None, query_filter: models.Filter | None, limit: int, sample: int
) -> list[_Row]:
    """Find each sampled point's nearest among the others of the sample.

    Args:
        find: Answers a batch of requests.
        using: The vector to compare by.
        query_filter: Which points may be sampled.
        limit: How many nearest each gets.
        sample: How many points are drawn.

    Returns:
        A row for each sampled point, by id: the point, and its nearest, best first.

    Raises:
        ValueError: limit is below 1, or sample below 2.
    """
    for name, value, least in (("limit", limit, 1), ("sample", sample, 2)):
        if value < least:
            message = f"{name} is {value}. Expected {least} or more."
            raise ValueError(message)
    has_vector = models.HasVectorCondition(has_vector=using or "")
    drawn = models.QueryRequest(
        query=models.SampleQuery(sample=models.Sample.RANDOM),
        filter=models.Filter(must=[query_filter, has_vector] if query_filter else [has_vector]),
        limit=sample,
        with_payload=False,
    )
    ids = sorted((point.id for point in find([drawn])[0]), key=_numbers_first)
    among = models.Filter(must=[models.HasIdCondition(has_id=ids)])
    requests = [
        models.QueryRequest(query=each, using=using, filter=among, limit=limit, with_payload=False)
        for each in ids
    ]
    return list(zip(ids, find(requests), strict=True)) if ids else []


def as_pairs(rows: list[_Row]) -> models.SearchMatrixPairsResponse:
    """Give a matrix as pairs of ids with their score."""
    return models.SearchMatrixPairsResponse(
        pairs=[
            models.SearchMatrixPair(a=one, b=other.id, score=other.score)
            for one, nearest in rows
            for other in nearest
        ]
    )


def as_offsets(rows: list[_Row]) -> models.SearchMatrixOffsetsResponse:
    """Give a matrix as columns: offsets into the list of ids, and scores."""
    position = {one: at for at, (one, _) in enumerate(rows)}
    cells = [(position[one], other) for one, nearest in rows for other in nearest]
    return models.SearchMatrixOffsetsResponse(
        offsets_row=[row for row, _ in cells],
        offsets_col=[position[other.id] for _, other in cells],
        scores=[other.score for _, other in cells],
        ids=[one for one, _ in rows],
    )


def _numbers_first(point_id: Any) -> tuple[bool, Any]:
    return isinstance(point_id, str), point_id
