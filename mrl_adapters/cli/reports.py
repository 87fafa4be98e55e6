"""Results as tables, JSON, pictures and pages; what could not be written is refused before."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeVar

from rich.text import Text

from mrl_adapters.cli.terminal import errors, output, tables

R = TypeVar("R", bound="Measured")


class Measured(Protocol):
    """A result."""

    def to_json(self) -> str:
        """Return everything that was measured."""
        ...


def check_plot(plot: Path | None) -> None:
    """Refuse a picture that could not be drawn, before anything is measured.

    Args:
        plot: Where to draw; None draws nothing.
    """
    if plot is not None:
        from mrl_adapters.evaluation.figures import check_picture

        check_picture(plot)


def check_html(html: Path | None) -> None:
    """Refuse a page that could not be written, before anything is measured.

    Args:
        html: Where to write; None writes nothing.
    """
    if html is not None:
        from mrl_adapters.demo.offline import check_page

        check_page(html)


def show_result(
    result: R,
    table: Callable[[R], str],
    draw: Callable[[R, Path], Path],
    plot: Path | None,
    *,
    as_json: bool,
) -> None:
    """Print what was measured, and draw it.

    Args:
        result: What was measured.
        table: Renders it as Markdown.
        draw: Draws it into a file.
        plot: That file; None draws nothing.
        as_json: Print JSON instead of tables.
    """
    if as_json:
        output.print_json(result.to_json())
    else:
        tables(table(result))
    if plot is not None:
        errors.print(Text(f"Drawn into {draw(result, plot)}"))
