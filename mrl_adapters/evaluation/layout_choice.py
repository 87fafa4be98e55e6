"""Choose among measured layouts: time them side by side, predict, and prove the choice."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mrl_adapters.evaluation.layout_bench import ROUNDS, LayoutBench, Measured
from mrl_adapters.evaluation.layout_judgements import judged_by
from mrl_adapters.evaluation.query_share import WAYS
from mrl_adapters.evaluation.recommendation import LayoutOption
from mrl_adapters.evaluation.trials import AS_FAST, downwards
from mrl_adapters.progress import Meter

_TURNS = 5  # of timed searches
_FASTER_BY_FAR = 1.5


def timed(bench: LayoutBench, measured: Sequence[Measured]) -> list[Measured]:
    """Time all options anew, side by side, and predict them for the number of points."""
    seconds: list[list[float]] = [[] for _ in measured]
    asked, share = bench.sample.queries, bench.share
    meter = Meter("timing", _TURNS, bench.progress)
    for turn in range(_TURNS):
        start = share.tested + turn * ROUNDS % max(1, share.total - share.tested - ROUNDS)
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
    plan = trial.plan if not option.plan.exact else option.plan
    if one.growth > 1 and not plan.exact:
        plan = replace(
            plan,
            oversampling=plan.oversampling * one.growth,
            min_candidates=math.ceil(plan.min_candidates * one.growth),
            hnsw_ef=None if plan.hnsw_ef is None else math.ceil(plan.hnsw_ef * one.growth),
        )
    return replace(option, trial=trial, plan=plan, latency_s=median * one.stretch * one.dearer)


def prove(
    bench: LayoutBench,
    measured: Sequence[Measured],
    memory_bytes: int | None,
    confidence: float,
) -> tuple[list[LayoutOption], LayoutOption | None]:
    """Prove the fastest option that fits; go on while another may be faster than what held.

    A proof may take a longer shortlist than the one that was measured: after each, all options
    are timed anew, side by side. At most three are put to it, which share its error. The exact
    search needs no proof.

    Returns:
        All options, with what proving found out of them, and the one to take; None if nothing
        fits, or if nothing that fits stood the proof.
    """
    limit = math.inf if memory_bytes is None else memory_bytes
    measured = timed(bench, measured)
    fitting = [row for row, one in enumerate(measured) if one.option.memory_bytes <= limit]
    for _ in range(WAYS):
        options = [one.option for one in measured]
        row = next(iter(_preferred(options, fitting)), None)
        if row is None or options[row].proof == "held":
            break
        measured[row] = _proved(bench, measured[row], confidence)
        measured = timed(bench, measured)
    options = [replace(one.option, judged=judged_by(bench, one)) for one in measured]
    held = [row for row in fitting if options[row].proof == "held"]
    chosen = next(iter(_preferred(options, held)), None)
    return options, None if chosen is None else options[chosen]


def _proved(bench: LayoutBench, one: Measured, confidence: float) -> Measured:
    """Prove an option's plan, or a longer shortlist, and measure it where it had no part."""
    held = one.run.test(downwards(one.chain, one.step), bench.target, confidence)
    plan = one.option.trial.plan if held is None else held[0]
    final = one.run.final(replace(one.option.trial, plan=plan), confidence)
    stands = held is not None and final.overlap >= bench.target
    option = replace(one.option, trial=final, plan=final.plan, proof="held" if stands else "failed")
    return one._replace(option=option, step=one.chain.plans.index(plan))


def _preferred(options: Sequence[LayoutOption], fitting: Sequence[int]) -> list[int]:
    """Put rows by latency; the smallest first among those that a clock can hardly tell apart.

    What failed the proof is left out.
    The exact search must be faster by far: it slows down as the collection grows.
    """

    def cost(row: int) -> float:
        return options[row].latency_s * (_FASTER_BY_FAR if options[row].plan.exact else 1.0)

    ordered = sorted((row for row in fitting if options[row].proof != "failed"), key=cost)
    alike = [row for row in ordered if cost(row) <= cost(ordered[0]) * AS_FAST]
    alike.sort(key=lambda row: options[row].memory_bytes)
    return [*alike, *(row for row in ordered if row not in alike)]
