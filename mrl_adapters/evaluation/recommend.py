"""Choose a layout by measurement: cut, codes, rotation, graph and plan, for the memory there is."""

import math
import tempfile
import time
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
from numpy.typing import ArrayLike
from qdrant_client import models

from mrl_adapters import registry
from mrl_adapters.errors import ConfigurationError
from mrl_adapters.evaluation.footprint import Files, Footprint, estimated_footprint
from mrl_adapters.evaluation.layout_grid import Candidate, worthwhile
from mrl_adapters.evaluation.plan_grid import Chain, plan_chains
from mrl_adapters.evaluation.recommendation import LayoutOption, Recommendation
from mrl_adapters.evaluation.results import Trial
from mrl_adapters.evaluation.searcher import (
    OpenCollection,
    Queries,
    Searchable,
    Searcher,
    Truth,
    draw,
)
from mrl_adapters.evaluation.trials import AS_FAST, QueryShare, Trials
from mrl_adapters.evaluation.tuning import save_plan
from mrl_adapters.maintenance import describe, migrate, rotate
from mrl_adapters.progress import Meter, ProgressCallback
from mrl_adapters.qdrant import (
    CollectionLayout,
    Driver,
    EdgeClient,
    MatryoshkaCollection,
    OneStageWarning,
    SearchPlan,
    connect,
)
from mrl_adapters.qdrant.driver import Client
from mrl_adapters.qdrant.layout import Distance
from mrl_adapters.qdrant.points import checked_queries, checked_vectors
from mrl_adapters.vectors import FloatArray

_SAMPLE = 20_000  # points that are built
_BATCH = 2_000
_TESTED = 3  # layouts that may be proved before one holds
_AMPLE = 1.2  # times the least number of queries
_ROUNDS, _TURNS = 20, 5  # timed searches of every option
_FINAL_ROUNDS = 100
_FASTER_BY_FAR = 1.5
_OTHER_GRAPHS = ((16, 100), (32, 200))


def recommend(  # noqa: PLR0913 - what is known of the collection that is wanted, by keyword
    source: ArrayLike | Searchable,
    *,
    target_overlap: float = 0.99,
    memory_bytes: int | None = None,
    points: int | None = None,
    k: int = 10,
    confidence: float = 0.95,
    queries: ArrayLike | None = None,
    model: str | None = None,
    distance: Distance = "Cosine",
    layouts: Sequence[CollectionLayout] | None = None,
    sample: int = _SAMPLE,
    seed: int = 0,
    progress: ProgressCallback | None = None,
) -> Recommendation:
    """Measure which layout searches fastest in the memory that there is, and prove its plan.

    A sample of the vectors is built by the embedded engine in a temporary folder, once a layout: no
    cut and the cuts whose shortlists stay short, plain or rotated, each by codes of 8 to 1 bit; the
    best also with another graph. For each, plans are tried as ``tune`` tries them. Memory and disk
    are the sizes of the built files, scaled to ``points``; latency is measured, with as many more
    candidates as brute force in the sample and in a quarter of it says that the cut will need.
    What a sample cannot show is what a graph loses in a collection many times its size: run
    ``tune`` once it is built.

    The fastest option that fits is proved on queries that had no part in choosing it, by the bound
    of ``tune``; if its plans fail, the next one is.

    Args:
        source: Full vectors, shape (n, d); or a store of either adapter or an OpenCollection,
            whoever made it: it is measured as it is, too.
        target_overlap: Mean overlap@k with the exact search to reach, below 1.
        memory_bytes: RAM that searches may take; None for any.
        points: Points that the collection will have; None takes those that ``source`` has.
        k: Results a query.
        confidence: Probability with which the chosen plan truly reaches the target.
        queries: Full query vectors, shape (m, d), best real ones; None holds some vectors back.
        model: Name of the embedding model: its recipe for short vectors is used.
        distance: How vectors are compared, where ``source`` is an array.
        layouts: The layouts to try; None chooses.
        sample: Most points that are built.
        seed: Draws the sample and halves the queries.
        progress: Called with a Progress after each step.

    Returns:
        Every option that reaches the target, with the chosen one.

    Raises:
        ConfigurationError: There are too few vectors to prove the target with.
    """
    rng = np.random.default_rng(seed)
    shared = 1 - (1 - confidence) / _TESTED
    needed = math.ceil(_AMPLE * QueryShare.least(target_overlap, shared))
    drawn = _drawn(source, queries, needed, sample, model, distance, rng)
    share = QueryShare.of(len(drawn.queries.vectors), target_overlap, shared)
    points = points or drawn.points
    bench = _Bench(drawn, share, target_overlap, k, points, progress)
    with (
        tempfile.TemporaryDirectory(prefix="mrl-adapters-") as folder,
        connect(path=folder) as client,
    ):
        present = [] if drawn.store is None else bench.present(drawn.store)
        tried = bench.measure(client, Path(folder), layouts)
        options, chosen = bench.prove(bench.timed([*present, *tried]), memory_bytes, shared)
    return Recommendation(
        points=points,
        sample=len(drawn.documents),
        dimensions=drawn.base.dimensions,
        k=k,
        target_overlap=target_overlap,
        confidence=confidence,
        memory_limit_bytes=memory_bytes,
        queries_from="given" if queries is not None else "held-out vectors",
        options=tuple(options),
        chosen=chosen,
    )


