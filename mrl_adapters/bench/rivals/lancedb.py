"""LanceDB: a graph over int8 codes, refined by its own stored vectors."""

from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from mrl_adapters.bench.contender import Effort
from mrl_adapters.bench.rivals.base import BEAMS, REFINED, Index, Rival, emptied
from mrl_adapters.vectors import FloatArray


class _LanceDB:
    def __init__(self, folder: Path, dimensions: int) -> None:
        self._folder = folder / "lance"
        self._dimensions = dimensions
        self._table: Any = None

    def add(self, first: int, vectors: FloatArray) -> None:
        import lancedb
        import pyarrow as pa

        flat = pa.array(vectors.ravel())
        rows = pa.table(
            {
                "row": np.arange(first, first + len(vectors)),
                "vector": pa.FixedSizeListArray.from_arrays(flat, self._dimensions),
            }
        )
        if self._table is None:
            made = lancedb.connect(emptied(self._folder))
            self._table = made.create_table("bench", rows)
        else:
            self._table.add(rows)

    def build(self) -> None:
        from lancedb.index import HnswSq

        options = HnswSq(distance_type="cosine", num_partitions=1, m=32, ef_construction=200)
        self._table.create_index("vector", config=options)
        self._table.optimize()

    def open(self) -> None:
        import lancedb

        self._table = lancedb.connect(self._folder).open_table("bench")

    def search(self, query: FloatArray, effort: Effort) -> list[int]:
        asked = self._table.search(query).distance_type("cosine").nprobes(1).ef(effort.probes)
        asked = asked.refine_factor(effort.candidates // effort.wanted)
        asked = asked.select(["row", "_distance"]).limit(effort.wanted)
        rows: list[int] = asked.to_arrow()["row"].to_pylist()
        return rows


class LanceDB(Rival):
    """``IVF_HNSW_SQ`` in one partition, 32 links, refined by LanceDB itself."""

    package: ClassVar[str] = "lancedb"
    module: ClassVar[str] = "lancedb"
    name: ClassVar[str] = "LanceDB HNSW int8, refined"
    factors: ClassVar[tuple[int, ...]] = REFINED
    probes: ClassVar[tuple[int, ...]] = BEAMS[1::2]
    reranked: ClassVar[bool] = False

    def make(self, folder: Path, dimensions: int) -> Index:
        """Make its index."""
        return _LanceDB(folder, dimensions)
