"""FAISS: a graph over float32 vectors, and lists of 1-bit RaBitQ codes with a refining step."""

from pathlib import Path
from typing import Any, ClassVar

from numpy.typing import NDArray

from mrl_adapters.bench.contender import Effort
from mrl_adapters.bench.rivals.base import NOT_REFINED, Gathered, Index, Rival
from mrl_adapters.vectors import FloatArray


class _Faiss(Gathered):
    """An index of FAISS's factory; what it is trained on is all that was added."""

    def __init__(self, folder: Path, dimensions: int, kind: str) -> None:
        super().__init__()
        self._file = str(folder / "index.faiss")
        self._dimensions = dimensions
        self._kind = kind
        self._index: Any = None

    def build(self) -> None:
        import faiss

        vectors = self.gathered()
        lists = max(16, int(4 * len(vectors) ** 0.5))
        kind = self._kind.format(lists=lists)
        index = faiss.index_factory(self._dimensions, kind, faiss.METRIC_INNER_PRODUCT)
        if hasattr(index, "hnsw"):
            index.hnsw.efConstruction = 200
        index.train(vectors)
        index.add(vectors)
        faiss.write_index(index, self._file)

    def open(self) -> None:
        import faiss

        self._index = faiss.read_index(self._file)

    def search(self, query: FloatArray, effort: Effort) -> NDArray[Any]:
        if hasattr(self._index, "hnsw"):
            self._index.hnsw.efSearch = effort.probes
        else:
            self._index.nprobe = effort.probes
        _, rows = self._index.search(query[None], effort.candidates)
        found: NDArray[Any] = rows[0][rows[0] >= 0]
        return found


class FaissGraph(Rival):
    """``IndexHNSWFlat``, 32 links, over the full float32 vectors."""

    package: ClassVar[str] = "faiss-cpu"
    module: ClassVar[str] = "faiss"
    name: ClassVar[str] = "FAISS HNSW f32"
    factors: ClassVar[tuple[int, ...]] = NOT_REFINED
    reranked: ClassVar[bool] = False

    def make(self, folder: Path, dimensions: int) -> Index:
        """Make its index."""
        return _Faiss(folder, dimensions, "HNSW32")


class FaissLists(Rival):
    """``IndexIVFRaBitQ``, 4 * sqrt(n) lists, refined by the full vectors."""

    package: ClassVar[str] = "faiss-cpu"
    module: ClassVar[str] = "faiss"
    name: ClassVar[str] = "FAISS IVF RaBitQ, refined"
    probes: ClassVar[tuple[int, ...]] = (4, 8, 16, 32, 64, 128, 256)
    is_beam: ClassVar[bool] = False

    def make(self, folder: Path, dimensions: int) -> Index:
        """Make its index."""
        return _Faiss(folder, dimensions, "IVF{lists},RaBitQ")
