"""Check points and convert them for the engine.

Vectors are checked before anything is written. The binding reads a float32 buffer fastest when it
comes as a memoryview and a Python list as it is; NumPy rows take three times as long.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import qdrant_edge as edge
from qdrant_client import models

from mrl_adapters.edge.ids import PointId, check_id, naming_ids
from mrl_adapters.edge.payloads import check_texts, point_payload
from mrl_adapters.errors import ConfigurationError, DimensionsError, EmbeddingError

FloatRow = npt.NDArray[np.float32]

_FLOAT32_MAX = float(np.finfo(np.float32).max)


class VectorIntake:
    """Check and convert the vectors of one write.

    Args:
        dense: The collection's dense vectors by name ('' for the unnamed one).
        sparse: The names of its sparse vectors.
    """

    def __init__(self, dense: Mapping[str, models.VectorParams], sparse: Iterable[str]) -> None:
        self._sizes = {name: params.size for name, params in dense.items()}
        self._sparse = frozenset(sparse)
        self._rows: dict[str, tuple[list[PointId], list[FloatRow]]] = {}

    def convert(self, point_id: PointId, vector: Any) -> Any:
        """Convert the vectors of one point.

        Args:
            point_id: The point, for messages.
            vector: One vector or vectors by name: lists of floats, float buffers (NumPy arrays,
                memoryviews), models.SparseVector, or lists of lists for multi-vectors.

        Returns:
            What the engine takes.

        Raises:
            ValueError: A name that the collection does not have.
            DimensionsError: A vector of another width.
            EmbeddingError: NaN or infinity in a list; for buffers see `finish`.
        """
        if isinstance(vector, dict):
            return {name: self._one(point_id, name, value) for name, value in vector.items()}
        return self._one(point_id, "", vector)

    def finish(self) -> None:
        """Check all buffers seen so far for NaN and infinity in one sweep.

        Raises:
            EmbeddingError: There is one; names the point.
        """
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
        """Refuse names of vectors that the collection does not have.

        Raises:
            ValueError: There is one.
        """
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
            return [self._list(point_id, name, each, size) for each in row.tolist()]
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
    """Tell whether all values are numbers within float32."""
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
    """Convert points for an upsert.

    Args:
        points: Points, or a batch of columns.
        intake: The collection's vector check.

    Returns:
        The engine's points, all checked.

    Raises:
        EmbeddingError: NaN or infinity in a vector; names the point.
        ConfigurationError: What is no id, or a payload that has no JSON form or that the log could
            not keep; names the point.
    """
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
    """Take a batch of columns apart.

    Args:
        batch: Ids, vectors (one column or one by name) and payloads.

    Yields:
        One point for each id.

    Raises:
        ValueError: Columns of different lengths.
    """
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
