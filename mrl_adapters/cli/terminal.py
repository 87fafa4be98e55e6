"""What commands print with: consoles, progress, and numbers as people read them."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

output = Console()
"""For results."""
errors = Console(stderr=True, soft_wrap=True)
"""For everything else: a pipe then carries results only."""


class Advance:
    """Move one bar: called with how many more are done."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task

    def __call__(self, count: int) -> None:
        """Count some more."""
        self._progress.advance(self._task, count)

    def expect(self, total: int) -> None:
        """Say how many there will be, once that is known."""
        self._progress.update(self._task, total=total)


@contextmanager
def progress_bar(description: str, total: int | None = None) -> Iterator[Advance]:
    """Show a bar on standard error while the block runs; nothing where that is no terminal.

    Args:
        description: What is being done.
        total: How many there are; None if that is not known yet.
    """
    with Progress(
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=errors,
        transient=True,
        disable=not errors.is_terminal,
    ) as progress:
        yield Advance(progress, progress.add_task(description, total=total))
