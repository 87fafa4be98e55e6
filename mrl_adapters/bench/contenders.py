"""Ways to store and search the same vectors, each with the settings worth trying."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from qdrant_client import models

from mrl_adapters.bench.contender import Batch, Searcher, Setting
from mrl_adapters.evaluation.plan_grid import plan_chains
from mrl_adapters.qdrant import (
    CollectionLayout,
    Driver,
    EdgeClient,
    MatryoshkaCollection,
    SearchPlan,
)
from mrl_adapters.qdrant.driver import Client
from mrl_adapters.qdrant.engine import engine_of
from mrl_adapters.qdrant.loading import Load
from mrl_adapters.qdrant.points import PointBatch
from mrl_adapters.qdrant.quantization import Quantization, quantization_settings
from mrl_adapters.qdrant.query import Search
from mrl_adapters.vectors import FloatArray, normalize

COLLECTION = "bench"

_BEAMS = (16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048)
_OVERSAMPLINGS = (1.0, 2.0, 4.0, 8.0)
_CANDIDATES = (1, 2, 3, 5, 8, 12, 16, 24, 32, 48, 64, 96, 128)


class Embedded:
    """What contenders share whose documents are in the embedded engine."""

    needs: ClassVar[tuple[str, ...]] = ()
    is_limited: ClassVar[bool] = True

    def connect(self, folder: Path) -> EdgeClient:
        """Open the engine, and what is stored there."""
        client = EdgeClient(folder)
        if client.collection_exists(COLLECTION):
            client.get_collection(COLLECTION)  # it is loaded when it is first asked for
        return client

    def build(self, client: EdgeClient) -> None:
        """Build the graph."""
        client.optimize(COLLECTION)


@dataclass(frozen=True)
class FullGraph(Embedded):
    """Search a graph over the full vectors, as Qdrant's users do by default.

    Args:
        codes: Keep these codes in RAM and the float32 vectors, which rank what the codes found,
            on disk. None searches the float32 vectors.
        collection: Where the documents are.
    """

    codes: Quantization | None = None
    collection: str = COLLECTION
    ours: ClassVar[bool] = False

    @property
    def name(self) -> str:
        """What reports call it."""
        return f"full HNSW {self.codes or 'f32'}"

    def load(self, client: Client, dimensions: int, batches: Iterator[Batch]) -> None:
        """Store the documents with one vector each."""
        full = models.VectorParams(
            size=dimensions,
            distance=models.Distance.COSINE,
            on_disk=self.codes is not None,
            quantization_config=quantization_settings(self.codes),
        )
        client.create_collection(self.collection, {"full": full})
        for batch in batches:
            _upsert(client, self.collection, batch, {"full": batch.vectors}, batch.payloads)

    def open(self, client: Client, k: int) -> Searcher:
        """Make the searching function."""
        encode = engine_of(client).encode

        def search(query: FloatArray, setting: Setting) -> list[str]:
            assert isinstance(setting, models.SearchParams)  # noqa: S101 - our own chains
            found = client.query_points(
                self.collection,
                encode(query),
                using="full",
                search_params=setting,
                limit=k,
                with_payload=False,
            )
            return [str(point.id) for point in found.points]

        return search

    def chains(self, dimensions: int, k: int, points: int) -> Sequence[Sequence[Setting]]:
        """Widen the beam; with codes for each number of candidates that are ranked again."""
        del dimensions, points
        if self.codes is None:
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
class TwoStage(Embedded):
    """Search short vectors and rank the shortlist by the full ones, as this library does.

    Args:
        stages: Sizes of the short vectors; several make a funnel. Without any the full vectors'
            codes are searched.
        codes: What is searched is kept as these; None keeps float32.
        rotated: Rotate before cutting, by a rotation fitted on the first load.
        collection: Where the documents are.
    """

    stages: tuple[int, ...]
    codes: Quantization | None = "int8"
    rotated: bool = False
    collection: str = COLLECTION
    ours: ClassVar[bool] = True

    @property
    def name(self) -> str:
        """What reports call it."""
        kind = ("no cut", "two-stage", "funnel")[min(len(self.stages), 2)]
        sizes = [" > ".join(map(str, self.stages))] if self.stages else []
        parts = [kind, *sizes, self.codes or "f32"]
        return " ".join([*parts, "rotated"] if self.rotated else parts)

    def load(self, client: Client, dimensions: int, batches: Iterator[Batch]) -> None:
        """Store the documents with a full vector and a short one a stage."""
        layout = CollectionLayout(
            dimensions,
            self.stages,
            quantization=self.codes,
            rotation="auto" if self.rotated else None,
        )
        driver = Driver(client)
        load = Load(MatryoshkaCollection(self.collection, layout=layout))
        for batch in batches:
            driver.run(load.add(batch.ids, batch.vectors, batch.payloads))
        driver.run(load.finish())

    def open(self, client: Client, k: int) -> Searcher:
        """Make the searching function."""
        driver, collection = Driver(client), MatryoshkaCollection(self.collection)

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
class ClientSide(Embedded):
    """Search short vectors, fetch the full ones as JSON and rank here, as LangChain.js does.

    Source: ``MatryoshkaRetriever`` of @langchain/classic, retrievers/matryoshka_retriever.ts.

    Args:
        dimensions: Size of the short vectors.
    """

    dimensions: int
    ours: ClassVar[bool] = False

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
            _upsert(client, COLLECTION, batch, {"small": short}, payloads)

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
    client: Client,
    collection: str,
    batch: Batch,
    vectors: dict[str, FloatArray],
    payloads: Sequence[dict[str, Any]],
) -> None:
    for points in PointBatch(batch.ids, vectors, payloads).requests(engine_of(client)):
        client.upsert(collection, points)
