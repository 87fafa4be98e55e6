"""Find hits of equal scores in a ranking.

The engine puts equal scores in an order of chance, another one each time. BM25 adds up the words of
a question in float32, and not always in one order: of twins one may get more than the other, or
more when ten are asked for than when five are. So such scores are equal where they differ by less
than that rounding.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any

from mrl_adapters.edge.names import PointId

ROUNDING = 1e-6
"""The share by which two sums of the same numbers differ at most: about 8 units of float32's last
place. Of questions with up to six words 1.3e-7 was measured."""


def nearly_equal(one: float, other: float) -> bool:
    """Return whether two scores are equal, but for rounding."""
    return abs(one - other) <= ROUNDING * abs(one)


def runs(scores: Sequence[float], count: int, rounding: float = ROUNDING) -> Iterator[slice]:
    """Find neighbours of equal scores, each to the next but for rounding.

    Args:
        scores: Scores of a ranking.
        count: How many of them are of interest: a run that begins behind these is left out.
        rounding: The share of their size by which equals may differ.

    Yields:
        The places of two and more such neighbours, in order.
    """
    start, before = 0, math.nan  # equal to nothing
    for place, score in enumerate(scores):
        if not abs(before - score) <= rounding * abs(before):
            if place - start > 1:
                yield slice(start, place)
            if place >= count:
                return
            start = place
        before = score
    if len(scores) - start > 1:
        yield slice(start, len(scores))


def by_id(point_id: PointId) -> tuple[bool, Any]:
    """Return what ids are sorted by: numbers come before UUIDs."""
    return not isinstance(point_id, int), point_id
