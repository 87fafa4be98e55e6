"""Build layouts from a sample, and find the cheapest plan that reaches the target in each."""

import math
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mrl_adapters.evaluation.footprint import Files, Footprint, estimated_footprint
from mrl_adapters.evaluation.layout_grid import Candidate, worthwhile
from mrl_adapters.evaluation.layout_sample import LayoutSample
from mrl_adapters.evaluation.plan_grid import Chain, plan_chains
from mrl_adapters.evaluation.query_share import QueryShare
from mrl_adapters.evaluation.recommendation import LayoutOption
from mrl_adapters.evaluation.results import Trial
from mrl_adapters.evaluation.searcher import OpenCollection, Searchable, Searcher, Truth
from mrl_adapters.evaluation.trials import Trials
from mrl_adapters.progress import Meter, ProgressCallback
from mrl_adapters.qdrant import (
    CollectionLayout,
    Driver,
    EdgeClient,
    MatryoshkaCollection,
    SearchPlan,
)

ROUNDS = 20  # timed searches of every option, a turn

_BATCH = 2_000
_SETTLED = 2  # ways to search a layout that are looked at more closely


class Measured(NamedTuple):
    """An option, and where it can be measured again."""

    option: LayoutOption
    run: Trials
    searcher: Searcher
    chain: Chain
    """Plans like the option's, by rising shortlist; none of the exact search."""
    step: int
    """The option's place among them."""
    stretch: float
    """How many times as long one search takes with the number of points asked for."""
    exponent: float
    """With so many times the points it needs that to this power times the candidates."""
    growth: float
    """How many times that is."""
    dearer: float
    """How many times as long a search with so many times the candidates takes."""


