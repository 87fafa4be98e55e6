"""Read points: by their documents' ids, or page by page."""

from collections.abc import Iterable, Sequence
from typing import Any

from qdrant_client import models

from mrl_adapters.errors import AnswerError
from mrl_adapters.qdrant.filters import any_of, as_filter
from mrl_adapters.qdrant.flow import Flow, Rest, ask
from mrl_adapters.qdrant.ids import (
    PointId,
    earlier_ids,
    original_id,
    point_id,
    spelled_otherwise,
    stored_ids,
)
from mrl_adapters.qdrant.strict_mode import limits_of

_POINTS_PER_PAGE = 1_000
_IDS_PER_PAGE = 10_000
_CONFIRMED_POINTS = 100  # of those that a count says lack a vector


def without(vector: str) -> models.Filter:
    """Select the points that lack a vector."""
    return models.Filter(must_not=[models.HasVectorCondition(has_vector=vector)])


def lacking(full: str, shorts: Iterable[str]) -> models.Filter:
    """Select the points that have a full vector and lack a short one, so could have it."""
    return models.Filter(
        must=[
            models.HasVectorCondition(has_vector=full),
            # Without a short vector to lack it is none: an empty list would restrict nothing.
            as_filter(any_of(map(without, shorts))),
        ]
    )


def vector_of(record: models.Record | models.ScoredPoint, name: str) -> Any:
    """Pick one vector of a point ("" for an unnamed one); None if the point lacks it."""
    vector = record.vector
    if isinstance(vector, dict):
        return vector.get(name)
    return vector if name == "" else None


def count_lacking(name: str, full: str, shorts: Sequence[str]) -> Flow[int]:
    """Count the points that have a full vector and lack a short one, as far as reading confirms.

    Args:
        name: The collection's name.
        full: Name of the full vector.
        shorts: Names of the short ones.

    Returns:
        The count where all points that are read lack one; else only those of them that do.
    """
    return (yield from _confirmed(name, lacking(full, shorts), shorts))


def count_without(name: str, vector: str) -> Flow[int]:
    """Count the points that lack a vector, as far as reading confirms it."""
    return (yield from _confirmed(name, without(vector), [vector]))


def _confirmed(name: str, affected: models.Filter, vectors: Sequence[str]) -> Flow[int]:
    """Count points, and read a page of them by their ids.

    While a server rewrites segments, a filter also matches points that have the vector, by former
    versions of them; what is read by ids is the latest.
    """
    limits = yield from limits_of(name)
    # Of an inexact count nothing is told but that it is not 0, and that too is read.
    answer = yield from ask(lambda c: c.count(name, count_filter=affected, exact=limits.exact))
    if not answer.count:
        return 0
    page, _ = yield from ask(
        lambda c: c.scroll(
            name,
            scroll_filter=affected,
            limit=limits.page(_CONFIRMED_POINTS),
            with_payload=False,
        )
    )
    ids = [record.id for record in page]
    records = yield from ask(
        lambda c: c.retrieve(name, ids=ids, with_payload=False, with_vectors=list(vectors))
    )
    bare = [any(vector_of(record, each) is None for each in vectors) for record in records]
    return answer.count if all(bare) and bare else sum(bare)


def count_points(name: str, query_filter: models.Filter | None) -> Flow[int]:
    """Count the points that pass a filter, one by one where a server allows no exact count."""
    limits = yield from limits_of(name)
    if limits.exact:
        answer = yield from ask(lambda c: c.count(name, count_filter=query_filter, exact=True))
        return answer.count
    counted = 0
    offset: models.ExtendedPointId | None = None
    while True:
        page, offset = yield from _page(
            name, query_filter, limits.page(_IDS_PER_PAGE), offset, with_payload=False
        )
        counted += len(page)
        if offset is None:
            return counted


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
    limits = yield from limits_of(name)
    most = limits.page(_POINTS_PER_PAGE)
    records: list[models.Record] = []
    offset: models.ExtendedPointId | None = None
    while limit is None or len(records) < limit:
        size = most if limit is None else min(most, limit - len(records))
        before = offset
        page, offset = yield from _page(name, query_filter, size, offset, with_vectors=with_vectors)
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
    *,
    with_payload: bool = True,
    with_vectors: models.WithVector = False,
) -> Flow[tuple[list[models.Record], models.ExtendedPointId | None]]:
    return (
        yield from ask(
            lambda c: c.scroll(
                name,
                scroll_filter=query_filter,
                limit=size,
                offset=offset,
                with_payload=with_payload,
                with_vectors=with_vectors,
            )
        )
    )


def places_of(
    collection_name: str, texts: Sequence[str]
) -> Flow[tuple[list[PointId], list[PointId]]]:
    """Return where documents are to be stored so that none is there twice.

    That takes a look into the collection only for ids that an earlier version stored elsewhere:
    integers, and UUIDs that are not in canonical form.

    Returns:
        A point id for each; and points to delete afterwards, which hold the same documents.
    """
    places = [point_id(text) for text in texts]
    elsewhere = {
        text: [*earlier_ids(text), place]
        for text, place in zip(texts, places, strict=True)
        if spelled_otherwise(text)
    }
    if not elsewhere:
        return places, []
    wanted = [each for candidates in elsewhere.values() for each in candidates]
    records = yield from ask(
        lambda c: c.retrieve(collection_name, ids=wanted, with_payload=False, with_vectors=False)
    )
    there = {record.id for record in records}
    # By point: several spellings of one id come to lie in one place.
    found: dict[PointId, list[PointId]] = {}
    for candidates in elsewhere.values():
        known = found.setdefault(candidates[-1], [])
        known += [each for each in candidates if each in there and each not in known]
    surplus = [each for known in found.values() for each in known[1:]]
    return [(found.get(place) or [place])[0] for place in places], surplus


def read_by_ids(
    collection_name: str, texts: Sequence[str], with_vectors: models.WithVector
) -> Flow[list[models.Record]]:
    """Fetch documents by id.

    Returns:
        The points found, in the order of ``texts``, each once.
    """

    def read(ids: list[PointId]) -> Flow[list[models.Record]]:
        return ask(
            lambda c: c.retrieve(
                collection_name, ids=ids, with_payload=True, with_vectors=with_vectors
            )
        )

    places = dict.fromkeys(point_id(text) for text in texts)
    found = _by_place((yield from read(stored_ids(texts))))
    # Under a canonical UUID an earlier version stored just what is spelled so.
    missing = [text for text in texts if point_id(text) not in found]
    if others := [
        each for text in missing if not spelled_otherwise(text) for each in earlier_ids(text)
    ]:
        found |= _by_place((yield from read(others)))
    return [found[place] for place in places if place in found]


def every_id(texts: Sequence[str]) -> list[PointId]:
    """List every point id that holds, or may hold, one of some documents."""
    return [each for text in texts for each in (*earlier_ids(text), point_id(text))]


def _by_place(records: Sequence[models.Record]) -> dict[PointId, models.Record]:
    """Sort points by the id that their documents have; what an earlier version wrote goes first.

    Where a point has a twin, it was made by an earlier version that did not recognise the other
    program's spelling, and is the newer one.
    """
    found: dict[PointId, models.Record] = {}
    for record in records:
        place = point_id(original_id(record.id, record.payload))
        if place != record.id or place not in found:
            found[place] = record
    return found
