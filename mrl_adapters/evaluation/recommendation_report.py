"""A recommendation told: sentences, a table that fits a terminal, a picture."""

from pathlib import Path

from mrl_adapters.evaluation.figures import INK, PALETTE, new_figure, save_figure, tidy
from mrl_adapters.evaluation.recommendation import Judged, LayoutOption, Recommendation

_MB = 1e6
_MS = 1e3
_SCANNED = 4_000  # points below which the engine scans instead of walking a graph


def recommendation_table(result: Recommendation) -> str:
    """Return what to take, why, and the options in Markdown.

    Args:
        result: What :func:`mrl_adapters.evaluation.recommend` found.
    """
    judged = any(option.judged is not None for option in result.options)
    heads = ["RAM, MB", "disk, MB", "ms", "overlap", *(["nDCG", "recall"] if judged else [])]
    lines = [
        recommendation_summary(result),
        "",
        f"| layout | {' | '.join(heads)} | |",
        f"|---|{'---:|' * len(heads)}---|",
    ]
    for option in sorted(result.options, key=lambda each: each.memory_bytes):
        cells = [
            option.label,
            f"{option.memory_bytes / _MB:,.1f}",
            f"{option.disk_bytes / _MB:,.1f}",
            f"{option.latency_s * _MS:.2f}",
            f"{'' if option.proof else '~'}{option.trial.overlap:.3f}",
            *([] if option.judged is None else [f"{share:.3f}" for share in option.judged[:2]]),
            remarks(result, option),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    if any(option.proof is None for option in result.options):
        note = "ms: median of one search. ~: not put to the proof; of the queries it was tried on."
        lines += ["", note]
    if result.chosen is not None:
        lines += ["", "```python", result.chosen.code, "```"]
    return "\n".join(lines) + "\n"


def remarks(result: Recommendation, option: LayoutOption) -> str:
    """Say in a few words what became of an option: chosen, failed, too large.

    Args:
        result: What was found.
        option: One of its options.
    """
    said = ["chosen"] if option is result.chosen else []
    said += ["frontier"] if option in result.frontier and not said else []
    said += ["failed"] if option.proof == "failed" else []
    said += [] if result.fits(option) else ["too large"]
    return ", ".join(said)


def recommendation_summary(result: Recommendation) -> str:
    """Return what to take, what it costs to go further, and what was predicted, in sentences."""
    count = f"{result.points:,} points of {result.dimensions} dimensions"
    limit = result.memory_limit_bytes
    within = "" if limit is None else f" in {limit / _MB:,.1f} MB"
    chosen, cheapest = result.chosen, result.cheapest
    failed = [_failure(result, option) for option in result.failed]
    if chosen is None and failed:
        said = [f"{count}{within}: nothing that fits was proved, and so nothing is recommended."]
        said += [*failed, "Pass more questions, allow more memory, or a lower target."]
        return " ".join(said)
    if chosen is None:
        return (
            f"{count}{within}: nothing fits. The smallest, {_costs(cheapest)}. Allow more memory, "
            "or a lower target."
        )
    said = [f"{count}{within}: {_costs(chosen)}."]
    trial = chosen.trial
    if chosen.plan.exact:
        said.append(
            "At this size nothing is faster by half: compare with every vector, and ask again when "
            "the collection has grown."
        )
    else:
        said.append(
            f"Overlap@{result.k} {trial.overlap:.4f}, at least {trial.lower or 0:.4f} with "
            f"{result.confidence:.0%} confidence, on {trial.queries:,} queries "
            f"({result.queries_from}) that had no part in choosing it."
        )
        if not chosen.layout.stages:
            said.append("One stage is best here: no cut.")
    if chosen.judged is not None:
        said.append(_answers(result, chosen, chosen.judged))
    said += failed
    if cheapest is not chosen:
        said.append(f"The smallest is {_costs(cheapest)}.")
    if (further := result.further) is not None:
        more = (further.memory_bytes - chosen.memory_bytes) / _MB
        unproved = "" if further.proof == "held" else " (not put to the proof)"
        said.append(f"Faster: {_costs(further)}, {more:,.1f} MB more{unproved}.")
    if result.points > result.sample:
        said.append(
            f"Predicted from {result.sample:,} points; what graphs lose at this size a sample "
            "cannot show: run tune once it is built."
        )
    if result.sample < _SCANNED:
        said.append(f"Below {_SCANNED:,} points the engine scans: no graph was measured.")
    return " ".join(said)


def _answers(result: Recommendation, option: LayoutOption, judged: Judged) -> str:
    """Say how good results are by judged questions, beside those of the exact search."""
    exact = next((each.judged for each in result.options if each.plan.exact), None)
    beside = ""
    if exact is not None and not option.plan.exact:
        beside = f", where the exact search has {exact.ndcg:.3f} and {exact.recall:.3f}"
    return (
        f"By {judged.questions:,} judged questions nDCG@{result.k} is {judged.ndcg:.3f} and recall "
        f"{judged.recall:.3f}{beside}."
    )


def _failure(result: Recommendation, option: LayoutOption) -> str:
    trial = option.trial
    return (
        f"Not proved: {option.label} (overlap {trial.overlap:.4f}, at least "
        f"{trial.lower or 0:.4f}, on {trial.queries:,} queries, where {result.target_overlap:g} "
        "was asked for)."
    )


def _costs(option: LayoutOption) -> str:
    return (
        f"{option.label}, takes {option.memory_bytes / _MB:,.1f} MB of RAM and "
        f"{option.disk_bytes / _MB:,.1f} MB of disk and answers in {option.latency_s * _MS:.2f} ms"
    )


def plot_recommendation(result: Recommendation, path: str | Path) -> Path:
    """Draw memory against latency at the target: the options, their frontier, the choice.

    Args:
        result: What :func:`mrl_adapters.evaluation.recommend` found.
        path: Where to; the suffix (.png, .svg, .pdf) chooses the format.

    Returns:
        The path.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    figure = new_figure(7.2, 4.4)
    axes = figure.subplots()
    front = result.frontier
    for option in result.options:
        kind = 2 if option.plan.exact else 1 if option.layout.stages else 0
        place = (option.memory_bytes / _MB, option.latency_s * _MS)
        failed = option.proof == "failed"
        axes.plot(*place, "X" if failed else "o", color=PALETTE[kind], markersize=5, alpha=0.7)
        if option not in front and not failed and option is not result.chosen:
            continue
        axes.annotate(
            f"{option.label}: failed the proof" if failed else option.label,
            place,
            fontsize=6,
            color=INK,
            xytext=(4, 3),
            textcoords="offset points",
        )
    axes.step(
        [option.memory_bytes / _MB for option in front],
        [option.latency_s * _MS for option in front],
        where="post",
        color=INK,
        linewidth=1.1,
    )
    if result.chosen is not None:
        chosen = result.chosen
        axes.plot(
            chosen.memory_bytes / _MB,
            chosen.latency_s * _MS,
            "*",
            color=PALETTE[3],
            markersize=15,
            markeredgecolor="white",
        )
    if result.memory_limit_bytes is not None:
        axes.axvline(result.memory_limit_bytes / _MB, color=INK, linestyle=":", linewidth=1)
    axes.set_xscale("log")
    axes.set_yscale("log")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter("{x:g}")
    axes.tick_params(which="both", labelsize=7)
    axes.set_xlabel("RAM that searches need, MB")
    axes.set_ylabel("median latency of one search, ms")
    axes.set_title(
        f"Overlap@{result.k} of {result.target_overlap:g} with the exact search", fontsize=10
    )
    tidy(axes)
    star = "Star: chosen" if result.chosen is not None else "Nothing was proved that fits"
    if result.failed:
        star += "; crosses: failed the proof"
    note = (
        f"{result.points:,} points of {result.dimensions} dimensions, predicted from "
        f"{result.sample:,}. {star}; line: the frontier; dotted: the memory there is."
    )
    return save_figure(figure, path, note)
