"""Read and write the file that says what a collection is, and what it is about to become."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qdrant_client import models

from mrl_adapters.edge.names import SETTINGS_FILE
from mrl_adapters.edge.sealed import FORMAT, read_sealed
from mrl_adapters.errors import EngineError


@dataclass(frozen=True)
class Change:
    """A change of settings, noted before it happens.

    Args:
        settings: The new settings.
        add: A vector that they have and the shard lacks.
        drop: A vector that they lack and the shard has.
    """

    settings: models.CreateCollection
    add: str | None = None
    drop: str | None = None

    @property
    def of_vectors(self) -> bool:
        """Whether a vector comes or goes."""
        return self.add is not None or self.drop is not None


@dataclass(frozen=True)
class Stored:
    """What the file says.

    Args:
        settings: What the collection is.
        change: The change that was under way.
        revision: How often the file has been written since there is an inventory; None if there
            is none, as in earlier versions.
    """

    settings: models.CreateCollection
    change: Change | None
    revision: int | None


def read_settings(name: str, folder: Path) -> Stored:
    """Read what a collection is.

    Args:
        name: The collection.
        folder: Its folder.

    Raises:
        EngineError: The file is unreadable, damaged, or of a later version.
    """
    stored = read_sealed(folder / SETTINGS_FILE)
    found = stored.get("format")
    if found not in {1, FORMAT}:
        message = (
            f"Collection {name!r}: {folder} has format {found!r}, expected {FORMAT}. "
            "Open it with the version of mrl-adapters that wrote it."
        )
        raise EngineError(message, collection=name, found=found, expected=FORMAT, path=folder)
    try:
        change = stored["change"]
        return Stored(
            _settings(stored["settings"]),
            Change(_settings(change["settings"]), change["add"], change["drop"])
            if change
            else None,
            stored.get("revision"),
        )
    except (KeyError, TypeError, ValueError) as error:  # of format 1, which has no checksum
        path = folder / SETTINGS_FILE
        message = (
            f"Collection {name!r}: {path} is damaged: {error!r}. Restore it from a backup, or "
            "delete the collection and index again."
        )
        raise EngineError(message, collection=name, path=path) from error


def stored_settings(
    name: str, settings: models.CreateCollection, change: Change | None, revision: int | None
) -> dict[str, Any]:
    """Give what the file is to hold."""
    told = change and {
        "settings": _plain(change.settings),
        "add": change.add,
        "drop": change.drop,
    }
    return {"name": name, "settings": _plain(settings), "change": told, "revision": revision}


def _plain(settings: models.CreateCollection) -> dict[str, Any]:
    return settings.model_dump(mode="json", exclude_none=True)


def _settings(stored: Any) -> models.CreateCollection:
    return models.CreateCollection.model_validate(stored)
