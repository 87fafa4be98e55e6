"""What commands print with: consoles, progress, and numbers as people read them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
)

output = Console()
"""For results."""
errors = Console(stderr=True, soft_wrap=True)
"""For everything else: a pipe then carries results only."""


@contextmanager
def progress_bar(description: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show a bar on standard error while the block runs; nothing where that is no terminal.

    Args:
        description: What is being done.
        total: How many there are.

    Yields:
        A function to call with how many more are done.
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
        yield partial(progress.advance, progress.add_task(description, total=total))
