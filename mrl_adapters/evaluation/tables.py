"""Curves and tunings as Markdown tables."""

from collections.abc import Iterator

from mrl_adapters.evaluation.results import (
    CurveResult,
    CurveRow,
    StageEstimate,
    Trial,
    TuningResult,
)
from mrl_adapters.evaluation.word_tuning import WordsResult

_MILLISECONDS = 1000
_AS_FAST = 1.1  # nobody feels less of a difference


def curve_table(result: CurveResult) -> str:
    """Return the rows as a Markdown table under one line on what was measured."""
    names = ["dimensions", "search", "bytes per vector"]
    if result.judged:
        names += [f"nDCG@{result.k}", "retained", f"recall@{result.k}"]
    names.append(f"overlap@{result.k}")
    stages = (
        f"two-stage re-ranks {result.oversampling:g} x {result.k} candidates with all "
        f"{result.dimensions} dimensions"
    )
    lines = [
        f"{result.title}; {stages}.",
        "",
        f"| {' | '.join(names)} |",
        f"|---:|---|{'---:|' * (len(names) - 2)}",
    ]
    lines += [f"| {' | '.join(_cells(row))} |" for row in result.rows]
    if result.plans:
        lines += ["", *_plan_lines(result)]
    if result.signals:
        lines += ["", *_signal_lines(result)]
    return "\n".join(lines) + "\n"


def _plan_lines(result: CurveResult) -> list[str]:
    usual_s = result.plans[0].median_s
    return [
        "With words, on the embedded engine:",
        "",
        f"| search | nDCG@{result.k} | recall@{result.k} | median | of two-stage |",
        "|---|---:|---:|---:|---:|",
        *(
            f"| {row.search} | {row.ndcg:.3f} | {row.recall:.3f} "
            f"| {row.median_s * _MILLISECONDS:.2f} ms | {row.median_s / usual_s:.2f} |"
            for row in result.plans
        ),
    ]


def _signal_lines(result: CurveResult) -> list[str]:
    searches = [*result.signals[0].auc]
    return [
        f"How well signals tell which questions are answered within {result.k} (0.5: not at all):",
        "",
        f"| signal | {' | '.join(searches)} |",
        f"|---|{'---:|' * len(searches)}",
        *(
            f"| {row.signal} | {' | '.join(_share(row.auc[name]) for name in searches)} |"
            for row in result.signals
        ),
    ]


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def tuning_table(result: TuningResult) -> str:
    """Return the chosen plan, the Pareto front and what other stages need, in Markdown."""
    lines = [
        summary(result),
        "",
        "| search | candidates | hnsw_ef | overlap | at least | ms | 95 % | |",
        "|---|---:|---:|---:|---:|---:|---:|---|",
        *(_line(trial, _remark(result, trial)) for trial in _shown(result)),
    ]
    if result.words is not None:
        lines += ["", *_words_lines(result.words)]
    if result.estimates:
        title = (
            f"Candidates that each stage needs for {result.target_overlap:g}, estimated from a "
            "sample, graph and quantization aside:"
        )
        lines += [
            "",
            title,
            "",
            "| stage | bytes a vector | candidates | |",
            "|---:|---:|---:|---|",
            *map(_estimate_line, result.estimates),
        ]
    return "\n".join(lines) + "\n"


def _words_lines(words: WordsResult) -> list[str]:
    best, gain = words.best, words.ndcg - words.vectors_ndcg
    if words.chosen.plan.hybrid is None:
        said = (
            f"Words were not proved to help: the best way, {best.label}, gains {gain:+.3f}, at "
            f"least {words.lower:+.3f}. Search by vectors alone."
        )
    else:
        said = (
            f"Words help: {best.label}, nDCG@{words.k} {words.ndcg:.3f} instead of "
            f"{words.vectors_ndcg:.3f}, a gain of at least {words.lower:.3f} with "
            f"{words.confidence:.0%} confidence, on questions that had no part in choosing it."
        )
    return [
        f"{said} Of {words.questions:,} judged questions one half chose:",
        "",
        f"| search | nDCG@{words.k} | |",
        "|---|---:|---|",
        *(
            f"| {trial.label} | {trial.ndcg:.3f} | {'chosen' if trial is words.chosen else ''} |"
            for trial in words.trials
        ),
    ]


def summary(result: TuningResult) -> str:
    """Return three sentences on what was found."""
    chosen = result.chosen
    if not chosen.plan.exact:
        speed = f"The exact search takes {_ms(result.exact.p50_s)}."
        if result.exact.p50_s <= _AS_FAST * chosen.p50_s:
            speed += (
                " At this size it is as fast, and misses nothing: SearchPlan(exact=True) will do, "
                "until the collection has grown."
            )
    elif len(result.proved) > 1:
        speed = (
            "At this size compare with every vector: nothing is faster by half. Tune again when "
            "the collection has grown."
        )
    else:
        speed = (
            "No other plan was proved to reach it: pass more queries, or try a larger stage "
            "or a rotation."
        )
    return (
        f"{result.collection}: {chosen.label}: overlap@{result.k} {chosen.overlap:.4f}, at "
        f"least {chosen.lower:.4f} with {result.confidence:.0%} confidence, on {chosen.queries:,}"
        f" queries ({result.queries_from}) that had no part in choosing it; median "
        f"{_ms(chosen.p50_s)}, 95th percentile {_ms(chosen.p95_s)}. {speed}"
    )


def _cells(row: CurveRow) -> Iterator[str]:
    yield str(row.dimensions)
    yield f"{row.search}, rotated" if row.rotated else row.search
    yield f"{row.bytes_per_vector:,}"
    if row.ndcg is not None and row.recall is not None:
        yield f"{row.ndcg:.3f}"
        yield "-" if row.retained is None else f"{row.retained:.1%}"
        yield f"{row.recall:.3f}"
    yield f"{row.overlap:.3f}"


def _shown(result: TuningResult) -> Iterator[Trial]:
    yield result.chosen
    yield from (trial for trial in result.proved if trial.plan != result.plan)
    shown = {trial.plan for trial in result.proved}
    yield from (trial for trial in result.front if trial.plan not in shown)


def _remark(result: TuningResult, trial: Trial) -> str:
    if trial is result.chosen:
        return "chosen"
    return "" if trial.lower is None or trial.plan.exact else "proved"


def _line(trial: Trial, remark: str) -> str:
    """Write a trial: times in milliseconds, median and 95th percentile."""
    found = trial.candidates
    beam = "" if found is None or trial.plan.exact else f"{trial.plan.beam(found):,}"
    cells = [
        trial.way,
        "" if found is None else f"{found:,}",
        beam,
        f"{trial.overlap:.4f}",
        "" if trial.lower is None else f"{trial.lower:.4f}",
        f"{trial.p50_s * _MILLISECONDS:.2f}",
        f"{trial.p95_s * _MILLISECONDS:.2f}",
        remark,
    ]
    return f"| {' | '.join(cells)} |"


def _estimate_line(estimate: StageEstimate) -> str:
    remarks = ["rotated"] * estimate.rotated + ["not in the collection"] * (not estimate.exists)
    remark = ", ".join(remarks)
    return (
        f"| {estimate.stage} | {estimate.bytes_per_vector} | {estimate.candidates:,} | {remark} |"
    )


def _ms(seconds: float) -> str:
    return f"{seconds * _MILLISECONDS:.2f} ms"
