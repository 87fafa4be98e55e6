"""Sections, tables and figures in Markdown."""

from collections.abc import Callable, Iterable, Sequence

MISSING = "-"
"""What is not known, or was not reached."""


def heading(text: str) -> str:
    """Write a section's title."""
    return f"### {text}"


def table(titles: Sequence[str], rows: Iterable[Sequence[str]], words: int = 1) -> str:
    """Lay out a table: so many columns of words to the left, numbers to the right."""
    lines = [
        f"| {' | '.join(titles)} |",
        f"|{'---|' * words}{'---:|' * (len(titles) - words)}",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]
    return "\n".join(lines)


def milliseconds(value: float) -> str:
    """Write seconds as milliseconds."""
    return f"{1000 * value:.2f} ms"


def megabytes(value: float) -> str:
    """Write bytes as megabytes."""
    return f"{value / 1e6:,.0f} MB"


def seconds(value: float) -> str:
    """Write seconds."""
    return f"{value:,.1f}"


def or_missing(value: float | None, show: Callable[[float], str]) -> str:
    """Write a value that may not be known."""
    return MISSING if value is None else show(value)


def ratio(value: float | None, base: float | None) -> str:
    """Write how many times a base something is, where both are known."""
    return f"{value / base:.2f}" if value is not None and base else MISSING
