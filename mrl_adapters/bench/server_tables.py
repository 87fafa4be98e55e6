"""What a server says, as Markdown tables."""

from collections.abc import Sequence

from mrl_adapters.bench.markdown import (
    MISSING,
    heading,
    megabytes,
    milliseconds,
    or_missing,
    ratio,
    table,
)
from mrl_adapters.bench.result import BenchResult, Measured, ServerNote

_OF_MEMORY = (
    "Held: in RAM, not to be taken back. Wanted: that, and the files that the server wants in the "
    "page cache. Resident, above: held, and all pages that are there. By the server's report of "
    "each collection; not available (-) where it has none."
)
_OF_TIME = (
    "Load: until all is stored, while the server begins to index. Index: from then on until it is "
    "done."
)


def server_sections(result: BenchResult, note: ServerNote) -> list[str]:
    """Return what searches cost the server, what it keeps, and how either was measured.

    Args:
        result: What was measured.
        note: How it was measured.
    """
    base = result.measured[0]
    targets = sorted({answer.target for each in result.measured for answer in each.answers})
    said = [
        f"Qdrant {note.version}. {note.cpu_from}; other users of the server count into it.",
        "Compared: bytes of vectors and codes, by the server's own count.",
        _OF_MEMORY,
        _OF_TIME,
    ]
    if note.left_out:
        said.append(f"Left out: {'; '.join(note.left_out)}.")
    return [
        heading("What a search costs the server; in brackets as a multiple of the first"),
        _searches(result.measured, base, targets),
        heading("What the server keeps"),
        _kept(result.measured, base),
        "\n".join(f"- {line}" for line in said),
    ]


def _searches(measured: Sequence[Measured], base: Measured, targets: Sequence[float]) -> str:
    titles = [""]
    for target in targets:
        titles += [f"CPU at {target:g}", f"compared at {target:g}"]
    rows = []
    for each in measured:
        row = [each.name]
        for target in targets:
            cpu_s = each.cpu_s(target)
            row.append(_with_ratio(or_missing(cpu_s, milliseconds), cpu_s, base.cpu_s(target)))
            answer = each.at(target)
            row.append(or_missing(answer.compared_bytes if answer else None, _kilobytes))
        rows.append(row)
    return table(titles, rows)


def _kept(measured: Sequence[Measured], base: Measured) -> str:
    rows = []
    for each in measured:
        if each.server is None or base.server is None:
            continue
        held, wanted = each.server.held_bytes, each.server.wanted_bytes
        rows.append(
            [
                each.name,
                or_missing(held, megabytes),
                _with_ratio(or_missing(wanted, megabytes), wanted, base.server.wanted_bytes),
                or_missing(each.server.indexed, _percent),
            ]
        )
    return table(["", "held", "wanted", "served by a graph"], rows)


def _with_ratio(shown: str, value: float | None, base: float | None) -> str:
    multiple = ratio(value, base)
    return shown if multiple == MISSING else f"{shown} ({multiple})"


def _kilobytes(value: float) -> str:
    return f"{value / 1e3:,.0f} kB"


def _percent(share: float) -> str:
    return f"{share:.0%}"
