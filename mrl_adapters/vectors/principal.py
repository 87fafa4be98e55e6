"""Find the directions along which a sample of vectors lies."""

import numpy as np
from numpy.typing import NDArray

from mrl_adapters.errors import ConfigurationError, DimensionsError
from mrl_adapters.vectors.truncate import FloatArray

_BLOCK = 2_048  # vectors summed at a time


def principal_rows(
    documents: FloatArray, queries: FloatArray | None, dimensions: int
) -> tuple[FloatArray, FloatArray]:
    """Find the leading eigenvectors of the sample's second moment about zero.

    Args:
        documents: Vectors, none all zero, shape (n, d), n >= dimensions.
        queries: Vectors, shape (q, d), that count as much as all documents; or None.
        dimensions: How many eigenvectors to find.

    Returns:
        The eigenvectors as rows by falling eigenvalue, float32 of shape (dimensions, d), the
        greatest number of each positive; and the eigenvalues, which add up to at most 1.
    """
    if len(documents) < max(1, dimensions):
        msg = (
            f"The sample holds {len(documents)} vectors, a rotation to {dimensions} dimensions "
            f"needs at least {dimensions}. Pass more, best some thousands."
        )
        raise ConfigurationError(msg)
    width = documents.shape[1]
    if not 1 <= dimensions <= width:
        msg = (
            f"Cannot fit {dimensions} rows to vectors of {width} dimensions. "
            f"Choose dimensions from 1 to {width}."
        )
        raise DimensionsError(msg, found=dimensions, expected=range(1, width + 1))
    moment = _second_moment(documents)
    if queries is not None and len(queries):
        if queries.shape[1] != width:
            msg = (
                f"The queries have {queries.shape[1]} dimensions, the sample {width}. "
                "Embed both with the same model at its full size."
            )
            raise DimensionsError(msg, found=queries.shape[1], expected=width)
        moment = (moment + _second_moment(queries)) / 2
    energies, vectors = np.linalg.eigh(moment)
    rows = vectors.T[::-1][:dimensions]
    # An eigenvector's sign is arbitrary: the greatest number of each row is made positive.
    peaks = np.take_along_axis(rows, np.abs(rows).argmax(axis=1)[:, np.newaxis], axis=1)
    leading = np.maximum(energies[::-1][:dimensions], 0)
    return (rows * np.sign(peaks)).astype(np.float32), leading.astype(np.float32)


def _second_moment(vectors: FloatArray) -> NDArray[np.float64]:
    width = vectors.shape[1]
    total = np.zeros((width, width))
    for start in range(0, len(vectors), _BLOCK):
        block = vectors[start : start + _BLOCK].astype(np.float64)
        # By direction alone, in float64: rounded to float32 the unit vectors would be off by so
        # much that the last digits of the rotation, and with them its id, would be an accident.
        block /= np.sqrt((block * block).sum(axis=1, keepdims=True))
        total += block.T @ block
    moment: NDArray[np.float64] = total / len(vectors)
    return moment
