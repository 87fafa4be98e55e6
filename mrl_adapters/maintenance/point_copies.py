"""The points of a copy: written from those of the old collection, and compared with them."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from qdrant_client import models

from mrl_adapters.errors import EmbeddingError, MigrationError
from mrl_adapters.maintenance.checkpoint import Checkpoint
from mrl_adapters.maintenance.client import PointId, Records, RetryingClient, points_per_page
from mrl_adapters.maintenance.short_vectors import (
    TOLERANCE,
    Mask,
    ShortVectors,
    column,
)
from mrl_adapters.maintenance.source import Source
from mrl_adapters.qdrant.layout import CollectionLayout
from mrl_adapters.qdrant.points import columns, numbers_of
from mrl_adapters.qdrant.quantization import STORAGE_ERROR
from mrl_adapters.qdrant.reading import vector_of
from mrl_adapters.vectors import normalize

_NUMBER_BYTES = 21  # in JSON
_REQUEST_BYTES = 5_000_000
_ROWS = 128  # of a multivector, for what is not known before it is read
_FLOAT_UNIT = 4e-16  # of 16 or 17 digits


@dataclass(frozen=True)
class Destination:
    """Where a copy goes, with all that was left open decided.

    Args:
        client: Client that holds the copy.
        name: Its name.
        layout: Its layout.
        alias: Alias to switch to it.
        delete_source: Whether the old collection is deleted in the end.
    """

    client: RetryingClient
    name: str
    layout: CollectionLayout
    alias: str | None
    delete_source: bool

    def checkpoint(self, source: Source) -> Checkpoint:
        """Compose the checkpoint of a copy that is about to begin."""
        return Checkpoint.begun("copy", source.name, source.full_name, self.layout)


class PointCopies:
    """The points of one collection, carried over into another.

    Args:
        client: Client that holds the old collection.
        source: The old collection.
        destination: The new one.
    """

    def __init__(self, client: RetryingClient, source: Source, destination: Destination) -> None:
        self.client = client
        self.source = source
        self.destination = destination
        self._target = destination.client
        self._name = destination.name
        self._layout = destination.layout
        self._shorts = ShortVectors(self._target, self._name, self._layout)
        self._others = [*source.other_dense, *source.sparse]
        self._engine = self._target.engine
        others = sum(
            params.size * (1 if params.multivector_config is None else _ROWS)
            for params in source.other_dense.values()
        )
        self._width = self._layout.dimensions + sum(self._layout.stages) + others

    def pages(self, offset: PointId | None = None) -> Iterator[tuple[Records, PointId | None]]:
        """Read the old collection with all that is carried over; not its old short vectors."""
        return self.client.pages(
            self.source.name,
            points_per_page(self._width),
            vectors=[self.source.full_name, *self._others],
            payload=True,
            offset=offset,
        )

    def write(self, records: Sequence[models.Record]) -> None:
        """Write points of the old collection into the new one, with their short vectors."""
        size, most = 1, self._target.limits(self._name).points
        points: list[models.PointStruct] = []
        for point, point_bytes in self._points(records):
            full = self._engine.is_server and size + point_bytes > _REQUEST_BYTES
            if points and (full or len(points) == most):
                self._target.upsert(self._name, points=points, wait=True)
                points, size = [], 1
            points.append(point)
            size += point_bytes
        if points:
            self._target.upsert(self._name, points=points, wait=True)

    def mend(self, records: Sequence[models.Record]) -> int:
        """Compare points with their copies, write those that differ again, and count them.

        They are to be compared once more: the old collection may have changed between reading and
        writing.
        """
        differing = self.differing(records)
        if differing:
            self.write(differing)
        return len(differing)

    def differing(self, records: Sequence[models.Record]) -> Records:
        """List the points that have no copy, or another one than would be written."""
        ids = [record.id for record in records]
        stored = self._target.retrieve(self._name, ids=ids, with_payload=True, with_vectors=True)
        copies = {str(copy.id): copy for copy in stored}
        arrived = [record for record in records if str(record.id) in copies]
        differing = [record for record in records if str(record.id) not in copies]
        if arrived:
            paired = [copies[str(record.id)] for record in arrived]
            same = self._same_full(arrived, paired) & ~self._shorts.judge(paired).wrong
            differing += [
                record
                for record, copy, full in zip(arrived, paired, same, strict=True)
                if not (full and self._same_rest(record, copy))
            ]
        return differing

    def difference(self) -> str | None:
        """Return how the two collections differ, content and count; None if they are equal.

        Every point of the old collection is in the copy as it is, and there are as many: so there
        are no others in the copy.
        """
        for records, _ in self.pages():
            if differing := self.differing(records):
                return f"as in point {differing[0].id!r}"
        here = self.client.count_points(self.source.name)
        there = self._target.count_points(self._name)
        return None if here == there else f"in number: {here} points, {there} in the copy"

    def _same_full(self, records: Sequence[models.Record], copies: Sequence[models.Record]) -> Mask:
        here = column(records, self.source.full_name, self._layout.dimensions)
        there = column(copies, self._layout.full_name, self._layout.dimensions)
        absent = np.isnan(here).any(axis=1) & np.isnan(there).any(axis=1)
        if self._layout.distance == "Cosine":
            here, there = normalize(np.nan_to_num(here)), normalize(np.nan_to_num(there))
        off = np.linalg.norm(here - there, axis=1)
        tolerance = TOLERANCE + STORAGE_ERROR.get(self._layout.full_datatype, 0.0)
        near = off <= tolerance * np.linalg.norm(here, axis=1)
        return np.asarray(near | absent)

    def _same_rest(self, record: models.Record, copy: models.Record) -> bool:
        return same_value(record.payload or {}, copy.payload or {}) and all(
            _same_vector(vector_of(record, name), vector_of(copy, name)) for name in self._others
        )

    def _points(self, records: Sequence[models.Record]) -> list[tuple[models.PointStruct, int]]:
        """Compose points, each with its size in bytes."""
        full_name = self.source.full_name
        bearing = [record for record in records if vector_of(record, full_name) is not None]
        derived = iter(self._derive(bearing))
        points = []
        for record in records:
            vectors: dict[str, Any] = {}
            size = len(str(record.payload))
            if vector_of(record, full_name) is not None:
                vectors = next(derived)
                size += (self._layout.dimensions + sum(self._layout.stages)) * _NUMBER_BYTES
            for name in self._others:
                if (vector := vector_of(record, name)) is not None:
                    vectors[name] = vector
                    size += numbers_of(vector) * _NUMBER_BYTES
            # Built from what an engine gave; validating it again costs more than writing it.
            point = models.PointStruct.model_construct(
                id=record.id, vector=vectors, payload=record.payload
            )
            points.append((point, size))
        return points

    def _derive(self, records: Sequence[models.Record]) -> list[dict[str, Any]]:
        if not records:
            return []
        names = [f"point {record.id!r}" for record in records]
        raw = np.array(
            [vector_of(record, self.source.full_name) for record in records], dtype=np.float32
        )
        finite = np.isfinite(raw).all(axis=1)
        try:
            if not finite.all():
                msg = f"{names[int(np.argmin(finite))]} holds NaN or infinity."
                raise EmbeddingError(msg)  # noqa: TRY301 - told below with what float16 cannot hold
            stored = columns(raw, self._layout, names)
        except EmbeddingError as error:
            msg = (
                f"Collection {self.source.name!r} cannot be copied: {error} Mend or delete that "
                "point and run this again, it goes on where it stopped; or migrate in place."
            )
            raise MigrationError(msg, collection=self.source.name) from error
        rows = {name: self._engine.encode(array) for name, array in stored.items()}
        return [dict(zip(rows, values, strict=True)) for values in zip(*rows.values(), strict=True)]


def same_value(here: Any, there: Any) -> bool:
    """Compare two payload values, as far as storing them again may change them.

    Engines give about one float of 16 or 17 digits in ten back one unit off. True is not 1.
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


def _same_vector(here: Any, there: Any) -> bool:
    """Compare two vectors of any kind, as far as storing them again may change them."""
    if here is None or there is None:
        return here is there
    if isinstance(here, models.SparseVector):
        if not isinstance(there, models.SparseVector):
            return False
        first, second = (
            dict(zip(sparse.indices, sparse.values, strict=True)) for sparse in (here, there)
        )
        return first.keys() == second.keys() and _same_vector(
            list(first.values()), [second[index] for index in first]
        )
    first_array, second_array = (np.asarray(dense, dtype=np.float32) for dense in (here, there))
    if first_array.shape != second_array.shape:
        return False
    off = float(np.linalg.norm(first_array - second_array))
    return off <= TOLERANCE * float(np.linalg.norm(first_array))
