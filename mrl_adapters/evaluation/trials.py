"""The measurements of one tuning: who tries, who tests, who reports."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeAlias

import numpy as np

from mrl_adapters.evaluation.bound import lower_bound
from mrl_adapters.evaluation.metrics import PerQuery
from mrl_adapters.evaluation.plan_grid import Chain
from mrl_adapters.evaluation.query_share import WAYS, QueryShare, shared
from mrl_adapters.evaluation.results import Trial
from mrl_adapters.evaluation.searcher import Queries, Searcher, Truth
from mrl_adapters.progress import Meter, ProgressCallback
from mrl_adapters.qdrant import SearchPlan

AS_FAST = 1.1
"""A clock cannot tell plans apart whose times differ by less than this factor."""

_TRIED_AHEAD = 3  # steps of a chain beyond the pilot's answer that are tried
_TESTED_AHEAD = (12, 10, 8, 6, 4, 3, 2, 1, 0)  # and those that are tested, after the longest
_PILOT_ROUNDS = 30  # timed searches of every plan, to find the finalists
_FINAL_ROUNDS = 200  # timed searches of each plan that is shown or may be chosen


Proved: TypeAlias = tuple[SearchPlan, PerQuery, float]
"""A plan that held, its overlaps, and the bound of their mean."""


class Trials:
    """One tuning's queries, their exact neighbours, and what is measured with them.

    Args:
        searcher: The collection.
        queries: All queries, in random order.
        share: Which of them serve which purpose.
        progress: Called with a Progress after each step.
        truth: The queries' exact neighbours, where they are known; None searches for them.
    """

    def __init__(
        self,
        searcher: Searcher,
        queries: Queries,
        share: QueryShare,
        progress: ProgressCallback | None,
        truth: Truth | None = None,
    ) -> None:
        self._searcher = searcher
        self._queries = queries
        self._share = share
        self._progress = progress
        if truth is None:
            report = self._meter("searching exactly", share.total).reach
            truth = searcher.truth(queries, report)
        self.truth: Truth = truth

    def explore(self, chains: Sequence[Chain], target: float) -> list[list[Trial]]:
        """Try each chain's plans on the pilot queries, to some steps beyond the target.

        What is tried depends on the queries alone, not on the clock.
        """
        total = sum(len(chain.plans) for chain in chains)
        meter = self._meter("trying plans", total)
        done = 0
        tried: list[list[tuple[SearchPlan, PerQuery]]] = []
        for chain in chains:
            beyond = 0
            tried.append([])
            for step, plan in enumerate(chain.plans):
                meter.reach(done + step)
                overlaps = self._overlaps(plan, 0, self._share.tried)
                tried[-1].append((plan, overlaps))
                beyond += bool(beyond or overlaps.mean() >= target)
                if beyond > _TRIED_AHEAD:
                    break
            done += len(chain.plans)
        times = iter(self.times([plan for trial in tried for plan, _ in trial]))
        meter.reach(total)
        return [[self.trial(*pair, None, next(times)) for pair in trial] for trial in tried]

    def prove(
        self,
        chains: Sequence[Chain],
        explored: Sequence[Sequence[Trial]],
        target: float,
        confidence: float,
    ) -> tuple[Trial, ...]:
        """Test the fastest promising chains; list what stands the test, and the exact search."""
        promising = []
        for chain, trials in zip(chains, explored, strict=True):
            first = next((i for i, trial in enumerate(trials) if trial.overlap >= target), None)
            if first is not None:
                promising.append((trials[first], downwards(chain, first)))
        finalists = sorted(_distinct(promising), key=lambda pair: pair[0].p50_s)[:WAYS]
        held: list[Proved] = []
        done, total = 0, sum(len(plans) for _, plans in finalists)
        meter = self._meter("proving plans", total)
        for _, plans in finalists:
            report = partial(_reach, meter, done)
            if (best := self.test(plans, target, confidence, report)) is not None:
                held.append(best)
            done += len(plans)
        meter.reach(total)
        held.append((self._searcher.exact, np.ones(self._share.tested - self._share.pilot), 1.0))
        times = self.times([plan for plan, _, _ in held])
        return tuple(
            self.trial(*parts, seconds) for parts, seconds in zip(held, times, strict=True)
        )

    def test(
        self,
        plans: Sequence[SearchPlan],
        target: float,
        confidence: float,
        report: Callable[[int], object] = lambda _: None,
    ) -> "Proved | None":
        """Test plans from the longest shortlist down, until one's bound misses the target.

        Args:
            plans: In that order.
            target: Mean overlap to reach.
            confidence: Probability with which up to three ways, so tested, are right together.
            report: Called with the number of plans that are done.

        Returns:
            The last that held, with its overlaps and their bound; None if the first failed.
        """
        best = None
        for step, plan in enumerate(plans):
            report(step)
            overlaps = self._overlaps(plan, self._share.pilot, self._share.tested)
            bound = lower_bound(overlaps, shared(confidence))
            if bound < target:
                break
            best = (plan, overlaps, bound)
        return best

    def crossing(self, chain: Chain, target: float) -> int | None:
        """Find a chain's first plan that reaches the target on the few queries, by halving.

        Returns:
            Its place; None if even the longest shortlist misses.
        """
        low, high = 0, len(chain.plans)
        while low < high:
            middle = (low + high) // 2
            if self._overlaps(chain.plans[middle], 0, self._share.tried).mean() >= target:
                high = middle
            else:
                low = middle + 1
        return low if low < len(chain.plans) else None

    def settle(self, chain: Chain, step: int, target: float) -> tuple[int, PerQuery] | None:
        """Go up or down a chain from a place, to its first plan that all pilot queries say reaches.

        Returns:
            Its place, and its overlaps; None if even the longest shortlist misses.
        """
        settled = None
        while 0 <= step < len(chain.plans):
            overlaps = self._overlaps(chain.plans[step], 0, self._share.pilot)
            reaches = overlaps.mean() >= target
            if settled is not None and (step > settled[0] or not reaches):
                break
            if reaches:
                settled = (step, overlaps)
            step += -1 if reaches else 1
        return settled

    def timed(self, trials: Sequence[Trial]) -> tuple[Trial, ...]:
        """Time trials anew, side by side, on the reporting half.

        Latencies of two sessions do not compare: what is chosen from, or shown, together is timed
        together.
        """
        plans = list(dict.fromkeys(trial.plan for trial in trials))
        part = self._queries.part(self._share.tested, self._share.total)
        times = self._searcher.latencies(
            part, plans, _FINAL_ROUNDS, self._meter("timing", _FINAL_ROUNDS).reach
        )
        seconds = dict(zip(plans, times, strict=True))
        return tuple(
            replace(
                trial,
                p50_s=_quantile(seconds[trial.plan], 0.5),
                p95_s=_quantile(seconds[trial.plan], 0.95),
            )
            for trial in trials
        )

    def final(self, chosen: Trial, confidence: float) -> Trial:
        """Measure the chosen plan's overlap on the reporting half."""
        meter = self._meter("reporting", 1)
        overlaps = self._overlaps(chosen.plan, self._share.tested, self._share.total)
        meter.step()
        return replace(
            chosen,
            overlap=float(overlaps.mean()),
            lower=lower_bound(overlaps, confidence),
            queries=len(overlaps),
        )

    def _meter(self, phase: str, total: int) -> Meter:
        return Meter(phase, total, self._progress)

    def _overlaps(self, plan: SearchPlan, start: int, stop: int) -> PerQuery:
        truth = Truth(self.truth.ids[start:stop], self.truth.scores[start:stop])
        return self._searcher.overlaps(self._queries.part(start, stop), truth, plan)

    def times(self, plans: Sequence[SearchPlan]) -> list[PerQuery]:
        """Time single searches of plans, side by side."""
        part = self._queries.part(0, self._share.tested)
        return self._searcher.latencies(part, plans, _PILOT_ROUNDS)

    def trial(
        self, plan: SearchPlan, overlaps: PerQuery, bound: float | None, seconds: PerQuery
    ) -> Trial:
        """Put together what was measured of a plan."""
        return Trial(
            plan=plan,
            candidates=None if plan.exact else plan.candidates(self._searcher.k),
            overlap=float(overlaps.mean()),
            lower=bound,
            queries=len(overlaps),
            p50_s=_quantile(seconds, 0.5),
            p95_s=_quantile(seconds, 0.95),
        )


