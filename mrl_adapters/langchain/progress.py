"""Report how far a long load has come."""

from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import contextmanager

from mrl_adapters.errors import MissingExtraError
from mrl_adapters.progress import Meter, ProgressCallback

_PHASE = "adding texts"


@contextmanager
def reporting(
    progress: bool | ProgressCallback,  # noqa: FBT001 - as users pass it
    texts: Iterable[str],
) -> Iterator[Callable[[int], object]]:
    """Yield the function to call with the number of texts that each batch stored."""
    total = len(texts) if isinstance(texts, Sized) else None
    if not isinstance(progress, bool):
        yield Meter(_PHASE, total, progress).step
    elif progress:
        with _bar() as callback:
            yield Meter(_PHASE, total, callback).step
    else:
        yield Meter(_PHASE, total, None).step


@contextmanager
def _bar() -> Iterator[ProgressCallback]:
    try:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn
    except ImportError as error:
        raise MissingExtraError("rich", "cli") from error
    columns = BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress("{task.description}", *columns) as bar:
        task = bar.add_task(_PHASE.capitalize())
        yield lambda at: bar.update(task, completed=at.done, total=at.total)
