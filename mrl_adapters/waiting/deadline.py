"""The moment until which a server's answer is waited for."""

import math
import time

from mrl_adapters.errors import DeadlineError


class Deadline:
    """Until when a request, its repetitions and the pauses between them may take.

    Args:
        limit_s: Seconds; None is no limit.
        more_s: Seconds that are added where the server itself says when to come back, as far as
            it asks for them.
        since_s: When they begin, by the monotonic clock; None is now.
        remedy: What to do about a limit that is too short, for the error.
    """

    def __init__(
        self,
        limit_s: float | None,
        *,
        more_s: float = 0.0,
        since_s: float | None = None,
        remedy: str = "",
    ) -> None:
        self._limit_s = math.inf if limit_s is None else limit_s
        self._end = (time.monotonic() if since_s is None else since_s) + self._limit_s
        self._more_s = more_s
        self._remedy = remedy

    @property
    def left_s(self) -> float:
        """Seconds left; infinite without a limit."""
        return max(0.0, self._end - time.monotonic())

    def cut(self, other: "Deadline") -> "Deadline":
        """Return this or another deadline, whichever ends first."""
        return other if other.left_s < self.left_s else self

    def allows(self, pause_s: float, *, asked: bool = False) -> bool:
        """Return whether there is time left after a pause, and count on the pause being made.

        Args:
            pause_s: How long it is, seconds.
            asked: Whether the server asked for it.
        """
        added = min(pause_s, self._more_s) if asked else 0.0
        if pause_s - added >= self.left_s:
            return False
        self._more_s -= added
        self._end += added
        return True

    def error(self) -> DeadlineError:
        """Compose the error for an answer that has not come in time."""
        return DeadlineError(
            f"The server's answer was not complete within {self._limit_s:g} s, repetitions and "
            f"pauses included. {self._remedy}".rstrip(),
            expected=self._limit_s,
        )


NO_LIMIT = Deadline(None)
"""The deadline of what is waited for however long it takes."""
