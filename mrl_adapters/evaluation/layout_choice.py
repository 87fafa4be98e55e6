"""Choose among measured layouts: time them side by side, predict, and prove the choice."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mrl_adapters.evaluation.layout_bench import ROUNDS, LayoutBench, Measured
from mrl_adapters.evaluation.recommendation import LayoutOption
from mrl_adapters.evaluation.results import Trial
from mrl_adapters.evaluation.trials import AS_FAST
from mrl_adapters.progress import Meter

TESTED = 3
"""Layouts that may be proved before one holds."""

_TURNS = 5  # of timed searches
_FINAL_ROUNDS = 100
_FASTER_BY_FAR = 1.5


def timed(bench: LayoutBench, measured: Sequence[Measured]) -> list[Measured]:
    """Time all options anew, side by side, and predict them for the number of points."""
    seconds: list[list[float]] = [[] for _ in measured]
    asked, share = bench.sample.queries, bench.share
    meter = Meter("timing", _TURNS, bench.progress)
    for turn in range(_TURNS):
        start = share.half + turn * ROUNDS % max(1, share.total - share.half - ROUNDS)
        part = asked.part(start, start + ROUNDS)
        for row, one in enumerate(measured):
            [times] = one.searcher.latencies(part, [one.option.trial.plan], ROUNDS)
            seconds[row] += times.tolist()
        meter.step()
    return [
        one._replace(option=_predicted(one, times))
        for one, times in zip(measured, seconds, strict=True)
    ]


def _predicted(one: Measured, seconds: Sequence[float]) -> LayoutOption:
    median, high = np.quantile(seconds, [0.5, 0.95]).tolist()
    option = one.option
    trial = replace(option.trial, p50_s=median, p95_s=high)
    dearer = 1.0
    plan = option.plan
    if one.growth > 1 and not plan.exact:
        dearer = _dearer(one.trials, trial, one.growth)
        plan = replace(
            plan,
            oversampling=plan.oversampling * one.growth,
            min_candidates=math.ceil(plan.min_candidates * one.growth),
            hnsw_ef=None if plan.hnsw_ef is None else math.ceil(plan.hnsw_ef * one.growth),
        )
    return replace(option, trial=trial, plan=plan, latency_s=median * one.stretch * dearer)


def prove(
    bench: LayoutBench,
    measured: Sequence[Measured],
    memory_bytes: int | None,
    confidence: float,
) -> tuple[list[LayoutOption], LayoutOption | None]:
    """Prove the fastest option that fits, or the next; the exact search needs no proof.

    Returns:
        All options, with what proving found out of them, and the one to take; None if nothing
        fits, or if nothing that fits stood the proof.
    """
    options = [one.option for one in measured]
    limit = math.inf if memory_bytes is None else memory_bytes
    fitting = [row for row, one in enumerate(options) if one.memory_bytes <= limit]
    for row in _preferred(options, fitting)[:TESTED]:
        options[row] = _proved(bench, measured[row], confidence)
        if options[row].proof == "held":
            return options, options[row]
    exact = (options[row] for row in fitting if options[row].plan.exact)
    return options, next(exact, None)


def _proved(bench: LayoutBench, one: Measured, confidence: float) -> LayoutOption:
    """Prove an option's plan, or a longer shortlist, and measure it where it had no part."""
    if one.option.plan.exact:
        return one.option
    ways = [
        (chain, trials)
        for chain, trials in zip(one.chains, one.trials, strict=True)
        if any(trial.plan == one.option.trial.plan for trial in trials)
    ]
    chains, trials = [way[0] for way in ways], [way[1] for way in ways]
    proved = one.run.prove(chains, trials, bench.target, confidence)
    held = next((trial for trial in proved if not trial.plan.exact), None)
    final = one.run.final(held or one.option.trial, confidence)
    stands = held is not None and final.overlap >= bench.target
    [seconds] = one.searcher.latencies(bench.sample.queries, [final.plan], _FINAL_ROUNDS)
    shown = replace(one.option, trial=final, plan=final.plan, proof="held" if stands else "failed")
    return _predicted(one._replace(option=shown), seconds.tolist())


def _preferred(options: Sequence[LayoutOption], fitting: Sequence[int]) -> list[int]:
    """Put rows by latency; the smallest first among those that a clock can hardly tell apart.

    The exact search must be faster by far: it slows down as the collection grows.
    """

    def cost(row: int) -> float:
        return options[row].latency_s * (_FASTER_BY_FAR if options[row].plan.exact else 1.0)

    ordered = sorted(fitting, key=cost)
    alike = [row for row in ordered if cost(row) <= cost(ordered[0]) * AS_FAST]
    alike.sort(key=lambda row: options[row].memory_bytes)
    return [*alike, *(row for row in ordered if row not in alike)]


def _dearer(trials: Sequence[Sequence[Trial]], chosen: Trial, growth: float) -> float:
    """Predict how many times as long a plan takes with so many times the candidates."""
    chain = next(chain for chain in trials if any(t.plan == chosen.plan for t in chain))
    lengths = [trial.candidates or 1 for trial in chain]
    if len(chain) < 2 or chosen.candidates is None:  # noqa: PLR2004 - a line takes two
        return growth
    slope, start = np.polyfit(lengths, [trial.p50_s for trial in chain], 1)
    now = start + slope * chosen.candidates
    then = start + slope * chosen.candidates * growth
    return float(max(1.0, then / now)) if now > 0 else growth
