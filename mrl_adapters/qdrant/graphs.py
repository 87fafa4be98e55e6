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

    Up to 512 dimensions 32 links and a beam of 200, above Qdrant's own 16 and 100. A graph over
    short vectors is cheap to build and to keep, and one too thin for its collection misses
    neighbours that no longer shortlist brings back; over long vectors twice the links and beam cost
    as many times more, and codes of them are read more slowly than links are followed.

    Args:
        dimensions: Size of the vectors that are searched first: a stage, without stages the full
            ones.
    """
    return _DENSE_GRAPH if dimensions <= _LONGEST_SHORT else QDRANT_GRAPH
