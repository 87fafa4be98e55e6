"""Load a collection batch by batch: documents without ids get some, and a failed load goes on.

Adding the same list twice stores it twice, as LangChain's contract has it. But a list whose load
failed half way is completed by the same call, in this process or another: its ids are derived from
its contents and a number, and the number is the first whose last document is not there yet.

Nobody knows where a generator ends before it is read. Its ids are derived from a random salt, which
this process keeps if the load fails and takes again for a generator that begins alike.
"""

import hashlib
import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

from numpy.typing import ArrayLike

from mrl_adapters.qdrant.collection import MatryoshkaCollection
from mrl_adapters.qdrant.companion import find_companion
from mrl_adapters.qdrant.flow import Flow
from mrl_adapters.qdrant.ids import DocumentId, derived_id, id_texts, original_id
from mrl_adapters.qdrant.layout import WriteOrdering, check_ordering
from mrl_adapters.qdrant.opening import FIRST_LOAD
from mrl_adapters.qdrant.payload import plain_payloads
from mrl_adapters.qdrant.points import checked_vectors
from mrl_adapters.qdrant.shard_keys import ShardKey
from mrl_adapters.qdrant.writing import warn_of_zeros
from mrl_adapters.vectors import FloatArray

_NUMBERS = 10  # how often the same list is told apart by what is stored; then by a random salt
_REMEMBERED = 100

_lock = threading.Lock()
_in_use: set[str] = set()
_unfinished: dict[str, str] = {}


class GeneratedIds:
    """Give the documents of one call ids, as far as they have none.

    Args:
        collection: Where they are to be stored.
    """

    def __init__(self, collection: MatryoshkaCollection) -> None:
        self._collection = collection
        self._salt: str | None = None
        self._beginning = ""
        self._given = 0

    def complete(
        self, ids: Sequence[str | None], payloads: Sequence[dict[str, Any]], *, whole: bool
    ) -> Flow[list[str]]:
        """Return one id for each of the next documents of the call: see :meth:`Load.name`."""
        start, self._given = self._given, self._given + len(ids)
        lacking = [row for row, identifier in enumerate(ids) if identifier is None]
        if lacking and self._salt is None:
            self._beginning = _digest(
                [
                    self._collection.name,
                    # The same texts of two tenants are two documents.
                    *filter(None, [self._collection.scope.tenant]),
                    *zip(ids, payloads, strict=True),
                ]
            )
            self._salt = yield from self._choose(lacking[-1] if whole else None)
        return [
            # Rows of a generator may differ from those of the load that failed.
            self._id(start + row, "" if whole else _digest([payload])) if given is None else given
            for row, (given, payload) in enumerate(zip(ids, payloads, strict=True))
        ]

    def end(self, *, failed: bool) -> None:
        """Note that the call is over."""
        if self._salt is None:
            return
        with _lock:
            _in_use.discard(self._salt)
            if failed:
                _unfinished[self._beginning] = self._salt
                for oldest in list(_unfinished)[:-_REMEMBERED]:
                    del _unfinished[oldest]

    def _choose(self, last: int | None) -> Flow[str]:
        """Choose a salt that no call in this process uses, nor one that was completed before."""
        salts = [uuid.uuid4().hex]
        if last is not None:
            numbered = [f"{self._beginning} {number}" for number in range(_NUMBERS)]
            ends = {_id(salt, last, ""): salt for salt in numbered}
            records = yield from self._collection.get(list(ends))
            there = {ends[original_id(each.id, each.payload)] for each in records}
            salts = [*(salt for salt in numbered if salt not in there), *salts]
        with _lock:
            if (kept := _unfinished.pop(self._beginning, None)) is not None:
                salts.insert(0, kept)
            salt = next(each for each in salts if each not in _in_use)
            _in_use.add(salt)
        return salt

    def _id(self, position: int, content: str) -> str:
        return _id(str(self._salt), position, content)


def _id(salt: str, position: int, content: str) -> str:
    return derived_id(f"{salt} {position} {content}")


def _digest(parts: Sequence[Any]) -> str:
    digest = hashlib.sha1(usedforsecurity=False)
    for part in parts:
        digest.update(repr(part).encode())
    return digest.hexdigest()


_Batch: TypeAlias = tuple[Sequence[str], FloatArray, Sequence[dict[str, Any]]]


