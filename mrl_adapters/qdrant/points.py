"""Points: their vectors derived from the full ones, their wire form."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from qdrant_client import models

from mrl_adapters.edge import construct
from mrl_adapters.errors import ConfigurationError, DimensionsError, EmbeddingError
from mrl_adapters.qdrant.engine import Engine
from mrl_adapters.qdrant.ids import ID_KEY, PointId, point_id
from mrl_adapters.qdrant.layout import CollectionLayout
from mrl_adapters.vectors import FloatArray, Reduction, Rotation, normalize, truncate

# A server refuses bodies above 32 MB; a tenth of that is as fast and leaves room for payloads.
_REQUEST_BYTES = 5_000_000
# The longest number that a float32 becomes in JSON, "-1.1754943508222875e-38", and its comma.
_NUMBER_BYTES = 24
# Of a point: its id, its field names, the quotes, braces and commas around them.
_FRAME_BYTES = 100
# Squared lengths that every engine rescales to 1: above float32's epsilon, below its largest.
_RESCALED = (1e-6, 1e30)
_LARGEST_FLOAT16 = float(np.finfo(np.float16).max)


def derive(
    full: FloatArray, layout: CollectionLayout, stages: Sequence[int] | None = None
) -> dict[str, FloatArray]:
    """Derive the short vectors of the layout from full ones.

    Under Cosine the short vectors have unit length. Under the other distances they have the
    length of their full vector, so that the short distance estimates the full one: with unit
    vectors that is the same thing. A rotation takes the place of the model's reduction.

    Args:
        full: Full vectors, shape (d,) or (n, d).
        layout: How the collection is laid out.
        stages: Which of its stages to derive; None derives all.

    Returns:
        Vector name to float32 array of shape (stage,) or (n, stage).
    """
    wanted = layout.stages if stages is None else stages
    if isinstance(layout.rotation, Rotation):
        # In place of the model's own step before slicing: that one prepares the prefix which the
        # model was trained on, whereas a rotation estimates the full vectors as they are stored.
        source = layout.rotation.project(full, max(wanted))
        reduction: Reduction = "prefix"
    else:
        source, reduction = full, layout.reduction
    derived = {
        layout.stage_name(stage): truncate(source, stage, reduction=reduction) for stage in wanted
    }
    if layout.distance != "Cosine":
        # float64: the squares of large numbers overflow float32.
        lengths = np.sqrt(np.einsum("...i,...i->...", full, full, dtype=np.float64))[..., None]
        derived = {name: (short * lengths).astype(np.float32) for name, short in derived.items()}
    return derived


def columns(full: FloatArray, layout: CollectionLayout, names: Sequence[str]) -> dict[str, Any]:
    """Lay out a batch: the full vectors as they are stored, and the short ones.

    Args:
        full: Checked vectors, shape (n, d).
        layout: How the collection is laid out.
        names: What to call each in a message, n of them.

    Returns:
        Vector name to float32 array of shape (n, size).
    """
    if layout.distance == "Cosine":
        # Qdrant rescales on writing, but leaves very short vectors alone and loses very long ones.
        squares = _squares(full)
        rescaled = _RESCALED[0] < squares.min() and squares.max() < _RESCALED[1]
        stored = full if rescaled else normalize(full)
    else:
        stored = full
        if layout.full_datatype == "float16":
            _refuse(
                names,
                np.abs(full).max(axis=1) <= _LARGEST_FLOAT16,
                "holds a number beyond 65504, the largest of float16; make the collection with "
                "CollectionLayout(full_datatype='float32') to keep it",
            )
    return {layout.full_name: stored, **derive(stored, layout)}


def checked_vectors(vectors: ArrayLike, names: Sequence[str], dimensions: int | None) -> FloatArray:
    """Refuse embeddings that must not be stored; all zeros may.

    Args:
        vectors: What the embedder returned for a batch, shape (n, d).
        names: What to call each in a message, n of them.
        dimensions: The width that they must have; None takes any.

    Returns:
        The vectors as float32 of shape (n, d).
    """
    try:
        with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite: refused below
            array = np.asarray(vectors, dtype=np.float32)
    except ValueError:
        widths = sorted({len(each) for each in vectors})  # type: ignore[union-attr,arg-type] # ragged: a sequence of sequences
        msg = f"The embedding returned vectors of several sizes ({widths}), expected one size."
        raise DimensionsError(msg, found=widths, expected=dimensions) from None
    if array.ndim != 2 or len(array) != len(names):  # noqa: PLR2004 - (n, d)
        msg = (
            f"The embedding returned an array of shape {array.shape} for {len(names)} texts, "
            "expected one vector a text. Check the embedding object."
        )
        raise EmbeddingError(msg, found=array.shape, expected=len(names))
    if dimensions is not None and array.shape[1] != dimensions:
        msg = (
            f"The embedding returned {array.shape[1]} dimensions, the collection holds "
            f"{dimensions}. Embed with the model that the collection was made with, at full size."
        )
        raise DimensionsError(msg, found=array.shape[1], expected=dimensions)
    # Not "<=": NaN compares with nothing.
    if not _squares(array).max(initial=1) < math.inf:
        # Something is wrong, or float32 cannot hold the squares: look at each number.
        _refuse(names, np.isfinite(array).all(axis=1), "holds NaN or infinity")
    return array


def checked_queries(vectors: ArrayLike, names: Sequence[str], dimensions: int) -> FloatArray:
    """Refuse query vectors that nothing can be found by.

    Args:
        vectors: The full query vectors, shape (n, d).
        names: What to call each in a message, n of them.
        dimensions: The width that they must have.

    Returns:
        The vectors as float32 of shape (n, d).
    """
    array = checked_vectors(vectors, names, dimensions)
    _refuse(names, array.any(axis=1), "is all zeros, so near to nothing (is the text empty?)")
    return array


def _squares(array: FloatArray) -> FloatArray:
    """Return each row's squared length; infinite where float32 cannot hold it."""
    with np.errstate(over="ignore", invalid="ignore"):
        squares: FloatArray = np.einsum("ij,ij->i", array, array)
    return squares


