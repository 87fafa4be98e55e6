"""What an open collection holds on to: what it searches with, not what loading it left behind."""

import ctypes
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from qdrant_client import models

from mrl_adapters.qdrant import EdgeClient

COUNT, DIMENSIONS = 10_000, 1024
LEFT_BEHIND_KB = 4_000

# Prints how many KB of the process's own memory are free, and only kept by the allocator.
KEPT = """
import ctypes, re, sys
from pathlib import Path
from mrl_adapters.qdrant import EdgeClient

def own():
    text = Path("/proc/self/smaps_rollup").read_text()
    return int(re.search(r"^Anonymous: +(\\d+)", text, re.M)[1])

trim = ctypes.CDLL(None).malloc_trim
trim(0)
client = EdgeClient(sys.argv[1])
{then}
before = own()
trim(0)
print(before - own())
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not Path("/proc/self/smaps_rollup").exists() or not hasattr(
        ctypes.CDLL(None), "malloc_trim"
    ):
        pytest.skip("needs Linux and glibc: nothing else tells what its allocator keeps")
    made = tmp_path_factory.mktemp("edge")
    vectors = np.random.default_rng(0).standard_normal((COUNT, DIMENSIONS), dtype=np.float32)
    with EdgeClient(made) as client:
        params = models.VectorParams(size=DIMENSIONS, distance=models.Distance.COSINE, on_disk=True)
        client.create_collection(
            "docs",
            {"full": params},
            hnsw_config=models.HnswConfigDiff(m=4, ef_construct=8),
            optimizers_config=models.OptimizersConfigDiff(indexing_threshold=0),
        )
        for start in range(0, COUNT, 2_500):  # few, large writes: the log keeps the last
            client.upsert(
                "docs",
                [
                    models.PointStruct.model_construct(
                        id=row, vector={"full": vectors[row]}, payload={}
                    )
                    for row in range(start, start + 2_500)
                ],
            )
    return made


@pytest.mark.parametrize("then", ['client.get_collection("docs")', 'client.optimize("docs")'])
def test_freed_memory_goes_back_to_the_system(folder, then):
    code = KEPT.format(then=then)
    done = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < LEFT_BEHIND_KB
