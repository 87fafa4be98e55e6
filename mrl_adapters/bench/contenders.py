"""Ways to store and search the same vectors, each with the settings worth trying."""

import json
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Protocol, TypeAlias

import numpy as np
from qdrant_client import models

from mrl_adapters.evaluation.plan_grid import plan_chains
from mrl_adapters.qdrant import (
    CollectionLayout,
    Driver,
    EdgeClient,
    MatryoshkaCollection,
    SearchPlan,
)
from mrl_adapters.qdrant.engine import EDGE
from mrl_adapters.qdrant.loading import Load
from mrl_adapters.qdrant.points import PointBatch
from mrl_adapters.qdrant.quantization import Quantization
from mrl_adapters.qdrant.query import Search
from mrl_adapters.vectors import FloatArray, normalize

COLLECTION = "bench"


class Effort(NamedTuple):
    """How hard another library searches: its beam or lists (0: it has none), and candidates.

    As many as are ``wanted`` are left of the candidates by vectors that are more exact.
    """

    probes: int
    candidates: int
    wanted: int


Setting: TypeAlias = SearchPlan | models.SearchParams | Effort | int | None
"""How hard to search: a plan, the graph's parameters, a number of candidates, or no choice."""
Searcher: TypeAlias = Callable[[FloatArray, Setting], list[str]]
"""Find the ids of the nearest documents of one query of shape (d,), best first."""

_BEAMS = (16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048)
_OVERSAMPLINGS = (1.0, 2.0, 4.0, 8.0)
_CANDIDATES = (1, 2, 3, 5, 8, 12, 16, 24, 32, 48, 64, 96, 128)


class Batch(NamedTuple):
    """Documents to store: n ids, full vectors of shape (n, d), n texts."""

    ids: list[str]
    vectors: FloatArray
    texts: list[str]

    @property
    def payloads(self) -> list[dict[str, Any]]:
        """What LangChain's stores keep beside a vector."""
        return [{"page_content": text, "metadata": {}} for text in self.texts]


class Contender(Protocol):
    """One way to store and search."""

    @property
    def name(self) -> str:
        """What reports call it."""
        ...

    @property
    def ours(self) -> bool:
        """Whether it is a way to use this library."""
        ...

    @property
    def needs(self) -> tuple[str, ...]:
        """Modules beyond this package's own that it imports."""
        ...

    def load(self, client: EdgeClient, dimensions: int, batches: Iterator[Batch]) -> None:
        """Create the collection and store the documents, without building an index."""
        ...

    def open(self, client: EdgeClient, k: int) -> Searcher:
        """Make the function that searches the stored documents for k results."""
        ...

    def chains(self, dimensions: int, k: int, points: int) -> Sequence[Sequence[Setting]]:
        """List the settings to try: chains of rising effort, and so of rising overlap."""
        ...


def identifier(row: int) -> str:
    """Name a document by its row, in a form that every store takes as it is."""
    return str(uuid.UUID(int=row + 1))


def row_of(name: str) -> int:
    """Return the row of a document's name."""
    return uuid.UUID(name).int - 1


@dataclass(frozen=True)
class FullGraph:
    """Search a graph over the full vectors, as Qdrant's users do by default.

    Args:
        quantized: Keep int8 codes in RAM and the float32 vectors, which rank what the codes
            found, on disk.
    """

    quantized: bool = False
    ours: ClassVar[bool] = False
    needs: ClassVar[tuple[str, ...]] = ()

    @property
    def name(self) -> str:
        """What reports call it."""
        return f"full HNSW {'int8' if self.quantized else 'f32'}"

    def load(self, client: EdgeClient, dimensions: int, batches: Iterator[Batch]) -> None:
        """Store the documents with one vector each."""
        codes = models.ScalarQuantizationConfig(type=models.ScalarType.INT8, always_ram=True)
        full = models.VectorParams(
            size=dimensions,
            distance=models.Distance.COSINE,
            on_disk=self.quantized,
            quantization_config=models.ScalarQuantization(scalar=codes) if self.quantized else None,
        )
        client.create_collection(COLLECTION, {"full": full})
        for batch in batches:
            _upsert(client, batch, {"full": batch.vectors}, batch.payloads)

    def open(self, client: EdgeClient, k: int) -> Searcher:
        """Make the searching function."""

        def search(query: FloatArray, setting: Setting) -> list[str]:
            assert isinstance(setting, models.SearchParams)  # noqa: S101 - our own chains
            found = client.query_points(
                COLLECTION, query, using="full", search_params=setting, limit=k, with_payload=False
            )
            return [str(point.id) for point in found.points]

        return search

    def chains(self, dimensions: int, k: int, points: int) -> Sequence[Sequence[Setting]]:
        """Widen the beam; with int8 codes for each number of candidates that are ranked again."""
        del dimensions, points
        if not self.quantized:
            return [[models.SearchParams(hnsw_ef=beam) for beam in _BEAMS]]
        return [
            [
                models.SearchParams(
                    hnsw_ef=beam,
                    quantization=models.QuantizationSearchParams(
                        rescore=True, oversampling=oversampling
                    ),
                )
                for beam in _BEAMS
                if beam >= k * oversampling
            ]
            for oversampling in _OVERSAMPLINGS
        ]


