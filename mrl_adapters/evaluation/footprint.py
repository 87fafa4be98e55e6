"""What a built collection takes, and what it would take with another number of points."""

import math
import os
from pathlib import Path
from typing import NamedTuple

from mrl_adapters.qdrant import CollectionLayout
from mrl_adapters.qdrant.quantization import CODE_BITS, DATATYPE_BITS

_BLOCK_BYTES = 512  # of st_blocks
# Of the id tracker, which finds a point by its id and the other way: seen in anonymous memory of
# 10,000 and 40,000 points.
_IDS_BYTES = 100
# Links that a node of a built graph has, as a multiple of m; each takes as many bits as tell the
# points apart. Seen in graphs of 6,000 to 40,000 points.
_LINKS = 1.3


class Footprint(NamedTuple):
    """Bytes of a collection's vectors."""

    memory_bytes: int
    disk_bytes: int


class Files(NamedTuple):
    """Bytes of a built collection's files, by what they hold."""

    codes: int
    links: int
    searched: int
    """Of the vectors that are searched first, as they are stored."""
    stored: int
    """Of the other vectors, and of ids."""
    fixed: int
    """Of what does not grow with the number of points."""

    @classmethod
    def of(cls, folder: Path, layout: CollectionLayout) -> "Files":
        """Add up the files of a collection of the embedded engine.

        Args:
            folder: The collection's.
            layout: Its layout.
        """
        searched = {layout.stage_name(stage) for stage in layout.stages} or {layout.full_name}
        sums = dict.fromkeys(cls._fields, 0)
        for place, _, names in os.walk(folder / "shard" / "segments"):
            kind, _, vector = Path(place).name.partition("-")
            for name in names:
                used = (Path(place) / name).stat().st_blocks * _BLOCK_BYTES
                if kind == "vector_storage" and name == "quantized.data":
                    sums["codes"] += used
                elif kind == "vector_index" and name.startswith("links"):
                    sums["links"] += used
                elif name == "matrix.dat":
                    sums["searched" if vector in searched else "stored"] += used
                else:
                    sums["stored" if name.startswith("id_tracker") else "fixed"] += used
        return cls(**sums)

    def at(self, points: int, built: int, *, coded: bool) -> Footprint:
        """Predict the bytes of a collection of another size.

        Vectors and codes grow with the number of points, and a link by the bits that it takes to
        tell them apart.

        Args:
            points: That size.
            built: Points of the collection whose files these are.
            coded: Whether searches read codes instead of the vectors.
        """
        links = self.links * _growth(points, built)
        grown = points / built
        memory = (self.codes if coded else self.searched) * grown + links + _IDS_BYTES * points
        disk = (self.codes + self.searched + self.stored) * grown + links + self.fixed
        return Footprint(round(memory), round(disk))


def estimated_footprint(layout: CollectionLayout, points: int) -> Footprint:
    """Estimate the bytes of a collection whose files cannot be looked at, by its layout alone."""
    searched = sum(layout.stages) or layout.dimensions
    graphs = [layout.graph(size) for size in layout.stages or (layout.dimensions,)]
    links = _LINKS * sum(graph.m for graph in graphs) * math.log2(max(points, 2)) / 8
    codes = searched * CODE_BITS[layout.quantization] / 8
    stored = sum(layout.stages) * 4 + layout.dimensions * DATATYPE_BITS[layout.full_datatype] / 8
    memory = codes + links + _IDS_BYTES
    disk = stored + links + (codes if layout.quantization else 0)
    return Footprint(round(memory * points), round(disk * points))


def _growth(points: int, built: int) -> float:
    return points / built * math.log2(max(points, 2)) / math.log2(max(built, 2))
