"""How well a search's signals tell questions that it answers from those that it does not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mrl_adapters.evaluation.metrics import Qrels, Ranking
from mrl_adapters.qdrant import Signals


@dataclass(frozen=True)
class SignalRow:
    """How well one signal tells.

    Args:
        signal: Its name, as :class:`~mrl_adapters.qdrant.Signals` has it.
        auc: Of each search the area under the ROC curve: how often the signal is higher of two
            questions, one of which was answered within k and the other not; equal ones count half.
            0.5 tells nothing, 1 all. None where all questions were answered, or none.
    """

    signal: str
    auc: Mapping[str, float | None]


def judge_signals(
    signals: Mapping[str, Signals],
    rankings: Mapping[str, Mapping[str, Ranking]],
    qrels: Qrels,
    k: int,
) -> tuple[SignalRow, ...]:
    """Compare signals with what was found.

    Args:
        signals: Each question's.
        rankings: Search to question to what it found.
        qrels: Grade by question and document.
        k: Results a question.

    Returns:
        One row for each signal that every question has.
    """
    questions = [*signals]
    grades = [qrels.get(question, {}) for question in questions]
    answered = {
        name: np.asarray(
            [
                any(known.get(str(each), 0) > 0 for each in found[question][:k])
                for question, known in zip(questions, grades, strict=True)
            ]
        )
        for name, found in rankings.items()
    }
    rows = []
    for each in fields(Signals):
        values = [getattr(signals[question], each.name) for question in questions]
        if values and None not in values:
            aucs = {name: auc(values, right) for name, right in answered.items()}
            rows.append(SignalRow(each.name, aucs))
    return tuple(rows)


def auc(values: ArrayLike, right: ArrayLike | Sequence[bool]) -> float | None:
    """Measure how often a value is higher where it should be.

    Args:
        values: Numbers, shape (n,).
        right: Where they should be higher, shape (n,).

    Returns:
        The share of pairs of one of each kind in which they are; equal ones count half. None
        where one kind is missing.
    """
    numbers, wanted = np.asarray(values, dtype=float), np.asarray(right, dtype=bool)
    low: NDArray[np.float64] = np.sort(numbers[~wanted])
    high = numbers[wanted]
    if not len(low) or not len(high):
        return None
    below = np.searchsorted(low, high, "left") + np.searchsorted(low, high, "right")
    return float(below.sum() / 2 / len(low) / len(high))
