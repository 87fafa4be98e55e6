"""Take the columns of `QdrantClient.upload_collection` apart into points."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice, repeat
from typing import Any
from uuid import uuid4

import numpy as np
from qdrant_client import models

from mrl_adapters.edge.ids import PointId
from mrl_adapters.errors import ConfigurationError

_UNEQUAL = "{name} has fewer elements than vectors, {found}. Give one for each vector."


def columns(
    vectors: Any, payload: Iterable[Any] | None, ids: Iterable[PointId] | None
) -> Iterator[models.PointStruct]:
    """Give the points that columns stand for, as they come.

    Args:
        vectors: A matrix, matrices by vector name, or any iterable of vectors.
        payload: The payloads, or None.
        ids: The ids, or None for new ones; as the payloads they may be longer than the vectors.

    Returns:
        One point for each vector. Where the vectors are a stream, the shortest column ends it.

    Raises:
        ValueError: Columns that are shorter than the vectors; streams of them only when they end.
    """
    length = _length(vectors)
    names: Iterable[Any] = iter(lambda: str(uuid4()), None) if ids is None else ids
    payloads: Iterable[Any] = repeat(None) if payload is None else payload
    if length is not None:
        names, payloads = _enough(names, length, "ids"), _enough(payloads, length, "payload")
    rows = _rows(vectors) if isinstance(vectors, Mapping) else iter(vectors)
    build = models.PointStruct.model_construct
    return (
        build(id=name, vector=row, payload=each or {})
        for name, row, each in zip(names, rows, payloads, strict=False)
    )


def _length(vectors: Any) -> int | None:
    if not isinstance(vectors, Mapping):
        return len(vectors) if isinstance(vectors, (Sequence, np.ndarray)) else None
    lengths = {name: len(column) for name, column in vectors.items()}
    if len(set(lengths.values())) > 1:
        message = f"Each named vector should have the same number of vectors, found {lengths}."
        raise ConfigurationError(message, found=lengths)
    return next(iter(lengths.values()), 0)


def _rows(vectors: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for each in zip(*vectors.values(), strict=True):
        yield dict(zip(vectors, each, strict=True))


def _enough(column: Iterable[Any], length: int, name: str) -> Iterable[Any]:
    """Give the first elements of a column, as many as there are vectors."""
    if isinstance(column, (Sequence, np.ndarray)) and len(column) < length:
        message = _UNEQUAL.format(name=name, found=f"{len(column)} of {length}")
        raise ConfigurationError(message, found=len(column), expected=length)
    return _counted(column, length, name)


def _counted(column: Iterable[Any], length: int, name: str) -> Iterator[Any]:
    found = 0
    for each in islice(column, length):
        found += 1
        yield each
    if found < length:
        message = _UNEQUAL.format(name=name, found=f"{found} of {length}")
        raise ConfigurationError(message, found=found, expected=length)
