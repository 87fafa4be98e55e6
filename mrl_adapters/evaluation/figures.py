"""Files and styles of pictures, for all that is drawn here (matplotlib, extra ``plot``)."""

import importlib.util
import os
import stat
import tempfile
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mrl_adapters.errors import ConfigurationError, MissingExtraError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK = "#333333"
# Okabe and Ito's colours: told apart by colour-blind readers and in grey.
PALETTE = ("#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
UNITS = {"ms": 1e3, "µs": 1e6}
"""How many of a unit a second has."""

_DPI = 200
_NARROW = 6  # a range of so many times its start is marked evenly
_MARKS = 7
_LETTERS_AN_INCH = 16  # at the size of the note
FORMATS = (".png", ".svg", ".pdf")


def check_picture(path: Path) -> None:
    """Refuse a file that no picture could be drawn into."""
    check_drawing(path, FORMATS, "picture")
    if importlib.util.find_spec("matplotlib") is None:
        package, extra = "matplotlib", "plot"
        raise MissingExtraError(package, extra)


def check_drawing(path: Path, formats: Sequence[str], kind: str) -> None:
    """Refuse a file that nothing of a kind could be written into.

    Args:
        path: The file.
        formats: Suffixes that it may have.
        kind: What it would be, for the message.
    """
    if path.suffix.lower() not in formats:
        msg = f"{path} is no {kind} that can be drawn. Expected {', '.join(formats)}."
        raise ConfigurationError(msg, path=path)
    file = Path(os.path.realpath(path))  # matplotlib writes where a link leads
    if not os.path.isdir(file.parent):  # noqa: PTH112 - of any name, with no error of its own
        msg = f"{path} cannot be drawn: there is no folder {file.parent}. Make it first."
        raise ConfigurationError(msg, path=path)
    try:
        # Opening a pipe would wait for somebody who reads from it.
        if not stat.S_ISREG(file.stat().st_mode):
            msg = f"{path} cannot be drawn: it is no regular file. Choose another file."
            raise ConfigurationError(msg, path=path)
        # Tried, not asked for: what the system says of permissions is not all that it forbids.
        file.open("ab").close()
    except FileNotFoundError:
        _try_in(file.parent, path)
    except OSError as error:
        msg = f"{path} cannot be drawn: {error.strerror}. Choose another file."
        raise ConfigurationError(msg, path=path) from error


def _try_in(folder: Path, path: Path) -> None:
    """Refuse a folder in which no file can be made."""
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        msg = f"{path} cannot be drawn: {error.strerror}. Choose another folder."
        raise ConfigurationError(msg, path=path) from error


def new_figure(width: float, height: float) -> "Figure":
    """Make an empty figure without touching the caller's pyplot state."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        package, extra = "matplotlib", "plot"
        raise MissingExtraError(package, extra) from error
    return Figure(figsize=(width, height), layout="constrained")


def tidy(axes: "Axes") -> None:
    """Remove what is not data: upper and right frame, heavy grid."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(visible=True, color="#DDDDDD", linewidth=0.6)
    axes.set_axisbelow(True)


def time_unit(seconds: Sequence[float]) -> str:
    """Choose the unit in which times are read most easily.

    Returns:
        A key of ``UNITS``.
    """
    return "µs" if max(seconds) * UNITS["ms"] < 1 else "ms"


def mark_times(axes: "Axes", unit: str) -> None:
    """Make the horizontal axis one of times: logarithmic, with round marks, however narrow.

    Args:
        axes: With everything drawn.
        unit: Of its numbers.
    """
    from matplotlib.ticker import LogLocator, MaxNLocator

    axes.set_xscale("log")
    low, high = axes.get_xlim()
    if high < _NARROW * low:
        marks = MaxNLocator(_MARKS, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
        axes.set_xticks([mark for mark in marks if low <= mark <= high])
    else:
        axes.xaxis.set_major_locator(LogLocator(10, subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:,g}" if unit == "ms" else "{x:,.0f}")
    axes.minorticks_off()


def save_figure(figure: "Figure", path: str | Path, note: str) -> Path:
    """Write the figure, under it a note on what was measured."""
    path = Path(path)
    check_picture(path)
    width = int(figure.get_figwidth() * _LETTERS_AN_INCH)
    figure.supxlabel(textwrap.fill(note, width, break_on_hyphens=False), fontsize=7.5, color=INK)
    import matplotlib as mpl

    # Without date and random ids the same numbers give the same SVG file.
    metadata: dict[str, Any] = {"Date": None} if path.suffix == ".svg" else {}
    with mpl.rc_context({"svg.hashsalt": "mrl-adapters"}):
        figure.savefig(path, dpi=_DPI, metadata=metadata)
    return path
