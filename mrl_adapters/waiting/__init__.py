"""How long servers are waited for: one limit for a request, its repetitions and their pauses."""

from mrl_adapters.waiting.bounded import awithin, within
from mrl_adapters.waiting.deadline import NO_LIMIT, Deadline
from mrl_adapters.waiting.repeating import Attempt, Pause, attempts, backoff_s, retry_after_s

__all__ = [
    "NO_LIMIT",
    "Attempt",
    "Deadline",
    "Pause",
    "attempts",
    "awithin",
    "backoff_s",
    "retry_after_s",
    "within",
]
