"""Searches of a corpus at any size, number of bits and length of the shortlist.

Everything is an exact scan in memory, by the functions that :mod:`mrl_adapters.evaluation` measures
with; only :meth:`Workbench.ask_collection` asks the collection's own engine.
"""

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from qdrant_client import models

from mrl_adapters.demo.codes import BITS, bytes_per_vector
from mrl_adapters.demo.corpus import Corpus
from mrl_adapters.demo.results import Answer, Found, Judged, TradeOff
from mrl_adapters.demo.settings import Setting
from mrl_adapters.demo.space import Space
from mrl_adapters.evaluation.exact import Indices, Neighbours, exact_search, rescore
from mrl_adapters.evaluation.metrics import PerQuery, overlap_at_k
from mrl_adapters.qdrant import SearchPlan
from mrl_adapters.qdrant.ids import PointId
from mrl_adapters.qdrant.query import Search
from mrl_adapters.vectors import FloatArray, Rotation

K = 10
"""Results of a search that count."""

CANDIDATES = (10, 20, 30, 50, 75, 100, 150, 200, 300, 500, 750, 1000)
"""Lengths of the shortlist to choose from."""

TARGET = 0.99
"""Share of the true neighbours that a shortlist must hold to count as good."""

_TIMED = 9  # searches of which the median is taken
_TIE = 1e-6  # what the order of a sum changes


@dataclass(frozen=True)
class _Listed:
    """The longest shortlist of each sample question, and its full vectors' scores."""

    indices: Indices
    scores: FloatArray


