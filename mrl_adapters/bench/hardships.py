"""Searches under hardship: by a new process whose files are in no cache, and in little memory."""

import time
from collections.abc import Iterator, Sequence
from itertools import cycle, islice
from pathlib import Path

import numpy as np

from mrl_adapters.bench.contender import Setting
from mrl_adapters.bench.machine import forget_files, memory_limit
from mrl_adapters.bench.process import Session, Worker
from mrl_adapters.bench.result import Cold, UnderLimit
from mrl_adapters.errors import EngineError
from mrl_adapters.progress import Meter, ProgressCallback

_COLD = 20  # first queries after opening
# Of all full vectors as float32. Their int8 codes take a quarter, those of a quarter of the
# dimensions a sixteenth: what else is needed shows best a little above these.
_LIMITS = (2.0, 1.25, 0.5, 0.42, 0.35, 0.3, 0.25, 0.18, 0.15, 0.125, 0.1, 0.08)
_LEAST_LIMIT = 60_000_000  # bytes: below it is the engine itself that is limited
_LIMITED_S = 3.0  # how long a limited process is timed
_LIMITED_STEP = 5  # queries between two looks at the clock


class Hardships:
    """Searches with the setting of each contender that the others are compared at.

    Args:
        sessions: What each contender's process does.
        settings: How hard each searches.
        reported: Rows of the queries that are asked.
        progress: Called with a Progress after each step.
    """

    def __init__(
        self,
        sessions: Sequence[Session],
        settings: Sequence[Setting],
        reported: Sequence[int],
        progress: ProgressCallback | None,
    ) -> None:
        self._sessions = sessions
        self._settings = settings
        self._reported = reported
        self._progress = progress

    def cold(self) -> list[Cold | None]:
        """Time the first queries of a new process whose files are in no cache."""
        found: list[Cold | None] = []
        meter = Meter("searching cold", len(self._sessions), self._progress)
        for place, (session, setting) in enumerate(
            zip(self._sessions, self._settings, strict=True)
        ):
            meter.reach(place)
            if not forget_files(session.folder):
                found.append(None)
                continue
            with Worker(session) as worker:
                opened = worker.open()
                seconds = worker.answer(self._reported[:_COLD], setting).seconds
                found.append(Cold(opened, float(seconds[0]), float(np.median(seconds[1:]))))
        meter.reach(len(self._sessions))
        return found

    def limited(self, full_bytes: int) -> list[tuple[UnderLimit, ...]]:
        """Count queries a second while opening and searching may take only so much memory.

        Args:
            full_bytes: Size of all full vectors, which the limits are shares of.
        """
        found: list[list[UnderLimit]] = [[] for _ in self._sessions]
        limits = [int(share * full_bytes) for share in _LIMITS]
        limits = [limit for limit in limits if limit >= _LEAST_LIMIT]
        total = len(limits) * len(self._sessions)
        meter = Meter("limiting memory", total, self._progress)
        for turn, limit in enumerate(limits):
            for place, session in enumerate(self._sessions):
                meter.reach(turn * len(self._sessions) + place)
                if not session.contender.is_limited:
                    continue
                with memory_limit(limit) as group:
                    if group is None:
                        continue
                    forget_files(session.folder)
                    rate = self._rate(session, group, self._settings[place])
                found[place].append(UnderLimit(limit, rate))
        meter.reach(total)
        return [tuple(answers) for answers in found]

    def _rate(self, session: Session, group: Path, setting: Setting) -> float | None:
        """Count queries a second; None if the process was killed for want of memory."""
        try:
            with Worker(session, group) as worker:
                worker.open()
                rows = cycle(self._reported)
                _searches_a_second(worker, rows, setting)  # what is needed is in memory then
                return _searches_a_second(worker, rows, setting)
        except EngineError:
            return None


def _searches_a_second(worker: Worker, rows: Iterator[int], setting: Setting) -> float:
    done, started = 0, time.perf_counter()
    while (taken := time.perf_counter() - started) < _LIMITED_S:
        done += len(worker.answer(list(islice(rows, _LIMITED_STEP)), setting).ids)
    return done / taken