def check_query(vector: FloatArray, dimensions: int) -> None:
    """Refuse a query vector that nothing can be found by.

    Args:
        vector: The full query vector, shape (d,).
        dimensions: The width that it must have.
    """
    squares = np.vdot(vector, vector) if vector.shape == (dimensions,) else math.nan
    if not 0 < squares < math.inf:  # something is wrong, or float32 cannot hold the squares
        checked_queries([vector], ["the query"], dimensions)


def _refuse(names: Sequence[str], usable: ArrayLike, what: str) -> None:
    if np.all(usable):
        return
    bad = int(np.argmin(usable))
    msg = (
        f"The vector of {names[bad]} {what}. It was neither stored nor searched "
        "with: leave that text out, or check the model's output for it."
    )
    raise EmbeddingError(msg)


@dataclass(frozen=True)
class PointBatch:
    """Points that are ready to be written.

    Args:
        ids: The callers' ids, n of them.
        vectors: Vector name to float32 array of shape (n, size).
        payloads: One a point.
        places: The points that the ids stand for; None takes the usual ones.
        others: Vector name to what else each point has: a sparse vector, or rows of token vectors.
    """

    ids: Sequence[str]
    vectors: dict[str, FloatArray]
    payloads: Sequence[dict[str, Any]]
    places: Sequence[PointId] | None = None
    others: Mapping[str, Sequence[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse columns of different lengths."""
        vectors = [*self.vectors.values(), *self.others.values()]
        lengths = {len(self.ids), len(self.payloads), *map(len, vectors)}
        if len(lengths) != 1:
            msg = f"A batch needs as many ids as vectors and payloads, found {sorted(lengths)}."
            raise ConfigurationError(msg)

    def distinct(self) -> "PointBatch":
        """Leave out what a later row replaces: points that are there twice count once."""
        places = self.places or [point_id(each) for each in self.ids]
        last = {place: row for row, place in enumerate(places)}
        if len(last) == len(places):
            return self
        rows = sorted(last.values())
        return PointBatch(
            [self.ids[row] for row in rows],
            {name: array[rows] for name, array in self.vectors.items()},
            [self.payloads[row] for row in rows],
            [places[row] for row in rows],
            {name: [column[row] for row in rows] for name, column in self.others.items()},
        )

    def requests(
        self, engine: Engine, bare: Sequence[int] = (), most: int | None = None
    ) -> list[list[models.PointStruct]]:
        """Build the points of each request, small enough for a server's limits.

        Args:
            engine: What takes them.
            bare: Rows that are stored without vectors.
            most: Points that a request may have.
        """
        structs = []
        places = self.places or [point_id(each) for each in self.ids]
        names = [*self.vectors, *self.others]
        columns = [*map(engine.encode, self.vectors.values()), *self.others.values()]
        for identifier, stored, *row, payload in zip(
            self.ids, places, *columns, self.payloads, strict=True
        ):
            told = str(stored) == identifier
            content = payload if told else {**payload, ID_KEY: identifier}
            vector = dict(zip(names, row, strict=True))
            structs.append(
                construct(models.PointStruct, {"id": stored, "vector": vector, "payload": content})
            )
        for place in bare:
            structs[place].vector = {}
        return self._portions(structs, most) if engine.is_server else [structs]

    def _portions(
        self, structs: list[models.PointStruct], most: int | None
    ) -> list[list[models.PointStruct]]:
        """Cut the points into requests below the limit; one that is above it goes alone."""
        width = sum(int(array.shape[1]) for array in self.vectors.values())
        names = sum(len(json.dumps(name)) + 5 for name in (*self.vectors, *self.others))
        portions: list[list[models.PointStruct]] = []
        room = 0
        for struct in structs:
            # ASCII JSON is never shorter than the UTF-8 that is sent.
            payload_bytes = len(json.dumps(struct.payload, default=str))
            held: Any = struct.vector
            numbers = width + sum(numbers_of(held[name]) for name in self.others if held)
            point_bytes = numbers * _NUMBER_BYTES + names + payload_bytes + _FRAME_BYTES
            if point_bytes > room or len(portions[-1]) == most:
                portions.append([])
                room = _REQUEST_BYTES - _FRAME_BYTES
            portions[-1].append(struct)
            room -= point_bytes
        return portions


def numbers_of(vector: Any) -> int:
    """Count the numbers of a vector of any kind, with room for what frames them in a request."""
    if isinstance(vector, models.SparseVector):
        return 2 * len(vector.indices) + 2
    if len(vector) and hasattr(vector[0], "__len__"):
        return len(vector) * (len(vector[0]) + 1)
    return len(vector)
