"""Choose each contender's cheapest setting, then time them in turns, each in its own process."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import cycle, islice
from typing import NamedTuple

import numpy as np

from mrl_adapters.bench.contender import Contender, Setting, describe
from mrl_adapters.bench.data import BenchData
from mrl_adapters.bench.matching import Judge, Tried, cheapest, explore, highest
from mrl_adapters.bench.process import Answers, Session, Worker
from mrl_adapters.bench.result import COMPARED_AT, Answered
from mrl_adapters.progress import Meter, ProgressCallback

TARGETS = (0.95, 0.99, 0.999)

_LEAST_TURN = 100  # queries timed at a time: fewer are asked again in the next turn


class Reading(NamedTuple):
    """What a server has spent since it was started.

    Args:
        cpu_s: CPU time of its process, seconds; None where the process cannot be seen.
        compared_bytes: Bytes of the vectors and codes that it compared in one collection, by its
            own count; None where it does not say.
    """

    cpu_s: float | None = None
    compared_bytes: int | None = None


@dataclass(frozen=True)
class Found:
    """What searching with one contender gave."""

    compared: Setting
    best_overlap: float
    answers: tuple[Answered, ...]
    resident_bytes: int


def search_in_turns(
    sessions: Sequence[Session],
    data: BenchData,
    k: int,
    repeats: int,
    progress: ProgressCallback | None,
    read: Callable[[int], Reading] | None = None,
) -> tuple[float, list[Found]]:
    """Search what was built with each contender, in a process of its own: see :class:`Turns`.

    Args:
        sessions: What each contender's process does.
        data: Vectors and queries.
        k: Results a query.
        repeats: Turns of timing.
        progress: Called with a Progress after each step.
        read: As :class:`Turns` takes it.

    Returns:
        The overlap to compare at, and what was found with each contender.
    """
    with ExitStack() as stack:
        workers = [stack.enter_context(Worker(session)) for session in sessions]
        contenders = [session.contender for session in sessions]
        turns = Turns(contenders, workers, Judge(data, k), len(data.queries), k, progress, read)
        return turns.search(repeats)


class Turns:
    """The searches of one run: its workers, and queries that choose and that report.

    Args:
        contenders: Who.
        workers: The process of each.
        judge: Knows what the queries should find.
        queries: How many there are: half of them choose, the other half reports.
        k: Results a query.
        progress: Called with a Progress after each step.
        read: Reads what the engine of a contender, by its place, has spent; None reads nothing.
    """

    def __init__(
        self,
        contenders: Sequence[Contender],
        workers: Sequence[Worker],
        judge: Judge,
        queries: int,
        k: int,
        progress: ProgressCallback | None,
        read: Callable[[int], Reading] | None = None,
    ) -> None:
        self._contenders = contenders
        self._workers = workers
        self._judge = judge
        self._tuning, self._reported = halves(queries)
        self._k = k
        self._progress = progress
        self._read = read or (lambda _: Reading())

    def search(self, repeats: int) -> tuple[float, list[Found]]:
        """Choose settings, then time them in turns.

        Returns:
            The overlap to compare at from here on, and what was found with each contender.
        """
        tried = []
        meter = Meter("trying settings", len(self._contenders), self._progress)
        for worker, contender in zip(self._workers, self._contenders, strict=True):
            worker.open()
            points, dimensions = self._judge.shape
            chains = contender.chains(dimensions, self._k, points)
            tried.append(explore(worker, chains, self._judge, self._tuning, max(TARGETS)))
            meter.step()
        timed = self._take_turns(tried, repeats)
        usual = [target for target in TARGETS if target <= COMPARED_AT]
        target = highest(tried[0], usual) or COMPARED_AT
        found = []
        for worker, trials, answers in zip(self._workers, tried, timed, strict=True):
            compared = cheapest(trials, target) or max(trials, key=lambda t: t.overlap)
            best = max(one.overlap for one in trials)
            found.append(Found(compared.setting, best, answers, worker.memory()))
            worker.close()
        return target, found

    def _take_turns(
        self, tried: Sequence[Sequence[Tried]], repeats: int
    ) -> list[tuple[Answered, ...]]:
        """Time the chosen settings on the reported queries, a part of them in each turn."""
        chosen = [
            (place, target, setting)
            for place, trials in enumerate(tried)
            for target in TARGETS
            if (setting := cheapest(trials, target)) is not None
        ]
        size = max(_LEAST_TURN, -(-len(self._reported) // repeats))
        parts = [
            list(islice(cycle(self._reported), turn * size, (turn + 1) * size))
            for turn in range(repeats)
        ]
        answers: list[list[Answers]] = [[] for _ in chosen]
        spent: list[list[Reading]] = [[] for _ in chosen]
        meter = Meter("taking turns", repeats, self._progress)
        for part in parts:
            for kept, costs, (place, _, best) in zip(answers, spent, chosen, strict=True):
                # Once before it counts: these are warm searches, cold ones are told apart.
                self._workers[place].answer(part, best.setting)
                before = self._read(place)
                kept.append(self._workers[place].answer(part, best.setting))
                costs.append(_between(before, self._read(place)))
            meter.step()
        results: list[list[Answered]] = [[] for _ in tried]
        for kept, costs, (place, target, best) in zip(answers, spent, chosen, strict=True):
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
                    cpu_s=_mean([cost.cpu_s for cost in costs], size),
                    compared_bytes=_mean([cost.compared_bytes for cost in costs], size),
                )
            )
        return [tuple(result) for result in results]


def halves(queries: int) -> tuple[range, range]:
    """Part the rows of queries into those that choose settings and those that report."""
    return range(queries // 2), range(queries // 2, queries)


def _between(before: Reading, after: Reading) -> Reading:
    if before.compared_bytes is None or after.compared_bytes is None:
        compared = None
    else:
        compared = after.compared_bytes - before.compared_bytes
    if before.cpu_s is None or after.cpu_s is None:
        return Reading(None, compared)
    return Reading(after.cpu_s - before.cpu_s, compared)


def _mean(turns: Sequence[float | None], queries: int) -> float | None:
    """Return what one query cost, of what turns of so many cost; None if one is not known."""
    known = [turn for turn in turns if turn is not None]
    return sum(known) / len(known) / queries if len(known) == len(turns) else None