def apply_recommendation(client: Client, collection_name: str, result: Recommendation) -> None:
    """Migrate a collection in place to the chosen layout, and save the chosen plan with it.

    Args:
        client: Client that holds the collection.
        collection_name: The collection.
        result: What :func:`recommend` found.

    Raises:
        ConfigurationError: Nothing was chosen.
    """
    if result.chosen is None:
        msg = "No layout fits the memory: nothing to apply. Allow more, or a lower target."
        raise ConfigurationError(msg)
    layout = result.chosen.layout
    if not result.chosen.built and not result.chosen.plan.exact:
        present = describe(client, collection_name)
        named = any(vector.name == layout.full_name for vector in present.vectors)
        full_name = layout.full_name if named and layout.full_name else None
        rotated = layout.rotation is not None
        if rotated and present.stages:
            rotate(client, collection_name, stages=layout.stages, full_name=full_name)
            rotated = False
        migrate(
            client,
            collection_name,
            stages=layout.stages,
            rotation="auto" if rotated else None,
            model=layout.model,
            full_name=full_name,
            settings={
                "quantization": layout.quantization,
                "hnsw_m": layout.hnsw_m,
                "hnsw_ef_construct": layout.hnsw_ef_construct,
            },
        )
    store = OpenCollection(MatryoshkaCollection(collection_name), Driver(client))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OneStageWarning)  # it was measured, and chosen
        save_plan(store, result.chosen.plan)


class _Drawn(NamedTuple):
    """What is built and asked."""

    base: CollectionLayout
    documents: FloatArray
    queries: Queries
    points: int
    store: Searchable | None
    asked: Queries
    """The queries for the whole of the store: a point that is one does not find itself."""


