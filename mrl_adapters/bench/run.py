"""Measure contenders side by side: one engine, one machine, the same vectors and queries."""

import re
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

import numpy as np

from mrl_adapters.bench.contenders import Contender, Setting, describe
from mrl_adapters.bench.data import BenchData
from mrl_adapters.bench.machine import describe_machine, disk_bytes, forget_files, memory_limit
from mrl_adapters.bench.matching import Judge, Tried, cheapest, explore, highest
from mrl_adapters.bench.process import Answers, Loaded, Session, Worker
from mrl_adapters.bench.result import COMPARED_AT, Answered, BenchResult, Cold, Measured, UnderLimit
from mrl_adapters.bench.rivals import Rival
from mrl_adapters.errors import ConfigurationError, EngineError
from mrl_adapters.progress import Meter, ProgressCallback

TARGETS = (0.95, 0.99, 0.999)

_FEWEST_QUERIES = 20  # ten to choose by, ten to report
_LEAST_TURN = 100  # queries timed at a time: fewer are asked again in the next turn
_COLD = 20  # first queries after opening
# Of all full vectors as float32. Their int8 codes take a quarter, those of a quarter of the
# dimensions a sixteenth: what else is needed shows best a little above these.
_LIMITS = (2.0, 1.25, 0.5, 0.42, 0.35, 0.3, 0.25, 0.18, 0.15, 0.125, 0.1, 0.08)
_LEAST_LIMIT = 60_000_000  # bytes: below it is the engine itself that is limited
_LIMITED_S = 3.0  # how long a limited process is timed
_LIMITED_STEP = 5  # queries between two looks at the clock


def run(
    data_folder: Path,
    contenders: Sequence[Contender],
    folder: Path,
    *,
    k: int = 10,
    repeats: int = 5,
    builds: int = 1,
    progress: ProgressCallback | None = None,
) -> BenchResult:
    """Load, build and search with each contender in turn.

    Half of the queries choose each contender's cheapest setting for each overlap; the other half
    is timed and reported.

    Args:
        data_folder: Vectors written by one of the functions of ``mrl_adapters.bench.data``.
        contenders: Who; the first one is what the others are compared with.
        folder: Where the engine keeps its files meanwhile: in a new folder below this one, which
            alone is deleted afterwards.
        k: Results a query.
        repeats: Turns of timing: each contender searches a part of the queries, then the next.
        builds: How often each contender loads and builds from nothing, in turn as well.
        progress: Called with a Progress after each step.

    Returns:
        What was measured, with the machine's name.

    Raises:
        ConfigurationError: There are fewer than 20 queries.
        MissingExtraError: psutil is not installed.
    """
    data = BenchData.open(data_folder)
    if len(data.queries) < _FEWEST_QUERIES:
        msg = (
            f"Found {len(data.queries)} queries, expected at least {_FEWEST_QUERIES}: one half "
            "chooses settings, the other reports."
        )
        raise ConfigurationError(msg)
    made = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    own = Path(tempfile.mkdtemp(prefix="engine-", dir=folder))
    bench = _Bench(data_folder, data, own, k, progress)
    try:
        loaded = bench.build(contenders, builds)
        compared_at, found = bench.search(contenders, repeats)
        settings = [result.compared for result in found]
        cold = bench.cold(contenders, settings)
        limited = bench.limited(contenders, settings)
        measured = tuple(
            Measured(
                name=contender.name,
                ours=contender.ours,
                load_s=tuple(load.load_s for load in loaded[place]),
                build_s=tuple(load.build_s for load in loaded[place]),
                disk_bytes=disk_bytes(bench.files(contender)),
                resident_bytes=found[place].resident_bytes,
                best_overlap=found[place].best_overlap,
                answers=found[place].answers,
                cold=cold[place],
                limited=limited[place],
            )
            for place, contender in enumerate(contenders)
        )
    finally:
        shutil.rmtree(own, ignore_errors=True)
        if made:
            with suppress(OSError):  # somebody put something into it meanwhile
                folder.rmdir()
    return BenchResult(
        data=data.name,
        machine=describe_machine(),
        k=k,
        points=len(data.documents),
        dimensions=data.documents.shape[1],
        queries=len(bench.reported),
        repeats=repeats,
        compared_at=compared_at,
        measured=measured,
    )


@dataclass(frozen=True)
class _Found:
    """What searching with one contender gave."""

    compared: Setting
    best_overlap: float
    answers: tuple[Answered, ...]
    resident_bytes: int


