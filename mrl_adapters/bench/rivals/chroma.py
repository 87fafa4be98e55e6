"""Chroma: its embedded client, with the graph that it keeps of full float32 vectors."""

from pathlib import Path
from typing import Any, ClassVar

from mrl_adapters.bench.contender import Effort
from mrl_adapters.bench.rivals.base import NOT_REFINED, Index, Rival
from mrl_adapters.vectors import FloatArray

# Chroma 1.5 takes a new beam (collection.modify) without an error, and searches on with the one
# that the graph was loaded with: it has one setting here, chosen before it is filled.
_BEAM = 256


class _Chroma:
    def __init__(self, folder: Path, dimensions: int) -> None:
        del dimensions
        self._folder = str(folder / "chroma")
        self._collection: Any = None

    def _client(self) -> Any:
        import chromadb
        from chromadb.config import Settings

        settings = Settings(anonymized_telemetry=False)
        return chromadb.PersistentClient(self._folder, settings=settings)

    def add(self, first: int, vectors: FloatArray) -> None:
        if self._collection is None:
            graph = {
                "space": "cosine",
                "max_neighbors": 32,
                "ef_construction": 200,
                "ef_search": _BEAM,
            }
            self._collection = self._client().create_collection(
                "bench", embedding_function=None, configuration={"hnsw": graph}
            )
        ids = [str(first + row) for row in range(len(vectors))]
        self._collection.add(ids=ids, embeddings=vectors)

    def build(self) -> None:
        """It has built while it loaded."""

    def open(self) -> None:
        self._collection = self._client().get_collection("bench", embedding_function=None)

    def search(self, query: FloatArray, effort: Effort) -> list[int]:
        found = self._collection.query(
            query_embeddings=query[None], n_results=effort.candidates, include=[]
        )
        return [int(row) for row in found["ids"][0]]


class Chroma(Rival):
    """``chromadb.PersistentClient``, 32 links, one beam; it builds while it loads."""

    package: ClassVar[str] = "chromadb"
    module: ClassVar[str] = "chromadb"
    name: ClassVar[str] = "Chroma HNSW f32"
    probes: ClassVar[tuple[int, ...]] = (_BEAM,)
    factors: ClassVar[tuple[int, ...]] = NOT_REFINED
    reranked: ClassVar[bool] = False

    def make(self, folder: Path, dimensions: int) -> Index:
        """Make its index."""
        return _Chroma(folder, dimensions)
