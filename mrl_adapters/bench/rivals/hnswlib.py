"""hnswlib: a graph over the first half of each vector, re-ranked by the full ones."""

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from mrl_adapters.bench.contender import Effort
from mrl_adapters.bench.rivals.base import Gathered, Index, Rival
from mrl_adapters.vectors import FloatArray, normalize


class _Hnswlib(Gathered):
    def __init__(self, folder: Path, dimensions: int) -> None:
        super().__init__()
        self._file = str(folder / "index.hnswlib")
        self._cut = min(256, dimensions // 2)
        self._index: Any = None

    def _graph(self) -> Any:
        import hnswlib

        return hnswlib.Index("ip", self._cut)

    def add(self, first: int, vectors: FloatArray) -> None:
        super().add(first, normalize(vectors[:, : self._cut]))

    def build(self) -> None:
        short = self.gathered()
        self._index = self._graph()
        self._index.init_index(len(short), M=32, ef_construction=200)
        self._index.add_items(short, np.arange(len(short)))
        self._index.save_index(self._file)

    def open(self) -> None:
        self._index = self._graph()
        self._index.load_index(self._file)

    def search(self, query: FloatArray, effort: Effort) -> NDArray[Any]:
        self._index.set_ef(effort.probes)
        rows, _ = self._index.knn_query(normalize(query[: self._cut]), effort.candidates)
        found: NDArray[Any] = rows[0]
        return found


class Hnswlib(Rival):
    """``hnswlib.Index`` over float32 short vectors (256, or half of the size), 32 links."""

    package: ClassVar[str] = "hnswlib"
    module: ClassVar[str] = "hnswlib"
    name: ClassVar[str] = "hnswlib of a cut, re-ranked"

    def make(self, folder: Path, dimensions: int) -> Index:
        """Make its index."""
        return _Hnswlib(folder, dimensions)
