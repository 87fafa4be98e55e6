"""Keep the first numbers of a vector, at unit length."""

import math
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mrl_adapters.errors import ConfigurationError, DimensionsError, EmbeddingError

FloatArray: TypeAlias = NDArray[np.float32]
Reduction: TypeAlias = Literal["prefix", "layernorm_prefix", "heads", "projection", "none"]


def truncate(vectors: ArrayLike, dimensions: int, *, reduction: Reduction = "prefix") -> FloatArray:
    """Keep the first numbers of each vector and rescale it to unit length.

    Args:
        vectors: One vector of shape (d,) or a batch of shape (n, d).
        dimensions: How many numbers to keep, 1 <= dimensions <= d.
        reduction: How the model nests. ``prefix`` slices; ``layernorm_prefix`` first applies
            layer normalisation without weights over the whole vector, as nomic-embed-text-v1.5
            is trained for. ``none`` (not trained to nest) slices too: what that costs is for
            the caller to measure.

    Returns:
        Unit vectors, float32, of shape (dimensions,) or (n, dimensions). All-zero rows stay zero.

    Raises:
        DimensionsError: ``dimensions`` is outside 1..d.
        ConfigurationError: ``vectors`` is neither 1-D nor 2-D, or the model's reduction
            (``heads``, ``projection``) does not come from slicing.
        EmbeddingError: A vector holds NaN or infinity.

    Source:
        Kusupati et al. 2022, arXiv:2205.13147; the layer norm step: the model card of
        nomic-ai/nomic-embed-text-v1.5.
    """
    array = as_vectors(vectors)
    if array.ndim not in {1, 2} or not array.shape[-1]:
        msg = (
            f"Vectors have shape {array.shape}, expected (d,) or (n, d). "
            "Pass one vector or a batch of vectors."
        )
        raise ConfigurationError(msg)
    width = array.shape[-1]
    if not 1 <= dimensions <= width:
        msg = (
            f"Cannot truncate vectors of {width} dimensions to {dimensions}. "
            f"Choose dimensions from 1 to {width}."
        )
        raise DimensionsError(msg, found=dimensions, expected=range(1, width + 1))
    if reduction in {"heads", "projection"}:
        msg = (
            f"A model whose short vectors come from its own {reduction} cannot be sliced: "
            "the prefix of its full vector means nothing. "
            "Ask the model for the size that you want instead."
        )
        raise ConfigurationError(msg)
    if reduction == "layernorm_prefix":
        # Layer norm subtracts the vector's mean and divides by one number; the final rescaling
        # cancels that number, so the mean is all that matters. float64 keeps what is left of a
        # vector whose numbers lie close together, and the differences of very large ones.
        centred = array - array.mean(axis=-1, keepdims=True, dtype=np.float64)
        return normalize(centred[..., :dimensions])
    return normalize(array[..., :dimensions])


def as_vectors(vectors: ArrayLike) -> FloatArray:
    """Convert to float32 and refuse NaN and infinity.

    Args:
        vectors: Numbers of any shape.

    Returns:
        The same numbers as float32; a view where they already are.

    Raises:
        EmbeddingError: A row holds NaN or infinity; the message names the first such row.
    """
    if isinstance(vectors, np.ndarray) and vectors.dtype == np.float32:
        array = vectors
    else:
        with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite: refused below
            array = np.asarray(vectors, dtype=np.float32)
    # Squares have a finite sum unless one is not (or they overflow): the full scan is rarely paid.
    suspicious = not math.isfinite(np.vdot(array, array))
    if suspicious and not (finite := np.isfinite(array)).all():
        row = int(np.argwhere(~finite)[0][0]) if array.ndim > 1 else 0
        msg = (
            f"Vector {row} holds NaN or infinity. Such a vector can be neither stored nor "
            "searched with: check the model's output for that text."
        )
        raise EmbeddingError(msg)
    return array


def normalize(vectors: FloatArray | NDArray[np.float64]) -> FloatArray:
    """Rescale to unit length along the last axis; all-zero vectors stay zero.

    Args:
        vectors: Finite numbers of shape (d,) or (n, d).

    Returns:
        A new float32 array of the same shape.
    """
    # float64 norms: the squares of a long or large float32 vector overflow or lose digits.
    if vectors.ndim == 1:  # a query, which waits: a quarter of the time of the general way
        exact = vectors.astype(np.float64)
        norm = math.sqrt(exact.dot(exact))
        return (exact / norm if norm else exact).astype(np.float32)
    norms = np.sqrt(np.einsum("...i,...i->...", vectors, vectors, dtype=np.float64))
    scale = np.divide(1.0, norms, out=np.zeros_like(norms), where=norms > 0)
    # Straight into float32: a product in float64 would take twice the memory of the vectors.
    unit = np.empty_like(vectors, dtype=np.float32)
    np.multiply(vectors, scale[..., np.newaxis], out=unit, casting="same_kind")
    return unit
