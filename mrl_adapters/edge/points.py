"""Check points and convert them for the engine.

Vectors are checked before anything is written. The binding reads a float32 buffer fastest when it
comes as a memoryview and a Python list as it is; NumPy rows take three times as long.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice, repeat
from typing import Any
from uuid import uuid4

import numpy as np
import numpy.typing as npt
import qdrant_edge as edge
from qdrant_client import models

from mrl_adapters.edge.names import PointId, check_id, naming_ids
from mrl_adapters.edge.payloads import check_texts, point_payload
from mrl_adapters.errors import ConfigurationError, DimensionsError, EmbeddingError

FloatRow = npt.NDArray[np.float32]

_FLOAT32_MAX = float(np.finfo(np.float32).max)


class VectorIntake:
    """The check and conversion of the vectors of one write, by the collection's names and sizes."""

    def __init__(self, dense: Mapping[str, models.VectorParams], sparse: Iterable[str]) -> None:
        self._sizes = {name: params.size for name, params in dense.items()}
        self._sparse = frozenset(sparse)
        self._rows: dict[str, tuple[list[PointId], list[FloatRow]]] = {}

    def convert(self, point_id: PointId, vector: Any) -> Any:
        """Convert the vector or the named vectors of one point; buffers are checked by `finish`."""
        if isinstance(vector, dict):
            return {name: self._one(point_id, name, value) for name, value in vector.items()}
        return self._one(point_id, "", vector)

    def finish(self) -> None:
        """Check all buffers seen so far for NaN and infinity in one sweep."""
        for name, (ids, rows) in self._rows.items():
            flat = np.concatenate(rows)
            # A finite sum of squares has only finite terms: one pass over the memory. The sum
            # may overflow for huge but finite values, hence the second look.
            with np.errstate(over="ignore", invalid="ignore"):
                if math.isfinite(float(np.dot(flat, flat))):
                    continue
            for point_id, row in zip(ids, rows, strict=True):
                if not np.isfinite(row).all():
                    raise _not_finite(point_id, name)
        self._rows.clear()

    def check_names(self, names: Iterable[str]) -> None:
        """Refuse names of vectors that the collection does not have."""
        for name in names:
            if name not in self._sizes and name not in self._sparse:
                raise self._unknown(name)

    def _unknown(self, name: str, owner: str = "") -> ConfigurationError:
        names = sorted([*self._sizes, *self._sparse])
        message = f"{owner}Not existing vector name error: {name!r}. The collection has {names}."
        return ConfigurationError(message, found=name, expected=names)

    def _one(self, point_id: PointId, name: str, value: Any) -> Any:
        size = self._sizes.get(name)
        if size is None:
            return self._other(point_id, name, value)
        if isinstance(value, list):
            if value and isinstance(value[0], (list, np.ndarray)):
                return [self._list(point_id, name, list(row), size) for row in value]
            return self._list(point_id, name, value, size)
        row = np.ascontiguousarray(value, dtype=np.float32)
        if row.ndim == 2:  # noqa: PLR2004  # a multi-vector: one row for each token
            return [self._list(point_id, name, token, size) for token in row.tolist()]
        if row.size != size:
            raise _wrong_width(point_id, name, row.size, size)
        kept = self._rows.get(name)
        if kept is None:
            kept = self._rows[name] = ([], [])
        kept[0].append(point_id)
        kept[1].append(row)
        return row.data

    def _list(self, point_id: PointId, name: str, values: list[float], size: int) -> list[float]:
        if len(values) != size:
            raise _wrong_width(point_id, name, len(values), size)
        if not _finite(values):
            raise _not_finite(point_id, name)
        return values

    def _other(self, point_id: PointId, name: str, value: Any) -> edge.SparseVector:
        if name not in self._sparse:
            raise self._unknown(name, f"Point {point_id!r}: ")
        if not isinstance(value, models.SparseVector):
            message = (
                f"Point {point_id!r}: vector {name!r} is sparse, found {type(value).__name__}. "
                "Pass models.SparseVector(indices=..., values=...)."
            )
            raise TypeError(message)
        if not _finite(value.values):
            raise _not_finite(point_id, name)
        return edge.SparseVector(value.indices, value.values)


def _finite(values: list[float]) -> bool:
    """Return whether all values are numbers within float32."""
    try:
        # The norm is NaN or infinite when a value is, and above every value.
        return math.hypot(*values) <= _FLOAT32_MAX
    except TypeError:
        return False