class Load:
    """The batches of one call on their way into a collection; its methods return flows.

    Batches are written as they come. Only where the collection is about to be created with
    ``rotation="auto"`` do they wait in memory, at most :data:`FIRST_LOAD` vectors, until there
    are enough to fit the rotation on, or no more come. They are lost if the call fails before:
    acknowledge nothing until :meth:`finish` is done.

    Args:
        collection: Where to write.
        shard_key: Custom shard to write to.
        ordering: Qdrant's ordering of concurrent writes; None takes the layout's.

    Raises:
        ConfigurationError: There is no such ordering.
    """

    def __init__(
        self,
        collection: MatryoshkaCollection,
        *,
        shard_key: ShardKey | None = None,
        ordering: WriteOrdering | None = None,
    ) -> None:
        check_ordering(ordering)  # before anything is embedded
        self.collection = collection
        self._shard_key = shard_key
        self._ordering = ordering
        self._waiting: list[_Batch] = []
        self._generated = GeneratedIds(collection)
        self._acknowledged: set[str] = set()
        self._zeros: list[str] = []
        self.ids: list[str] = []
        """Those of the call's documents so far, stored or not."""

    @property
    def stored(self) -> set[str]:
        """Ids of the call's documents that the engine has confirmed."""
        return self._acknowledged

    @contextmanager
    def told(self) -> Iterator[None]:
        """Let an error that ends the call say which of its documents are stored.

        Whatever is raised gets three attributes: ``ids``, those of the call's documents as far as
        they are known, in their order; ``stored_ids``, those that the engine has confirmed; and
        ``missing_ids``, the others. Of these the last request's may be in, if its answer was lost.
        The same call again replaces what is there and adds what is missing.
        """
        try:
            yield
        except BaseException as error:
            self._generated.end(failed=True)
            self._tell(error)
            raise
        self._generated.end(failed=False)

    def _tell(self, error: BaseException) -> None:
        if not self.ids:
            return
        stored = self._acknowledged
        missing = [each for each in self.ids if each not in stored]
        known = {
            "ids": list(self.ids),
            "stored_ids": [each for each in self.ids if each in stored],
            "missing_ids": missing,
        }
        vars(error).update(known)
        if hasattr(error, "add_note"):  # since Python 3.11
            error.add_note(
                f"{len(self.ids) - len(missing)} of {len(self.ids)} documents are stored: see this "
                "error's stored_ids and missing_ids. The same call again completes it."
            )

    def name(
        self, ids: Sequence[str | None], payloads: Sequence[dict[str, Any]], *, whole: bool
    ) -> Flow[list[str]]:
        """Take note of the next documents of the call, and give ids to those that have none.

        Args:
            ids: The callers' ids, None where there is none.
            payloads: What is to be stored, as many.
            whole: Whether these are all the documents of the call.

        Returns:
            One id a document.
        """
        named = yield from self._generated.complete(ids, payloads, whole=whole)
        self.ids += named
        return named

    def add(
        self, ids: Sequence[DocumentId], vectors: ArrayLike, payloads: Sequence[dict[str, Any]]
    ) -> Flow[int]:
        """Take a batch: store it, or keep it for later.

        Args:
            ids: The callers' ids, n of them; one that is there already is replaced.
            vectors: Full vectors, shape (n, d).
            payloads: One a point.

        Returns:
            How many points were stored by this call, earlier batches' among them.
        """
        wanted = self.collection.layout
        if wanted is None or wanted.rotation != "auto" or (yield from self.collection.open()):
            return (yield from self._store(ids, vectors, payloads))
        texts = id_texts(ids)
        names = [f"document {identifier!r}" for identifier in texts]
        full = checked_vectors(vectors, names, wanted.dimensions)
        if not self._waiting:
            # Refuses somebody else's collection under its name before more texts are embedded.
            yield from find_companion(self.collection.name)
        self._waiting.append((texts, full, plain_payloads(payloads, names)))
        if sum(len(each) for each, _, _ in self._waiting) < FIRST_LOAD:
            return 0
        return (yield from self._write_waiting())

    def finish(self) -> Flow[int]:
        """Store what is still kept back, and end the call.

        Returns:
            How many points were stored by this call.

        Warns:
            ZeroVectorsWarning: No search will find some of the documents.
        """
        stored = yield from self._write_waiting()
        zeros, self._zeros = self._zeros, []
        warn_of_zeros(self.collection.name, list(dict.fromkeys(zeros)))
        return stored

    def _write_waiting(self) -> Flow[int]:
        waiting, self._waiting = self._waiting, []
        if waiting:
            first_load = [vectors for _, vectors, _ in waiting]
            yield from self.collection.ensure(
                first_load[0].shape[1], first_load, shard_key=self._shard_key
            )
        stored = 0
        for ids, vectors, payloads in waiting:
            stored += yield from self._store(ids, vectors, payloads)
        return stored

    def _store(
        self, ids: Sequence[DocumentId], vectors: ArrayLike, payloads: Sequence[dict[str, Any]]
    ) -> Flow[int]:
        return self.collection.add(
            ids,
            vectors,
            payloads,
            shard_key=self._shard_key,
            ordering=self._ordering,
            acknowledged=self._acknowledged,
            zeros=self._zeros,
        )
