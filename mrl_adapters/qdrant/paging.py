"""Select points by the vectors that they have, and read many of them, page by page."""

from collections.abc import Iterable

from qdrant_client import models

from mrl_adapters.errors import AnswerError
from mrl_adapters.qdrant.flow import Flow, Rest, ask

_PAGE = 1_000


def without(vector: str) -> models.Filter:
    """Select the points that lack a vector.

    Args:
        vector: Its name, "" for an unnamed one.
    """
    return models.Filter(must_not=[models.HasVectorCondition(has_vector=vector)])


def lacking(full: str, shorts: Iterable[str]) -> models.Filter:
    """Select the points that have a full vector and lack a short one, so could have it.

    Args:
        full: The full vector's name.
        shorts: The short ones' names.
    """
    return models.Filter(
        must=[models.HasVectorCondition(has_vector=full)],
        should=[without(name) for name in shorts],
    )


def read_pages(
    name: str,
    query_filter: models.Filter | None,
    limit: int | None,
    with_vectors: models.WithVector,
) -> Flow[list[models.Record]]:
    """Read every point that passes a filter.

    Args:
        name: The collection's name.
        query_filter: Qdrant filter; None reads all.
        limit: Stop after this many points; None reads on to the end.
        with_vectors: Whether, or which, vectors are returned.

    Returns:
        The points, by point id.
    """
    records: list[models.Record] = []
    offset: models.ExtendedPointId | None = None
    while limit is None or len(records) < limit:
        size = _PAGE if limit is None else min(_PAGE, limit - len(records))
        before = offset
        page, offset = yield from _page(name, query_filter, size, offset, with_vectors)
        if offset is not None and offset == before:
            msg = (
                f"Collection {name!r}: the server says that after the page from point {offset!r} "
                "comes that page again. Check the address: does a cache or a proxy answer there?"
            )
            raise AnswerError(msg, collection=name, found=offset)
        records += page
        if offset is None:
            break
        yield Rest()
    return records


def _page(
    name: str,
    query_filter: models.Filter | None,
    size: int,
    offset: models.ExtendedPointId | None,
    with_vectors: models.WithVector,
) -> Flow[tuple[list[models.Record], models.ExtendedPointId | None]]:
    return (
        yield from ask(
            lambda c: c.scroll(
                name,
                scroll_filter=query_filter,
                limit=size,
                offset=offset,
                with_payload=True,
                with_vectors=with_vectors,
            )
        )
    )
