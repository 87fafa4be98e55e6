"""What two stages must buy at 200,000 x 1,536: about a quarter of an hour on an idle machine."""

import pytest

from mrl_adapters.bench import FullGraph, TwoStage, run, synthetic
from mrl_adapters.bench.result import COMPARED_AT, BenchResult, Measured

POINTS, DIMENSIONS = 200_000, 1536

pytestmark = [pytest.mark.slow, pytest.mark.benchmark_target]


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> BenchResult:
    folder = tmp_path_factory.mktemp("targets")
    synthetic(folder / "data", POINTS, DIMENSIONS)
    contenders = [FullGraph(), FullGraph("int8"), TwoStage((256,))]
    return run(folder / "data", contenders, folder / "engine")


def compared(each: Measured) -> float:
    answer = each.at(COMPARED_AT)
    assert answer is not None
    return answer.p50_s


def test_latency(measured: BenchResult):
    full, codes, ours = map(compared, measured.measured)
    assert ours <= 0.6 * full
    assert ours <= 1.0 * codes


def test_time_to_build(measured: BenchResult):
    full, codes, ours = (each.build_median_s for each in measured.measured)
    assert ours <= 0.25 * full
    assert ours <= 0.5 * codes


def test_memory_needed_for_search(measured: BenchResult):
    full, codes, ours = map(measured.needed_bytes, measured.measured)
    if full is None:
        pytest.skip("no control group for memory can be made here")
    assert ours is not None
    assert codes is not None
    assert ours <= 0.15 * full
    assert ours <= 0.3 * codes


def test_queries_a_second_in_half_the_memory_of_the_full_vectors(measured: BenchResult):
    half = POINTS * DIMENSIONS * 4 // 2
    if not measured.measured[0].limited:
        pytest.skip("no control group for memory can be made here")
    full, _, ours = (
        next(under.queries_per_s or 0.0 for under in each.limited if under.limit_bytes == half)
        for each in measured.measured
    )
    assert ours >= 50 * full
