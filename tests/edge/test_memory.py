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
PEAK_KB = 60_000

# Prints, in KB: how much of the process's own memory is free, and only kept by the allocator; and
# how much more than now it had at its peak.
KEPT = """
import ctypes, re, sys
from pathlib import Path
from mrl_adapters.qdrant import EdgeClient

def read(file, name):
    return int(re.search(rf"^{name}:\\s+(\\d+)", Path("/proc/self", file).read_text(), re.M)[1])

trim = ctypes.CDLL(None).malloc_trim
trim(0)
client = EdgeClient(sys.argv[1])
{then}
print(read("status", "VmHWM") - read("status", "VmRSS"))
before = read("smaps_rollup", "Anonymous")
trim(0)
print(before - read("smaps_rollup", "Anonymous"))
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


def kept(folder: Path, then: str) -> tuple[int, int]:
    done = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", KEPT.replace("{then}", then), str(folder)],
        capture_output=True,
        text=True,
        check=True,
    )
    peak, left = map(int, done.stdout.split())
    return peak, left


@pytest.mark.parametrize("then", ['client.get_collection("docs")', 'client.optimize("docs")'])
def test_freed_memory_goes_back_to_the_system(folder, then):
    _, left = kept(folder, then)
    assert left < LEFT_BEHIND_KB


def test_opening_takes_little_more_than_what_stays(folder):
    """Even where few calls wrote a lot: what the log keeps of them is read piece by piece."""
    peak, _ = kept(folder, 'client.get_collection("docs")')
    assert peak < PEAK_KB
