"""Read collections page by page, in bounded memory."""

from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
from qdrant_client import models

from mrl_adapters.qdrant.driver import Driver
from mrl_adapters.qdrant.flow import ask
from mrl_adapters.vectors import FloatArray

PointId: TypeAlias = models.ExtendedPointId

# Numbers a page: 16 MB while they are Python floats, 5 MB as JSON on the wire. Larger pages only
# make the allocator work harder: the embedded engine hands over 250 x 1,536 twice as fast as
# 1,000 x 1,536.
_PAGE_NUMBERS = 256_000
_PAGE_POINTS = 1_000


def page_points(width: int) -> int:
    """Choose how many points a page holds.

    Args:
        width: Numbers that are read of each point.
    """
    return max(8, min(_PAGE_POINTS, _PAGE_NUMBERS // max(1, width)))


def read_pages(
    driver: Driver,
    collection_name: str,
    size: int,
    *,
    vectors: Sequence[str] | bool = False,
    payload: Sequence[str] | bool = False,
    query_filter: models.Filter | None = None,
    offset: PointId | None = None,
) -> Iterator[tuple[list[models.Record], PointId | None]]:
    """Read every point, by rising id.

    Args:
        driver: Reaches the collection.
        collection_name: Which collection.
        size: Points a page.
        vectors: Names of the vectors to read; True reads all, False none.
        payload: Keys of the payloads to read; True reads all, False none.
        query_filter: Which points; None reads all.
        offset: Id to start from; None starts at the first.

    Yields:
        The points of a page, and the id that the next one starts from (None after the last).
    """
    while True:
        records, offset = _page(
            driver, collection_name, size, vectors, payload, query_filter, offset
        )
        if records:
            yield records, offset
        if offset is None:
            return


def _page(
    driver: Driver,
    collection_name: str,
    size: int,
    vectors: Sequence[str] | bool,  # noqa: FBT001 - as Qdrant has it
    payload: Sequence[str] | bool,  # noqa: FBT001 - as Qdrant has it
    query_filter: models.Filter | None,
    offset: PointId | None,
) -> tuple[list[models.Record], PointId | None]:
    return driver.run(
        ask(
            lambda c: c.scroll(
                collection_name,
                scroll_filter=query_filter,
                limit=size,
                offset=offset,
                with_payload=_selector(payload),
                with_vectors=_selector(vectors),
            )
        )
    )


def _selector(names: Sequence[str] | bool) -> list[str] | bool:  # noqa: FBT001 - as Qdrant has it
    return names if isinstance(names, bool) else list(names)


def vector_of(record: models.Record | models.ScoredPoint, name: str) -> Any:
    """Pick one vector of a point.

    Args:
        record: The point, as read.
        name: The vector's name, "" for an unnamed one.

    Returns:
        The vector as the client gave it, or None if the point lacks it.
    """
    vector = record.vector
    if isinstance(vector, dict):
        return vector.get(name)
    return vector if name == "" else None


def column(
    records: Sequence[models.Record | models.ScoredPoint], name: str, width: int
) -> FloatArray:
    """Stack one vector of each point.

    Args:
        records: The points, n of them.
        name: The vector's name.
        width: How many of its leading numbers to take.

    Returns:
        float32 of shape (n, width); a row of NaN where a point lacks the vector.
    """
    blank = [float("nan")] * width
    rows = [vector_of(record, name) for record in records]
    stacked = [blank if row is None else row[:width] for row in rows]
    return np.array(stacked, dtype=np.float32).reshape(len(records), width)


def count_points(
    driver: Driver, collection_name: str, query_filter: models.Filter | None = None
) -> int:
    """Count points exactly.

    Args:
        driver: Reaches the collection.
        collection_name: Which collection.
        query_filter: Which points; None counts all.
    """
    answer = driver.run(
        ask(lambda c: c.count(collection_name, count_filter=query_filter, exact=True))
    )
    return answer.count
