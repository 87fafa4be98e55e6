"""Read and write the file that says what a collection is, and what it is about to become."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qdrant_client import models

from mrl_adapters.errors import EngineError
from mrl_adapters.qdrant.edge.files import read_json
from mrl_adapters.qdrant.edge.names import SETTINGS_FILE

_FORMAT = 1


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


def read_settings(name: str, folder: Path) -> tuple[models.CreateCollection, Change | None]:
    """Read what a collection is.

    Args:
        name: The collection.
        folder: Its folder.

    Returns:
        Its settings, and the change that was under way.

    Raises:
        EngineError: The file is unreadable, or of a later version.
    """
    stored = read_json(folder / SETTINGS_FILE)
    found = stored.get("format")
    if found != _FORMAT:
        message = (
            f"Collection {name!r}: {folder} has format {found!r}, expected {_FORMAT}. "
            "Open it with the version of mrl-adapters that wrote it."
        )
        raise EngineError(message, collection=name, found=found, expected=_FORMAT, path=folder)
    change = stored["change"]
    return (
        _settings(stored["settings"]),
        Change(_settings(change["settings"]), change["add"], change["drop"]) if change else None,
    )


def stored_settings(
    name: str, settings: models.CreateCollection, change: Change | None = None
) -> dict[str, Any]:
    """Give what the file is to hold."""
    told = change and {
        "settings": _plain(change.settings),
        "add": change.add,
        "drop": change.drop,
    }
    return {"format": _FORMAT, "name": name, "settings": _plain(settings), "change": told}


def _plain(settings: models.CreateCollection) -> dict[str, Any]:
    return settings.model_dump(mode="json", exclude_none=True)


def _settings(stored: Any) -> models.CreateCollection:
    return models.CreateCollection.model_validate(stored)
