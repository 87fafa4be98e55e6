"""Make a request again where its failure is a passing one, as long as there is time.

Source:
    https://www.rfc-editor.org/rfc/rfc9110#name-retry-after
"""

import math
from collections.abc import Callable, Generator
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any, TypeAlias

from mrl_adapters.waiting.deadline import Deadline

_FIRST_S = 0.2
_LONGEST_S = 8.0
_DOUBLINGS = 10  # more would be longer than the longest anyway


@dataclass(frozen=True)
class Attempt:
    """Ask the driver to make a request, once.

    Args:
        request: What to ask for; the driver knows how.
        deadline: Until when.
    """

    request: Any
    deadline: Deadline


@dataclass(frozen=True)
class Pause:
    """Ask the driver to wait.

    Args:
        delay_s: How long, seconds.
        asked: Whether the server said so.
    """

    delay_s: float
    asked: bool = False


Judge: TypeAlias = Callable[[Exception, int], Pause | None]
"""How long to wait after a failure (and how many there were before); None where it is final."""


def attempts(
    request: Any, deadline: Deadline, retries: float, judge: Judge
) -> Generator[Attempt | Pause, Any, Any]:
    """Make a request until it succeeds, fails for good, or there is no time for another pause.

    Args:
        request: What to ask for.
        deadline: Until when.
        retries: How often it is made again, at most; infinite until the deadline.
        judge: Tells passing failures from final ones, and how long to wait after them.

    Returns:
        The answer.
    """
    attempt = 0
    while True:
        try:
            return (yield Attempt(request, deadline))
        except Exception as error:
            pause = judge(error, attempt)
            if pause is None or attempt == retries:
                raise
            if not deadline.allows(pause.delay_s, asked=pause.asked):
                raise
        attempt += 1
        yield pause


def backoff_s(attempt: int) -> float:
    """Return how long to wait where the server does not say: 0.2 s, then doubled up to 8 s.

    Args:
        attempt: How many failures there were before.
    """
    return float(min(_FIRST_S * 2 ** min(attempt, _DOUBLINGS), _LONGEST_S))


def retry_after_s(header: str | None) -> float | None:
    """Read a Retry-After header: seconds, or a date.

    Args:
        header: Its value.

    Returns:
        Seconds from now, 0 for what has passed; None where it says nothing that can be read.
    """
    if header is None:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            moment = parsedate_to_datetime(header)
        except (ValueError, TypeError, IndexError, OverflowError):
            return None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=timezone.utc)
        seconds = (moment - datetime.now(timezone.utc)).total_seconds()
    return None if math.isnan(seconds) else max(0.0, seconds)
