"""Answer what takes several queries: groups of points, and distances within a sample.

Source: https://qdrant.tech/documentation/concepts/search/#search-groups and
.../concepts/explore/#distance-matrix
"""

from collections.abc import Iterable
from typing import Any, TypeAlias

from qdrant_client import models
from qdrant_client.local.payload_value_extractor import value_by_key

from mrl_adapters.edge.client_models import parsed
from mrl_adapters.edge.collection import Collection
from mrl_adapters.edge.found import retrieve
from mrl_adapters.edge.search import answer
from mrl_adapters.edge.ties import by_id

_GROWTH = 4
_Row: TypeAlias = tuple[Any, list[models.ScoredPoint]]


def query_groups(
    collection: Collection, request: models.QueryRequest, group_by: str, group_size: int
) -> list[models.PointGroup]:
    """Return the best points of the best groups, by a payload field; the request has their number.

    A point with several values is in several groups, one with a value that is neither a string nor
    a whole number in none. The engine ranks points, not groups: ever longer lists are asked for
    until the groups are full or nothing more is found.
    """
    limit = request.limit or 0
    _check_least(limit=(limit, 1), group_size=(group_size, 1))
    wide = {
        "prefetch": _widened(request.prefetch, group_size),
        "with_payload": True,
        "with_vector": False,
    }
    wanted = limit * group_size
    while True:
        [response] = answer(collection, [request.model_copy(update={**wide, "limit": wanted})])
        groups = _sorted_out(response.points, group_by, group_size)[:limit]
        full = len(groups) == limit and all(len(group.hits) == group_size for group in groups)
        if full or len(response.points) < wanted:
            break
        wanted *= _GROWTH
    if request.with_payload is not True or request.with_vector:
        _replace_contents(collection, groups, request)
    return groups


def look_up(
    collection: Collection, groups: list[models.PointGroup], wanted: models.WithLookup
) -> None:
    """Give groups the points of a collection that have the groups' ids."""
    payload = True if wanted.with_payload is None else wanted.with_payload
    ids = [group.id for group in groups]
    records = retrieve(collection, ids, payload, wanted.with_vectors or False)
    by_id = {record.id: record for record in records}
    for group in groups:
        group.lookup = by_id.get(group.id)


def _sorted_out(
    points: Iterable[models.ScoredPoint], group_by: str, group_size: int
) -> list[models.PointGroup]:
    groups: dict[Any, models.PointGroup] = {}
    for point in points:
        values = value_by_key(point.payload or {}, group_by) or []
        if any(type(value) not in (int, str) for value in values):
            continue
        for value in dict.fromkeys(values):
            group = groups.setdefault(value, models.PointGroup(id=value, hits=[]))
            if len(group.hits) < group_size:
                group.hits.append(point)
    return list(groups.values())


def _widened(prefetch: Any, group_size: int) -> Any:
    """Make prefetches long enough for groups: `group_size` times as long, as on the server."""
    if prefetch is None:
        return None
    if isinstance(prefetch, list):
        return [_widened(part, group_size) for part in prefetch]
    given = parsed(models.Prefetch, prefetch) if isinstance(prefetch, dict) else prefetch
    return given.model_copy(
        update={
            "limit": (given.limit or 10) * group_size,
            "prefetch": _widened(given.prefetch, group_size),
        }
    )


def _replace_contents(
    collection: Collection, groups: list[models.PointGroup], request: models.QueryRequest
) -> None:
    """Give grouped points what was asked for of payload and vectors."""
    ids = list({hit.id for group in groups for hit in group.hits})
    records = retrieve(collection, ids, request.with_payload, request.with_vector)
    contents = {
        record.id: {"payload": record.payload, "vector": record.vector} for record in records
    }
    for group in groups:
        group.hits = [hit.model_copy(update=contents[hit.id]) for hit in group.hits]


def distance_matrix(
    collection: Collection,
    using: str | None,
    query_filter: models.Filter | None,
    limit: int,
    sample: int,
) -> list[_Row]:
    """Draw points at random, and return each by id with its nearest others, best first."""
    _check_least(limit=(limit, 1), sample=(sample, 2))
    has_vector = models.HasVectorCondition(has_vector=using or "")
    drawn = models.QueryRequest(
        query=models.SampleQuery(sample=models.Sample.RANDOM),
        filter=models.Filter(must=[query_filter, has_vector] if query_filter else [has_vector]),
        limit=sample,
        with_payload=False,
    )
    ids = sorted((point.id for point in answer(collection, [drawn])[0].points), key=by_id)
    among = models.Filter(must=[models.HasIdCondition(has_id=ids)])
    requests = [
        models.QueryRequest(
            query=point_id, using=using, filter=among, limit=limit, with_payload=False
        )
        for point_id in ids
    ]
    nearest = answer(collection, requests) if ids else []
    return [(point_id, near.points) for point_id, near in zip(ids, nearest, strict=True)]


def as_pairs(rows: list[_Row]) -> models.SearchMatrixPairsResponse:
    """Return a matrix as pairs of ids with their score."""
    return models.SearchMatrixPairsResponse(
        pairs=[
            models.SearchMatrixPair(a=one, b=other.id, score=other.score)
            for one, nearest in rows
            for other in nearest
        ]
    )


def as_offsets(rows: list[_Row]) -> models.SearchMatrixOffsetsResponse:
    """Return a matrix as columns: offsets into the list of ids, and scores."""
    position = {one: at for at, (one, _) in enumerate(rows)}
    cells = [(position[one], other) for one, nearest in rows for other in nearest]
    return models.SearchMatrixOffsetsResponse(
        offsets_row=[row for row, _ in cells],
        offsets_col=[position[other.id] for _, other in cells],
        scores=[other.score for _, other in cells],
        ids=[one for one, _ in rows],
    )


def _check_least(**counts: tuple[int, int]) -> None:
    for name, (value, least) in counts.items():
        if value < least:
            message = f"{name} is {value}. Expected {least} or more."
            raise ValueError(message)
