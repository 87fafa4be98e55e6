"""Take the path that a user gives, once: absolute, and certainly meant as a folder."""

import os
import re
from pathlib import Path
from typing import TypeAlias

from mrl_adapters.errors import ConfigurationError

AnyPath: TypeAlias = str | bytes | os.PathLike[str] | os.PathLike[bytes]
"""A path as Python's own functions take it."""

# "http://host", and "http:/host" as pathlib writes it; one letter would be a Windows drive.
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/.*", re.DOTALL)
_HOST_AND_PORT = re.compile(r"[\w.-]+:\d+/?")


def is_address(place: str) -> bool:
    """Tell whether a text is the address of a server: it has a scheme, or a host and a port."""
    return bool(_URL.fullmatch(place) or _HOST_AND_PORT.fullmatch(place))


def absolute_path(given: AnyPath, option: str = "path") -> Path:
    """Make a path absolute, and its ``~`` the home folder, so that no later chdir moves it.

    Args:
        given: The path.
        option: The argument that it came by, for the message.

    Returns:
        The path; symbolic links in it stay.

    Raises:
        ConfigurationError: It is empty, the address of a server, or no path at all.
    """
    try:
        text = os.fsdecode(given)
    except TypeError:
        message = f"{option}= is {given!r}, expected the path of a folder."
        raise ConfigurationError(message, found=given) from None
    if not text.strip():
        message = (
            f"{option}= is empty. Pass the path of a folder: {option}='vectors', "
            f"or {option}='.' for the current one."
        )
        raise ConfigurationError(message, found=given)
    if text == ":memory:":
        message = (
            f"{option}=':memory:' names no folder. Pass location=':memory:' for qdrant-client's "
            "mode in memory, or the path of a folder."
        )
        raise ConfigurationError(message, found=given)
    if is_address(text):
        message = (
            f"{option}={text!r} is an address, not a folder. Pass url= for a Qdrant server "
            f"(--url on the command line); for a folder of that name, {option}='./{text}'."
        )
        raise ConfigurationError(message, found=given)
    if "\0" in text:
        message = f"{option}={text!r} holds a null character, which no path can."
        raise ConfigurationError(message, found=given)
    try:
        return Path(text).expanduser().absolute()
    except (RuntimeError, OSError) as error:  # no such user, or the current folder is gone
        message = f"{option}={text!r} cannot be made absolute: {error}. Pass an absolute path."
        raise ConfigurationError(message, found=given) from error