class _Bench:
    """One run's vectors and files."""

    def __init__(
        self,
        data_folder: Path,
        data: BenchData,
        folder: Path,
        k: int,
        progress: ProgressCallback | None,
    ) -> None:
        self._data_folder = data_folder
        self._folder = folder
        self._k = k
        self._progress = progress
        self._full_bytes = data.documents.nbytes
        self._judge = Judge(data, k)
        half = len(data.queries) // 2
        self._tuning = range(half)
        self.reported = range(half, len(data.queries))

    def files(self, contender: Contender) -> Path:
        """Return where a contender's engine keeps its files."""
        return self._folder / re.sub(r"\W+", "-", contender.name)

    def _meter(self, phase: str, total: int) -> Meter:
        return Meter(phase, total, self._progress)

    def _worker(self, contender: Contender, group: Path | None = None) -> Worker:
        session = Session(contender, self._data_folder, self.files(contender), self._k)
        return Worker(session, group)

    def build(self, contenders: Sequence[Contender], builds: int) -> list[list[Loaded]]:
        """Load and build, in turns; what the last turn stored stays."""
        loaded: list[list[Loaded]] = [[] for _ in contenders]
        meter = self._meter("loading and indexing", builds * len(contenders))
        for _ in range(builds):
            for place, contender in enumerate(contenders):
                shutil.rmtree(self.files(contender), ignore_errors=True)
                with self._worker(contender) as worker:
                    loaded[place].append(worker.load())
                meter.step()
        return loaded

    def search(self, contenders: Sequence[Contender], repeats: int) -> tuple[float, list[_Found]]:
        """Choose settings, then time them in turns, each contender in its own open process.

        Returns:
            The overlap to compare at from here on, and what was found with each contender.
        """
        with ExitStack() as stack:
            workers = [stack.enter_context(self._worker(contender)) for contender in contenders]
            tried = []
            meter = self._meter("trying settings", len(contenders))
            for worker, contender in zip(workers, contenders, strict=True):
                worker.open()
                points, dimensions = self._judge.shape
                chains = contender.chains(dimensions, self._k, points)
                tried.append(explore(worker, chains, self._judge, self._tuning, max(TARGETS)))
                meter.step()
            timed = self._take_turns(workers, tried, repeats)
            usual = [target for target in TARGETS if target <= COMPARED_AT]
            target = highest(tried[0], usual) or COMPARED_AT
            found = []
            for worker, trials, answers in zip(workers, tried, timed, strict=True):
                compared = cheapest(trials, target) or max(trials, key=lambda t: t.overlap)
                best = max(one.overlap for one in trials)
                found.append(_Found(compared.setting, best, answers, worker.memory()))
                worker.close()
        return target, found

    def _take_turns(
        self, workers: Sequence[Worker], tried: Sequence[Sequence[Tried]], repeats: int
    ) -> list[tuple[Answered, ...]]:
        """Time the chosen settings on the reported queries, a part of them in each turn."""
        chosen = [
            (place, target, setting)
            for place, trials in enumerate(tried)
            for target in TARGETS
            if (setting := cheapest(trials, target)) is not None
        ]
        size = max(_LEAST_TURN, -(-len(self.reported) // repeats))
        parts = [
            list(islice(cycle(self.reported), turn * size, (turn + 1) * size))
            for turn in range(repeats)
        ]
        answers: list[list[Answers]] = [[] for _ in chosen]
        meter = self._meter("taking turns", repeats)
        for part in parts:
            for kept, (place, _, best) in zip(answers, chosen, strict=True):
                # Once before it counts: these are warm searches, cold ones are told apart.
                workers[place].answer(part, best.setting)
                kept.append(workers[place].answer(part, best.setting))
            meter.step()
        results: list[list[Answered]] = [[] for _ in tried]
        for kept, (place, target, best) in zip(answers, chosen, strict=True):
            overlaps = [
                self._judge.overlap(part, turn.ids) for part, turn in zip(parts, kept, strict=True)
            ]
            seconds = [turn.seconds for turn in kept]
            results[place].append(
                Answered(
                    target=target,
                    setting=describe(best.setting),
                    overlap=float(np.concatenate(overlaps).mean()),
                    p50_s=float(np.median(np.concatenate(seconds))),
                    p95_s=float(np.quantile(np.concatenate(seconds), 0.95)),
                    turns_s=tuple(float(np.median(times)) for times in seconds),
                    queries_per_s=float(1 / np.concatenate(seconds).mean()),
                )
            )
        return [tuple(result) for result in results]

    def cold(
        self, contenders: Sequence[Contender], settings: Sequence[Setting]
    ) -> list[Cold | None]:
        """Time the first queries of a new process whose files are in no cache."""
        found: list[Cold | None] = []
        meter = self._meter("searching cold", len(contenders))
        for place, contender in enumerate(contenders):
            meter.reach(place)
            if not forget_files(self.files(contender)):
                found.append(None)
                continue
            with self._worker(contender) as worker:
                opened = worker.open()
                seconds = worker.answer(self.reported[:_COLD], settings[place]).seconds
                found.append(Cold(opened, float(seconds[0]), float(np.median(seconds[1:]))))
        meter.reach(len(contenders))
        return found

    def limited(
        self, contenders: Sequence[Contender], settings: Sequence[Setting]
    ) -> list[tuple[UnderLimit, ...]]:
        """Count queries a second while opening and searching may take only so much memory.

        Stores of frameworks are left out: the engine below them is limited in the same way.
        """
        found: list[list[UnderLimit]] = [[] for _ in contenders]
        limits = [int(share * self._full_bytes) for share in _LIMITS]
        limits = [limit for limit in limits if limit >= _LEAST_LIMIT]
        total = len(limits) * len(contenders)
        meter = self._meter("limiting memory", total)
        for turn, limit in enumerate(limits):
            for place, contender in enumerate(contenders):
                meter.reach(turn * len(contenders) + place)
                if contender.needs and not isinstance(contender, Rival):
                    continue
                with memory_limit(limit) as group:
                    if group is None:
                        continue
                    forget_files(self.files(contender))
                    rate = self._rate(contender, group, settings[place])
                found[place].append(UnderLimit(limit, rate))
        meter.reach(total)
        return [tuple(answers) for answers in found]

    def _rate(self, contender: Contender, group: Path, setting: Setting) -> float | None:
        """Count queries a second; None if the process was killed for want of memory."""
        try:
            with self._worker(contender, group) as worker:
                worker.open()
                rows = cycle(self.reported)
                _searches_a_second(worker, rows, setting)  # what is needed is in memory then
                return _searches_a_second(worker, rows, setting)
        except EngineError:
            return None


def _searches_a_second(worker: Worker, rows: Iterator[int], setting: Setting) -> float:
    done, started = 0, time.perf_counter()
    while (taken := time.perf_counter() - started) < _LIMITED_S:
        done += len(worker.answer(list(islice(rows, _LIMITED_STEP)), setting).ids)
    return done / taken
