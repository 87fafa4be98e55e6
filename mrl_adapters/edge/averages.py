"""The vector that stands for several examples: RecommendQuery by average vector.

Source: https://qdrant.tech/documentation/concepts/explore/#average-vector-strategy
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import qdrant_edge as edge


def average(positive: Sequence[Any], negative: Sequence[Any]) -> Any:
    """Move from the mean of the negative examples over that of the positive ones.

    Args:
        positive: Vectors of one kind (dense, sparse, or multi-vectors), one or more.
        negative: Vectors of the same kind.

    Returns:
        ``2 * mean(positive) - mean(negative)``, or the mean of the positive ones; for
        multi-vectors all rows of the positive ones and the negated rows of the negative ones.
    """
    if isinstance(positive[0], edge.SparseVector):
        return _sparse(positive, negative)
    if isinstance(positive[0], list) and positive[0] and isinstance(positive[0][0], list):
        return [row for each in positive for row in each] + [
            [-value for value in row] for each in negative for row in each
        ]
    mean = np.mean(np.array(positive, dtype=np.float32), axis=0)
    if negative:
        mean = 2 * mean - np.mean(np.array(negative, dtype=np.float32), axis=0)
    return mean.astype(np.float32).data


def _sparse(positive: Sequence[Any], negative: Sequence[Any]) -> edge.SparseVector:
    values: dict[int, float] = {}
    for examples, weight in ((positive, 2.0 if negative else 1.0), (negative, -1.0)):
        for each in examples:
            for index, value in zip(each.indices, each.values, strict=True):
                values[index] = values.get(index, 0.0) + weight * value / len(examples)
    indices = sorted(values)
    return edge.SparseVector(indices, [values[index] for index in indices])
