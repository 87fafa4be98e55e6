"""A bench and its growth as Markdown tables."""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

from mrl_adapters.bench.markdown import (
    MISSING,
    heading,
    megabytes,
    milliseconds,
    or_missing,
    ratio,
    seconds,
    table,
)
from mrl_adapters.bench.result import Answered, BenchResult, GrowthResult, Measured
from mrl_adapters.bench.server_tables import server_sections

_Cost: TypeAlias = Callable[[BenchResult, Measured], float | None]
"""What a run says of one of its contenders."""


def bench_tables(result: BenchResult) -> str:
    """Return ratios first, then absolute figures, settings, cold and limited searches.

    Args:
        result: What was measured.
    """
    base = result.measured[0]
    targets = sorted(
        {answer.target for contender in result.measured for answer in contender.answers}
    )
    at = f"at {result.compared_at:g}"
    about = (
        f"{result.data}; k = {result.k}; {result.queries:,} queries that had no part in choosing "
        f"settings; {result.repeats} turns. {result.machine}."
    )
    sections = [
        about,
        heading(f"As multiples of {base.name}; latency: median at that overlap or more"),
        _ratios(result.measured, base, targets),
        heading("Absolute"),
        _costs(result),
        heading("Searches: the cheapest setting that reaches the overlap"),
        _searches(result.measured, targets),
    ]
    if result.server is not None:
        sections += server_sections(result, result.server)
    if any(contender.cold for contender in result.measured):
        title = f"First searches of a new process, its files in no cache ({at})"
        sections += [heading(title), _cold(result.measured)]
    if any(contender.limited for contender in result.measured):
        title = "Queries a second while opening and searching may take only so much memory"
        sections += [heading(f"{title} ({at})"), _limited(result)]
    return "\n\n".join(sections) + "\n"


def growth_tables(grown: GrowthResult) -> str:
    """Return a table a cost, along the number of points, then those of the largest size.

    Args:
        grown: The same contenders at several sizes.
    """
    results = grown.results
    names = [contender.name for contender in results[0].measured]
    costs: list[tuple[str, _Cost, Callable[[float], str]]] = [
        (
            "load and index, s",
            lambda _, contender: contender.load_median_s + contender.build_median_s,
            seconds,
        ),
        ("disk", lambda _, contender: contender.disk_bytes, megabytes),
        ("resident memory", lambda _, contender: contender.resident_bytes, megabytes),
        (f"memory to be half as fast as {names[0]}", BenchResult.needed_bytes, megabytes),
        ("median latency at 0.95", lambda _, contender: contender.latency_s(0.95), milliseconds),
        ("median latency at 0.99", lambda _, contender: contender.latency_s(0.99), milliseconds),
    ]
    sections = [f"{results[-1].data} and less; k = {results[-1].k}. {results[-1].machine}."]
    sizes = [f"{result.points:,}" for result in results]
    for title, cost, show in costs:
        rows = []
        for place, name in enumerate(names):
            values = [cost(result, result.measured[place]) for result in results]
            cells = [or_missing(value, show) for value in values]
            rows.append([name, *cells, _tenfold(values, [result.points for result in results])])
        sections += [heading(title), table(["", *sizes, "ten times the points"], rows)]
    return "\n\n".join([*sections, bench_tables(results[-1])])


def _tenfold(values: Sequence[float | None], points: Sequence[int]) -> str:
    """Return by how much a cost grows with ten times the points, smallest to largest."""
    first, last = values[0], values[-1]
    if not first or not last or len(points) == 1:
        return MISSING
    power = math.log(last / first) / math.log(points[-1] / points[0])
    return f"x {10**power:.1f}"


def _ratios(measured: Sequence[Measured], base: Measured, targets: Iterable[float]) -> str:
    titles = ["", "load", "index", "disk", "resident"]
    titles += [f"latency at {target:g}" for target in targets]
    rows = []
    for contender in measured:
        ratios: list[tuple[float | None, float | None]] = [
            (contender.load_median_s, base.load_median_s),
            (contender.build_median_s, base.build_median_s),
            (contender.disk_bytes, base.disk_bytes),
            (contender.resident_bytes, base.resident_bytes),
            *((contender.latency_s(target), base.latency_s(target)) for target in targets),
        ]
        rows.append([contender.name, *(ratio(*pair) for pair in ratios)])
    return table(titles, rows)


def _costs(result: BenchResult) -> str:
    rows = [
        [
            contender.name,
            _spread(contender.load_s),
            f"{result.points / contender.load_median_s:,.0f}",
            _spread(contender.build_s),
            or_missing(contender.disk_bytes, megabytes),
            or_missing(contender.resident_bytes, megabytes),
            f"{contender.best_overlap:.4f}",
        ]
        for contender in result.measured
    ]
    titles = ["", "load, s", "points/s", "index, s", "disk", "resident", "best overlap tried"]
    return table(titles, rows)


def _searches(measured: Sequence[Measured], targets: Iterable[float]) -> str:
    rows = []
    for target in targets:
        for contender in measured:
            answer = contender.at(target)
            if answer is None:
                rows.append([f"{target:g}", contender.name, "not reached", *[MISSING] * 4])
            else:
                rows.append([f"{target:g}", contender.name, answer.setting, *_answer(answer)])
    titles = ["for", "", "setting", "overlap", "median (turns)", "95th percentile", "queries/s"]
    return table(titles, rows, words=3)


def _answer(answer: Answered) -> list[str]:
    low, high = min(answer.turns_s), max(answer.turns_s)
    return [
        f"{answer.overlap:.4f}",
        f"{milliseconds(answer.p50_s)} ({_short(1000 * low)}-{_short(1000 * high)})",
        milliseconds(answer.p95_s),
        f"{answer.queries_per_s:,.0f}",
    ]


def _short(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:.0f}"  # noqa: PLR2004 - two digits will do


def _cold(measured: Sequence[Measured]) -> str:
    rows = [
        [
            contender.name,
            f"{contender.cold.open_s:.2f} s",
            milliseconds(contender.cold.first_s),
            milliseconds(contender.cold.following_s),
        ]
        for contender in measured
        if contender.cold is not None
    ]
    return table(["", "opening", "first search", "median of the next 19"], rows)


def _limited(result: BenchResult) -> str:
    shown = [contender for contender in result.measured if contender.limited]
    rows = [
        [
            megabytes(at_one_limit[0].limit_bytes),
            *(
                "killed" if one.queries_per_s is None else f"{one.queries_per_s:,.0f}"
                for one in at_one_limit
            ),
        ]
        for at_one_limit in zip(*(contender.limited for contender in shown), strict=True)
    ]
    needed = [or_missing(result.needed_bytes(contender), megabytes) for contender in shown]
    enough = or_missing(result.enough_queries_per_s, lambda rate: f"{rate:,.0f} queries/s from")
    titles = ["at most", *(contender.name for contender in shown)]
    return table(titles, [*rows, [enough, *needed]])


def _spread(values: Sequence[float]) -> str:
    """Write one value, or the median and the range of several."""
    middle = sorted(values)[len(values) // 2]
    if len(values) == 1:
        return seconds(middle)
    return f"{seconds(middle)} ({seconds(min(values))}-{seconds(max(values))})"
