"""Tell whoever waits how far a long run is."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

Phase: TypeAlias = Literal["fit", "fill", "copy", "verify", "audit"]


@dataclass(frozen=True)
class Progress:
    """How far a phase is.

    Args:
        phase: What is being done: fit a rotation, fill short vectors, copy points, verify, audit.
        done: Points done in this phase.
        total: Points that the phase had to do when it began.
        elapsed_s: Seconds since it began.
    """

    phase: Phase
    done: int
    total: int
    elapsed_s: float

    @property
    def rate(self) -> float:
        """Points a second so far."""
        return self.done / self.elapsed_s if self.elapsed_s > 0 else 0.0

    @property
    def left_s(self) -> float | None:
        """Seconds left at this rate; None while nothing is done."""
        return max(0, self.total - self.done) / self.rate if self.rate else None

    def to_dict(self) -> dict[str, Any]:
        """Describe it in plain values."""
        return {
            "phase": self.phase,
            "done": self.done,
            "total": self.total,
            "elapsed_s": self.elapsed_s,
            "rate": self.rate,
            "left_s": self.left_s,
        }


ProgressCallback: TypeAlias = Callable[[Progress], None]


class Meter:
    """Count one phase and report each step.

    Args:
        phase: What is being done.
        total: Points to do.
        report: Whom to tell; None tells nobody.
    """

    def __init__(self, phase: Phase, total: int, report: ProgressCallback | None) -> None:
        self._phase = phase
        self._total = total
        self._report = report
        self._done = 0
        self._began_s = time.monotonic()
        self.step(0)

    def step(self, points: int) -> None:
        """Count points as done.

        Args:
            points: How many.
        """
        self._done += points
        if self._report is not None:
            elapsed_s = time.monotonic() - self._began_s
            self._report(Progress(self._phase, self._done, self._total, elapsed_s))
