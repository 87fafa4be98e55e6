"""Carry points from one collection into another, and tell whether they arrived."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from qdrant_client import models

from mrl_adapters.errors import EmbeddingError, MigrationError
from mrl_adapters.maintenance.pages import PointId, column, page_points, read_pages, vector_of
from mrl_adapters.maintenance.shorts import TOLERANCE, Mask, ShortVectors
from mrl_adapters.maintenance.source import Source
from mrl_adapters.qdrant.driver import Driver
from mrl_adapters.qdrant.flow import ask
from mrl_adapters.qdrant.layout import CollectionLayout
from mrl_adapters.qdrant.points import columns
from mrl_adapters.vectors import normalize

_NUMBER_BYTES = 21
_REQUEST_BYTES = 5_000_000
_FLOAT_UNIT = 4e-16  # of 16 or 17 digits


class Carrier:
    """Carry points over.

    Args:
        source_driver: Reaches the old collection.
        source: The old collection.
        target_driver: Reaches the new one.
        target_name: The new one.
        layout: The new one's layout.
    """

    def __init__(
        self,
        source_driver: Driver,
        source: Source,
        target_driver: Driver,
        target_name: str,
        layout: CollectionLayout,
    ) -> None:
        self.source_driver = source_driver
        self._source = source
        self._driver = target_driver
        self._name = target_name
        self._layout = layout
        self._shorts = ShortVectors(target_driver, target_name, layout)
        self._others = [*source.other_dense, *source.sparse]
        self._engine = target_driver.engine

    @property
    def vector_names(self) -> list[str]:
        """Vectors of the old collection that are carried over; old short ones are not."""
        return [self._source.full_name, *self._others]

    @property
    def width(self) -> int:
        """Numbers of a point, about."""
        others = sum(params.size for params in self._source.other_dense.values())
        return self._layout.dimensions + sum(self._layout.stages) + others

    def pages(
        self, offset: PointId | None = None
    ) -> Iterator[tuple[list[models.Record], PointId | None]]:
        """Read the old collection with all that is carried over.

        Args:
            offset: Id to start from; None starts at the first.

        Yields:
            The points of a page, and the id that the next one starts from (None after the last).
        """
        return read_pages(
            self.source_driver,
            self._source.name,
            page_points(self.width),
            vectors=self.vector_names,
            payload=True,
            offset=offset,
        )

    def carry(self, records: Sequence[models.Record]) -> None:
        """Write points into the new collection, with their short vectors.

        Args:
            records: Points of the old collection, with all vectors and payloads.

        Raises:
            MigrationError: A full vector cannot be stored (NaN, infinity, beyond float16).
        """
        size = 1
        points: list[models.PointStruct] = []
        for point, point_bytes in self._points(records):
            if points and self._engine.is_server and size + point_bytes > _REQUEST_BYTES:
                self._upsert(points)
                points, size = [], 1
            points.append(point)
            size += point_bytes
        if points:
            self._upsert(points)

    def mend(self, records: Sequence[models.Record]) -> int:
        """Compare points with their copies, and carry over again those that differ.

        Args:
            records: Points of the old collection, with all vectors and payloads.

        Returns:
            How many differed. They are to be compared again: the old collection may have changed
            between reading and writing.
        """
        differing = self.differing(records)
        if differing:
            self.carry(differing)
        return len(differing)

    def differing(self, records: Sequence[models.Record]) -> list[models.Record]:
        """Compare points with their copies.

        Args:
            records: Points of the old collection, with all vectors and payloads.

        Returns:
            Those that have no copy, or another one than :meth:`carry` would write.
        """
        copies = {str(each.id): each for each in self._read([record.id for record in records])}
        arrived = [record for record in records if str(record.id) in copies]
        paired = [copies[str(record.id)] for record in arrived]
        differing = [record for record in records if str(record.id) not in copies]
        if arrived:
            same = self._same_full(arrived, paired) & ~self._shorts.judge(paired).wrong
            differing += [
                record
                for record, copy, full in zip(arrived, paired, same, strict=True)
                if not (full and self._same_rest(record, copy))
            ]
        return differing

    def _same_full(self, records: Sequence[models.Record], copies: Sequence[models.Record]) -> Mask:
        here = column(records, self._source.full_name, self._layout.dimensions)
        there = column(copies, self._layout.full_name, self._layout.dimensions)
        absent = np.isnan(here).any(axis=1) & np.isnan(there).any(axis=1)
        if self._layout.distance == "Cosine":
            here, there = normalize(np.nan_to_num(here)), normalize(np.nan_to_num(there))
        off = np.linalg.norm(here - there, axis=1)
        near = off <= TOLERANCE * np.linalg.norm(here, axis=1)
        return np.asarray(near | absent)

    def _same_rest(self, record: models.Record, copy: models.Record) -> bool:
        if not same_value(record.payload or {}, copy.payload or {}):
            return False
        return all(_near(vector_of(record, name), vector_of(copy, name)) for name in self._others)

    def _points(self, records: Sequence[models.Record]) -> list[tuple[models.PointStruct, int]]:
        full_name = self._source.full_name
        bearing = [record for record in records if vector_of(record, full_name) is not None]
        derived = iter(self._derive(bearing))
        points = []
        for record in records:
            vectors: dict[str, Any] = {}
            size = len(str(record.payload))
            if vector_of(record, full_name) is not None:
                vectors = next(derived)
                size += self.width * _NUMBER_BYTES
            for name in self._others:
                if (vector := vector_of(record, name)) is not None:
                    vectors[name] = vector
                    if isinstance(vector, models.SparseVector):
                        size += len(vector.values) * 2 * _NUMBER_BYTES
            # Built from what an engine gave; validating it again costs more than writing it.
            points.append(
                (
                    models.PointStruct.model_construct(
                        id=record.id, vector=vectors, payload=record.payload
                    ),
                    size,
                )
            )
        return points

    def _derive(self, records: Sequence[models.Record]) -> list[dict[str, Any]]:
        if not records:
            return []
        names = [f"point {record.id!r}" for record in records]
        raw = np.array(
            [vector_of(record, self._source.full_name) for record in records], dtype=np.float32
        )
        finite = np.isfinite(raw).all(axis=1)
        try:
            if not finite.all():
                msg = f"{names[int(np.argmin(finite))]} holds NaN or infinity."
                raise EmbeddingError(msg)  # noqa: TRY301 - told below with what float16 cannot hold
            stored = columns(raw, self._layout, names)
        except EmbeddingError as error:
            msg = (
                f"Collection {self._source.name!r} cannot be copied: {error} Mend or delete that "
                "point and run this again, it goes on where it stopped; or migrate in place."
            )
            raise MigrationError(msg, collection=self._source.name) from error
        rows = {name: self._engine.encode(array) for name, array in stored.items()}
        return [dict(zip(rows, values, strict=True)) for values in zip(*rows.values(), strict=True)]

    def _upsert(self, points: list[models.PointStruct]) -> None:
        self._driver.run(ask(lambda c: c.upsert(self._name, points=points, wait=True)))

    def _read(self, ids: list[PointId]) -> list[models.Record]:
        return self._driver.run(
            ask(lambda c: c.retrieve(self._name, ids=ids, with_payload=True, with_vectors=True))
        )


def same_value(here: Any, there: Any) -> bool:
    """Compare two payload values, as far as storing them again may change them.

    Engines give about one float of 16 or 17 digits in ten back one unit off. True is not 1.

    Args:
        here: A value.
        there: What it was stored as.
    """
    if isinstance(here, dict) and isinstance(there, dict):
        return here.keys() == there.keys() and all(
            same_value(value, there[key]) for key, value in here.items()
        )
    if isinstance(here, list) and isinstance(there, list):
        return len(here) == len(there) and all(map(same_value, here, there))
    if isinstance(here, bool) or isinstance(there, bool):
        return here is there
    if isinstance(here, float) and isinstance(there, float):
        return math.isclose(here, there, rel_tol=_FLOAT_UNIT) or (
            math.isnan(here) and math.isnan(there)
        )
    return bool(here == there)


def _near(here: Any, there: Any) -> bool:
    """Compare two vectors of any kind, as far as storing them again may change them."""
    if here is None or there is None:
        return here is there
    if isinstance(here, models.SparseVector):
        if not isinstance(there, models.SparseVector):
            return False
        first, second = (
            dict(zip(each.indices, each.values, strict=True)) for each in (here, there)
        )
        return first.keys() == second.keys() and _near(
            list(first.values()), [second[index] for index in first]
        )
    first_array, second_array = (np.asarray(each, dtype=np.float32) for each in (here, there))
    if first_array.shape != second_array.shape:
        return False
    off = float(np.linalg.norm(first_array - second_array))
    return off <= TOLERANCE * float(np.linalg.norm(first_array))
