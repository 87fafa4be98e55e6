"""Keep what is known of a collection beside its shard: its settings and its inventory.

Both count how often the settings were written. The settings are written first: they may be one
ahead of the inventory, where a process died between the two. Any other difference means that one
of the two files is of an older copy.
"""

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path

from qdrant_client import models

from mrl_adapters.edge.failures import damaged
from mrl_adapters.edge.inventory import Inventory, Since
from mrl_adapters.edge.names import INVENTORY_FILE, SETTINGS_FILE
from mrl_adapters.edge.sealed import write_sealed
from mrl_adapters.edge.settings import Change, Stored, read_settings, stored_settings
from mrl_adapters.errors import EngineError

logger = logging.getLogger(__name__)

_TOLD = 3


class Notes:
    """What is known of a collection.

    Args:
        name: Its name.
        folder: Its folder.
        original: Its folder as its owner knows it; None if that is the same.
    """

    def __init__(self, name: str, folder: Path, original: Path | None = None) -> None:
        self._name = name
        self._folder = folder
        self._original = original or folder
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
        """Take what is there for what there was, in a block; gives what differs as it is met."""
        self._accepted = []
        try:
            yield self._accepted
        finally:
            self._accepted = None

    def read(self) -> Stored:
        """Read what the collection is, and make sure that its files are what they were.

        Raises:
            EngineError: They are not, or what is known of them is damaged.
        """
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
        """Make sure that the files are what they were.

        Args:
            everything: Read all of them, not only the smallest.

        Raises:
            EngineError: They are not; says which.
        """
        found = list(self._inventory.damages(everything=everything))
        if found:
            told, more = ", ".join(found[:_TOLD]), len(found) - _TOLD
            what = f"{told}, and {more} more files are not what they were" if more > 0 else told
            self._differ(what, expected=self._inventory.points)

    def check_points(self, found: int) -> None:
        """Make sure that no points are gone.

        Args:
            found: How many points it has, loaded.

        Raises:
            EngineError: There are fewer than there were.
        """
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
        """Say what is about to happen; return when the disk knows."""
        self._inventory.mark(what)

    def take(self, points: int, *, loaded: bool = False) -> None:
        """Note what the collection holds; where that is impossible the older note stays.

        Args:
            points: How many it holds; nothing is being written now.
            loaded: It stays loaded.
        """
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
