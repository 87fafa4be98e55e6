"""Fixtures of the embedded engine's tests."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from qdrant_client import models

from mrl_adapters.edge import EdgeClient


@pytest.fixture
def client(tmp_path: Path) -> Iterator[EdgeClient]:
    with EdgeClient(tmp_path / "store") as opened:
        yield opened


@pytest.fixture
def nested_vectors() -> dict[str, models.VectorParams]:
    """The layout of this package in small: 32 dimensions, of which the first 8 are searched."""
    int8 = models.ScalarQuantizationConfig(type=models.ScalarType.INT8, always_ram=True)
    return {
        "full": models.VectorParams(
            size=32,
            distance=models.Distance.COSINE,
            hnsw_config=models.HnswConfigDiff(m=0),
            datatype=models.Datatype.FLOAT16,
            memory=models.Memory.COLD,
        ),
        "short_8": models.VectorParams(
            size=8,
            distance=models.Distance.COSINE,
            hnsw_config=models.HnswConfigDiff(full_scan_threshold=10),
            quantization_config=models.ScalarQuantization(scalar=int8),
        ),
    }


@pytest.fixture
def nested_points() -> Callable[..., list[models.PointStruct]]:
    """Make `count` points of the nested layout, buffers inside, ids from `start`."""

    def make(count: int, start: int = 0) -> list[models.PointStruct]:
        rows = np.random.default_rng(start).standard_normal((count, 32)).astype(np.float32)
        return [
            models.PointStruct.model_construct(
                id=start + at, vector={"full": row, "short_8": row[:8]}, payload={"n": start + at}
            )
            for at, row in enumerate(rows)
        ]

    return make
