"""Keep a fair sample of a stream of vectors that does not depend on their order."""

import hashlib
from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mrl_adapters.errors import DimensionsError
from mrl_adapters.vectors.truncate import FloatArray, as_vectors


def fair_sample(batches: Iterable[ArrayLike], limit: int, seed: int) -> FloatArray:
    """Keep at most so many vectors, the same ones in whatever order and batches they come.

    Each vector gets a pseudo-random number from its own bytes; those with the smallest stay.

    Args:
        batches: Batches of shape (n, d) or single vectors of shape (d,); an array of shape (n, d)
            is both. Vectors that are all zero are left out.
        limit: How many to keep; also what bounds the memory (4 * limit * d bytes).
        seed: Another seed keeps other vectors.

    Returns:
        The vectors in an order of their own, shape (at most limit, d); (0, 0) without any.
    """
    kept = np.empty((0, 0), dtype=np.float32)
    keys = np.empty(0, dtype=np.uint64)
    for batch in [batches] if isinstance(batches, np.ndarray) else batches:
        rows = np.atleast_2d(as_vectors(batch))
        rows = rows[rows.any(axis=1)]
        if not len(rows):
            continue
        if len(kept) and rows.shape[1] != kept.shape[1]:
            msg = (
                f"The sample holds vectors of {kept.shape[1]} and of {rows.shape[1]} dimensions, "
                "expected one size. Pass vectors of one model at its full size."
            )
            raise DimensionsError(msg, found=rows.shape[1], expected=kept.shape[1])
        fresh = _keys(rows, seed)
        if len(kept) == limit:
            # Once the sample is full nearly every vector is refused here, at no copying.
            low = fresh < keys.max()
            rows, fresh = rows[low], fresh[low]
            if not len(rows):
                continue
        kept, keys = (
            (np.concatenate([kept, rows]), np.concatenate([keys, fresh]))
            if len(kept)
            else (rows, fresh)
        )
        if len(kept) > limit:
            chosen = np.argpartition(keys, limit - 1)[:limit]
            kept, keys = kept[chosen], keys[chosen]
    return kept[np.argsort(keys)]


def _keys(rows: FloatArray, seed: int) -> NDArray[np.uint64]:
    salt = str(seed).encode()
    digests = (
        hashlib.blake2b(row.data, digest_size=8, key=salt).digest()
        for row in np.ascontiguousarray(rows)
    )
    return np.frombuffer(b"".join(digests), dtype=np.uint64)
