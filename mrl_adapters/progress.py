"""The progress of long work: one type and one callback, whatever is at work."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias


@dataclass(frozen=True)
class Progress:
    """How far a phase of long work is.

    Args:
        phase: What is being done, such as "copying points".
        done: How many are done in this phase.
        total: How many there were to do when it began; None where that is not known.
        elapsed_s: Seconds since it began.
    """

    phase: str
    done: int
    total: int | None
    elapsed_s: float

    @property
    def rate(self) -> float:
        """How many a second so far."""
        return self.done / self.elapsed_s if self.elapsed_s > 0 else 0.0

    @property
    def left_s(self) -> float | None:
        """Seconds left at this rate; None while nothing is done, or without a total."""
        if self.total is None or not self.rate:
            return None
        return max(0, self.total - self.done) / self.rate

    def to_dict(self) -> dict[str, Any]:
        """Describe it in plain values."""
        return {**asdict(self), "rate": self.rate, "left_s": self.left_s}


ProgressCallback: TypeAlias = Callable[[Progress], object]
"""What functions take as ``progress``: called when a phase begins, and after each step of it."""


class Meter:
    """The count of one phase, told as it grows.

    Args:
        phase: What is being done.
        total: How many there are to do; None where that is not known.
        callback: Whom to tell; None tells nobody.
    """

    def __init__(self, phase: str, total: int | None, callback: ProgressCallback | None) -> None:
        self._phase = phase
        self._total = total
        self._callback = callback
        self._began_s = time.monotonic()
        self._done = 0
        self._tell()

    def step(self, count: int = 1) -> None:
        """Count more as done."""
        self.reach(self._done + count)

    def reach(self, done: int) -> None:
        """Count so many as done."""
        if done != self._done:
            self._done = done
            self._tell()

    def _tell(self) -> None:
        if self._callback is not None:
            elapsed_s = time.monotonic() - self._began_s
            self._callback(Progress(self._phase, self._done, self._total, elapsed_s))
