"""How results read and look."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from mrl_adapters.bench import (
    GrowthResult,
    bench_tables,
    growth_tables,
    plot_bench,
    plot_growth,
)
from mrl_adapters.bench.result import COMPARED_AT, BenchResult, UnderLimit


def rows(markdown: str) -> list[list[str]]:
    """Read the cells of every table row."""
    lines = [line for line in markdown.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def doubled(result: BenchResult) -> BenchResult:
    """Pretend that twice the points cost four times the disk."""
    measured = tuple(replace(each, disk_bytes=4 * each.disk_bytes) for each in result.measured)
    return replace(result, points=2 * result.points, measured=measured)


def test_the_first_contender_is_one_in_every_ratio(result: BenchResult):
    ratios = rows(bench_tables(result))[1]
    assert ratios[0] == "full HNSW f32"
    assert set(ratios[1:]) == {"1.00"}


def test_ratios_are_of_the_absolute_figures(result: BenchResult):
    base, other = result.measured[:2]
    shown = next(row for row in rows(bench_tables(result)) if row[0] == other.name)
    assert shown[3] == f"{other.disk_bytes / base.disk_bytes:.2f}"


def test_the_rate_of_loading_is_the_points_by_its_time(result: BenchResult):
    titles, *costs = (row for row in rows(bench_tables(result)) if len(row) == 7)
    assert titles[1:3] == ["load, s", "points/s"]
    rates = [f"{result.points / each.load_median_s:,.0f}" for each in result.measured]
    assert [row[2] for row in costs[: len(rates)]] == rates


def test_every_target_has_a_row_a_contender(result: BenchResult):
    table = [row for row in rows(bench_tables(result)) if row[0] in {"0.95", "0.99", "0.999"}]
    assert len(table) == 3 * len(result.measured)


def test_a_target_that_was_not_reached_is_said(result: BenchResult):
    measured = (result.measured[0], replace(result.measured[1], answers=()))
    text = bench_tables(replace(result, measured=measured))
    assert "| 0.99 | two-stage 16 int8 | not reached | - | - | - | - |" in text


def test_limits_are_shown_where_there_were_some(result: BenchResult):
    assert "only so much memory" not in bench_tables(result)
    base = result.measured[0]
    answer = replace(base.answers[0], target=COMPARED_AT, queries_per_s=200)
    limits = (900_000_000, 600_000_000, 400_000_000, 300_000_000)
    slow, fast = (
        tuple(UnderLimit(*each) for each in zip(limits, rates, strict=True))
        for rates in ((150.0, 123.4, 74.0, None), (900.0, 300.0, 100.0, 60.0))
    )
    measured = (
        replace(base, limited=slow, answers=(answer,)),
        replace(result.measured[1], limited=fast, answers=(answer,)),
        replace(result.measured[2], limited=fast, answers=()),
        result.measured[2],
    )
    table = rows(bench_tables(replace(result, measured=measured)))[-6:]
    assert table == [
        ["at most", *(each.name for each in result.measured)],
        ["900 MB", "150", "900", "900"],
        ["600 MB", "123", "300", "300"],
        ["400 MB", "74", "100", "100"],
        ["300 MB", "killed", "60", "60"],
        ["75 queries/s from", "600 MB", "400 MB", "-"],
    ]


def test_limited_runs_are_compared_where_the_first_contender_still_comes(result: BenchResult):
    limited = (UnderLimit(900_000_000, 150.0), UnderLimit(600_000_000, 123.4))
    measured = tuple(
        replace(each, limited=limited, answers=(replace(each.answers[0], target=0.95),))
        for each in result.measured
    )
    missed = bench_tables(replace(result, measured=measured))
    assert "only so much memory (at 0.99)" in missed
    assert "| 75 queries/s from | - | - | - |" in missed
    reached = replace(result, measured=measured, compared_at=0.95)
    assert "only so much memory (at 0.95)" in bench_tables(reached)
    assert "| 75 queries/s from | 600 MB | 600 MB | 600 MB |" in bench_tables(reached)
    grown = growth_tables(GrowthResult((reached, doubled(reached))))
    assert "| full HNSW f32 | 600 MB | 600 MB | x 1.0 |" in grown


def test_several_builds_show_their_range(result: BenchResult):
    measured = replace(result.measured[0], build_s=(1.0, 3.0, 2.0))
    assert "2.0 (1.0-3.0)" in bench_tables(replace(result, measured=(measured,)))


def test_growth_is_told_for_ten_times_the_points(result: BenchResult):
    grown = GrowthResult((result, doubled(result)))
    disk = growth_tables(grown).split("### disk")[1].split("###")[0]
    assert {row[-1] for row in rows(disk)[1:]} == {f"x {4**3.3219:.1f}"}
    assert len(json.loads(grown.to_json())["results"]) == 2


def test_growth_of_latency_is_told_for_what_a_large_graph_still_reaches(result: BenchResult):
    text = growth_tables(GrowthResult((result, doubled(result))))
    assert "### median latency at 0.95" in text
    assert "### median latency at 0.99" in text


def test_a_cost_that_was_not_measured_does_not_grow(result: BenchResult):
    bare = replace(result, measured=(replace(result.measured[0], answers=()),))
    text = growth_tables(GrowthResult((bare, doubled(bare))))
    assert "| full HNSW f32 | - | - | - |" in text


def test_json_holds_everything(result: BenchResult):
    read = json.loads(result.to_json())
    assert read["measured"][0]["answers"][0]["setting"].startswith("ef")


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_pictures_are_drawn(result: BenchResult, tmp_path: Path, suffix: str):
    pytest.importorskip("matplotlib")
    none = replace(result.measured[1], answers=(), disk_bytes=9 * result.measured[0].disk_bytes)
    partly = replace(result, measured=(result.measured[0], none))
    grown = GrowthResult((partly, doubled(partly)))
    drawn = [
        plot_bench(result, tmp_path / f"whole.{suffix}"),
        plot_bench(partly, str(tmp_path / f"partly.{suffix}")),
        plot_growth(grown, tmp_path / f"grown.{suffix}"),
    ]
    starts = {path.read_bytes()[:5] for path in drawn}
    assert starts == {b"<?xml" if suffix == "svg" else b"\x89PNG\r"}
    if suffix == "svg":
        text = drawn[1].read_text()
        assert "not reached" in text
        assert "9.00 ▸" in text
