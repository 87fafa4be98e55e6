"""What an embedder has used so far."""

import dataclasses
import threading
from collections.abc import Callable


@dataclasses.dataclass(frozen=True)
class Usage:
    """Requests and tokens, by the servers' own counts."""

    requests: int = 0
    prompt_tokens: int = 0
    total_tokens: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.requests + other.requests,
            self.prompt_tokens + other.prompt_tokens,
            self.total_tokens + other.total_tokens,
        )


class Meter:
    """Add usage up, from any number of threads. A copy begins at zero."""

    def __init__(self) -> None:
        self._total = Usage()
        self._lock = threading.Lock()

    @property
    def total(self) -> Usage:
        """Everything so far."""
        return self._total

    def add(self, usage: Usage) -> None:
        """Count one answer."""
        with self._lock:
            self._total = self._total + usage

    def __reduce__(self) -> tuple[Callable[[], "Meter"], tuple[()]]:
        """Begin at zero elsewhere: the lock cannot travel, and no use is counted twice."""
        return Meter, ()