class LayoutBench:
    """The measurements of one recommendation."""

    def __init__(
        self,
        sample: LayoutSample,
        share: QueryShare,
        target: float,
        k: int,
        points: int,
        progress: ProgressCallback | None,
    ) -> None:
        self.sample = sample
        self.share = share
        self.target = target
        self._k = k
        self.points = points
        self._built = len(sample.documents)
        self.progress = progress
        self._truth: Truth | None = None

    def measure(
        self,
        client: EdgeClient,
        folder: Path,
        layouts: Sequence[CollectionLayout] | None,
        *,
        every_graph: bool = False,
    ) -> list[Measured]:
        """Build and search each layout; the best, or each, once more with another graph."""
        sample = self.sample
        grid = (
            list(
                worthwhile(
                    sample.base, sample.documents, sample.queries, self.target, self._k, self.points
                )
            )
            if layouts is None
            else [Candidate(layout, 0.0) for layout in layouts]
        )
        if every_graph:
            grid = [each for one in grid for each in (one, one.with_other_graph())]
        meter = Meter("building layouts", len(grid) + 1, self.progress)
        tried: list[Measured] = []
        for number, candidate in enumerate(grid):
            meter.reach(number)
            tried += self._one(client, folder, f"layout_{number}", candidate, first=not number)
        reaching = [one for one in tried if not one.option.plan.exact]
        if layouts is None and not every_graph and reaching:
            best = min(reaching, key=lambda one: one.option.latency_s)
            other = Candidate(best.option.layout, best.exponent).with_other_graph()
            tried += self._one(client, folder, "other_graph", other)
        meter.reach(len(grid) + 1)
        return tried

    def _one(
        self,
        client: EdgeClient,
        folder: Path,
        name: str,
        candidate: Candidate,
        *,
        first: bool = False,
    ) -> list[Measured]:
        layout, sample = candidate.layout, self.sample
        driver, collection = Driver(client), MatryoshkaCollection(name, layout=layout)
        for start in range(0, self._built, _BATCH):
            part = sample.documents[start : start + _BATCH]
            ids = list(range(start, start + len(part)))
            driver.run(collection.add(ids, part, [{}] * len(part)))
        began_s = time.perf_counter()
        client.optimize(name)
        build_s = time.perf_counter() - began_s
        searcher = Searcher(OpenCollection(collection, driver), self._k)
        run = self._trials(searcher)
        coded = layout.quantization is not None
        files = Files.of(folder / "collections" / name, layout)
        footprint = files.at(self.points, self._built, coded=coded)
        more = self.points / self._built
        stretch = math.log2(max(self.points, 2)) / math.log2(max(self._built, 2))
        measured = self._explored(
            run, searcher, footprint, build_s * more * stretch, candidate.exponent
        )
        return [*([self._exact(run, searcher, footprint)] if first else []), *measured]

    def present(self, store: Searchable) -> list[Measured]:
        """Measure a collection as it is, all of it, with the plans that its layout has."""
        searcher = Searcher(store, self._k)
        run = Trials(searcher, self.sample.asked, self.share, self.progress)
        footprint = estimated_footprint(searcher.layout, self.points)
        found = self._explored(run, searcher, footprint, 0.0, 0.0)
        return [one._replace(option=replace(one.option, built=True)) for one in found]

    def _trials(self, searcher: Searcher) -> Trials:
        run = Trials(searcher, self.sample.queries, self.share, self.progress, self._truth)
        self._truth = run.truth
        return run

    def _explored(
        self,
        run: Trials,
        searcher: Searcher,
        footprint: Footprint,
        build_s: float,
        exponent: float,
    ) -> list[Measured]:
        chains = plan_chains(searcher.layout, SearchPlan(), self._k, searcher.points)
        meter = Meter("trying plans", len(chains), self.progress)
        crossings = []
        for number, chain in enumerate(chains):
            meter.reach(number)
            if (step := run.crossing(chain, self.target)) is not None:
                crossings.append((chain, step))
        medians = self._medians(run, crossings)
        settled = []
        for row in sorted(range(len(crossings)), key=medians.__getitem__)[:_SETTLED]:
            chain, step = crossings[row]
            if (found := run.settle(chain, step, self.target)) is not None:
                settled.append((chain, *found))
        meter.reach(len(chains))
        if not settled:
            return []
        medians = self._medians(run, [(chain, step) for chain, step, _ in settled])
        chain, step, overlaps = settled[min(range(len(settled)), key=medians.__getitem__)]
        plan = chain.plans[step]
        [seconds] = run.times([plan])
        option = LayoutOption(
            layout=searcher.layout,
            trial=run.trial(plan, overlaps, None, seconds),
            plan=plan,
            memory_bytes=footprint.memory_bytes,
            disk_bytes=footprint.disk_bytes,
            latency_s=float(np.median(seconds)),
            build_s=build_s,
        )
        more = max(1.0, self.points / searcher.points)
        stretch = math.log2(max(self.points, 2)) / math.log2(max(searcher.points, 2))
        growth = more**exponent
        dearer = self._dearer(run, chain, step, growth) if growth > 1 else 1.0
        return [Measured(option, run, searcher, chain, step, stretch, exponent, growth, dearer)]

    def _medians(self, run: Trials, places: Sequence[tuple[Chain, int]]) -> list[float]:
        times = run.times([chain.plans[step] for chain, step in places])
        return [float(np.median(seconds)) for seconds in times]

    def _dearer(self, run: Trials, chain: Chain, step: int, growth: float) -> float:
        """Predict how many times as long a plan takes with so many times the candidates."""
        steps = sorted({step, *range(0, len(chain.plans), 3), len(chain.plans) - 1})
        if len(steps) == 1:
            return growth
        lengths = [chain.plans[each].candidates(self._k) for each in steps]
        slope, start = np.polyfit(lengths, self._medians(run, [(chain, s) for s in steps]), 1)
        now = start + slope * chain.plans[step].candidates(self._k)
        then = now + slope * chain.plans[step].candidates(self._k) * (growth - 1)
        return float(max(1.0, then / now)) if now > 0 else growth

    def _exact(self, run: Trials, searcher: Searcher, footprint: Footprint) -> Measured:
        """Describe the exact search: it reads every full vector, and so wants them in memory."""
        [seconds] = searcher.latencies(self.sample.queries, [searcher.exact], ROUNDS)
        median, high = np.quantile(seconds, [0.5, 0.95]).tolist()
        whole = estimated_footprint(replace(searcher.layout, stages=()), self.points)
        trial = Trial(searcher.exact, None, 1.0, 1.0, self.share.total, median, high)
        full = self.points * searcher.layout.dimensions * 2
        option = LayoutOption(
            layout=searcher.layout,
            trial=trial,
            plan=SearchPlan(exact=True),
            memory_bytes=full,
            disk_bytes=min(whole.disk_bytes, footprint.disk_bytes),
            latency_s=median,
            build_s=0.0,
            proof="held",
        )
        more = self.points / self._built
        return Measured(option, run, searcher, Chain(()), 0, more, 0.0, 1.0, 1.0)
