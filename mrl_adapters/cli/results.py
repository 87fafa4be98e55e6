"""Search results as a terminal shows them."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text


@dataclass(frozen=True)
class Hit:
    """One result.

    Args:
        title: What it is called.
        detail: What stands behind the title, in a quieter colour.
        snippet: Some of its text.
        score: How near it is.
    """

    title: str
    detail: str
    snippet: str
    score: float


def answered(question: str, hits: Sequence[Hit], *, lines: int = 1) -> RenderableType:
    """Lay out the results of one question."""
    heading = Text(question, style="bold")
    if not hits:
        return Group(heading, Text("  nothing found", style="dim"))
    table = Table.grid(padding=(0, 1))
    table.add_column(justify="right", style="green", no_wrap=True)
    table.add_column()
    for hit in hits:
        title = Text(hit.title, style="cyan", overflow="ellipsis", no_wrap=True)
        title.append(hit.detail, style="dim")
        table.add_row(f"{hit.score:.2f}", Group(title, _Snippet(hit.snippet, lines)))
    return Group(heading, Padding(table, (0, 0, 0, 2)))


@dataclass(frozen=True)
class _Snippet:
    """Text that takes a few lines at most, however narrow the terminal is."""

    text: str
    lines: int

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        wrapped = Text(" ".join(self.text.split())).wrap(console, options.max_width)
        kept = wrapped[: self.lines]
        if len(wrapped) > self.lines:
            kept[-1].truncate(options.max_width - 1)
            kept[-1].append("…")
        yield from kept
