"""Measure what two stages would buy for vectors of one's own, before moving anything to them.

    pip install '.[bench]'
    python examples/benchmark.py vectors.npy     # or .parquet; without a file: synthetic ones

The same, with stores of both frameworks, pictures and more sizes: mrl-adapters bench --help
"""

import sys
import tempfile
from pathlib import Path

from mrl_adapters.bench import (
    Contender,
    FullGraph,
    TwoStage,
    bench_tables,
    from_file,
    run,
    synthetic,
)


def main(folder: Path, source: Path | None) -> None:
    """Compare a graph over the full vectors with two stages, on the embedded engine."""
    if source is None:
        data = synthetic(folder / "data", 3000, 256, queries=200)
    else:
        data = from_file(folder / "data", source)
    stage = data.documents.shape[1] // 4
    contenders: list[Contender] = [FullGraph(), FullGraph("int8"), TwoStage((stage,))]
    result = run(folder / "data", contenders, folder / "engine", repeats=3)
    print(bench_tables(result))


if __name__ == "__main__":  # each contender runs in a process that imports this file
    with tempfile.TemporaryDirectory() as temporary:
        main(Path(temporary), Path(sys.argv[1]) if len(sys.argv) > 1 else None)
