"""A small set of vectors, and what a run over it measured."""

from pathlib import Path

import pytest

from mrl_adapters.bench import BenchData, ClientSide, FullGraph, TwoStage, run, synthetic
from mrl_adapters.bench.result import BenchResult

CONTENDERS = (FullGraph(), TwoStage((16,)), ClientSide(16))


@pytest.fixture(scope="session")
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where 600 documents and 60 queries of 32 dimensions are."""
    folder = tmp_path_factory.mktemp("vectors")
    synthetic(folder, 600, 32, queries=60, seed=1)
    return folder


@pytest.fixture(scope="session")
def data(data_folder: Path) -> BenchData:
    return BenchData.open(data_folder)


@pytest.fixture(scope="session")
def result(data_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> BenchResult:
    """One whole run, each contender in its own process."""
    folder = tmp_path_factory.mktemp("run") / "engine"
    return run(data_folder, CONTENDERS, folder, k=5, repeats=2, builds=2)
