"""What commands print with: consoles, messages and progress."""

import re
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.text import Text

if TYPE_CHECKING:
    from mrl_adapters.progress import Progress as PhaseProgress
    from mrl_adapters.progress import ProgressCallback

output: Console = Console()
"""For results."""
errors: Console = Console(stderr=True, soft_wrap=True)
"""For everything else: a pipe then carries results only."""

# What readers copy: a command, up to the end of its sentence; a call or a tuple with what belongs
# to it. A line break within would be copied, too.
_COPIED = re.compile(
    r"(?:mrl-adapters|pip install)(?: \S*[^\s.,;:)])*"
    r"|[\w.=]+\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)"
)
_KEPT_SPACE = "\N{NO-BREAK SPACE}"


def wrapped(message: str, console: Console = output) -> str:
    """Break a message into lines as wide as the terminal, between words and around commands.

    A pipe gets it as it is.
    """
    if not console.is_terminal:
        return message
    whole = _COPIED.sub(lambda found: found[0].replace(" ", _KEPT_SPACE), message)
    lines = [
        textwrap.fill(line, console.width, break_long_words=False, break_on_hyphens=False)
        for line in whole.split("\n")
    ]
    return "\n".join(lines).replace(_KEPT_SPACE, " ")


def tell(label: str, style: str, message: str, console: Console = errors) -> None:
    """Print a message with a word before it that says what it is."""
    text = Text(wrapped(f"{label}: {message}", console))
    text.stylize(style, 0, len(label) + 1)
    console.print(text, soft_wrap=True)


def warn(message: str) -> None:
    """Print a warning."""
    tell("Warning", "bold yellow", message)


def tables(markdown: str, console: Console = output) -> None:
    """Print a text with tables: drawn in a terminal, as Markdown into a pipe or a file."""
    if console.is_terminal:
        from rich.markdown import Markdown  # else every command would load it

        console.print(Markdown(markdown))
    else:
        console.print(Text(markdown.rstrip("\n")), soft_wrap=True)


@contextmanager
def waiting(description: str) -> Iterator[None]:
    """Show that something is going on whose length is not known; nothing where no terminal is."""
    column = TextColumn("[bold]{task.description} ...")
    with Progress(
        column, console=errors, transient=True, disable=not errors.is_terminal
    ) as progress:
        # Drawn at once: rich's own status waits for a thread that the engine may hold up.
        progress.add_task(description, total=None)
        yield


@contextmanager
def progress_bars(*, in_bytes: bool = False) -> Iterator["ProgressCallback"]:
    """Show a bar for each phase of long work; nothing where standard error is no terminal.

    Args:
        in_bytes: What is counted are bytes.

    Yields:
        What functions of this package take as ``progress``.
    """
    columns = [
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        *(
            (DownloadColumn(), TransferSpeedColumn())
            if in_bytes
            else (MofNCompleteColumn(), _Rate())
        ),
        TimeRemainingColumn(elapsed_when_finished=True),
    ]
    with Progress(
        *columns, console=errors, transient=True, disable=not errors.is_terminal
    ) as progress:
        tasks: dict[str, TaskID] = {}

        def report(at: "PhaseProgress") -> None:
            if at.phase not in tasks:
                tasks[at.phase] = progress.add_task(at.phase.capitalize(), total=at.total)
            progress.update(tasks[at.phase], completed=at.done, total=at.total)

        yield report


class _Rate(ProgressColumn):
    """How many are done in a second."""

    def render(self, task: Task) -> Text:
        """Draw it."""
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f}/s" if speed else "", style="dim")
