"""Find the cheapest setting of each contender that reaches an overlap."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mrl_adapters.bench.contender import Setting, row_of
from mrl_adapters.bench.data import BenchData
from mrl_adapters.bench.process import Worker
from mrl_adapters.evaluation.exact import Neighbours, exact_search
from mrl_adapters.evaluation.metrics import overlap_at_k
from mrl_adapters.vectors import FloatArray

# A chain ends where its median is so many times that of the fastest setting which reaches all.
_HOPELESS = 3.0
_FEWEST = 20  # queries that every setting is tried on
_PATIENCE_S = 5.0  # for one setting: slow ones are tried on fewer queries


class Tried(NamedTuple):
    """One setting on the tuning queries: mean overlap with the exact search, median seconds.

    ``error`` is the mean's standard error: the fastest of many settings that just reached a target
    owes it to these queries, and misses it on others.
    """

    setting: Setting
    overlap: float
    p50_s: float
    error: float = 0.0

    def reaches(self, target: float) -> bool:
        """Whether the overlap is reached, and not by luck."""
        return self.overlap - self.error >= target


class Judge:
    """The exact neighbours of every query, and how near an answer comes to them.

    Args:
        data: The vectors.
        k: Results a query.
    """

    def __init__(self, data: BenchData, k: int) -> None:
        self.k = k
        self._data = data
        self._exact: Neighbours = exact_search(data.documents, data.queries, k)

    @property
    def shape(self) -> tuple[int, int]:
        """How many documents, and of what size."""
        points, dimensions = self._data.documents.shape
        return points, dimensions

    def overlap(self, rows: Sequence[int], ids: Sequence[Sequence[str]]) -> NDArray[np.float64]:
        """Measure overlap@k with the exact search, one number a query.

        Scores are computed anew from the float32 vectors, so that equals are told fairly and a
        store's own rounding is judged like everybody's.
        """
        found = np.full((len(rows), self.k), -1, dtype=np.int64)
        for place, names in enumerate(ids):
            found[place, : len(names)] = [row_of(name) for name in names[: self.k]]
        chosen = list(rows)
        return overlap_at_k(
            found,
            self._exact.indices[chosen],
            self.k,
            found_scores=self._scores(chosen, found),
            exact_scores=self._exact.scores[chosen],
        )

    def _scores(self, rows: list[int], found: NDArray[np.int64]) -> FloatArray:
        vectors = np.asarray(self._data.documents[found.ravel()]).reshape(*found.shape, -1)
        scores: FloatArray = np.einsum("qkd,qd->qk", vectors, self._data.queries[rows])
        scores[found < 0] = np.nan
        return scores


def explore(
    worker: Worker,
    chains: Sequence[Sequence[Setting]],
    judge: Judge,
    rows: Sequence[int],
    target: float,
) -> list[Tried]:
    """Try settings of rising effort until each chain reaches the target.

    Returns:
        What was tried, in the order of trying.
    """
    tried: list[Tried] = []
    fastest = np.inf
    for chain in chains:
        for setting in chain:
            asked, ids, median = _answer(worker, rows, setting)
            overlaps = judge.overlap(asked, ids)
            error = float(overlaps.std() / np.sqrt(len(overlaps)))
            tried.append(Tried(setting, float(overlaps.mean()), median, error))
            if tried[-1].reaches(target):
                fastest = min(fastest, median)
                break
            if median > _HOPELESS * fastest:
                break
    return tried


def _answer(
    worker: Worker, rows: Sequence[int], setting: Setting
) -> tuple[Sequence[int], list[list[str]], float]:
    """Ask all queries, or as many as there is time for; return the median, seconds, too."""
    first = worker.answer(rows[:_FEWEST], setting)
    parts = [first]
    affordable = int(_PATIENCE_S / np.median(first.seconds))
    if rest := rows[_FEWEST:affordable]:
        parts.append(worker.answer(rest, setting))
    ids = [found for part in parts for found in part.ids]
    seconds = np.concatenate([part.seconds for part in parts])
    return rows[: len(ids)], ids, float(np.median(seconds))


def cheapest(tried: Sequence[Tried], target: float) -> Tried | None:
    """Choose the fastest setting that reaches a target; None where none does."""
    reaching = [trial for trial in tried if trial.reaches(target)]
    return min(reaching, key=lambda trial: trial.p50_s, default=None)


def highest(tried: Sequence[Tried], targets: Sequence[float]) -> float | None:
    """Choose the highest target that some setting reaches; None where none does."""
    return max((target for target in targets if cheapest(tried, target) is not None), default=None)
