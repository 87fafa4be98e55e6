"""A collection of 100,000 x 1,536 migrated in place: how fast, in how much memory."""

import os
import shutil
import time

import numpy as np
import pytest
from qdrant_client import models

from mrl_adapters.progress import Progress
from mrl_adapters.qdrant import connect, migrate

COUNT = int(os.environ.get("MRL_RATE_POINTS", "100000"))
DIMENSIONS, STAGE, BATCH = 1_536, 256, 1_000


def _resident_bytes() -> int:
    """Memory of this process that no file backs: the engine maps its vectors' files."""
    with open("/proc/self/status", encoding="ascii") as status:  # noqa: PTH123 - not a real file
        [line] = [line for line in status if line.startswith("RssAnon")]
    return int(line.split()[1]) * 1024


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """The collection as single-stage stores leave it: float32, its segments built and closed."""
    path = str(tmp_path_factory.mktemp("large") / "edge")
    rng = np.random.default_rng(0)
    with connect(path=path) as client:
        # Building its graph takes many minutes and changes nothing here: without one.
        params = models.VectorParams(
            size=DIMENSIONS,
            distance=models.Distance.COSINE,
            on_disk=True,
            hnsw_config=models.HnswConfigDiff(m=0),
        )
        client.create_collection("docs", params)
        for start in range(0, COUNT, BATCH):
            rows = rng.standard_normal((BATCH, DIMENSIONS)).astype(np.float32)
            client.upsert(
                "docs",
                [
                    models.PointStruct.model_construct(
                        id=number, vector=row, payload={"page_content": "x" * 300, "n": number}
                    )
                    for number, row in enumerate(rows, start)
                ],
            )
        client.optimize("docs")
    return path


def _engines_own_rate(path: str) -> dict[str, float]:
    """Points a second that the engine updates by itself, with vectors that are ready."""
    rng = np.random.default_rng(1)
    with connect(path=path) as client:
        config = models.DenseVectorConfig(size=STAGE, distance=models.Distance.COSINE)
        client.create_vector_name("docs", "short_256", models.DenseVectorNameConfig(dense=config))
        rates = {}
        for name, size in (("short_256", STAGE), ("", DIMENSIONS)):
            rows = rng.standard_normal((BATCH, size)).astype(np.float32)
            began_s = time.perf_counter()
            for start in range(0, COUNT, BATCH):
                points = [
                    models.PointVectors.model_construct(id=start + place, vector={name: row})
                    for place, row in enumerate(rows)
                ]
                client.update_vectors("docs", points)
            rates[name] = COUNT / (time.perf_counter() - began_s)
    return rates


@pytest.mark.slow
@pytest.mark.benchmark_target
def test_it_keeps_half_of_the_engines_own_rate_in_bounded_memory(large, tmp_path):
    spare = str(tmp_path / "spare")
    shutil.copytree(large, spare)
    deriving, verifying = "deriving short vectors", "verifying points"
    highest = {deriving: 0, verifying: 0}
    rates = {}

    def watch(progress: Progress) -> None:
        highest[progress.phase] = max(highest[progress.phase], _resident_bytes())
        rates[progress.phase] = progress.rate

    with connect(path=large) as client:
        before = _resident_bytes()
        result = migrate(client, "docs", stages=(STAGE,), progress=watch)
    own = _engines_own_rate(spare)
    overall = COUNT / result.elapsed_s
    short_bytes = COUNT * STAGE * 4
    print(  # noqa: T201 - with -s: the numbers that the documentation quotes
        f"\nengine: {own['short_256']:,.0f} short, {own['']:,.0f} full vectors a second; "
        f"migration: derive {rates[deriving]:,.0f}, verify {rates[verifying]:,.0f}, "
        f"overall {overall:,.0f}; memory +{(highest[deriving] - before) / 1e6:.0f} MB deriving, "
        f"+{(highest[verifying] - before) / 1e6:.0f} MB verifying"
    )
    assert result.written == result.points == COUNT
    assert overall >= 0.5 * own["short_256"]
    # The short vectors may lie in RAM until the engine builds its segments; and some pages.
    full_bytes = COUNT * DIMENSIONS * 4
    assert max(highest.values()) - before < short_bytes + 0.25 * full_bytes
