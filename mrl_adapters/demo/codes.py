"""Vectors as their codes tell them: what is left of short vectors at so many bits a number.

Codes are simulated, so that every size and number of bits can be tried without an index. 8 bits
are computed as Qdrant computes them, and give its scores. 4, 2 and 1 bits are codes of TurboQuant's
kind: a random rotation, then the best levels for what is normally distributed. Qdrant draws another
rotation: single scores differ from its own, their errors are as large.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from statistics import NormalDist

import numpy as np

from mrl_adapters.vectors import FloatArray, normalize

BITS = (32, 8, 4, 2, 1)
"""Bits a number: float32 itself, int8 codes, TurboQuant's."""

NAMES = {32: "float32", 8: "int8", 4: "turbo 4 bit", 2: "turbo 2 bit", 1: "turbo 1 bit"}

_FLOAT32 = 32
_INT8 = 8
_STEPS = 127  # between the least and the greatest number
_ROUNDS = 200  # of the search for the best levels, which has converged long before
_SPREAD = 6.0  # standard deviations that the table of levels covers
_CELLS = 4096
_BLOCK = 1024  # vectors


@dataclass(frozen=True)
class Coded:
    """Short vectors, read back from their codes.

    Args:
        documents: Shape (n, s), float32; inner products with ``questions`` are the codes' scores.
        low: The number that int8's code 0 stands for.
        step: How far int8's codes lie apart; 0 for others.
        turn: TurboQuant's rotation, shape (s, s), or None.
    """

    documents: FloatArray
    low: float = 0.0
    step: float = 0.0
    turn: FloatArray | None = None

    def questions(self, vectors: FloatArray) -> FloatArray:
        """Bring short vectors of questions to the form that the codes are compared with.

        Args:
            vectors: Shape (m, s).
        """
        if self.turn is not None:
            turned: FloatArray = vectors @ self.turn.T
            return turned
        return _rounded(vectors, self.low, self.step) if self.step else vectors


def encode(vectors: FloatArray, bits: int) -> Coded:
    """Encode short vectors and read them back.

    Args:
        vectors: Shape (n, s), float32.
        bits: How many a number, one of BITS.

    Source:
        Zandieh et al. 2025, arXiv:2504.19874 (TurboQuant).
    """
    if bits == _FLOAT32:
        return Coded(vectors)
    if bits == _INT8:
        low = float(vectors.min())
        step = (float(vectors.max()) - low) / _STEPS or 1.0
        return Coded(_by_blocks(vectors, lambda block: _rounded(block, low, step)), low, step)
    turn = _rotation(vectors.shape[1])
    return Coded(_by_blocks(vectors, lambda block: _at_levels(block @ turn.T, bits)), turn=turn)


def _by_blocks(vectors: FloatArray, change: Callable[[FloatArray], FloatArray]) -> FloatArray:
    """Change vectors in blocks that stay in the processor's cache."""
    changed = np.empty(vectors.shape, dtype=np.float32)
    for start in range(0, len(vectors), _BLOCK):
        changed[start : start + _BLOCK] = change(vectors[start : start + _BLOCK])
    return changed


def _at_levels(vectors: FloatArray, bits: int) -> FloatArray:
    """Put each number on one of TurboQuant's levels; lengths stay."""
    size = vectors.shape[1]
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    scale = np.divide(np.sqrt(size), lengths, out=np.zeros_like(lengths), where=lengths > 0)
    cells = ((vectors * scale + _SPREAD) * (_CELLS / (2 * _SPREAD))).astype(np.int32)
    levels = normalize(_levels(bits)[np.clip(cells, 0, _CELLS - 1)])
    levels *= lengths
    return levels


def bytes_per_vector(size: int, bits: int) -> float:
    """Count the bytes of one short vector's codes, without what the engine keeps beside them.

    Args:
        size: Numbers of the vector.
        bits: How many a number.
    """
    return size * bits / 8


def _rounded(vectors: FloatArray, low: float, step: float) -> FloatArray:
    """Round to the nearest of int8's codes, without a copy for each step."""
    codes: FloatArray = (vectors - np.float32(low)) / np.float32(step)
    np.rint(codes, out=codes)
    np.clip(codes, 0, _STEPS, out=codes)
    codes *= np.float32(step)
    codes += np.float32(low)
    return codes


@cache
def _rotation(size: int) -> FloatArray:
    drawn = np.random.default_rng(0).standard_normal((size, size))
    turn: FloatArray = np.linalg.qr(drawn)[0].astype(np.float32)
    return turn


@cache
def _levels(bits: int) -> FloatArray:
    """Tabulate which level stands for a number: Lloyd's best ones for a normal distribution."""
    normal = NormalDist()
    grid = np.linspace(-_SPREAD, _SPREAD, _CELLS)
    weights = np.exp(-(grid**2) / 2)
    count = 2**bits
    levels = np.array([normal.inv_cdf((each + 0.5) / count) for each in range(count)])
    for _ in range(_ROUNDS):
        nearest = np.searchsorted((levels[1:] + levels[:-1]) / 2, grid)
        mass = np.bincount(nearest, weights, count)
        levels = np.bincount(nearest, weights * grid, count) / mass
    table: FloatArray = levels[nearest].astype(np.float32)
    return table
