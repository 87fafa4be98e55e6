"""Collections as other programs leave them, on every engine that is at hand."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from qdrant_client import QdrantClient, models
from real_server import server_client

from mrl_adapters.qdrant import Driver, MatryoshkaCollection, SearchPlan, connect
from mrl_adapters.qdrant.driver import Client
from mrl_adapters.qdrant.query import Search

ENGINES = ["local", "edge", pytest.param("server", marks=pytest.mark.server)]
DIMENSIONS = 32


@pytest.fixture
def open_engine(tmp_path: Path) -> Iterator[Callable[[str], Client]]:
    """Opens an engine by name; on a server in a namespace of its own."""
    with ExitStack() as stack:

        def opened(engine: str) -> Client:
            if engine == "edge":
                return stack.enter_context(connect(path=str(tmp_path / uuid.uuid4().hex)))
            if engine == "local":
                client = QdrantClient(":memory:")
                stack.callback(client.close)
                return client
            return stack.enter_context(server_client())

        yield opened


@pytest.fixture(params=ENGINES)
def client(request: pytest.FixtureRequest, open_engine: Callable[[str], Client]) -> Client:
    return open_engine(request.param)


@pytest.fixture
def vectors() -> Callable[..., np.ndarray]:
    """Random vectors whose first numbers weigh most, as nested embeddings' do."""

    def make(count: int, dimensions: int = DIMENSIONS, seed: int = 0) -> np.ndarray:
        rng = np.random.default_rng(seed)
        weights = 0.97 ** np.arange(dimensions)
        return (rng.standard_normal((count, dimensions)) * weights).astype(np.float32)

    return make


@pytest.fixture
def legacy(vectors: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
    """Writes a collection with one full vector a point; gives the vectors, by id."""

    def write(
        client: Client,
        name: str = "docs",
        *,
        count: int = 200,
        full_name: str = "",
        distance: str = "Cosine",
        dimensions: int = DIMENSIONS,
    ) -> np.ndarray:
        params = models.VectorParams(size=dimensions, distance=models.Distance(distance))
        client.create_collection(name, {full_name: params} if full_name else params)
        full = vectors(count, dimensions)
        for start in range(0, count, 1000):
            client.upsert(
                name,
                [
                    models.PointStruct(
                        id=number,
                        vector={full_name: row.tolist()} if full_name else row.tolist(),
                        payload={"number": number, "text": f"text {number}"},
                    )
                    for number, row in enumerate(full[start : start + 1000], start)
                ],
            )
        return full

    return write


@pytest.fixture
def search() -> Callable[..., list[tuple[object, float]]]:
    """Ids and scores of the best ten: by all stages at full oversampling, or exactly."""

    def run(
        client: Client, name: str, query: np.ndarray, **plan: object
    ) -> list[tuple[object, float]]:
        driver, collection = Driver(client), MatryoshkaCollection(name)
        layout = driver.run(collection.open(must_exist=True))
        assert layout is not None
        chosen = SearchPlan(**{"oversampling": 1_000, "stages": layout.stages, **plan})
        flow = collection.search([Search(vector=query, k=10)], chosen)
        return [(hit.id, round(hit.score, 3)) for hit in driver.run(flow)[0]]

    return run


@pytest.fixture
def stored_vectors() -> Callable[..., dict[object, np.ndarray]]:
    """Reads one vector of every point, by id."""

    def read(client: Client, name: str, vector: str) -> dict[object, np.ndarray]:
        found: dict[object, np.ndarray] = {}
        offset = None
        while True:
            records, offset = client.scroll(
                name, limit=500, offset=offset, with_payload=False, with_vectors=True
            )
            for record in records:
                named = record.vector if isinstance(record.vector, dict) else {"": record.vector}
                if vector in named:
                    found[record.id] = np.asarray(named[vector], dtype=np.float32)
            if offset is None:
                return found

    return read
