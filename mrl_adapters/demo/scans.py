"""One question, searched by exact scans in memory at any size, bits and length of the shortlist.

The scans are the functions that :mod:`mrl_adapters.evaluation` measures with.
"""

import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mrl_adapters.demo.results import Answer, Found
from mrl_adapters.demo.settings import K, Setting
from mrl_adapters.demo.space import Space
from mrl_adapters.evaluation.exact import Neighbours, exact_search, rescore
from mrl_adapters.evaluation.metrics import overlap_at_k
from mrl_adapters.vectors import FloatArray

_TIE = 1e-6  # what the order of a sum changes


class _ByFull(NamedTuple):
    """A question's search by the full vectors, with every passage's score."""

    found: Neighbours
    every: FloatArray
    ranked: FloatArray  # the scores from the least to the greatest
    took_s: float


class Scans:
    """Searches of a corpus with one question.

    Args:
        space: Its vectors.
        euclid: Whether nearer means better: scores are distances.
    """

    def __init__(self, space: Space, *, euclid: bool) -> None:
        self._space = space
        self._euclid = euclid
        self._last: tuple[tuple[bytes, int], _ByFull] | None = None

    def answer(self, vector: FloatArray, setting: Setting, own: int = -1) -> Answer:
        """Search three times.

        Args:
            vector: The question's full vector, shape (d,).
            setting: How.
            own: Row of the passage that the question was taken from, or -1.
        """
        space = self._space
        short = space.coded(setting)
        exclude = np.array([own], dtype=np.int64)
        asked = space.questions(vector[np.newaxis])
        full = self._by_full(vector, own)
        began = time.perf_counter()
        coded = space.coded_questions(vector[np.newaxis], setting)
        listed = exact_search(short.documents, coded, max(K, setting.candidates), exclude=exclude)
        short_s = time.perf_counter() - began
        again = rescore(space.full, asked, listed.indices, K)
        two_stage_s = time.perf_counter() - began
        single = Neighbours(listed.indices[:, :K], listed.scores[:, :K])
        return Answer(
            short=self._found(single, vector, full, short_s),
            two_stage=self._found(again, vector, full, two_stage_s),
            full=self._found(full.found, vector, full, full.took_s),
            overlap_short=_overlap(rescore(space.full, asked, single.indices, K), full.found),
            overlap_two_stage=_overlap(again, full.found),
        )

    def places(self, rows: Sequence[int], vector: FloatArray, own: int = -1) -> list[int]:
        """Find the places of passages in the full search, counted from 1.

        Args:
            rows: The passages, in the order in which they were found.
            vector: The question's full vector, shape (d,).
            own: Row of the passage that the question was taken from, or -1.
        """
        return _places(rows, self._by_full(vector, own))

    def _by_full(self, vector: FloatArray, own: int) -> _ByFull:
        """Search by the full vectors; of the last question it is known, as no slider changes it."""
        key = (vector.tobytes(), own)
        last = self._last
        if last is None or last[0] != key:
            asked = self._space.questions(vector[np.newaxis])
            began = time.perf_counter()
            exclude = np.array([own], dtype=np.int64)
            exact = exact_search(self._space.full, asked, K, exclude=exclude)
            exact_s = time.perf_counter() - began
            every: FloatArray = self._space.full @ asked[0]
            if own >= 0:
                every[own] = -np.inf
            last = key, _ByFull(exact, every, np.sort(every), exact_s)
            self._last = last
        return last[1]

    def _found(self, found: Neighbours, vector: FloatArray, full: _ByFull, took_s: float) -> Found:
        kept = [
            (row, score)
            for row, score in zip(found.indices[0].tolist(), found.scores[0].tolist(), strict=True)
            if row >= 0
        ]
        scores = [score for _, score in kept]
        if self._euclid:
            square = float(vector @ vector)
            scores = [max(0.0, square - score) ** 0.5 for score in scores]
        rows = [row for row, _ in kept]
        return Found(rows, scores, _places(rows, full), took_s)


def _overlap(found: Neighbours, exact: Neighbours) -> float:
    return float(
        overlap_at_k(
            found.indices, exact.indices, K, found_scores=found.scores, exact_scores=exact.scores
        )[0]
    )


def _places(rows: Sequence[int], full: _ByFull) -> list[int]:
    """Find each row's place among all scores: equal ones share theirs."""
    every, ranked = full.every, full.ranked
    places = []
    for here, row in enumerate(rows, 1):
        margin = _TIE * max(1.0, abs(float(every[row])))
        first = len(ranked) - int(np.searchsorted(ranked, every[row] + margin, "right")) + 1
        last = len(ranked) - int(np.searchsorted(ranked, every[row] - margin, "left"))
        places.append(min(max(here, first), last))
    return places
