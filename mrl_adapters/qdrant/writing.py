"""Write documents into a collection that is open, each into one point."""

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from qdrant_client import models

from mrl_adapters.qdrant.commands import command
from mrl_adapters.qdrant.flow import Flow, change, current_engine
from mrl_adapters.qdrant.ids import original_id
from mrl_adapters.qdrant.layout import CollectionLayout
from mrl_adapters.qdrant.points import PointBatch
from mrl_adapters.qdrant.reading import places_of
from mrl_adapters.qdrant.shard_keys import ShardKey
from mrl_adapters.qdrant.strict_mode import limits_of
from mrl_adapters.user_warnings import warn_user
from mrl_adapters.vectors import FloatArray

_NAMED = 5


class ZeroVectorsWarning(UserWarning):
    """Documents were stored whose vector is all zeros, so that no search finds them."""


def unfindable(full: FloatArray) -> list[int]:
    """List the rows that are to be stored without vectors.

    Engines would rank a vector of zeros among the others. Under Cosine it has no direction; under
    Euclid it lies nearer to any question than most texts do: 1 from each vector of unit length,
    where two that have nothing to do with each other are 1.4 apart.

    Args:
        full: Checked vectors, shape (n, d).
    """
    rows: list[int] = np.flatnonzero(~full.any(axis=1)).tolist()
    return rows


def warn_of_zeros(collection_name: str, ids: Sequence[str]) -> None:
    """Warn of documents that were stored without vectors, if there are any.

    Warns:
        ZeroVectorsWarning: There are some.
    """
    if not ids:
        return
    named = ", ".join(map(repr, ids[:_NAMED])) + (", ..." if len(ids) > _NAMED else "")
    msg = (
        f"Collection {collection_name!r}: the vectors of {len(ids)} documents ({named}) are all "
        "zeros. They are stored, and reached by their ids and by filters, but no search finds "
        "them (are the texts empty?). List such documents with: "
        f"{command('audit', collection_name)}"
    )
    warn_user(msg, ZeroVectorsWarning)


def store_points(
    name: str,
    batch: PointBatch,
    layout: CollectionLayout,
    zeros: list[str],
    shard_key: ShardKey | None = None,
    acknowledged: set[str] | None = None,
    every_shard: list[ShardKey] | None = None,
) -> Flow[int]:
    """Write documents where they lie already, or anew.

    Returns:
        How many points were stored.
    """
    places, surplus = yield from places_of(name, batch.ids)
    placed = replace(batch, places=places).distinct()
    bare = unfindable(placed.vectors[layout.full_name])
    limits = yield from limits_of(name)
    requests = placed.requests(current_engine(), bare, limits.points)
    for points in requests:
        yield from _upsert(name, points, layout, shard_key)
        if acknowledged is not None:
            acknowledged.update(original_id(each.id, each.payload) for each in points)
    if surplus:
        yield from delete_points(name, surplus, layout, every_shard)
    if acknowledged is not None:
        acknowledged.update(batch.ids)  # also those that a later one in the batch replaces
    zeros += [placed.ids[row] for row in bare]
    return len(placed.ids)


def _upsert(
    name: str,
    points: list[models.PointStruct],
    layout: CollectionLayout,
    shard_key: ShardKey | None,
) -> Flow[None]:
    yield from change(
        lambda c: c.upsert(
            name,
            points=points,
            wait=True,
            ordering=layout.ordering(),
            shard_key_selector=shard_key,
        )
    )


def delete_points(
    name: str,
    selector: models.FilterSelector | list[models.ExtendedPointId],
    layout: CollectionLayout,
    every_shard: list[ShardKey] | None,
) -> Flow[None]:
    """Delete points by their ids or by a filter; of custom shards from all that there are."""
    yield from change(
        lambda c: c.delete(
            name,
            selector,
            wait=True,
            ordering=layout.ordering(),
            shard_key_selector=every_shard,
        )
    )


def put_back(name: str, records: Sequence[models.Record], layout: CollectionLayout) -> Flow[None]:
    """Write points as they were read, with all their vectors."""
    for shard_key, some in itertools.groupby(records, lambda record: record.shard_key):
        yield from _upsert(name, [_as_point(each) for each in some], layout, shard_key)


def _as_point(record: models.Record) -> models.PointStruct:
    vectors: Any = record.vector or {}
    return models.PointStruct(id=record.id, vector=vectors, payload=record.payload)
