"""The method of `EdgeClient` that mends what earlier versions let into a collection."""

from dataclasses import replace
from typing import Any

import qdrant_edge as edge

from mrl_adapters.edge.ids import plain_id
from mrl_adapters.edge.log_repair import LogRepair
from mrl_adapters.edge.opened import OpenPath
from mrl_adapters.edge.shard import Collection
from mrl_adapters.errors import EngineError

_PAGE = 1_000
_UNREADABLE = "Failed to deserialize payload"


class Mending(OpenPath):
    """Check and mend collections, those included that cannot be opened."""

    def check_files(self, collection_name: str) -> None:
        """Make sure that all files of a collection are what they were; reads all of them.

        Opening a collection does the same, but reads the contents of the smaller files only.

        Args:
            collection_name: The collection.

        Raises:
            ValueError: There is no such collection.
            EngineError: They are not; says which.
        """
        self._collection(collection_name).check_files()

    def repair_log(self, collection_name: str) -> LogRepair:
        """Mend a log that cannot be applied again, and payloads too deep to be read.

        Files that are not what they were are taken as they are, if the engine can load them; what
        is missing or wrong in them is not told again.

        Everything else stays. It may be interrupted at any moment and run again; a collection
        that is well is left alone.

        Args:
            collection_name: The collection.

        Returns:
            What was wrong, and where the log is kept as it was.

        Raises:
            ValueError: There is no such collection.
            EngineError: It cannot be opened for another reason.
        """
        collection = self._collection(collection_name)
        with collection.lock:
            done = collection.mend_log()
            accepted = collection.accept_files()
            unreadable = _unreadable(collection)
            logged = collection.logged_payloads() if unreadable else {}
            for point_id in unreadable:
                payload = logged.get(point_id, {})
                collection.write(edge.UpdateOperation.overwrite_payload([point_id], payload))
        restored = tuple(each for each in unreadable if each in logged)
        emptied = tuple(each for each in unreadable if each not in logged)
        return replace(done, restored=restored, emptied=emptied, accepted=accepted)


def _unreadable(collection: Collection) -> list[int | str]:
    """Find the points whose payload the engine cannot read."""
    found: list[int | str] = []
    offset: Any = None
    while True:
        request = edge.ScrollRequest(
            limit=_PAGE, offset=offset, with_payload=False, with_vector=False
        )
        with collection.engine() as shard:
            points, offset = shard.scroll(request)
        found += _unreadable_of(collection, [point.id for point in points])
        if offset is None:
            return found


def _unreadable_of(collection: Collection, ids: list[Any]) -> list[int | str]:
    try:
        with collection.engine() as shard:
            shard.retrieve(ids, True, False)  # noqa: FBT003 - the binding takes no names
    except EngineError as error:
        if _UNREADABLE not in str(error):
            raise
        if len(ids) == 1:
            return [plain_id(ids[0])]
        middle = len(ids) // 2
        halves = ids[:middle], ids[middle:]
        return [each for half in halves for each in _unreadable_of(collection, half)]
    return []
