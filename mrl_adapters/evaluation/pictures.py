"""Where a picture may be drawn, told before anything is measured for it."""

import importlib.util
import os
import stat
import tempfile
from pathlib import Path

from mrl_adapters.errors import ConfigurationError, MissingExtraError

FORMATS = (".png", ".svg", ".pdf")


def check_picture(path: Path) -> None:
    """Refuse a file that no picture could be drawn into.

    Args:
        path: The file; its suffix chooses the format.

    Raises:
        ConfigurationError: Its format is unknown, its folder does not exist or may not be written
            to, or it is a folder itself.
        MissingExtraError: matplotlib is not installed.
    """
    if path.suffix.lower() not in FORMATS:
        msg = f"{path} is no picture that can be drawn. Expected {', '.join(FORMATS)}."
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
    if importlib.util.find_spec("matplotlib") is None:
        package, extra = "matplotlib", "plot"
        raise MissingExtraError(package, extra)


def _try_in(folder: Path, path: Path) -> None:
    """Refuse a folder in which no file can be made."""
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        msg = f"{path} cannot be drawn: {error.strerror}. Choose another folder."
        raise ConfigurationError(msg, path=path) from error
