"""Which queries serve which purpose, so that none has a part in what it is to prove."""

from dataclasses import dataclass

from mrl_adapters.errors import ConfigurationError
from mrl_adapters.evaluation.bound import queries_needed

WAYS = 3
"""Ways to search, or layouts, that share the error of a proof."""

_TRIED = 150  # queries on which every plan is tried
_TRIED_SHARE = 8  # of few queries, one in so many


@dataclass(frozen=True)
class QueryShare:
    """Which queries serve which purpose.

    Args:
        tried: Every plan is tried on [0, tried).
        pilot: What is promising there is looked at more closely on [0, pilot).
        tested: What is promising there is proved on [pilot, tested).
        total: What was chosen is reported on [tested, total).
    """

    tried: int
    pilot: int
    tested: int
    total: int

    @classmethod
    def of(cls, total: int, target: float, confidence: float) -> "QueryShare":
        """Share the queries out; refuse a number that could prove nothing."""
        if total < (needed := cls.least(target, confidence)):
            msg = (
                f"Proving a mean overlap of {target:g} with {confidence:.0%} confidence takes at "
                f"least {needed:,} queries, found {total:,}. Pass more queries, or a lower "
                "target_overlap or confidence; for a small collection use exact=True."
            )
            raise ConfigurationError(msg)
        return cls._split(total)

    @classmethod
    def of_layouts(cls, total: int, target: float, confidence: float) -> "QueryShare":
        """Share them out where many layouts are compared: more for the pilot and the proof."""
        share = cls.of(total, target, confidence)
        tested = total * 3 // 4
        spare = tested - queries_needed(target, shared(confidence))
        return cls(share.tried, max(share.pilot, min(total // 5, spare // 3)), tested, total)

    @classmethod
    def least(cls, target: float, confidence: float) -> int:
        """Count the queries that prove the target if a plan makes no mistake on them."""
        tested = queries_needed(target, shared(confidence))
        total = 2 * tested
        while (share := cls._split(total)).tested - share.pilot < tested:
            total += 1
        return total

    @classmethod
    def _split(cls, total: int) -> "QueryShare":
        pilot = min(_TRIED, total // _TRIED_SHARE)
        return cls(pilot, pilot, (total + 1) // 2, total)


def shared(confidence: float) -> float:
    """Share the error among the ways that are tested, so that all of them are right together."""
    return 1 - (1 - confidence) / WAYS
