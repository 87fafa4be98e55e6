"""The short vectors of stored points: judge them, derive them again, write them, read them back."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qdrant_client import models

from mrl_adapters.errors import MigrationError
from mrl_adapters.maintenance.pages import PointId, column, page_points, read_pages
from mrl_adapters.qdrant.driver import Driver
from mrl_adapters.qdrant.flow import ask
from mrl_adapters.qdrant.layout import CollectionLayout
from mrl_adapters.qdrant.points import derive
from mrl_adapters.qdrant.reading import lacking
from mrl_adapters.vectors import FloatArray

# A full vector stored as float16 is off by at most 2^-11 of each number, so is what is derived
# from it; a short vector may itself be stored as float16. Another text is off by far more.
TOLERANCE = 2e-3
_ROUNDS = 20

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Verdict:
    """What is right and wrong with the short vectors of n points.

    Args:
        records: The points.
        derived: Vector name to what its short vectors should be, shape (n, stage).
        missing: Which points lack a short vector and could have it.
        stale: Which have one that does not belong to their full vector. A point can be both.
        unusable: Which have no full vector, or one with NaN or infinity.
    """

    records: Sequence[models.Record]
    derived: dict[str, FloatArray]
    missing: Mask
    stale: Mask
    unusable: Mask

    @property
    def wrong(self) -> Mask:
        """Which points need to be written."""
        return self.missing | self.stale


@dataclass(frozen=True)
class Settled:
    """What became of points that were settled.

    Args:
        missing: How many lacked a short vector.
        stale: How many had one that did not belong to their full vector.
        unusable: How many have no usable full vector.
        restless: How many changed each time they had been written; left for the next run.
    """

    missing: int = 0
    stale: int = 0
    unusable: int = 0
    restless: int = 0


class ShortVectors:
    """The short vectors of one collection.

    Args:
        driver: Reaches the collection.
        collection_name: Which collection.
        layout: What its short vectors are, and are derived from.
    """

    def __init__(self, driver: Driver, collection_name: str, layout: CollectionLayout) -> None:
        self._driver = driver
        self._name = collection_name
        self._layout = layout
        self._sizes = {layout.stage_name(stage): stage for stage in layout.stages}
        prefix_is_enough = (
            layout.distance == "Cosine" and layout.reduction == "prefix" and not layout.rotation
        )
        # Numbers of the full vector that the short ones depend on: converting the rest from
        # Python floats would cost more than everything else.
        self._width = layout.stages[-1] if prefix_is_enough else layout.dimensions
        self._engine = driver.engine

    @property
    def names(self) -> list[str]:
        """Names of the short vectors, shortest first."""
        return list(self._sizes)

    @property
    def lacking(self) -> models.Filter:
        """Which points have a full vector and lack a short one."""
        return lacking(self._layout.full_name, self._sizes)

    def pages(self, query_filter: models.Filter | None = None) -> Iterator[list[models.Record]]:
        """Read points with all that judging needs.

        Args:
            query_filter: Which points; None reads all.
        """
        size = page_points(self._layout.dimensions + sum(self._sizes.values()))
        for records, _ in read_pages(
            self._driver, self._name, size, vectors=self._names(), query_filter=query_filter
        ):
            yield records

    def judge(self, records: Sequence[models.Record]) -> Verdict:
        """Derive short vectors and compare them with the stored ones.

        Args:
            records: Points that came from :meth:`pages`.
        """
        full = column(records, self._layout.full_name, self._width)
        unusable = np.asarray(~np.isfinite(full).all(axis=1))
        derived = derive(np.where(unusable[:, np.newaxis], np.float32(0), full), self._layout)
        missing = np.zeros(len(records), dtype=bool)
        stale = np.zeros(len(records), dtype=bool)
        for name, right in derived.items():
            stored = column(records, name, self._sizes[name])
            present = ~np.isnan(stored).any(axis=1)
            missing |= ~present & ~unusable
            off = np.linalg.norm(stored - right, axis=1) > TOLERANCE * np.linalg.norm(right, axis=1)
            stale |= present & (off | unusable)
        return Verdict(records, derived, missing, stale, unusable)

    def fill(self, records: Sequence[models.Record]) -> Verdict:
        """Write the short vectors of points that lack them, without reading them back.

        A point that got its short vectors from another writer in the meantime keeps those.

        Args:
            records: Points that came from :meth:`pages`.
        """
        verdict = self.judge(records)
        self._write(verdict, verdict.missing, self.lacking)
        return verdict

    def settle(self, records: Sequence[models.Record]) -> Settled:
        """Mend the short vectors of points, and read them back until they belong.

        Between reading a full vector and writing what was derived from it another writer may
        have replaced it: only reading both again tells.

        Args:
            records: Points that came from :meth:`pages`.
        """
        verdict = first = self.judge(records)
        for _ in range(_ROUNDS):
            if not verdict.wrong.any():
                break
            self._write(verdict, verdict.wrong)
            wrong = [
                each.id for each, bad in zip(verdict.records, verdict.wrong, strict=True) if bad
            ]
            verdict = self.judge(self._read(wrong))
        return Settled(
            missing=int(first.missing.sum()),
            stale=int((first.stale & ~first.missing).sum()),
            unusable=int(first.unusable.sum()),
            restless=int(verdict.wrong.sum()),
        )

    def _names(self) -> list[str]:
        return [self._layout.full_name, *self._sizes]

    def _read(self, ids: list[PointId]) -> list[models.Record]:
        return self._driver.run(
            ask(
                lambda c: c.retrieve(
                    self._name, ids=ids, with_payload=False, with_vectors=self._names()
                )
            )
        )

    def _write(
        self, verdict: Verdict, chosen: Mask, update_filter: models.Filter | None = None
    ) -> None:
        """Write the derived vectors of chosen points; where none can be, delete what is there."""
        rows: list[int] = np.flatnonzero(chosen & ~verdict.unusable).tolist()
        vectors = {
            name: self._engine.encode(derived[rows]) for name, derived in verdict.derived.items()
        }
        points = [
            # Derived from checked numbers; validating them again costs more than writing them.
            models.PointVectors.model_construct(
                id=verdict.records[row].id,
                vector={name: column[place] for name, column in vectors.items()},
            )
            for place, row in enumerate(rows)
        ]
        keys = [verdict.records[row].shard_key for row in rows]
        for key, group in _by_shard_key(points, keys):
            self._update(group, key, update_filter)
        unusable: list[int] = np.flatnonzero(chosen & verdict.unusable).tolist()
        bare = [verdict.records[row] for row in unusable]
        for key, records in _by_shard_key(bare, [each.shard_key for each in bare]):
            self._delete([each.id for each in records], key)

    def _update(
        self,
        points: list[models.PointVectors],
        shard_key: models.ShardKey | None,
        update_filter: models.Filter | None,
    ) -> None:
        # Engines refuse a request that names a point which has just been deleted, each with an
        # error of its own; the points that are still there tell whether that was it.
        for _ in range(_ROUNDS):
            try:
                self._try_update(points, shard_key, update_filter)
            except Exception:
                alive = self._alive([point.id for point in points])
                if len(alive) == len(points):
                    raise
                points = [point for point in points if str(point.id) in alive]
                if not points:
                    return
            else:
                return
        msg = (
            f"Collection {self._name!r}: points are deleted faster than their short vectors can "
            "be written. Run this again when fewer writers are active; it goes on where it stopped."
        )
        raise MigrationError(msg, collection=self._name)

    def _try_update(
        self,
        points: list[models.PointVectors],
        shard_key: models.ShardKey | None,
        update_filter: models.Filter | None,
    ) -> None:
        self._driver.run(
            ask(
                lambda c: c.update_vectors(
                    self._name,
                    points=points,
                    wait=True,
                    shard_key_selector=shard_key,
                    update_filter=update_filter,
                )
            )
        )

    def _alive(self, ids: list[PointId]) -> set[str]:
        records = self._driver.run(
            ask(lambda c: c.retrieve(self._name, ids=ids, with_payload=False, with_vectors=False))
        )
        return {str(record.id) for record in records}

    def _delete(self, ids: list[PointId], shard_key: models.ShardKey | None) -> None:
        self._driver.run(
            ask(
                lambda c: c.delete_vectors(
                    self._name,
                    vectors=self.names,
                    points=models.PointIdsList(points=ids),
                    wait=True,
                    shard_key_selector=shard_key,
                )
            )
        )


def _by_shard_key(
    items: Iterable[Any], keys: Iterable[models.ShardKey | None]
) -> Iterator[tuple[models.ShardKey | None, list[Any]]]:
    """Sort by custom shard: a request goes to one of them (or, without any, to the collection)."""
    pairs = sorted(zip(keys, items, strict=True), key=lambda pair: str(pair[0]))
    for _, group in groupby(pairs, key=lambda pair: str(pair[0])):
        members = list(group)
        yield members[0][0], [item for _, item in members]
