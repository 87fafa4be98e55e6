"""A lower confidence bound of a mean that holds for every sample size."""

import numpy as np
from numpy.typing import ArrayLike

from mrl_adapters.errors import ConfigurationError

_BETS = 32
_HALVINGS = 50  # of the interval 0..1: the bound is exact to 1e-15


def lower_bound(values: ArrayLike, confidence: float = 0.95) -> float:
    """Bound the mean of numbers from 0 to 1 from below, by betting against it.

    Whoever believes the mean to be m must offer a fair game on it: a stake that is multiplied by
    ``1 - c + c * x / m`` for each value x. The bound is the greatest m at which a fixed mixture of
    such bets (shares c of the stake) has grown to ``1 / (1 - confidence)``; by Markov's inequality
    a true m is refuted with probability of at most ``1 - confidence``, whatever the distribution
    and however few the values. Bounds from the normal distribution and the bootstrap break that
    promise where nearly all values are 1: at a true mean of .99 made by one 0 in a hundred, 50
    values hold it in fewer than half of all trials.

    Values drawn without replacement from a finite set keep the promise too: such draws are
    negatively associated, and the product of increasing functions of them has no greater mean
    than with independent draws.

    Args:
        values: Independent numbers from 0 to 1, shape (n,).
        confidence: Probability with which the bound is to lie below the true mean.

    Returns:
        The bound, from 0 to the mean of the values.

    Source:
        Waudby-Smith and Ramdas 2023, arXiv:2010.09686; the mixture has the weights of Cover's
        universal portfolio; Joag-Dev and Proschan 1983, doi:10.1214/aos/1176346079, for draws
        without replacement.
    """
    array = np.asarray(values, dtype=np.float64)
    if not 0 < confidence < 1 or (array.size and not (array.min() >= 0 and array.max() <= 1)):
        msg = (
            f"Cannot bound at confidence {confidence}: expected values from 0 to 1 and a "
            "confidence between 0 and 1, such as 0.95."
        )
        raise ConfigurationError(msg)
    distinct, counts = np.unique(array, return_counts=True)
    # Beta(1/2, 1/2): dense near 0 and 1, where the best bets on nearly equal values lie.
    bets = np.sin(np.pi / 2 * (np.arange(_BETS) + 0.5) / _BETS) ** 2
    goal = np.log(_BETS / (1 - confidence))
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        mean = (low + high) / 2
        wealth = counts @ np.log1p(bets * (distinct[:, np.newaxis] / mean - 1))
        if np.logaddexp.reduce(wealth) >= goal:
            low = mean
        else:
            high = mean
    return low


def queries_needed(target: float, confidence: float = 0.95) -> int:
    """Count the values that could prove a target if every one of them were 1."""
    if not 0 <= target < 1:
        msg = f"Cannot prove a mean of {target}: expected a target from 0 to below 1, such as 0.99."
        raise ConfigurationError(msg)
    low, high = 0, 1
    while lower_bound(np.ones(high), confidence) < target:
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        if lower_bound(np.ones(middle), confidence) < target:
            low = middle
        else:
            high = middle
    return high
