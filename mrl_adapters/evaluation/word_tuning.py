"""Find how much words should count beside vectors, by questions whose answers are known."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from mrl_adapters.errors import ConfigurationError
from mrl_adapters.evaluation.bound import lower_bound
from mrl_adapters.evaluation.metrics import PerQuery, Qrels, ndcg_at_k
from mrl_adapters.evaluation.searcher import Searchable
from mrl_adapters.progress import Meter, ProgressCallback
from mrl_adapters.qdrant import Search, SearchPlan
from mrl_adapters.qdrant.ids import point_id
from mrl_adapters.qdrant.points import checked_queries
from mrl_adapters.vectors import FloatArray

_WORDS_SHARE = (0.2, 0.35, 0.5, 0.65, 0.8)
FEWEST = 20
"""Judged questions: fewer prove nothing."""


class JudgedQuestions(NamedTuple):
    """Questions whose answers are known."""

    texts: Mapping[str, str]
    """Text by question id."""
    vectors: ArrayLike
    """Their full vectors, shape (n, d), in that order."""
    qrels: Qrels
    """Grade by question id and document id; documents by the ids that they were added under."""


@dataclass(frozen=True)
class WordsTrial:
    """One way to let words join, measured.

    Args:
        plan: The plan.
        ndcg: Mean nDCG@k on the choosing half of the questions.
    """

    plan: SearchPlan
    ndcg: float

    @property
    def label(self) -> str:
        """What tells it from the others."""
        if self.plan.hybrid is None:
            return "vectors alone"
        if self.plan.hybrid == "rrf":
            vectors, words = self.plan.weights
            return f"rrf, {vectors:g} vectors : {words:g} words"
        return "words alone" if self.plan.hybrid == "lexical" else self.plan.hybrid


@dataclass(frozen=True)
class WordsResult:
    """How words should join, and what it is worth.

    Args:
        k: Results a question.
        questions: How many were asked; one half chose, the other reports.
        confidence: Probability with which ``gain`` is at least ``lower``.
        trials: Every way that was tried, vectors alone first.
        chosen: The best on the choosing half; vectors alone where words were not proved to help.
        ndcg: Mean nDCG@k of the best way on the reporting half.
        vectors_ndcg: That of vectors alone.
        lower: What the best way truly gains over vectors alone is at least that.
    """

    k: int
    questions: int
    confidence: float
    trials: tuple[WordsTrial, ...]
    chosen: WordsTrial
    ndcg: float
    vectors_ndcg: float
    lower: float

    @property
    def best(self) -> WordsTrial:
        """The best on the choosing half, proved or not."""
        return max(self.trials, key=lambda trial: trial.ndcg)


def tune_words(
    store: Searchable,
    judged: JudgedQuestions,
    plan: SearchPlan,
    *,
    k: int,
    confidence: float,
    dimensions: int,
    rng: np.random.Generator,
    progress: ProgressCallback | None = None,
) -> WordsResult:
    """Weigh words against vectors, and prove on other questions that they help.

    Every way is asked one half of the questions; the best is then compared with vectors alone on
    the other half, question by question, and chosen if its mean gain is above 0 with the
    confidence asked for.

    Args:
        store: The collection, with a text index or sparse vectors.
        judged: The questions.
        plan: The plan that vectors are searched by.
        k: Results a question.
        confidence: Probability with which words truly help where they are chosen.
        dimensions: Size of the full vectors.
        rng: Halves the questions.
        progress: Called with a Progress after each way.

    Raises:
        ConfigurationError, CollectionMismatchError: As :func:`check_words`.
    """
    asked, rows = check_words(store, judged, k=k, dimensions=dimensions)
    rows = [rows[place] for place in rng.permutation(len(rows)).tolist()]
    choosing, reporting = rows[: len(rows) // 2], rows[len(rows) // 2 :]
    ways = _ways(plan)
    meter = Meter("weighing words", len(ways) + 1, progress)
    trials = []
    for way in ways:
        trials.append(WordsTrial(way, float(asked.ndcg(way, choosing).mean())))
        meter.step()
    best = max(trials, key=lambda trial: trial.ndcg)
    base = asked.ndcg(plan, reporting)
    found = base if best is trials[0] else asked.ndcg(best.plan, reporting)
    meter.step()
    lower = 2 * lower_bound((found - base + 1) / 2, confidence) - 1
    return WordsResult(
        k=k,
        questions=len(rows),
        confidence=confidence,
        trials=tuple(trials),
        chosen=best if lower > 0 else trials[0],
        ndcg=float(found.mean()),
        vectors_ndcg=float(base.mean()),
        lower=lower,
    )


def check_words(
    store: Searchable, judged: JudgedQuestions, *, k: int, dimensions: int
) -> tuple["AskedQuestions", list[int]]:
    """Refuse questions and collections that words cannot be weighed with, before any work.

    Returns:
        The questions, and the rows of those that have an answer.

    Raises:
        ConfigurationError: There are fewer than 20 judged questions.
        CollectionMismatchError: The collection has nothing that finds words.
    """
    names = list(judged.texts)
    vectors = checked_queries(judged.vectors, [f"question {name!r}" for name in names], dimensions)
    rows = [row for row, name in enumerate(names) if any(judged.qrels.get(name, {}).values())]
    if len(rows) < FEWEST:
        msg = (
            f"Weighing words takes at least {FEWEST} questions with a relevant document, found "
            f"{len(rows)}. Pass more, or leave judged out."
        )
        raise ConfigurationError(msg, found=len(rows), expected=FEWEST)
    asked = AskedQuestions(store, names, judged, vectors, k)
    asked.ndcg(SearchPlan(hybrid="lexical"), rows[:1])
    return asked, rows


def _ways(plan: SearchPlan) -> list[SearchPlan]:
    """List the ways to try: vectors alone, each weight, scores fused, both re-ranked, words."""
    alone = plan.merge({"hybrid": None, "exact": False})
    weighed = [
        alone.merge({"hybrid": "rrf", "weights": (round(1 - share, 2), share)})
        for share in _WORDS_SHARE
    ]
    others = [alone.merge({"hybrid": hybrid}) for hybrid in ("dbsf", "rescore", "lexical")]
    return [plan.merge({"hybrid": None}), *weighed, *others]


class AskedQuestions(NamedTuple):
    """Questions that can be asked by any plan."""

    store: Searchable
    names: Sequence[str]
    judged: JudgedQuestions
    vectors: FloatArray
    k: int

    def ndcg(self, plan: SearchPlan, rows: Sequence[int]) -> PerQuery:
        """Measure a plan on some of the questions, one number each."""
        return ndcg_at_k(*self.ranked(plan, rows), self.k)

    def ranked(
        self, plan: SearchPlan, rows: Sequence[int]
    ) -> tuple[dict[str, list[str]], dict[str, dict[str, int]]]:
        """Ask some of the questions; return what is found, and the grades by the same ids."""
        rankings, qrels = {}, {}
        for row in rows:
            name = self.names[row]
            search = Search(
                self.vectors[row], self.k, with_payload=False, text=self.judged.texts[name]
            )
            [hits] = self.store.driver.run(self.store.collection.search([search], plan))
            rankings[name] = [str(hit.id) for hit in hits]
            grades = self.judged.qrels[name]
            qrels[name] = {str(point_id(document)): grades[document] for document in grades}
        return rankings, qrels
