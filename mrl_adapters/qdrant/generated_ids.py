"""Ids for documents that come without: new ones, and the same again after a load that failed.

Adding the same list twice stores it twice, as LangChain's contract has it. But a list whose load
failed half way is completed by the same call, in this process or another: its ids are derived from
its contents and a number, and the number is the first whose last document is not there yet.

Nobody knows where a generator ends before it is read. Its ids are derived from a random salt, which
this process keeps if the load fails and takes again for a generator that begins alike.
"""

import hashlib
import threading
import uuid
from collections.abc import Sequence
from typing import Any

from mrl_adapters.qdrant.collection import MatryoshkaCollection
from mrl_adapters.qdrant.flow import Flow
from mrl_adapters.qdrant.ids import derived_id, original_id

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
        """Give ids to the next documents of the call.

        Args:
            ids: The callers' ids, None where there is none.
            payloads: What is to be stored, as many.
            whole: Whether these are all the documents of the call.

        Returns:
            One id a document.
        """
        start, self._given = self._given, self._given + len(ids)
        lacking = [row for row, identifier in enumerate(ids) if identifier is None]
        if lacking and self._salt is None:
            self._beginning = _digest([self._collection.name, *zip(ids, payloads, strict=True)])
            self._salt = yield from self._choose(lacking[-1] if whole else None)
        return [
            # Rows of a generator may differ from those of the load that failed.
            self._id(start + row, "" if whole else _digest([payload])) if given is None else given
            for row, (given, payload) in enumerate(zip(ids, payloads, strict=True))
        ]

    def end(self, *, failed: bool) -> None:
        """Say that the call is over.

        Args:
            failed: Whether it is to be expected again.
        """
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