def _drawn(
    source: ArrayLike | Searchable,
    queries: ArrayLike | None,
    needed: int,
    sample: int,
    model: str | None,
    distance: Distance,
    rng: np.random.Generator,
) -> _Drawn:
    """Draw the sample and, unless they are given, the queries from the vectors."""
    store: Searchable | None = None
    own: Sequence[models.ExtendedPointId | None] = ()
    if hasattr(source, "collection") and hasattr(source, "driver"):
        store = cast("Searchable", source)
        searcher = Searcher(store, 1)
        points, (found, own) = searcher.points, draw(searcher, sample + needed, rng)
        layout = searcher.layout
        # What a collection is cut to, and its codes, are what is looked for.
        base = CollectionLayout(
            layout.dimensions,
            (),
            layout.distance,
            model=layout.model or model,
            reduction=layout.reduction,
            full_name=layout.full_name,
        )
    else:
        array = np.asarray(source, dtype=np.float32)
        points = len(array)
        found = array[rng.permutation(points)[: sample + needed]]
        found = checked_vectors(found, [f"vector {row}" for row in range(len(found))], None)
        spec = registry.find(model) if model else None
        reduction = spec.reduction if spec and spec.reduction != "none" else "prefix"
        base = CollectionLayout(found.shape[1], (), distance, model=model, reduction=reduction)
    if queries is None:
        held = min(needed, len(found) // 2)
        asked, documents = found[:held], found[held:]
    else:
        given = np.asarray(queries, dtype=np.float32)
        names = [f"query {row}" for row in range(len(given))]
        asked = checked_queries(given, names, base.dimensions)[rng.permutation(len(given))]
        documents, own = found[:sample], ()
    if not len(documents):
        msg = "No vectors to measure with. Pass some, or a collection that holds some."
        raise ConfigurationError(msg)
    nobody = [None] * len(asked)
    of_store = Queries(asked, own[: len(asked)] or nobody)
    return _Drawn(base, documents, Queries(asked, nobody), points, store, of_store)


class _Measured(NamedTuple):
    """An option, and where it can be measured again."""

    option: LayoutOption
    run: Trials
    searcher: Searcher
    chains: Sequence[Chain]
    trials: Sequence[Sequence[Trial]]
    stretch: float
    """How many times as long one search takes with the number of points asked for."""
    exponent: float
    """With so many times the points it needs that to this power times the candidates."""
    growth: float
    """How many times that is."""


class _Bench:
    """The measurements of one recommendation."""

    def __init__(
        self,
        drawn: _Drawn,
        share: QueryShare,
        target: float,
        k: int,
        points: int,
        progress: ProgressCallback | None,
    ) -> None:
        self._drawn = drawn
        self._share = share
        self._target = target
        self._k = k
        self._points = points
        self._built = len(drawn.documents)
        self._progress = progress
        self._truth: Truth | None = None

    def measure(
        self, client: EdgeClient, folder: Path, layouts: Sequence[CollectionLayout] | None
    ) -> list[_Measured]:
        """Build and search each layout; the best once more with another graph."""
        drawn = self._drawn
        grid = (
            list(
                worthwhile(
                    drawn.base, drawn.documents, drawn.queries, self._target, self._k, self._points
                )
            )
            if layouts is None
            else [Candidate(layout, 0.0) for layout in layouts]
        )
        meter = Meter("building layouts", len(grid) + 1, self._progress)
        tried: list[_Measured] = []
        for number, candidate in enumerate(grid):
            meter.reach(number)
            tried += self._one(client, folder, f"layout_{number}", candidate, first=not number)
        reaching = [one for one in tried if not one.option.plan.exact]
        if layouts is None and reaching:
            best = min(reaching, key=lambda one: one.option.latency_s)
            graphs = [g for g in _OTHER_GRAPHS if g[0] != best.option.layout.hnsw_m]
            other = replace(best.option.layout, hnsw_m=graphs[0][0], hnsw_ef_construct=graphs[0][1])
            tried += self._one(client, folder, "other_graph", Candidate(other, best.exponent))
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
    ) -> list[_Measured]:
        layout, drawn = candidate.layout, self._drawn
        driver, collection = Driver(client), MatryoshkaCollection(name, layout=layout)
        for start in range(0, self._built, _BATCH):
            part = drawn.documents[start : start + _BATCH]
            ids = list(range(start, start + len(part)))
            driver.run(collection.add(ids, part, [{}] * len(part)))
        began_s = time.perf_counter()
        client.optimize(name)
        build_s = time.perf_counter() - began_s
        searcher = Searcher(OpenCollection(collection, driver), self._k)
        run = self._trials(searcher)
        coded = layout.quantization is not None
        files = Files.of(folder / "collections" / name, layout)
        footprint = files.at(self._points, self._built, coded=coded)
        more = self._points / self._built
        stretch = math.log2(max(self._points, 2)) / math.log2(max(self._built, 2))
        measured = self._explored(
            run, searcher, footprint, build_s * more * stretch, candidate.exponent
        )
        return [*([self._exact(run, searcher, footprint)] if first else []), *measured]

    def present(self, store: Searchable) -> list[_Measured]:
        """Measure a collection as it is, all of it, with the plans that its layout has."""
        searcher = Searcher(store, self._k)
        run = Trials(searcher, self._drawn.asked, self._share, self._progress)
        footprint = estimated_footprint(searcher.layout, self._points)
        found = self._explored(run, searcher, footprint, 0.0, 0.0)
        return [one._replace(option=replace(one.option, built=True)) for one in found]

    def _trials(self, searcher: Searcher) -> Trials:
        run = Trials(searcher, self._drawn.queries, self._share, self._progress, self._truth)
        self._truth = run.truth
        return run

    def _explored(
        self,
        run: Trials,
        searcher: Searcher,
        footprint: Footprint,
        build_s: float,
        exponent: float,
    ) -> list[_Measured]:
        chains = plan_chains(searcher.layout, SearchPlan(), self._k, searcher.points)
        trials = run.explore(chains, self._target)
        reaching = [t for chain in trials for t in chain if t.overlap >= self._target]
        if not reaching:
            return []
        trial = min(reaching, key=lambda each: each.p50_s)
        option = LayoutOption(
            layout=searcher.layout,
            trial=trial,
            plan=trial.plan,
            memory_bytes=footprint.memory_bytes,
            disk_bytes=footprint.disk_bytes,
            latency_s=trial.p50_s,
            build_s=build_s,
        )
        more = max(1.0, self._points / searcher.points)
        stretch = math.log2(max(self._points, 2)) / math.log2(max(searcher.points, 2))
        growth = more**exponent
        return [_Measured(option, run, searcher, chains, trials, stretch, exponent, growth)]

    def _exact(self, run: Trials, searcher: Searcher, footprint: Footprint) -> _Measured:
        """Describe the exact search: it reads every full vector, and so wants them in memory."""
        [seconds] = searcher.latencies(self._drawn.queries, [searcher.exact], _ROUNDS)
        median, high = np.quantile(seconds, [0.5, 0.95]).tolist()
        whole = estimated_footprint(replace(searcher.layout, stages=()), self._points)
        trial = Trial(searcher.exact, None, 1.0, 1.0, self._share.total, median, high)
        full = self._points * searcher.layout.dimensions * 2
        option = LayoutOption(
            layout=searcher.layout,
            trial=trial,
            plan=SearchPlan(exact=True),
            memory_bytes=full,
            disk_bytes=min(whole.disk_bytes, footprint.disk_bytes),
            latency_s=median,
            build_s=0.0,
        )
        more = self._points / self._built
        return _Measured(option, run, searcher, (), (), more, 0.0, 1.0)

    def timed(self, measured: Sequence[_Measured]) -> list[_Measured]:
        """Time all options anew, side by side, and predict them for the number of points."""
        seconds: list[list[float]] = [[] for _ in measured]
        asked, share = self._drawn.queries, self._share
        meter = Meter("timing", _TURNS, self._progress)
        for turn in range(_TURNS):
            start = share.half + turn * _ROUNDS % max(1, share.total - share.half - _ROUNDS)
            part = asked.part(start, start + _ROUNDS)
            for row, one in enumerate(measured):
                [times] = one.searcher.latencies(part, [one.option.trial.plan], _ROUNDS)
                seconds[row] += times.tolist()
            meter.step()
        return [
            one._replace(option=self._predicted(one, times))
            for one, times in zip(measured, seconds, strict=True)
        ]

    def _predicted(self, one: _Measured, seconds: Sequence[float]) -> LayoutOption:
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
        self, measured: Sequence[_Measured], memory_bytes: int | None, confidence: float
    ) -> tuple[list[LayoutOption], LayoutOption | None]:
        """Prove the fastest option that fits, or the next; the exact search needs no proof.

        Returns:
            All options, with what proving found out of them, and the one to take.
        """
        options = [one.option for one in measured]
        limit = math.inf if memory_bytes is None else memory_bytes
        fitting = [row for row, one in enumerate(options) if one.memory_bytes <= limit]
        for row in _preferred(options, fitting)[:_TESTED]:
            one = measured[row]
            if one.option.plan.exact:
                return options, one.option
            ways = [
                (chain, trials)
                for chain, trials in zip(one.chains, one.trials, strict=True)
                if any(trial.plan == one.option.trial.plan for trial in trials)
            ]
            chains, trials = [way[0] for way in ways], [way[1] for way in ways]
            proved = one.run.prove(chains, trials, self._target, confidence)
            held = [trial for trial in proved if not trial.plan.exact]
            if held:
                final = one.run.final(held[0], confidence)
                shown = one._replace(option=replace(one.option, trial=final, plan=final.plan))
                [seconds] = one.searcher.latencies(self._drawn.queries, [final.plan], _FINAL_ROUNDS)
                options[row] = self._predicted(shown, seconds.tolist())
                return options, options[row]
        exact = (options[row] for row in fitting if options[row].plan.exact)
        return options, next(exact, None)


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
