"""All sample questions: a setting judged by them, and memory weighed against latency."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from mrl_adapters.demo.codes import BITS, bytes_per_vector
from mrl_adapters.demo.corpus import Questions
from mrl_adapters.demo.kept import Kept
from mrl_adapters.demo.results import Judged, TradeOff
from mrl_adapters.demo.scans import Scans
from mrl_adapters.demo.settings import CANDIDATES, K, Setting
from mrl_adapters.demo.space import Space
from mrl_adapters.evaluation.exact import Indices, exact_search
from mrl_adapters.evaluation.metrics import PerQuery, overlap_at_k
from mrl_adapters.vectors import FloatArray

TARGET = 0.99
"""Share of the true neighbours that a shortlist must hold to count as good."""

_TIMED = 9  # searches of which the median is taken


@dataclass(frozen=True)
class _Listed:
    """The longest shortlist of each sample question, and its full vectors' scores."""

    indices: Indices
    scores: FloatArray


class Sample:
    """The questions that stand for all.

    Args:
        space: The vectors that are searched.
        questions: What is asked.
        scans: Searches with one question, which are timed.
    """

    def __init__(self, space: Space, questions: Questions, scans: Scans) -> None:
        self._space = space
        self._questions = questions
        self._scans = scans
        self._listed = Kept[_Listed]()
        self._asked = space.questions(questions.vectors)
        self._truth = exact_search(space.full, self._asked, K, exclude=questions.own)

    def judge(self, setting: Setting) -> Judged:
        """Measure overlap@10 of every sample question.

        Args:
            setting: How they are searched for.
        """
        listed = self._shortlists(setting)
        return Judged(self._overlaps(listed, K), self._overlaps(listed, max(K, setting.candidates)))

    def prepare(self, setting: Setting) -> None:
        """Compute now what judging a setting takes, and its codes.

        Args:
            setting: The setting.
        """
        self._shortlists(setting)

    def trade_off(self, settings: Iterable[Setting], size: int) -> list[TradeOff]:
        """Weigh memory against latency: each size and number of bits, as long as it must search.

        Args:
            settings: The sizes and bits.
            size: Dimensions of the full vectors.

        Returns:
            One entry each, by the shortest list that finds TARGET of the true neighbours (the
            longest where none does), and last the full vectors alone.
        """
        settings = list(settings)
        for each in settings:
            self.prepare(each)
        found = [self._weighed(each) for each in settings]
        # Of a search by full vectors the setting says nothing.
        exact_s = self._timed(settings[0], full=True)
        return [*found, TradeOff(None, bytes_per_vector(size, BITS[0]), exact_s, 1.0)]

    def _shortlists(self, setting: Setting) -> _Listed:
        """Search the longest shortlist of every sample question by short codes."""
        return self._listed.get(self._space.codes(setting), lambda: self._list(setting))

    def _list(self, setting: Setting) -> _Listed:
        short = self._space.coded(setting)
        rows = exact_search(
            short.documents,
            self._space.coded_questions(self._questions.vectors, setting),
            CANDIDATES[-1],
            exclude=self._questions.own,
        ).indices
        full = self._space.full
        scores = np.stack(
            [full[listed] @ asked for listed, asked in zip(rows, self._asked, strict=True)]
        )
        scores[rows < 0] = -np.inf
        return _Listed(rows, scores)

    def _overlaps(self, listed: _Listed, length: int) -> PerQuery:
        """Judge the sample questions' shortlists, re-ranked with the full vectors."""
        scores = listed.scores[:, :length]
        # Which are the best, in any order: overlap asks for no more.
        order = np.argpartition(-scores, min(K, scores.shape[1]) - 1, axis=1)[:, :K]
        return overlap_at_k(
            np.take_along_axis(listed.indices, order, axis=1),
            self._truth.indices,
            K,
            found_scores=np.take_along_axis(scores, order, axis=1),
            exact_scores=self._truth.scores,
        )

    def _weighed(self, setting: Setting) -> TradeOff:
        listed = self._shortlists(setting)
        for length in CANDIDATES:
            overlap = float(self._overlaps(listed, length).mean())
            if overlap >= TARGET:
                break
        chosen = replace(setting, candidates=length)
        each = bytes_per_vector(chosen.dimensions, chosen.bits)
        return TradeOff(chosen, each, self._timed(chosen), overlap)

    def _timed(self, setting: Setting, *, full: bool = False) -> float:
        """Take the median time of a few searches, in two stages or by full vectors alone."""
        times = []
        for vector, own in zip(
            self._questions.vectors[:_TIMED], self._questions.own[:_TIMED], strict=True
        ):
            answer = self._scans.answer(vector, setting, int(own))
            times.append((answer.full if full else answer.two_stage).latency_s)
        return float(np.median(times))
