"""Which queries serve which purpose, so that none has a part in what it is to prove."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from mrl_adapters.errors import ConfigurationError
from mrl_adapters.evaluation.bound import queries_needed
from mrl_adapters.evaluation.searcher import Searchable
from mrl_adapters.qdrant.commands import command

Again: TypeAlias = Callable[[float], str]
"""Write the line that asks once more, for another target."""

WAYS = 3
"""Ways to search, or layouts, that share the error of a proof."""

_USUAL = {"-k": 10, "--confidence": 0.95}
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
    def of(
        cls, total: int, target: float, confidence: float, again: Again | None = None
    ) -> "QueryShare":
        """Share the queries out; refuse a number that could prove nothing."""
        if total < (needed := cls.least(target, confidence)):
            lower = cls.provable(total, confidence)
            msg = (
                f"Proving a mean overlap of {target:g} with {confidence:.0%} confidence takes at "
                f"least {needed:,} queries, found {total:,}{_instead(lower, again)}. Or pass "
                f"{needed:,} queries or more; a small collection needs no plan but "
                "SearchPlan(exact=True), and that no proof."
            )
            raise ConfigurationError(msg, found=total, expected=needed)
        return cls._split(total)

    @classmethod
    def of_layouts(
        cls, total: int, target: float, confidence: float, again: Again | None = None
    ) -> "QueryShare":
        """Share them out where many layouts are compared: more for the pilot and the proof."""
        share = cls.of(total, target, confidence, again)
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
    def provable(cls, total: int, confidence: float) -> float | None:
        """Return the highest target that so many queries can prove, in whole percents.

        None where that is less than a half.
        """
        percents = range(99, 49, -1)
        able = (each for each in percents if cls.least(each / 100, confidence) <= total)
        highest = next(able, None)
        return None if highest is None else highest / 100

    @classmethod
    def _split(cls, total: int) -> "QueryShare":
        pilot = min(_TRIED, total // _TRIED_SHARE)
        return cls(pilot, pilot, (total + 1) // 2, total)


def _instead(lower: float | None, again: Again | None) -> str:
    """Say what so few queries can prove, and how it is asked for."""
    if lower is None:
        return ", which can prove nothing"
    option = f"target_overlap={lower:g} (--target-overlap {lower:g} on the command line)"
    how = option if again is None else again(lower)
    return f". So many can prove {lower:g} at most, with: {how}"


def shared(confidence: float) -> float:
    """Share the error among the ways that are tested, so that all of them are right together."""
    return 1 - (1 - confidence) / WAYS


def asking_again(
    verb: Literal["tune", "recommend"], store: Searchable, given: Mapping[str, float | None]
) -> Again:
    """Make what writes the command for a collection and another target.

    Args:
        verb: The command.
        store: What is measured.
        given: Options that it was asked with; those that say something are said again.
    """
    said = {name: value for name, value in given.items() if value not in {None, _USUAL.get(name)}}
    kept = [word for name, value in said.items() for word in (name, str(value))]

    def again(target: float) -> str:
        client = store.driver.client or store.driver.async_client
        options = [*kept, "--target-overlap", f"{target:g}"]
        return command(verb, store.collection.name, *options, client=client)

    return again
