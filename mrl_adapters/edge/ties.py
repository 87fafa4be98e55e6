"""Find hits of equal scores in a ranking.

The engine puts equal scores in an order of chance, another one each time. BM25 adds up the words of
a question in float32, and not always in one order: of twins one may get more than the other, or
more when ten are asked for than when five are. So such scores are equal where they differ by less
than that rounding.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mrl_adapters.edge.names import PointId

ROUNDING = 1e-6
"""The share by which two sums of the same numbers differ at most: about 8 units of float32's last
place. Of questions with up to six words 1.3e-7 was measured."""


def nearly_equal(one: float, other: float) -> bool:
    """Return whether two scores are equal, but for rounding."""
    return abs(one - other) <= ROUNDING * max(abs(one), abs(other))


def runs(scores: Sequence[float], rounding: float = ROUNDING) -> list[slice]:
    """Find neighbours of equal scores, each to the next but for rounding.

    Returns:
        The places of two and more such neighbours, in order.
    """
    values = np.array(scores)
    sizes = np.abs(values)
    within = np.zeros(len(values) + 1, dtype=bool)  # whether a place and the one before are equal
    within[1:-1] = np.abs(values[1:] - values[:-1]) <= rounding * np.maximum(sizes[1:], sizes[:-1])
    ends = np.flatnonzero(within[1:] != within[:-1]).tolist()
    return [slice(first, last + 1) for first, last in zip(ends[::2], ends[1::2], strict=True)]


def by_id(point_id: PointId) -> tuple[bool, Any]:
    """Return what ids are sorted by: numbers come before UUIDs."""
    return not isinstance(point_id, int), point_id
