"""The paths of a store: what users pass, what lies on disk, and what this process may change."""

import hashlib
import os
import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias
from urllib.parse import quote, unquote

from mrl_adapters.edge.files import read_sealed
from mrl_adapters.edge.names import check_text
from mrl_adapters.errors import ConfigurationError, EngineError

AnyPath: TypeAlias = str | bytes | os.PathLike[str] | os.PathLike[bytes]
"""A path as Python's own functions take it."""

# "http://host", and "http:/host" as pathlib writes it; one letter would be a Windows drive.
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/.*", re.DOTALL)
_HOST_AND_PORT = re.compile(r"[\w.-]+:\d+/?")


def is_address(place: str) -> bool:
    """Return whether a text is the address of a server: it has a scheme, or a host and a port.

    Args:
        place: A path or an address.
    """
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


COLLECTIONS_FOLDER = "collections"
SNAPSHOTS_FOLDER = "snapshots"
SETTINGS_FILE = "collection.json"
PENDING_FILE = "pending.json"
INVENTORY_FILE = "inventory"
SHARD_FOLDER = "shard"
LOG_BACKUP_FOLDER = "log-before-repair"

OWN = frozenset(
    {
        SETTINGS_FILE,
        "collection.tmp",
        PENDING_FILE,
        "pending.tmp",
        INVENTORY_FILE,
        "inventory.tmp",
        SHARD_FOLDER,
        LOG_BACKUP_FOLDER,
    }
)
"""All that the folder of a collection ever holds of ours: only this is ever removed from it."""

_PLAIN = "abcdefghijklmnopqrstuvwxyz0123456789_-"
_LONGEST_NAME = 200
_PASSING = re.compile(r"\.mrl-(?:new|gone)-[0-9a-f]{32}")


def folder_name(name: str) -> str:
    """Encode a collection name for every file system, those that ignore case included."""
    check_text(name, "collection name")
    encoded = "".join(char if char in _PLAIN else _percent(char) for char in name)
    if len(encoded) <= _LONGEST_NAME:
        return encoded
    return f"%long-{hashlib.sha256(name.encode()).hexdigest()}"


def _percent(char: str) -> str:
    quoted = quote(char, safe="")
    return f"%{ord(char):02x}" if quoted == char else quoted.lower()


def passing_name(purpose: str) -> str:
    """Make a name that nobody else uses, for what is on its way in (``new``) or out (``gone``)."""
    return f".mrl-{purpose}-{uuid.uuid4().hex}"


def is_passing(name: str) -> bool:
    """Return whether a name is one that :func:`passing_name` makes."""
    return _PASSING.fullmatch(name) is not None


def stored_name(folder: Path) -> str | None:
    """Return the name of the collection that lies in a folder; None if the folder is not ours."""
    file = folder / SETTINGS_FILE
    if not file.is_file() and not _has_lost_settings(folder):
        return None
    try:
        content = read_sealed(file)
    except EngineError as error:
        if not (folder / SHARD_FOLDER).is_dir():
            return None
        name = unquote(folder.name)
        message = f"Collection {name!r}: {error} Or delete the collection and index again."
        raise EngineError(message, collection=name, path=file) from error
    if not content.keys() >= {"format", "name", "settings"}:
        return None
    name = content["name"]
    # A copy that somebody keeps under another name is theirs.
    return name if isinstance(name, str) and folder_name(name) == folder.name else None


def _has_lost_settings(folder: Path) -> bool:
    """Return whether a collection lies in a folder, all but its settings."""
    return (
        (folder / SHARD_FOLDER).is_dir()
        and (folder / INVENTORY_FILE).is_file()
        and not (folder / SETTINGS_FILE).is_file()
    )


def may_write(path: Path) -> bool:
    """Return whether the system lets this process change a file or folder, if it is there.

    Args:
        path: The file or folder.
    """
    effective = os.access in os.supports_effective_ids
    return os.access(path, os.W_OK, effective_ids=effective) or not path.exists()


def may_change(folder: Path) -> bool:
    """Return whether the system lets this process change all that a collection consists of."""
    return may_write(folder) and all(may_write(path) for path, _ in collection_entries(folder))


def refusal(path: Path, collection: str | None = None, *, chosen: bool = False) -> EngineError:
    """Compose the error about something that can only be searched.

    Args:
        path: The store, or the collection's folder.
        collection: Its name, if it is one's.
        chosen: Whether it was opened so, and not found so.
    """
    what = f"Collection {collection!r}: " if collection else ""
    state = "was opened with read_only=True" if chosen else "is read-only"
    remedy = (
        "open it without, which takes that no reader has it open."
        if chosen
        else "make the folder and everything in it writable for this user, or copy it to a place "
        "of yours and open that."
    )
    message = (
        f"{what}{path} {state}: it can be searched, and nothing was written. To write, {remedy}"
    )
    return EngineError(message, collection=collection, path=path)


def collection_entries(folder: Path, within: str = "") -> Iterator[tuple[Path, str]]:
    """Yield every file and folder of a collection, folders first, with its place in it."""
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if not within and entry.name not in OWN:
                continue
            place = f"{within}{entry.name}"
            yield Path(entry.path), place
            if entry.is_dir():
                yield from collection_entries(Path(entry.path), f"{place}/")
