"""Which plans are worth trying in a collection."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mrl_adapters.qdrant import CollectionLayout, SearchPlan

# Shortlists as multiples of k. Steps of about 1.4: finer ones differ less than their latencies.
_FACTORS = (1, 1.5, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128)
# Times the beam that a plan takes by itself: a small graph needs less, one with holes more.
_BEAMS = (0.25, 0.5, 0.75, 1.5, 4)
_SCANNED_SHARE = 4  # reading one point in so many, here and there, costs more than reading all


@dataclass(frozen=True)
class Chain:
    """Plans that differ in the length of their shortlist alone.

    Args:
        plans: By rising shortlist, and so by rising overlap.
    """

    plans: tuple[SearchPlan, ...]


def plan_chains(
    layout: CollectionLayout, base: SearchPlan, k: int, points: int
) -> tuple[Chain, ...]:
    """List the plans to try: each stage alone by several beams, and all as a funnel.

    Without stages they are those of the full vectors' own graph.

    Rescoring is not tried: it reorders a shortlist that the full vectors rank anyway, and so
    costs reads for nothing.

    Each plan hands on the same number of candidates for every k up to this one, and
    proportionally more beyond: what is enough for the first 10 is enough for the first 4. No plan
    hands on more than a quarter of the points: scanning them all is then faster.

    Returns:
        One chain for each way to search.
    """
    longest = max(points // _SCANNED_SHARE, k)
    lengths = sorted({min(round(k * factor), longest) for factor in _FACTORS})
    way = replace(base, exact=False, rescore=False, hnsw_ef=None)
    chains = []
    alone: list[tuple[int, ...] | None] = [(stage,) for stage in layout.stages]
    for stages in alone or [None]:
        plain = _lengthen(replace(way, stages=stages), lengths, k)
        chains += [plain, *(_by_beam(plain, times, k) for times in _BEAMS)]
    if len(layout.stages) > 1:
        chains.append(_lengthen(replace(way, stages=layout.stages), lengths, k))
    return tuple(Chain(plans) for plans in chains if plans)


def _by_beam(plans: Sequence[SearchPlan], times: float, k: int) -> tuple[SearchPlan, ...]:
    """Take the same plans with another beam; one as wide as the shortlist cannot be narrower."""
    lengths = [plan.candidates(k) for plan in plans]
    return tuple(
        replace(plan, hnsw_ef=round(times * plan.beam(length)))
        for plan, length in zip(plans, lengths, strict=True)
        if times > 1 or length < plan.beam(length)
    )


def _lengthen(way: SearchPlan, lengths: Sequence[int], k: int) -> tuple[SearchPlan, ...]:
    return tuple(replace(way, oversampling=length / k, min_candidates=length) for length in lengths)
