"""zvec: a graph over int8 codes of the full vectors, refined by its own stored vectors."""

from pathlib import Path
from typing import Any, ClassVar

from mrl_adapters.bench.contender import Effort
from mrl_adapters.bench.rivals.base import BEAMS, REFINED, Index, Rival, emptied
from mrl_adapters.vectors import FloatArray


class _Zvec:
    def __init__(self, folder: Path, dimensions: int) -> None:
        self._folder = folder / "zvec"
        self._dimensions = dimensions
        self._collection: Any = None

    def add(self, first: int, vectors: FloatArray) -> None:
        import zvec

        if self._collection is None:
            graph = zvec.HnswIndexParam(
                zvec.MetricType.COSINE,
                m=32,
                ef_construction=200,
                quantize_type=zvec.QuantizeType.INT8,
            )
            full = zvec.VectorSchema("full", zvec.DataType.VECTOR_FP32, self._dimensions, graph)
            schema = zvec.CollectionSchema("bench", vectors=full)
            self._collection = zvec.create_and_open(str(emptied(self._folder)), schema)
        self._collection.insert(
            [
                zvec.Doc(str(first + row), vectors={"full": vector})
                for row, vector in enumerate(vectors)
            ]
        )

    def build(self) -> None:
        self._collection.optimize()
        self._collection.flush()

    def open(self) -> None:
        import zvec

        self._collection = zvec.open(str(self._folder))

    def search(self, query: FloatArray, effort: Effort) -> list[int]:
        import zvec

        how = zvec.HnswQueryParam(
            ef=effort.probes,
            is_using_refiner=True,
            scale_factor=effort.candidates / effort.wanted,
        )
        asked = zvec.Query("full", vector=query, param=how)
        found = self._collection.query(asked, topk=effort.wanted, output_fields=[])
        return [int(each.id) for each in found]


class Zvec(Rival):
    """``zvec.Collection``, HNSW over int8, 32 links, its refiner on."""

    package: ClassVar[str] = "zvec"
    module: ClassVar[str] = "zvec"
    name: ClassVar[str] = "zvec HNSW int8, refined"
    factors: ClassVar[tuple[int, ...]] = REFINED
    probes: ClassVar[tuple[int, ...]] = BEAMS[1::2]
    reranked: ClassVar[bool] = False

    def make(self, folder: Path, dimensions: int) -> Index:
        """Make its index."""
        return _Zvec(folder, dimensions)