def _wrong_width(point_id: PointId, name: str, found: int, expected: int) -> DimensionsError:
    return DimensionsError(
        f"Point {point_id!r}: Vector dimension error: {name!r} has {found} dimensions, "
        f"the collection expects {expected}. Embed with the collection's model and size.",
        found=found,
        expected=expected,
    )


def _not_finite(point_id: PointId, name: str) -> EmbeddingError:
    return EmbeddingError(
        f"Point {point_id!r}: vector {name!r} holds NaN or something that is no float32. "
        "Nothing was written. Check the text and the model behind it."
    )


def edge_points(
    points: models.Batch | Iterable[models.PointStruct], intake: VectorIntake
) -> list[edge.Point]:
    """Convert points for an upsert."""
    if isinstance(points, models.Batch):
        points = batch_points(points)
    convert = intake.convert
    converted = []
    for point in points:
        vector = convert(point.id, point.vector)
        payload: Any = point.payload or None
        owner = f"Point {point.id!r}"
        if payload:
            payload = point_payload(payload, owner)
        try:
            converted.append(edge.Point(point.id, vector, payload))
        except (TypeError, ValueError):
            check_id(point.id)
            check_texts(payload, owner)
            raise
    intake.finish()
    return converted


def batch_points(batch: models.Batch) -> Iterator[models.PointStruct]:
    """Take a batch of columns apart."""
    vectors = batch.vectors
    named: dict[str, Any] = vectors if isinstance(vectors, dict) else {"": vectors}
    payloads: Sequence[Any] = batch.payloads or [None] * len(batch.ids)
    for name, column in {**named, "payloads": payloads}.items():
        if len(column) != len(batch.ids):
            message = (
                f"Batch has {len(batch.ids)} ids and {len(column)} in column {name!r}. "
                "Give one for each id."
            )
            raise ValueError(message)
    for row, point_id in enumerate(batch.ids):
        vector = {name: column[row] for name, column in named.items()}
        yield models.PointStruct.model_construct(id=point_id, vector=vector, payload=payloads[row])


def edge_point_vectors(
    points: Iterable[models.PointVectors], intake: VectorIntake
) -> list[edge.PointVectors]:
    """Convert vectors for an update of existing points; see `edge_points`."""
    converted = []
    for point in points:
        vector = intake.convert(point.id, point.vector)
        with naming_ids([point.id]):
            converted.append(edge.PointVectors(point.id, vector))
    intake.finish()
    return converted


_UNEQUAL = "{name} has fewer elements than vectors, {found}. Give one for each vector."


def columns(
    vectors: Any, payload: Iterable[Any] | None, ids: Iterable[PointId] | None
) -> Iterator[models.PointStruct]:
    """Return the points that the columns of `upload_collection` stand for, as they come."""
    length = _length(vectors)
    names: Iterable[Any] = iter(lambda: str(uuid4()), None) if ids is None else ids
    payloads: Iterable[Any] = repeat(None) if payload is None else payload
    if length is not None:
        names, payloads = _enough(names, length, "ids"), _enough(payloads, length, "payload")
    rows = _rows(vectors) if isinstance(vectors, Mapping) else iter(vectors)
    build = models.PointStruct.model_construct
    return (
        build(id=name, vector=row, payload=content or {})
        for name, row, content in zip(names, rows, payloads, strict=False)
    )


def _length(vectors: Any) -> int | None:
    if not isinstance(vectors, Mapping):
        return len(vectors) if isinstance(vectors, (Sequence, np.ndarray)) else None
    lengths = {name: len(column) for name, column in vectors.items()}
    if len(set(lengths.values())) > 1:
        message = f"Each named vector should have the same number of vectors, found {lengths}."
        raise ConfigurationError(message, found=lengths)
    return next(iter(lengths.values()), 0)


def _rows(vectors: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for row in zip(*vectors.values(), strict=True):
        yield dict(zip(vectors, row, strict=True))


def _enough(column: Iterable[Any], length: int, name: str) -> Iterable[Any]:
    """Return the first elements of a column, as many as there are vectors."""
    if isinstance(column, (Sequence, np.ndarray)) and len(column) < length:
        message = _UNEQUAL.format(name=name, found=f"{len(column)} of {length}")
        raise ConfigurationError(message, found=len(column), expected=length)
    return _counted(column, length, name)


def _counted(column: Iterable[Any], length: int, name: str) -> Iterator[Any]:
    count = 0
    for element in islice(column, length):
        count += 1
        yield element
    if count < length:
        message = _UNEQUAL.format(name=name, found=f"{count} of {length}")
        raise ConfigurationError(message, found=count, expected=length)
