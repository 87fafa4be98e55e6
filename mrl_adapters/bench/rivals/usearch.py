"""USearch: a graph over int8 codes of the full vectors."""

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from mrl_adapters.bench.contender import Effort
from mrl_adapters.bench.rivals.base import Index, Rival
from mrl_adapters.vectors import FloatArray


class _USearch:
    def __init__(self, folder: Path, dimensions: int) -> None:
        self._file = str(folder / "index.usearch")
        self._dimensions = dimensions
        self._index: Any = None

    def add(self, first: int, vectors: FloatArray) -> None:
        from usearch.index import Index as Graph

        if self._index is None:
            self._index = Graph(
                ndim=self._dimensions,
                metric="cos",
                dtype="i8",
                connectivity=32,
                expansion_add=200,
            )
        self._index.add(np.arange(first, first + len(vectors)), vectors)

    def build(self) -> None:
        self._index.save(self._file)

    def open(self) -> None:
        from usearch.index import Index as Graph

        self._index = Graph.restore(self._file, view=True)

    def search(self, query: FloatArray, effort: Effort) -> NDArray[Any]:
        self._index.expansion_search = effort.probes
        rows: NDArray[Any] = self._index.search(query, effort.candidates).keys
        return rows


class USearch(Rival):
    """``usearch.Index``, int8, 32 links, mapped, re-ranked by the full vectors.

    It builds while it loads.
    """

    package: ClassVar[str] = "usearch"
    module: ClassVar[str] = "usearch"
    name: ClassVar[str] = "USearch int8, re-ranked"

    def make(self, folder: Path, dimensions: int) -> Index:
        """Make its index."""
        return _USearch(folder, dimensions)
