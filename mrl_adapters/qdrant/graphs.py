"""Graphs of what is searched first: links and build beam where a layout leaves them open."""

from typing import NamedTuple


class Graph(NamedTuple):
    """Settings of an HNSW graph: links a node, and the beam while it is built."""

    m: int
    ef_construct: int


QDRANT_GRAPH = Graph(16, 100)
"""What Qdrant takes by itself."""

_DENSE_GRAPH = Graph(32, 200)
_LONGEST_SHORT = 512  # dimensions


def default_graph(dimensions: int) -> Graph:
    """Choose the graph over vectors of a size, where the layout leaves it open.

    Up to 512 dimensions 32 links and a beam of 200; beyond, Qdrant's own 16 and 100.

    Measured on 59,866 real texts (``recommend(..., every_graph=True)``, the page "Layouts"): at
    overlap 0.99 a graph over a cut to 128 dimensions takes 0.61 of the time that one with 16 links
    takes, and over all 256 dimensions 0.87, for 2.1 to 2.3 times the CPU of the build (17 instead
    of 8 s). A graph too thin for its collection misses neighbours that only a far wider beam
    brings back: here 960 instead of 240. Over longer vectors, whose build is what takes the time,
    it was not measured.

    Args:
        dimensions: Size of the vectors that are searched first: a stage, without stages the full
            ones.
    """
    return _DENSE_GRAPH if dimensions <= _LONGEST_SHORT else QDRANT_GRAPH
