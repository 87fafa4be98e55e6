"""What is known of a collection beside its shard: its settings and its inventory.

Both count how often the settings were written. The settings are written first: they may be one
ahead of the inventory, where a process died between the two. Any other difference means that one
of the two files is of an older copy.
"""

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qdrant_client import models

from mrl_adapters.edge.engine_errors import damaged
from mrl_adapters.edge.files import FORMAT, read_sealed, write_sealed
from mrl_adapters.edge.inventory import Inventory, Since
from mrl_adapters.edge.paths import INVENTORY_FILE, SETTINGS_FILE
from mrl_adapters.errors import EngineError

logger: logging.Logger = logging.getLogger(__name__)

_TOLD = 3  # differences in a message


@dataclass(frozen=True)
class Change:
    """A change of settings, noted before it happens."""

    settings: models.CreateCollection
    add: str | None = None
    """A vector that they have and the shard lacks."""
    drop: str | None = None
    """A vector that they lack and the shard has."""

    @property
    def of_vectors(self) -> bool:
        """Whether a vector comes or goes."""
        return self.add is not None or self.drop is not None


@dataclass(frozen=True)
class Stored:
    """A collection's settings, and the change that was under way."""

    settings: models.CreateCollection
    change: Change | None
    revision: int | None
    """How often they have been written since there is an inventory; None before."""


def read_settings(name: str, folder: Path) -> Stored:
    """Read what a collection is."""
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
    """Return what the file is to hold."""
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


class Notes:
    """What is known of a collection.

    `original` is its folder as its owner knows it.
    """

    def __init__(self, name: str, folder: Path, original: Path) -> None:
        self._name = name
        self._folder = folder
        self._original = original
        self._inventory = Inventory(folder)
        self._accepted: list[str] | None = None

    @property
    def complete(self) -> bool:
        """Whether there is an inventory; collections of earlier versions have none at first."""
        return self._inventory.points is not None

    @property
    def vague(self) -> bool:
        """Whether more has happened since the inventory was taken than that it was loaded."""
        return self._inventory.vague

    @contextlib.contextmanager
    def accepting(self) -> Iterator[list[str]]:
        """Take what is there for what there was, in a block; yield what differs as it is met."""
        self._accepted = []
        try:
            yield self._accepted
        finally:
            self._accepted = None

    def read(self) -> Stored:
        """Read what the collection is, and make sure that its files are what they were."""
        stored = read_settings(self._name, self._folder)
        if stored.revision is None:
            return stored
        try:
            self._inventory.read()
            ahead = stored.revision - self._inventory.revision
        except EngineError as error:
            self._differ(str(error), revision=stored.revision)
            return stored
        if ahead not in {0, 1}:
            older = self._folder / (SETTINGS_FILE if ahead < 0 else INVENTORY_FILE)
            self._differ(f"{older} is older than the other files", revision=stored.revision)
        self._inventory.revision = stored.revision
        self.check_files()
        return stored

    def check_files(self, *, everything: bool = False) -> None:
        """Make sure that the files are what they were: all, or all but the largest."""
        damages = list(self._inventory.damages(everything=everything))
        if damages:
            told, more = ", ".join(damages[:_TOLD]), len(damages) - _TOLD
            what = f"{told}, and {more} more files are not what they were" if more > 0 else told
            self._differ(what, expected=self._inventory.points)

    def check_points(self, found: int) -> None:
        """Make sure that no points are gone."""
        missing = self._inventory.missing(found)
        if missing:
            points = self._inventory.points
            what = f"{missing:,} of {points:,} points are gone"
            self._differ(what, expected=points, found=found)

    def save(self, settings: models.CreateCollection, change: Change | None = None) -> None:
        """Write the settings down, with the change that is under way."""
        revision = self._inventory.revision + 1 if self.complete else None
        stored = stored_settings(self._name, settings, change, revision)
        write_sealed(self._folder / SETTINGS_FILE, stored)
        if revision is not None:
            self._inventory.note_revision(revision)

    def mark(self, what: Since) -> None:
        """Note what is about to happen; return when the disk knows."""
        self._inventory.mark(what)

    def take(self, points: int, *, loaded: bool = False) -> None:
        """Note what the collection holds; where that is impossible the older note stays."""
        try:
            self._inventory.take(points, loaded=loaded)
        except (EngineError, OSError) as error:
            logger.warning("Collection %r: what it holds was not noted: %s", self._name, error)

    def forget(self) -> None:
        """Take what is there for what there was."""
        revision = read_settings(self._name, self._folder).revision
        if revision is not None:
            self._inventory.forget(revision)

    def _differ(
        self, what: str, *, expected: object = None, found: object = None, revision: int = 0
    ) -> None:
        """Report that something is not what it was."""
        what = what.replace(str(self._folder), str(self._original))
        if self._accepted is None:
            raise damaged(
                self._name, self._original, what, expected=expected, found=found, repairable=True
            )
        self._accepted.append(what)
        self._inventory.forget(revision or self._inventory.revision)
