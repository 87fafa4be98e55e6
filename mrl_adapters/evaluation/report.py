"""What tuning found and how it is shown: table, JSON, picture."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from mrl_adapters.evaluation.unbuilt import StageEstimate
from mrl_adapters.qdrant import SearchPlan

_MILLISECONDS = 1000


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

    @property
    def plan(self) -> SearchPlan:
        """The plan to search by from now on."""
        return self.chosen.plan

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

    @property
    def summary(self) -> str:
        """Say in three sentences what was found."""
        chosen = self.chosen
        if not chosen.plan.exact:
            speed = f"The exact search takes {_ms(self.exact.p50_s)}."
        elif len(self.proved) > 1:
            speed = "At this size nothing is faster: tune again when the collection has grown."
        else:
            speed = (
                "No other plan was proved to reach it: pass more queries, or try a larger stage "
                "or a rotation."
            )
        return (
            f"{self.collection}: {describe(chosen)}: overlap@{self.k} {chosen.overlap:.4f}, at "
            f"least {chosen.lower:.4f} with {self.confidence:.0%} confidence, on {chosen.queries:,}"
            f" queries ({self.queries_from}) that had no part in choosing it; median "
            f"{_ms(chosen.p50_s)}, 95th percentile {_ms(chosen.p95_s)}. {speed}"
        )

    def to_markdown(self) -> str:
        """Render the chosen plan, the Pareto front, and what other stages would need."""
        lines = [
            self.summary,
            "",
            f"| plan | candidates | overlap@{self.k} | median | 95th percentile | |",
            "|---|---:|---:|---:|---:|---|",
            *(_line(trial, self._remark(trial)) for trial in self._shown()),
        ]
        if self.estimates:
            title = (
                f"Candidates that each stage needs for {self.target_overlap:g}, estimated from a "
                "sample, graph and quantization aside:"
            )
            lines += [
                "",
                title,
                "",
                "| stage | bytes a vector | candidates | |",
                "|---:|---:|---:|---|",
                *map(_estimate_line, self.estimates),
            ]
        return "\n".join(lines) + "\n"

    def to_json(self) -> str:
        """Render everything as JSON."""
        return json.dumps(asdict(self), indent=2) + "\n"

    def plot(self, path: str | Path) -> Path:
        """Draw overlap against latency: every plan, the front, the chosen one.

        Args:
            path: Where to; the suffix (.png, .svg, .pdf) chooses the format.

        Returns:
            The path.

        Raises:
            MissingExtraError: matplotlib is not installed.
        """
        from mrl_adapters.evaluation.plots import plot_tuning

        return plot_tuning(self, Path(path))

    def _shown(self) -> Iterator[Trial]:
        yield self.chosen
        yield from (trial for trial in self.proved if trial.plan != self.plan)
        shown = {trial.plan for trial in self.proved}
        yield from (trial for trial in self.front if trial.plan not in shown)

    def _remark(self, trial: Trial) -> str:
        if trial is self.chosen:
            return f"chosen; at least {trial.lower:.4f}"
        if trial.plan.exact:
            return "exact"
        return "" if trial.lower is None else f"proved; at least {trial.lower:.4f}"


def pareto_front(trials: Sequence[Trial]) -> tuple[Trial, ...]:
    """Keep the trials that no other beats in both latency and overlap.

    Args:
        trials: Any trials.

    Returns:
        Those of rising latency and rising overlap.
    """
    front: list[Trial] = []
    for trial in sorted(trials, key=lambda each: (each.p50_s, -each.overlap)):
        if not front or trial.overlap > front[-1].overlap:
            front.append(trial)
    return tuple(front)


def describe(trial: Trial) -> str:
    """Name a plan by what tells it from the others.

    Args:
        trial: The plan's trial.
    """
    plan = trial.plan
    if plan.exact:
        return "exact search"
    words = [
        f"stage {' > '.join(map(str, plan.stages or ()))}",
        f"oversampling {plan.oversampling:g}",
    ]
    if plan.hnsw_ef is not None:
        words.append(f"hnsw_ef {plan.hnsw_ef}")
    return ", ".join(words)


def _line(trial: Trial, remark: str) -> str:
    candidates = "-" if trial.candidates is None else f"{trial.candidates:,}"
    cells = [
        describe(trial),
        candidates,
        f"{trial.overlap:.4f}",
        _ms(trial.p50_s),
        _ms(trial.p95_s),
        remark,
    ]
    return f"| {' | '.join(cells)} |"


def _estimate_line(each: StageEstimate) -> str:
    remarks = ["rotated"] * each.rotated + ["not in the collection"] * (not each.exists)
    remark = ", ".join(remarks)
    return f"| {each.stage} | {each.bytes_per_vector} | {each.candidates:,} | {remark} |"


def _ms(seconds: float) -> str:
    return f"{seconds * _MILLISECONDS:.2f} ms"
