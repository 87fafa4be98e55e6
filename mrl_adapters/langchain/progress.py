"""Report how far a long load has come."""

from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import contextmanager
from typing import TypeAlias

from mrl_adapters.errors import MissingExtraError

Progress: TypeAlias = bool | Callable[[int], object]


@contextmanager
def reporting(progress: Progress, texts: Iterable[str]) -> Iterator[Callable[[int], object]]:
    """Give the function to call with the number of texts that each batch stored.

    Args:
        progress: True shows a bar in the terminal; a function is handed out as it is.
        texts: What is loaded; a list tells the bar where the end is.

    Raises:
        MissingExtraError: A bar was asked for and rich is not installed.
    """
    if callable(progress):
        yield progress
    elif progress:
        try:
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn
        except ImportError as error:
            raise MissingExtraError("rich", "cli") from error
        with Progress(
            "{task.description}", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
        ) as bar:
            task = bar.add_task("Adding", total=len(texts) if isinstance(texts, Sized) else None)
            yield lambda count: bar.advance(task, count)
    else:
        yield lambda _: None
