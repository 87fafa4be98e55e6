"""Check what may name a point, a vector, a field or a collection."""

import contextlib
import operator
import reprlib
from collections.abc import Iterable, Iterator
from typing import Any
from uuid import UUID

import qdrant_edge as edge

from mrl_adapters.errors import ConfigurationError


def is_text(given: str) -> bool:
    """Return whether UTF-8, and so the engine, can hold a string.

    Half a surrogate pair it cannot.

    Args:
        given: The string.
    """
    try:
        given.encode()
    except UnicodeEncodeError:
        return False
    return True


def check_text(given: str, what: str) -> None:
    """Refuse a name that no file and no engine can hold."""
    if not is_text(given):
        message = (
            f"The {what} {given!r} holds half a surrogate pair, which no engine can hold. "
            "Nothing was done. Decode that text anew, or choose another."
        )
        raise ConfigurationError(message, found=given)


PointId = int | str | UUID

_EXPECTED = "an integer from 0 to 2**64 - 1, or a UUID"


def check_id(given: Any) -> None:
    """Refuse in words what is no point id: the engine's own are of its binding's insides."""
    try:
        edge.Point(given, {}, None)
    except (TypeError, ValueError):
        message = (
            f"{reprlib.repr(given)} is no point id: expected {_EXPECTED}. Nothing was done. "
            "uuid.uuid5(uuid.NAMESPACE_URL, text) makes an id of any text."
        )
        raise ConfigurationError(message, found=given, expected=_EXPECTED) from None


@contextlib.contextmanager
def naming_ids(ids: Iterable[Any]) -> Iterator[None]:
    """Name the id that made the conversion in a block fail, if it was one."""
    try:
        yield
    except (TypeError, ValueError):
        for point_id in ids:
            check_id(point_id)
        raise


def plain_id(point_id: PointId) -> int | str:
    """Return an id as the client gives it: an int, or a UUID's canonical string."""
    return point_id if isinstance(point_id, int) else str(point_id)


def canonical_id(point_id: PointId) -> int | str:
    """Return any spelling of an id as `plain_id` gives it, integers of NumPy included."""
    if isinstance(point_id, (str, UUID)):
        return str(UUID(str(point_id)))
    return operator.index(point_id)
