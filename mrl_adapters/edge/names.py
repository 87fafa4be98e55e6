"""Name what a store has on disk: its folders, its files, and those on their way in or out."""

import hashlib
import re
import uuid
from pathlib import Path
from urllib.parse import quote, unquote

from mrl_adapters.edge.sealed import read_sealed
from mrl_adapters.edge.texts import check_text
from mrl_adapters.errors import EngineError

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
    """Encode a collection name for every file system, those that ignore case included.

    Args:
        name: Any text.

    Returns:
        Lower-case letters, digits, '_', '-' and %XX; a digest for very long names.

    Raises:
        ConfigurationError: It is no text.
    """
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
    """Tell whether a name is one that :func:`passing_name` makes."""
    return _PASSING.fullmatch(name) is not None


def stored_name(folder: Path) -> str | None:
    """Give the name of the collection that lies in a folder; None if the folder is not ours.

    Raises:
        EngineError: A shard lies there, and its settings are gone or damaged.
    """
    file = folder / SETTINGS_FILE
    if not file.is_file() and not has_lost_settings(folder):
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


def has_lost_settings(folder: Path) -> bool:
    """Tell whether a collection lies in a folder, all but its settings."""
    return (
        (folder / SHARD_FOLDER).is_dir()
        and (folder / INVENTORY_FILE).is_file()
        and not (folder / SETTINGS_FILE).is_file()
    )
