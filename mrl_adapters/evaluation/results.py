"""What curve and tune measure: plain data."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal, TypeAlias

from mrl_adapters.evaluation.signals import SignalRow
from mrl_adapters.evaluation.word_tuning import WordsResult
from mrl_adapters.qdrant import SearchPlan

SearchKind: TypeAlias = Literal["one-stage", "two-stage"]


@dataclass(frozen=True)
class CurveRow:
    """The quality of one way to search.

    Args:
        dimensions: Size of the vectors that are compared with the query first.
        search: ``one-stage`` ranks by them; ``two-stage`` re-ranks the best of them with the
            full vectors.
        rotated: Whether a learnt rotation came before the cut.
        bytes_per_vector: What the first stage reads of each document, as float32.
        overlap: Mean overlap@k with the exact full ranking, from 0 to 1.
        ndcg: Mean nDCG@k against the judgements; None without judgements.
        recall: Mean recall@k against the judgements; None without judgements.
        retained: ``ndcg`` as a share of the full vectors' nDCG; None without judgements, or
            where the full vectors found nothing relevant.
    """

    dimensions: int
    search: SearchKind
    rotated: bool
    bytes_per_vector: int
    overlap: float
    ndcg: float | None = None
    recall: float | None = None
    retained: float | None = None


@dataclass(frozen=True)
class PlanRow:
    """The quality of one plan on the embedded engine.

    Args:
        search: What the plan is called: ``two-stage``, or as ``SearchPlan.hybrid`` has it.
        ndcg: Mean nDCG@k against the judgements.
        recall: Mean recall@k against the judgements.
        median_s: Median time of one search, its query embedded already, seconds.
    """

    search: str
    ndcg: float
    recall: float
    median_s: float


@dataclass(frozen=True)
class CurveResult:
    """A measured curve, its rows from the full size downwards.

    Args:
        dataset: Name of the dataset.
        model: Name of the embedding model, None if it has none.
        documents: How many documents were searched.
        queries: How many queries were asked.
        k: Results a query.
        oversampling: Two-stage search re-ranked ``oversampling * k`` candidates.
        dimensions: Size of the full vectors.
        rows: One-stage search with the full vectors first; then each size.
        plans: Hybrid plans beside two-stage search, if they were measured.
        signals: How well signals tell what these answer, if they were measured.
    """

    dataset: str
    model: str | None
    documents: int
    queries: int
    k: int
    oversampling: float
    dimensions: int
    rows: tuple[CurveRow, ...]
    plans: tuple[PlanRow, ...] = ()
    signals: tuple[SignalRow, ...] = ()

    @property
    def judged(self) -> bool:
        """Whether there were judgements, and so nDCG and recall."""
        return self.rows[0].ndcg is not None

    @property
    def title(self) -> str:
        """One line on what was measured."""
        return (
            f"{self.model or 'unnamed model'} on {self.dataset}: {self.documents:,} documents, "
            f"{self.queries:,} queries"
        )

    def to_json(self) -> str:
        """Return everything as JSON."""
        return json.dumps(asdict(self), indent=2) + "\n"


@dataclass(frozen=True)
class StageEstimate:
    """How long a shortlist a stage would need, were its own search exact.

    Args:
        stage: Size of the short vectors.
        rotated: Whether they are cut from rotated vectors.
        exists: Whether the collection has this stage.
        candidates: Shortlist that reaches the target overlap on average, as far as the sample
            can tell.
        bytes_per_vector: Size of its codes, or of its float32 numbers without quantization.
    """

    stage: int
    rotated: bool
    exists: bool
    candidates: int
    bytes_per_vector: int


@dataclass(frozen=True)
class Trial:
    """One plan, measured.

    Args:
        plan: The plan.
        candidates: Length of its last shortlist at the k that was tuned for; None if exact.
        overlap: Mean overlap@k with the exact full search.
        lower: What the true mean is at least, with the confidence asked for; None if not tested.
        queries: How many queries ``overlap`` is the mean of.
        p50_s: Median latency of a single search, seconds.
        p95_s: 95th percentile of the latency, seconds.
    """

    plan: SearchPlan
    candidates: int | None
    overlap: float
    lower: float | None
    queries: int
    p50_s: float
    p95_s: float

    @property
    def way(self) -> str:
        """Which vectors are searched first."""
        if self.plan.exact:
            return "exact search"
        stages = self.plan.stages
        return f"stage {' > '.join(map(str, stages))}" if stages else "one stage"

    @property
    def label(self) -> str:
        """What tells the plan from the others."""
        plan = self.plan
        if plan.exact:
            return self.way
        words = [self.way, f"oversampling {plan.oversampling:g}"]
        if plan.hnsw_ef is not None:
            words.append(f"hnsw_ef {plan.hnsw_ef}")
        return ", ".join(words)


@dataclass(frozen=True)
class TuningResult:
    """The plan that tuning chose, and what it was chosen from.

    Args:
        collection: Name of the collection.
        points: How many points were searched.
        k: Results a query.
        target_overlap: Mean overlap@k that the plan was to reach.
        confidence: Probability with which it does.
        queries_from: ``stored points`` or ``given``.
        chosen: The plan on the reporting half: queries that had no part in choosing it.
        proved: Plans whose overlap was proved to reach the target on the tuning half, and the
            exact search, which needs no proof; ``chosen`` is one of them.
        explored: Every plan tried, on a few queries. Latencies of ``chosen``, ``proved`` and
            ``explored`` were measured side by side, on the reporting half.
        estimates: What each stage size would need, whether it exists or not.
        words: How words should join, where questions with known answers were given.
    """

    collection: str
    points: int
    k: int
    target_overlap: float
    confidence: float
    queries_from: str
    chosen: Trial
    proved: tuple[Trial, ...]
    explored: tuple[Trial, ...]
    estimates: tuple[StageEstimate, ...]
    words: WordsResult | None = None

    @property
    def plan(self) -> SearchPlan:
        """The plan to search by from now on, with words where they were proved to help."""
        return self.chosen.plan if self.words is None else self.words.chosen.plan

    @property
    def front(self) -> tuple[Trial, ...]:
        """Plans that no other beats in both latency and overlap, fastest first.

        They are explored ones, and the exact search, which ends the list.
        """
        return pareto_front([*self.explored, self.exact])

    @property
    def exact(self) -> Trial:
        """The exact search, to compare with."""
        return next(trial for trial in self.proved if trial.plan.exact)

    def to_json(self) -> str:
        """Return everything as JSON."""
        return json.dumps(asdict(self), indent=2) + "\n"


def pareto_front(trials: Sequence[Trial]) -> tuple[Trial, ...]:
    """Keep the trials that no other beats in both latency and overlap, fastest first."""
    front: list[Trial] = []
    for trial in sorted(trials, key=lambda trial: (trial.p50_s, -trial.overlap)):
        if not front or trial.overlap > front[-1].overlap:
            front.append(trial)
    return tuple(front)
