"""Where a picture may be drawn, told before anything is measured for it."""

import importlib.util
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
    if not path.parent.is_dir():
        msg = f"{path} cannot be drawn: there is no folder {path.parent}. Make it first."
        raise ConfigurationError(msg, path=path)
    try:
        # Tried, not asked for: what the system says of permissions is not all that it forbids.
        if path.exists():
            path.open("ab").close()
        else:
            tempfile.TemporaryFile(dir=path.parent).close()
    except OSError as error:
        msg = f"{path} cannot be drawn: {error.strerror}. Choose another file."
        raise ConfigurationError(msg, path=path) from error
    if importlib.util.find_spec("matplotlib") is None:
        package, extra = "matplotlib", "plot"
        raise MissingExtraError(package, extra)