def _distinct(
    promising: Sequence[tuple[Trial, list[SearchPlan]]],
) -> Iterator[tuple[Trial, list[SearchPlan]]]:
    """Leave out ways to search that do as well as a plainer one, and hardly faster.

    The plainest way of each stage comes first. Where another beam changes nothing, all three
    finalists would be one and the same.
    """
    kept: list[Trial] = []
    for trial, plans in promising:
        if not any(
            (plainer.plan.stages, plainer.candidates, plainer.overlap)
            == (trial.plan.stages, trial.candidates, trial.overlap)
            and plainer.p50_s <= AS_FAST * trial.p50_s
            for plainer in kept
        ):
            kept.append(trial)
            yield trial, plans


def downwards(chain: Chain, first: int) -> list[SearchPlan]:
    """List the plans to test from the longest shortlist down, closely around the pilot's answer.

    The pilot's queries take no part in the test, so they may decide what is tested.
    """
    last = len(chain.plans) - 1
    steps = {min(first + ahead, last) for ahead in _TESTED_AHEAD} | {last, *range(first)}
    return [chain.plans[step] for step in sorted(steps, reverse=True)]


def _reach(meter: Meter, before: int, step: int) -> None:
    meter.reach(before + step)


def _quantile(seconds: PerQuery, share: float) -> float:
    return float(np.quantile(seconds, share))
