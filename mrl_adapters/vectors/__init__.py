"""The arithmetic of nested vectors: pure NumPy, no framework, no client.

A Matryoshka embedding is trained so that its first d numbers are an embedding by themselves
once they are rescaled to unit length (Kusupati et al. 2022, arXiv:2205.13147). Every short
vector in this package comes out of :func:`truncate`; none is ever embedded.
"""

from mrl_adapters.vectors.rotation import Rotation
from mrl_adapters.vectors.truncate import FloatArray, Reduction, as_vectors, normalize, truncate

__all__ = [
    "FloatArray",
    "Reduction",
    "Rotation",
    "as_vectors",
    "normalize",
    "truncate",
]