@dataclass(frozen=True)
class TwoStage:
    """Search short vectors and rank the shortlist by the full ones, as this library does.

    Args:
        stages: Sizes of the short vectors; several make a funnel. Without any the full vectors'
            codes are searched.
        codes: What is searched is kept as these; None keeps float32.
        rotated: Rotate before cutting, by a rotation fitted on the first load.
    """

    stages: tuple[int, ...]
    codes: Quantization | None = "int8"
    rotated: bool = False
    ours: ClassVar[bool] = True
    needs: ClassVar[tuple[str, ...]] = ()

    @property
    def name(self) -> str:
        """What reports call it."""
        kind = ("no cut", "two-stage", "funnel")[min(len(self.stages), 2)]
        sizes = [" > ".join(map(str, self.stages))] if self.stages else []
        parts = [kind, *sizes, self.codes or "f32"]
        return " ".join([*parts, "rotated"] if self.rotated else parts)

    def load(self, client: EdgeClient, dimensions: int, batches: Iterator[Batch]) -> None:
        """Store the documents with a full vector and a short one a stage."""
        layout = CollectionLayout(
            dimensions,
            self.stages,
            quantization=self.codes,
            rotation="auto" if self.rotated else None,
        )
        driver = Driver(client)
        load = Load(MatryoshkaCollection(COLLECTION, layout=layout))
        for batch in batches:
            driver.run(load.add(batch.ids, batch.vectors, batch.payloads))
        driver.run(load.finish())

    def open(self, client: EdgeClient, k: int) -> Searcher:
        """Make the searching function."""
        driver, collection = Driver(client), MatryoshkaCollection(COLLECTION)

        def search(query: FloatArray, setting: Setting) -> list[str]:
            assert isinstance(setting, SearchPlan)  # noqa: S101 - our own chains
            found = driver.run(collection.search([Search(query, k, with_payload=False)], setting))
            return [str(point.id) for point in found[0]]

        return search

    def chains(self, dimensions: int, k: int, points: int) -> Sequence[Sequence[Setting]]:
        """Try what ``tune`` tries: longer shortlists and several beams.

        Of a funnel's chains only those that use all of its stages: the others are two-stage.
        """
        layout = CollectionLayout(dimensions, self.stages, quantization=self.codes)
        chains = plan_chains(layout, SearchPlan(), k, points)
        used = self.stages or None
        return [chain.plans for chain in chains if chain.plans[0].stages == used]


@dataclass(frozen=True)
class ClientSide:
    """Search short vectors, fetch the full ones as JSON and rank here, as LangChain.js does.

    Source: ``MatryoshkaRetriever`` of @langchain/classic, retrievers/matryoshka_retriever.ts.

    Args:
        dimensions: Size of the short vectors.
    """

    dimensions: int
    ours: ClassVar[bool] = False
    needs: ClassVar[tuple[str, ...]] = ()

    @property
    def name(self) -> str:
        """What reports call it."""
        return f"client-side re-ranking from {self.dimensions}"

    def load(self, client: EdgeClient, dimensions: int, batches: Iterator[Batch]) -> None:
        """Store the documents with a short vector each, the full one as text beside it."""
        del dimensions
        small = models.VectorParams(size=self.dimensions, distance=models.Distance.COSINE)
        client.create_collection(COLLECTION, {"small": small})
        for batch in batches:
            payloads = [
                {**payload, "metadata": {"lc_large": json.dumps(vector)}}
                for payload, vector in zip(batch.payloads, batch.vectors.tolist(), strict=True)
            ]
            short = normalize(batch.vectors[:, : self.dimensions])
            _upsert(client, batch, {"small": short}, payloads)

    def open(self, client: EdgeClient, k: int) -> Searcher:
        """Make the searching function."""

        def search(query: FloatArray, setting: Setting) -> list[str]:
            assert isinstance(setting, int)  # noqa: S101 - our own chains
            small = normalize(query[: self.dimensions])
            found = client.query_points(COLLECTION, small, using="small", limit=setting).points
            large = [json.loads(point.payload["metadata"]["lc_large"]) for point in found]  # type: ignore[index] # with payload
            order = np.argsort(-(normalize(np.asarray(large, dtype=np.float32)) @ query))
            return [str(found[place].id) for place in order[:k]]

        return search

    def chains(self, dimensions: int, k: int, points: int) -> Sequence[Sequence[Setting]]:
        """Fetch more and more candidates."""
        del dimensions
        return [sorted({min(k * factor, points) for factor in _CANDIDATES})]


def _upsert(
    client: EdgeClient,
    batch: Batch,
    vectors: dict[str, FloatArray],
    payloads: Sequence[dict[str, Any]],
) -> None:
    for points in PointBatch(batch.ids, vectors, payloads).requests(EDGE):
        client.upsert(COLLECTION, points)


def describe(setting: Setting) -> str:
    """Describe a setting in few words."""
    if setting is None:
        return "no choice"
    if isinstance(setting, int):
        return f"{setting} candidates"
    if isinstance(setting, Effort):
        probes = f"effort {setting.probes}, " if setting.probes else ""
        return f"{probes}{setting.candidates} candidates"
    parts = []
    if isinstance(setting, models.SearchParams):
        codes = setting.quantization
        parts.append(f"ef {setting.hnsw_ef}")
        if codes is not None:
            parts.append(f"{codes.oversampling:g} x k re-ranked")
    else:
        parts.append(f"{setting.min_candidates} candidates")
        if setting.hnsw_ef is not None:
            parts.append(f"ef {setting.hnsw_ef}")
    return ", ".join(parts)
