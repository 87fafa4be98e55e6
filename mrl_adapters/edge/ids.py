"""Say in words what is no point id: the engine's own words are of its binding's insides."""

import contextlib
import operator
import reprlib
from collections.abc import Iterable, Iterator
from typing import Any
from uuid import UUID

import qdrant_edge as edge

from mrl_adapters.errors import ConfigurationError

PointId = int | str | UUID

_EXPECTED = "an integer from 0 to 2**64 - 1, or a UUID"


def check_id(given: Any) -> None:
    """Refuse what the engine does not take for the id of a point.

    Raises:
        ConfigurationError: It is none; says which.
    """
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
    """Name the id that made the conversion in a block fail, if it was one.

    Args:
        ids: All that the block converts; looked at only after it has failed.
    """
    try:
        yield
    except (TypeError, ValueError):
        for each in ids:
            check_id(each)
        raise


def plain_id(point_id: PointId) -> int | str:
    """Give an id as the client gives it: an int, or a UUID's canonical string."""
    return point_id if isinstance(point_id, int) else str(point_id)


def spelled(point_id: PointId) -> int | str:
    """Give any spelling of an id as `plain_id` gives it, integers of NumPy included."""
    if isinstance(point_id, (str, UUID)):
        return str(UUID(str(point_id)))
    return operator.index(point_id)
