"""Group search results by a payload field, as `QdrantClient.query_points_groups` does.

The engine ranks points, not groups: ever longer lists are asked for until the groups are full or
nothing more is found.

Source: https://qdrant.tech/documentation/concepts/search/#search-groups
"""

from collections.abc import Callable, Iterable
from typing import Any

from qdrant_client import models
from qdrant_client.local.payload_value_extractor import value_by_key

from mrl_adapters.edge.parsing import parsed

_GROWTH = 4


def grouped(
    find: Callable[[int], list[models.ScoredPoint]], group_by: str, limit: int, group_size: int
) -> list[models.PointGroup]:
    """Collect the best points of the best groups.

    Args:
        find: Gives the best n points, whole payloads included, best first.
        group_by: The payload field; a point with several values is in several groups, one with a
            value that is neither a string nor a whole number in none.
        limit: How many groups.
        group_size: How many points of each.

    Returns:
        The groups, by their best point.
    """
    wanted = limit * group_size
    while True:
        points = find(wanted)
        groups = _sorted_out(points, group_by, group_size)[:limit]
        full = len(groups) == limit and all(len(group.hits) == group_size for group in groups)
        if full or len(points) < wanted:
            return groups
        wanted *= _GROWTH


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


def widened(prefetch: Any, group_size: int) -> Any:
    """Make prefetches long enough for groups: `group_size` times as long, as on the server.

    Args:
        prefetch: One prefetch, several or None.
        group_size: Points of each group.
    """
    if prefetch is None:
        return None
    if isinstance(prefetch, list):
        return [widened(each, group_size) for each in prefetch]
    given = parsed(models.Prefetch, prefetch) if isinstance(prefetch, dict) else prefetch
    return given.model_copy(
        update={
            "limit": (given.limit or 10) * group_size,
            "prefetch": widened(given.prefetch, group_size),
        }
    )
