"""Measure what two stages buy: contenders side by side on one engine, machine and data."""

from mrl_adapters.bench.contenders import ClientSide, Contender, FullGraph, TwoStage
from mrl_adapters.bench.data import BenchData, from_file, from_texts, synthetic, take
from mrl_adapters.bench.growth import GrowthResult, grow
from mrl_adapters.bench.line_up import line_up
from mrl_adapters.bench.result import BenchResult, Measured
from mrl_adapters.bench.run import run

__all__ = [
    "BenchData",
    "BenchResult",
    "ClientSide",
    "Contender",
    "FullGraph",
    "GrowthResult",
    "Measured",
    "TwoStage",
    "from_file",
    "from_texts",
    "grow",
    "line_up",
    "run",
    "synthetic",
    "take",
]
