"""Measure what two stages buy: contenders side by side on one engine, machine and data."""

from mrl_adapters.bench.contender import Contender
from mrl_adapters.bench.contenders import ClientSide, FullGraph, TwoStage
from mrl_adapters.bench.data import (
    BenchData,
    from_file,
    from_texts,
    imitated,
    synthetic,
    take,
)
from mrl_adapters.bench.growth import grow
from mrl_adapters.bench.likeness import Likeness, fit_likeness, likeness_table
from mrl_adapters.bench.line_up import line_up
from mrl_adapters.bench.plots import plot_bench, plot_growth
from mrl_adapters.bench.result import BenchResult, GrowthResult, Measured
from mrl_adapters.bench.run import run
from mrl_adapters.bench.tables import bench_tables, growth_tables

__all__ = [
    "BenchData",
    "BenchResult",
    "ClientSide",
    "Contender",
    "FullGraph",
    "GrowthResult",
    "Likeness",
    "Measured",
    "TwoStage",
    "bench_tables",
    "fit_likeness",
    "from_file",
    "from_texts",
    "grow",
    "growth_tables",
    "imitated",
    "likeness_table",
    "line_up",
    "plot_bench",
    "plot_growth",
    "run",
    "synthetic",
    "take",
]
