"""Which plans are worth trying in a collection."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mrl_adapters.qdrant import CollectionLayout, SearchPlan

# Shortlists as multiples of k. Steps of about 1.4: finer ones differ less than their latencies.
_FACTORS = (1, 1.5, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128)
_NARROW_BEAM = 64
_WIDER = (1.5, 4)  # times the beam that a plan takes by itself
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

    Rescoring is not tried: it reorders a shortlist that the full vectors rank anyway, and so
    costs reads for nothing.

    Each plan hands on the same number of candidates for every k up to this one, and
    proportionally more beyond: what is enough for the first 10 is enough for the first 4. No plan
    hands on more than a quarter of the points: scanning them all is then faster.

    Args:
        layout: The collection's layout.
        base: The collection's present plan; what is not tuned (consistency, timeout, shard keys)
            stays as it is there.
        k: Results a query.
        points: How many points can be found.

    Returns:
        One chain for each way to search.
    """
    longest = max(points // _SCANNED_SHARE, k)
    lengths = sorted({min(round(k * factor), longest) for factor in _FACTORS})
    chains = []
    for stage in layout.stages:
        way = replace(base, stages=(stage,), exact=False, rescore=False, hnsw_ef=None)
        chains.append(_lengthen(way, lengths, k))
        # Beyond this length a narrow beam is as wide as the shortlist, as in the first chain.
        narrow = [length for length in lengths if length < way.beam(1)]
        chains.append(_lengthen(replace(way, hnsw_ef=_NARROW_BEAM), narrow, k))
        chains += [
            tuple(
                replace(plan, hnsw_ef=round(wider * plan.beam(plan.candidates(k))))
                for plan in _lengthen(way, lengths, k)
            )
            for wider in _WIDER
        ]
    if len(layout.stages) > 1:
        way = replace(base, stages=layout.stages, exact=False, rescore=False, hnsw_ef=None)
        chains.append(_lengthen(way, lengths, k))
    return tuple(Chain(plans) for plans in chains if plans)


def _lengthen(way: SearchPlan, lengths: Sequence[int], k: int) -> tuple[SearchPlan, ...]:
    return tuple(replace(way, oversampling=length / k, min_candidates=length) for length in lengths)
