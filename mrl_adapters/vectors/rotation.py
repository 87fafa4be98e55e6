"""Turn vectors so that their first numbers say as much as a linear map can make them say."""

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mrl_adapters.errors import ConfigurationError, DimensionsError
from mrl_adapters.vectors.principal import principal_rows
from mrl_adapters.vectors.sample import fair_sample
from mrl_adapters.vectors.truncate import FloatArray, as_vectors, normalize, truncate

SAMPLE_LIMIT = 20_000
"""Vectors that a rotation is fitted on at most: more do not change it noticeably."""

_ID_DIGITS = 12
_TOLERANCE = 1e-4  # float32 rows of an orthonormal matrix are off by 1e-6 at most
# Energies below this share of the greatest are noise of the sample: not to be blown up.
_LEAST_ENERGY = 1e-6
_CHOICES = (0.0, 0.25, 0.5)
_HELD_OUT = 500
_CHOICE_K, _CHOICE_SHORTLIST = 10, 80
_MATRIX = 2  # array dimensions


@dataclass(frozen=True, eq=False)
class Rotation:
    """Hold the leading rows of an orthogonal matrix learnt from a sample of embeddings.

    The whole rotation leaves every inner product and cosine between full vectors as it was; it
    only moves what tells vectors apart to the front. A slice of the rotated vector is therefore
    a far better shortlist than a slice of the vector itself, above all for models that were never
    trained to nest. Use :meth:`fit`; the constructor is for those who have a matrix.

    Args:
        rows: Orthonormal rows, the most telling first, shape (m, d) with m <= d.
        energies: What share of the sample's squared length lies along each row, falling, shape
            (m,).
        flatten: How much :meth:`project` evens out the energies: component i is scaled by
            energy_i ** (-flatten / 2). 0 leaves them, 1 makes them equal.

    Raises:
        ConfigurationError: The rows are not orthonormal, or an argument has the wrong shape.

    Source:
        Principal components without centring (Jolliffe 2002, "Principal Component Analysis",
        section 14.2.3); nested prefixes: Kusupati et al. 2022, arXiv:2205.13147. Not centring and
        flattening by 0.25 are this package's own measurements: the page "Rotation".
    """

    rows: FloatArray
    energies: FloatArray
    flatten: float = 0.25

    def __post_init__(self) -> None:
        """Check the matrix and freeze it."""
        rows = np.array(as_vectors(self.rows), order="C")
        energies = np.array(as_vectors(self.energies))
        if rows.ndim != _MATRIX or not 1 <= len(rows) <= rows.shape[1]:
            msg = (
                f"Rotation rows have shape {rows.shape}, expected (m, d) with 1 <= m <= d. "
                "Make rotations with Rotation.fit or Rotation.load."
            )
            raise ConfigurationError(msg)
        error = float(np.abs(rows @ rows.T - np.eye(len(rows), dtype=np.float32)).max())
        if error > _TOLERANCE:
            msg = (
                f"Rotation rows are not orthonormal: off by {error:.2g}, expected at most "
                f"{_TOLERANCE:g}. Make rotations with Rotation.fit or Rotation.load."
            )
            raise ConfigurationError(msg)
        if energies.shape != rows.shape[:1] or (energies < 0).any() or not energies.any():
            msg = (
                f"Rotation energies have shape {energies.shape}, expected one number >= 0 for "
                f"each of {len(rows)} rows, not all zero."
            )
            raise ConfigurationError(msg)
        _check_flatten(self.flatten)
        for name, array in {"rows": rows, "energies": energies}.items():
            array.flags.writeable = False
            object.__setattr__(self, name, array)

    @classmethod
    def fit(
        cls,
        sample: Iterable[ArrayLike],
        dimensions: int,
        *,
        queries: Iterable[ArrayLike] | None = None,
        flatten: float | Literal["auto"] = 0.25,
        seed: int = 0,
        limit: int = SAMPLE_LIMIT,
    ) -> "Rotation":
        """Learn a rotation from a sample of full vectors.

        Its rows are the eigenvectors of the sample's second moment about zero, by falling
        eigenvalue. Each vector counts by its direction, whatever its length. The same vectors
        give the same rotation in whatever order and batches they come (on another machine up to
        float32 rounding, so with another id).

        Args:
            sample: Full vectors: an array of shape (n, d), or an iterable of such batches, read
                once. A few thousand are enough; at least as many as ``dimensions``.
            dimensions: How many rows to keep: the size of the longest short vector, or d for the
                whole rotation.
            queries: Vectors of questions, likewise, for models that embed questions elsewhere
                than documents; both sides then count the same, however many there are of each.
            flatten: See the class; "auto" takes the best of 0, 0.25 and 0.5 on a part of the
                sample that is held out (the queries, if given).
            seed: Chooses which vectors of a large sample are used.
            limit: How many of the sample are used at most; bounds the memory to
                4 * limit * d bytes.

        Raises:
            ConfigurationError: Fewer vectors than ``dimensions``.
            DimensionsError: ``dimensions`` is outside 1..d, or the vectors differ in width.
            EmbeddingError: A vector holds NaN or infinity.
        """
        documents = fair_sample(sample, limit, seed)
        asked = fair_sample(queries, limit, seed) if queries is not None else None
        if flatten == "auto":
            flatten = _best_flattening(documents, asked, dimensions)
        return cls(*principal_rows(documents, asked, dimensions), flatten)

    @cached_property
    def id(self) -> str:
        """What tells this rotation from any other: 12 hexadecimal digits of its hash."""
        digest = hashlib.sha256(repr((self.rows.shape, float(self.flatten))).encode())
        digest.update(self.rows.astype("<f4").tobytes())
        digest.update(self.energies.astype("<f4").tobytes())
        return digest.hexdigest()[:_ID_DIGITS]

    @property
    def dimensions(self) -> int:
        """How many rows there are: the size of the longest short vector it can make."""
        return int(self.rows.shape[0])

    @property
    def full_dimensions(self) -> int:
        """Size of the vectors that it turns."""
        return int(self.rows.shape[1])

    def __repr__(self) -> str:
        return (
            f"Rotation(id={self.id!r}, {self.full_dimensions} -> {self.dimensions}, "
            f"flatten={self.flatten})"
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Rotation) and self.id == other.id

    def __hash__(self) -> int:
        return hash(self.id)

    def apply(self, vectors: ArrayLike, dimensions: int | None = None) -> FloatArray:
        """Turn vectors, without flattening: inner products stay as far as the rows reach.

        Args:
            vectors: Full vectors, shape (d,) or (n, d).
            dimensions: How many of the leading rows to apply; None applies all.

        Returns:
            float32 of shape (dimensions,) or (n, dimensions), not rescaled.

        Raises:
            DimensionsError: The vectors are not d wide, or there are not so many rows.
        """
        return self._turn(vectors, self.rows, dimensions)

    def project(self, vectors: ArrayLike, dimensions: int | None = None) -> FloatArray:
        """Turn vectors and flatten the components: what short vectors are sliced from.

        Every short vector is ``truncate(rotation.project(full), stage)``.

        Args:
            vectors: Full vectors, shape (d,) or (n, d).
            dimensions: How many of the leading rows to apply; None applies all.

        Returns:
            float32 of shape (dimensions,) or (n, dimensions), not rescaled.

        Raises:
            DimensionsError: The vectors are not d wide, or there are not so many rows.
        """
        return self._turn(vectors, self._flat_rows, dimensions)

    @cached_property
    def _flat_rows(self) -> FloatArray:
        shares = self.energies.astype(np.float64) / float(self.energies.max())
        weights = np.maximum(shares, _LEAST_ENERGY) ** (-self.flatten / 2)
        scaled: FloatArray = (self.rows * weights[:, np.newaxis]).astype(np.float32)
        return scaled

    def _turn(self, vectors: ArrayLike, rows: FloatArray, dimensions: int | None) -> FloatArray:
        array = as_vectors(vectors)
        count = self.dimensions if dimensions is None else dimensions
        if not 1 <= count <= self.dimensions:
            msg = (
                f"{self!r} has {self.dimensions} rows, {count} are asked for. "
                f"Choose from 1 to {self.dimensions}, or fit with dimensions={count}."
            )
            raise DimensionsError(msg, found=count, expected=range(1, self.dimensions + 1))
        if array.ndim not in {1, _MATRIX} or array.shape[-1] != self.full_dimensions:
            msg = (
                f"{self!r} turns vectors of {self.full_dimensions} dimensions, found shape "
                f"{array.shape}. Use the model that it was fitted for, at full size."
            )
            raise DimensionsError(msg, found=array.shape, expected=self.full_dimensions)
        turned: FloatArray = array @ rows[:count].T
        return turned

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the rotation to a file (NumPy's .npz, without pickle).

        Args:
            path: The file; an existing one is replaced.
        """
        with open(path, "wb") as file:  # noqa: PTH123 - takes any path-like
            np.savez(file, rows=self.rows, energies=self.energies, flatten=self.flatten)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Rotation":
        """Read what :meth:`save` wrote.

        Args:
            path: The file.

        Raises:
            ConfigurationError: The file holds no rotation.
        """
        try:
            with np.load(path, allow_pickle=False) as stored:
                parts: dict[str, Any] = {
                    name: stored[name] for name in ("rows", "energies", "flatten")
                }
        except FileNotFoundError:
            raise
        except Exception as error:
            msg = f"{os.fspath(path)} holds no rotation ({error}). Write one with Rotation.save."
            raise ConfigurationError(msg) from error
        return cls(parts["rows"], parts["energies"], float(parts["flatten"]))


def _best_flattening(documents: FloatArray, queries: FloatArray | None, dimensions: int) -> float:
    """Choose by the recall of shortlists, on vectors that the rotation has not seen."""
    held = min(_HELD_OUT, len(documents) // 5)
    asking = documents[:held] if queries is None else queries[:_HELD_OUT]
    known = documents if queries is not None else documents[held:]
    if not len(asking) or len(known) < max(dimensions, _CHOICE_SHORTLIST):
        return Rotation.flatten
    rows, energies = principal_rows(known, None, dimensions)
    truth = _nearest(normalize(known), normalize(asking), _CHOICE_K)

    def recall(flatten: float) -> float:
        rotation = Rotation(rows, energies, flatten)
        short, short_asking = (
            truncate(rotation.project(each), dimensions) for each in (known, asking)
        )
        found = _nearest(short, short_asking, _CHOICE_SHORTLIST)
        return float(np.mean((truth[:, :, np.newaxis] == found[:, np.newaxis]).any(axis=2)))

    return max(_CHOICES, key=recall)


def _nearest(documents: FloatArray, queries: FloatArray, k: int) -> NDArray[np.intp]:
    return np.argpartition(-(queries @ documents.T), k - 1, axis=1)[:, :k]


def _check_flatten(flatten: float) -> None:
    if not 0 <= flatten <= 1:
        msg = f"Rotation(flatten={flatten!r}): expected a number from 0 to 1, or 'auto' to fit."
        raise ConfigurationError(msg)