class Workbench:
    """A corpus with all that is computed of it once.

    Args:
        corpus: What is searched.
    """

    def __init__(self, corpus: Corpus) -> None:
        self.corpus = corpus
        self.space: Space = Space(corpus.full, corpus.layout)
        self._lock = threading.RLock()
        self._engine = threading.Lock()
        self._shortlists: dict[tuple[int, int, bool], _Listed] = {}
        self._vectors: dict[str, FloatArray] = {}
        self._last: tuple[tuple[bytes, int], tuple[Neighbours, FloatArray, float]] | None = None
        self._asked = self.space.questions(corpus.questions.vectors)
        self._truth = exact_search(self.space.full, self._asked, K, exclude=corpus.questions.own)

    # What may be chosen

    @cached_property
    def start(self) -> Setting:
        """The setting that the page opens with: the collection's own, as far as it can be shown."""
        layout = self.corpus.layout
        size = layout.stages[-1] if layout.stages else self.space.sizes[len(self.space.sizes) // 2]
        candidates = self.corpus.store.collection.plan.candidates(K)
        return Setting(
            dimensions=size,
            bits=8 if layout.quantization else 32,
            candidates=min(CANDIDATES, key=lambda each: abs(each - candidates)),
            rotated=isinstance(layout.rotation, Rotation),
        )

    def settings(self) -> Iterator[Setting]:
        """List every size and number of bits, those near the start first."""
        start = self.start
        for rotated in (start.rotated, not start.rotated):
            for bits in sorted(BITS, key=lambda each: each != start.bits):
                for size in sorted(self.space.sizes, key=lambda each: each != start.dimensions):
                    yield replace(start, dimensions=size, bits=bits, rotated=rotated)

    # One question

    def vector(self, question: str) -> FloatArray:
        """Embed a question; one that was asked before costs nothing."""
        if question not in self._vectors:
            found = np.asarray(self.corpus.embedder.embed_query(question), dtype=np.float32)
            self._vectors[question] = found
        return self._vectors[question]

    def answer(self, vector: FloatArray, setting: Setting, own: int = -1) -> Answer:
        """Search three times.

        Args:
            vector: The question's full vector, shape (d,).
            setting: How.
            own: Row of the passage that the question was taken from, or -1.
        """
        short = self.space.coded(setting)
        exclude = np.array([own], dtype=np.int64)
        asked = self.space.questions(vector[np.newaxis])
        exact, every, exact_s = self._by_full(vector, own)
        began = time.perf_counter()
        coded = self.space.coded_questions(vector[np.newaxis], setting)
        listed = exact_search(short.documents, coded, max(K, setting.candidates), exclude=exclude)
        short_s = time.perf_counter() - began
        again = rescore(self.space.full, asked, listed.indices, K)
        two_stage_s = time.perf_counter() - began
        single = Neighbours(listed.indices[:, :K], listed.scores[:, :K])
        return Answer(
            short=self._found(single, vector, every, short_s),
            two_stage=self._found(again, vector, every, two_stage_s),
            full=self._found(exact, vector, every, exact_s),
            overlap_short=self._overlap(rescore(self.space.full, asked, single.indices, K), exact),
            overlap_two_stage=self._overlap(again, exact),
        )

    def _by_full(self, vector: FloatArray, own: int) -> tuple[Neighbours, FloatArray, float]:
        """Search by the full vectors; of the last question it is known, as no slider changes it."""
        key = (vector.tobytes(), own)
        last = self._last
        if last is None or last[0] != key:
            asked = self.space.questions(vector[np.newaxis])
            began = time.perf_counter()
            exclude = np.array([own], dtype=np.int64)
            exact = exact_search(self.space.full, asked, K, exclude=exclude)
            exact_s = time.perf_counter() - began
            last = key, (exact, self._every_score(vector, own), exact_s)
            self._last = last
        return last[1]

    def ask_collection(
        self, vector: FloatArray, setting: Setting, own: int = -1
    ) -> tuple[Found, SearchPlan]:
        """Search the collection itself, at the setting where it has that stage.

        Args:
            vector: The question's full vector, shape (d,).
            setting: The sliders.
            own: Row of the passage that the question was taken from, or -1.

        Returns:
            What its engine found and how long that took, and the plan that it searched by.
        """
        collection, driver = self.corpus.store.collection, self.corpus.store.driver
        plan = collection.plan
        if setting.dimensions in self.corpus.layout.stages:
            plan = plan.merge(
                {
                    "stages": (setting.dimensions,),
                    "oversampling": 1.0,
                    "min_candidates": setting.candidates,
                }
            )
        itself = None
        if own >= 0:
            itself = models.Filter(must_not=[models.HasIdCondition(has_id=[self.corpus.ids[own]])])
        search = Search(vector, K, query_filter=itself, with_payload=False)
        with self._engine:
            began = time.perf_counter()
            hits = driver.run(collection.search([search], plan))[0]
            took = time.perf_counter() - began
        rows = [(self._rows[hit.id], hit.score) for hit in hits if hit.id in self._rows]
        places = _places([row for row, _ in rows], self._by_full(vector, own)[1])
        return Found([row for row, _ in rows], [score for _, score in rows], places, took), plan

    # All sample questions

    def judge(self, setting: Setting) -> Judged:
        """Measure overlap@10 of every sample question."""
        listed = self._shortlist(setting)
        return Judged(self._overlaps(listed, K), self._overlaps(listed, max(K, setting.candidates)))

    def trade_off(self, rotated: bool) -> list[TradeOff]:  # noqa: FBT001 - one switch of the page
        """Weigh memory against latency: each size and number of bits, as long as it must search.

        Returns:
            One entry each, by the shortest list that finds TARGET of the true neighbours (the
            longest where none does), and last the full vectors alone.
        """
        settings = [each for each in self.settings() if each.rotated == rotated]
        for each in settings:
            self._shortlist(each)
        with self._lock:  # nothing is prepared beside it while searches are timed
            found = [self._weighed(each) for each in settings]
            exact_s = self._timed(None)
        full_bytes = bytes_per_vector(self.corpus.layout.dimensions, BITS[0])
        return [*found, TradeOff(None, full_bytes, exact_s, 1.0)]

    def bytes_in_memory(self, setting: Setting) -> float:
        """Count the bytes of one point's codes."""
        return bytes_per_vector(setting.dimensions, setting.bits)

    def warm(self, stopped: threading.Event) -> None:
        """Prepare every setting, so that a slider's first move is as quick as its second."""
        for setting in self.settings():
            if stopped.is_set():
                return
            if not setting.rotated or self.space.rotation is not None:
                self._shortlist(setting)

    # Shared

    @cached_property
    def _rows(self) -> dict[PointId, int]:
        return {point: row for row, point in enumerate(self.corpus.ids)}

    def _shortlist(self, setting: Setting) -> _Listed:
        """Search the longest shortlist of every sample question by short codes."""
        key = setting.codes
        with self._lock:
            if key not in self._shortlists:
                short = self.space.coded(setting)
                questions = self.corpus.questions
                rows = exact_search(
                    short.documents,
                    self.space.coded_questions(questions.vectors, setting),
                    CANDIDATES[-1],
                    exclude=questions.own,
                ).indices
                scores = np.stack(
                    [
                        self.space.full[listed] @ asked
                        for listed, asked in zip(rows, self._asked, strict=True)
                    ]
                )
                scores[rows < 0] = -np.inf
                self._shortlists[key] = _Listed(rows, scores)
            return self._shortlists[key]

    def _overlaps(self, listed: _Listed, length: int) -> PerQuery:
        """Judge the sample questions' shortlists, re-ranked with the full vectors."""
        scores = listed.scores[:, :length]
        order = np.argsort(-scores, axis=1, kind="stable")[:, :K]
        return overlap_at_k(
            np.take_along_axis(listed.indices, order, axis=1),
            self._truth.indices,
            K,
            found_scores=np.take_along_axis(scores, order, axis=1),
            exact_scores=self._truth.scores,
        )

    def _weighed(self, setting: Setting) -> TradeOff:
        listed = self._shortlist(setting)
        for length in CANDIDATES:
            overlap = float(self._overlaps(listed, length).mean())
            if overlap >= TARGET:
                break
        chosen = replace(setting, candidates=length)
        return TradeOff(chosen, self.bytes_in_memory(chosen), self._timed(chosen), overlap)

    def _timed(self, setting: Setting | None) -> float:
        """Take the median time of a few searches: one stage of full vectors for None."""
        times = []
        for vector, own in zip(
            self.corpus.questions.vectors[:_TIMED], self.corpus.questions.own[:_TIMED], strict=True
        ):
            answer = self.answer(vector, setting or self.start, int(own))
            times.append((answer.two_stage if setting else answer.full).latency_s)
        return float(np.median(times))

    @staticmethod
    def _overlap(found: Neighbours, exact: Neighbours) -> float:
        return float(
            overlap_at_k(
                found.indices,
                exact.indices,
                K,
                found_scores=found.scores,
                exact_scores=exact.scores,
            )[0]
        )

    def _found(
        self, found: Neighbours, vector: FloatArray, every: FloatArray, took_s: float
    ) -> Found:
        kept = [
            (row, score)
            for row, score in zip(found.indices[0].tolist(), found.scores[0].tolist(), strict=True)
            if row >= 0
        ]
        scores = [score for _, score in kept]
        if self.corpus.layout.distance == "Euclid":
            square = float(vector @ vector)
            scores = [max(0.0, square - score) ** 0.5 for score in scores]
        rows = [row for row, _ in kept]
        return Found(rows, scores, _places(rows, every), took_s)

    def _every_score(self, vector: FloatArray, own: int) -> FloatArray:
        """Score all passages by their full vectors, without a question's own."""
        scores: FloatArray = self.space.full @ self.space.questions(vector[np.newaxis])[0]
        if own >= 0:
            scores[own] = -np.inf
        return scores


def _places(rows: Sequence[int], every: FloatArray) -> list[int]:
    """Find each row's place among all scores: equal ones share theirs."""
    places = []
    for here, row in enumerate(rows, 1):
        margin = _TIE * max(1.0, abs(float(every[row])))
        first = int((every > every[row] + margin).sum()) + 1
        last = int((every >= every[row] - margin).sum())
        places.append(min(max(here, first), last))
    return places
