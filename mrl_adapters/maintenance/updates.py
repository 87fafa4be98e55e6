"""Write vectors of points that are there, while other writers may delete them."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

from qdrant_client import models

from mrl_adapters.errors import MigrationError
from mrl_adapters.maintenance.client import RetryingClient

_ROUNDS = 20


def write_vectors(
    client: RetryingClient,
    name: str,
    points: Sequence[models.PointVectors],
    keys: Iterable[models.ShardKey | None],
    update_filter: models.Filter | None = None,
) -> None:
    """Write vectors, in requests that the collection allows; points that are gone are left out.

    Args:
        client: Client that holds the collection.
        name: The collection.
        points: The points and their vectors.
        keys: The custom shard of each.
        update_filter: Points that it does not hold for keep what they have.

    Raises:
        MigrationError: Points are deleted faster than they can be written.
    """
    most = client.limits(name).points or len(points)
    for key, group in by_shard_key(points, keys):
        for start in range(0, len(group), most):
            _update(client, name, group[start : start + most], key, update_filter)


def _update(
    client: RetryingClient,
    name: str,
    points: list[models.PointVectors],
    shard_key: models.ShardKey | None,
    update_filter: models.Filter | None,
) -> None:
    # Engines refuse a request that names a point which has just been deleted, each with an
    # error of its own; the points that are still there tell whether that was it.
    for _ in range(_ROUNDS):
        try:
            client.update_vectors(
                name,
                points=points,
                wait=True,
                shard_key_selector=shard_key,
                update_filter=update_filter,
            )
        except Exception:
            present = client.present(name, [point.id for point in points])
            if len(present) == len(points):
                raise
            points = [point for point in points if str(point.id) in present]
            if not points:
                return
        else:
            return
    msg = (
        f"Collection {name!r}: points are deleted faster than their vectors can "
        "be written. Run this again when fewer writers are active; it goes on where it stopped."
    )
    raise MigrationError(msg, collection=name)


def by_shard_key(
    items: Iterable[Any], keys: Iterable[models.ShardKey | None]
) -> Iterator[tuple[models.ShardKey | None, list[Any]]]:
    """Sort by custom shard: a request goes to one of them (or, without any, to the collection)."""
    pairs = sorted(zip(keys, items, strict=True), key=lambda pair: str(pair[0]))
    for _, group in groupby(pairs, key=lambda pair: str(pair[0])):
        members = list(group)
        yield members[0][0], [item for _, item in members]
