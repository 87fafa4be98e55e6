"""Count the points that the index does not hold yet, and decide when a build is worth while."""

import contextlib
import math
from collections.abc import Callable
from pathlib import Path

from qdrant_client import models

from mrl_adapters.edge.config import INDEXING_THRESHOLD_KB, bytes_per_point
from mrl_adapters.edge.files import read_json, write_json
from mrl_adapters.edge.paths import PENDING_FILE
from mrl_adapters.errors import EngineError

_REBUILD_SHARE = 0.2
_KB = 1024


class Pending:
    """Points beside the index of a collection; never counted too exactly.

    The count is saved at zero, at each doubling and on closing: a crash loses at most half of it,
    and a write costs no extra file.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / PENDING_FILE
        self._build_from = math.inf
        self._saved = self._read()
        self.count: int = self._saved

    def _read(self) -> int:
        """Return the saved count; a lost one only delays a build."""
        try:
            return max(0, int(read_json(self._path)["pending"]))
        except (EngineError, TypeError, ValueError, KeyError):
            return 0

    def use(self, settings: models.CreateCollection) -> None:
        """Take the threshold from the collection's settings."""
        self._build_from = build_from(settings)

    def note(self, count: int) -> None:
        """Set the count."""
        self.count = count
        if count == 0 or count >= 2 * max(self._saved, _KB):
            self.save()

    def put_off(self) -> None:
        """Ask for a build again only when twice as many points are waiting."""
        self._build_from = max(2.0 * self.count, 1)

    def save(self) -> None:
        """Write the count down if that has not been done; a lost one only delays a build."""
        if self.count != self._saved:
            with contextlib.suppress(EngineError):  # the disk is full
                write_json(self._path, {"pending": self.count})
                self._saved = self.count

    def build_is_due(self, points: Callable[[], int]) -> bool:
        """Return whether to build: the threshold is reached, and a fifth of the collection."""
        if self.count < max(self._build_from, 1):
            return False
        return self.count >= _REBUILD_SHARE * points()


def build_from(settings: models.CreateCollection) -> float:
    """Return the number of points beside the index from which a build is worth while."""
    given = settings.optimizers_config.indexing_threshold if settings.optimizers_config else None
    threshold = INDEXING_THRESHOLD_KB if given is None else given
    if not threshold:  # 0 switches indexing off, as on the server
        return math.inf
    return threshold * _KB / max(bytes_per_point(settings), 1.0)
