"""A collection that may not be written to: searched in a copy, and changed by nobody."""

from pathlib import Path
from typing import Any, NoReturn

import qdrant_edge as edge

from mrl_adapters.edge.inventory import Since
from mrl_adapters.edge.log_repair import LogRepair
from mrl_adapters.edge.permissions import refusal
from mrl_adapters.edge.reading_copy import ReadingCopy
from mrl_adapters.edge.settings import Change
from mrl_adapters.edge.shard import Collection
from mrl_adapters.edge.space import Size, nothing
from mrl_adapters.errors import EngineError


class ReadOnlyCollection(Collection):
    """One collection that can be searched only: copied here, loaded by the first use.

    Args:
        name: Its name.
        folder: Its folder; nobody may be writing into it now.

    Raises:
        EngineError: There is no room for the copy.
    """

    def __init__(self, name: str, folder: Path) -> None:
        self._copy = ReadingCopy(folder)
        self._settling = False
        super().__init__(name, self._copy.folder)

    def _settle(self) -> edge.EdgeShard:
        self._settling = True  # an interrupted change may be finished in the copy
        try:
            return super()._settle()
        except EngineError as error:
            original = self._copy.original
            message = str(error).replace(str(self._copy.folder), str(original))
            raise EngineError(message, collection=self.name, path=original) from error
        finally:
            self._settling = False

    def write(
        self,
        operation: edge.UpdateOperation,
        touched: int = 0,
        size: Size = nothing,
        effect: Since = Since.ADDED,
    ) -> None:
        """Refuse an update."""
        del operation, touched, size, effect
        self._refuse()

    def optimize(self) -> bool:
        """Refuse to build an index, which would be lost with the copy."""
        self._refuse()

    def mend_log(self) -> LogRepair:
        """Refuse to mend the log, which would be lost with the copy."""
        self._refuse()

    def set_metadata(self, metadata: dict[str, Any]) -> None:
        """Refuse metadata."""
        del metadata
        self._refuse()

    def apply(self, change: Change) -> None:
        """Refuse other settings."""
        if not self._settling:
            self._refuse()
        super().apply(change)

    def close(self, *, index: bool = True) -> None:
        """Close the shard and remove the copy; twice is harmless."""
        super().close(index=index)
        self._copy.remove()

    def discard(self) -> None:
        """Close the shard and remove the copy."""
        super().discard()
        self._copy.remove()

    @property
    def _original(self) -> Path:
        return self._copy.original

    def _build_if_due(self, shard: edge.EdgeShard) -> None:
        """Build nothing, which would be lost with the copy."""

    def _note(self, points: int, *, loaded: bool) -> None:
        """Note nothing: the copy lasts no longer than this client."""

    def _refuse(self) -> NoReturn:
        raise refusal(self._copy.original, self.name)
