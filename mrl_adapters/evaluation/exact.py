"""Exact search by brute force: BLAS products in blocks, with bounded memory."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mrl_adapters.errors import ConfigurationError
from mrl_adapters.vectors import FloatArray

Indices = NDArray[np.int64]

_BLOCK_BYTES = 64 * 2**20
_GROUP = 16  # columns whose maximum is taken first
_QUERY_BLOCK = 256  # rows of a product: enough for BLAS to run at full speed


class Neighbours(NamedTuple):
    """The best documents of each query, best first.

    ``indices`` are rows of the documents, ``scores`` their inner products with the query; both
    have shape (queries, at most k). Equal scores stand in the order of the documents.
    """

    indices: Indices
    scores: FloatArray


def exact_search(
    documents: FloatArray,
    queries: FloatArray,
    k: int,
    *,
    exclude: Indices | None = None,
    block_bytes: int = _BLOCK_BYTES,
) -> Neighbours:
    """Find the k documents with the greatest inner product for each query.

    Args:
        documents: Shape (n, d), float32.
        queries: Shape (m, d), float32.
        k: How many to find; all n where there are fewer.
        exclude: For each query the row that it must not find (itself), or -1; shape (m,).
        block_bytes: Upper bound of the memory for scores at one time.

    Returns:
        Rows and scores of shape (m, min(k, n)). A place that only an excluded row could fill
        holds -1 and minus infinity.
    """
    if k < 1 or documents.ndim != 2 or queries.ndim != 2 or documents.shape[1] != queries.shape[1]:  # noqa: PLR2004 - matrices
        msg = (
            f"Cannot search documents of shape {documents.shape} with queries of shape "
            f"{queries.shape} for k = {k}: expected (n, d), (m, d) and k of at least 1."
        )
        raise ConfigurationError(msg)
    width = min(k, len(documents))
    rows = max(block_bytes // (4 * _QUERY_BLOCK), width)
    rows += -rows % _GROUP  # whole groups: no copy when they are formed
    indices = np.empty((len(queries), width), dtype=np.int64)
    scores = np.empty((len(queries), width), dtype=np.float32)
    for start in range(0, len(queries), _QUERY_BLOCK):
        block = slice(start, start + _QUERY_BLOCK)
        indices[block], scores[block] = _search_block(
            documents, queries[block], width, rows, None if exclude is None else exclude[block]
        )
    return Neighbours(indices, scores)


def rescore(documents: FloatArray, queries: FloatArray, shortlist: Indices, k: int) -> Neighbours:
    """Rank a shortlist anew by other vectors: the second stage.

    Args:
        documents: Shape (n, d), float32.
        queries: Shape (m, d), float32.
        shortlist: Rows of the documents, shape (m, s); -1 marks an empty place.
        k: How many to keep.

    Returns:
        Rows and scores of shape (m, min(k, s)).
    """
    found = []
    step = max(1, _BLOCK_BYTES // (4 * documents.shape[1] * max(1, shortlist.shape[1])))
    for start in range(0, len(queries), step):
        part = shortlist[start : start + step]
        scores = np.einsum("qsd,qd->qs", documents[part], queries[start : start + step])
        scores[part < 0] = -np.inf
        found.append(_best(part, scores, k))
    return Neighbours(
        np.concatenate([indices for indices, _ in found]),
        np.concatenate([scores for _, scores in found]),
    )


def _search_block(
    documents: FloatArray, queries: FloatArray, k: int, rows: int, exclude: Indices | None
) -> Neighbours:
    """Search one block of queries, document block by document block."""
    indices = np.empty((len(queries), 0), dtype=np.int64)
    scores = np.empty((len(queries), 0), dtype=np.float32)
    for start in range(0, len(documents), rows):
        products = queries @ documents[start : start + rows].T
        if exclude is not None:
            here = (exclude >= start) & (exclude < start + products.shape[1])
            products[here, exclude[here] - start] = -np.inf
        picked = _candidates(products, k)
        indices = np.concatenate([indices, picked + start], axis=1)
        scores = np.concatenate([scores, np.take_along_axis(products, picked, axis=1)], axis=1)
        if indices.shape[1] > k:
            kept = np.argpartition(-scores, k - 1, axis=1)[:, :k]
            indices = np.take_along_axis(indices, kept, axis=1)
            scores = np.take_along_axis(scores, kept, axis=1)
    indices[np.isneginf(scores)] = -1
    return _best(indices, scores, k)


def _candidates(products: FloatArray, k: int) -> Indices:
    """Pick columns of each row among which its k greatest values are.

    The k greatest values lie in at most k groups of columns, and those groups have the k
    greatest maxima: all but a few columns are seen by one vectorised maximum only, which is
    several times faster than partitioning every row.
    """
    width = products.shape[1]
    groups = width // _GROUP
    if groups <= k:
        return np.broadcast_to(np.arange(width), products.shape)
    # Group g holds the columns g, g + groups, g + 2 * groups, ...: SIMD runs along g.
    maxima = products[:, : groups * _GROUP].reshape(-1, _GROUP, groups).max(axis=1)
    best = np.argpartition(maxima, -k, axis=1)[:, -k:]
    columns = (best[:, None, :] + np.arange(_GROUP)[:, None] * groups).reshape(len(products), -1)
    rest = np.broadcast_to(np.arange(groups * _GROUP, width), (len(products), width % _GROUP))
    columns = np.concatenate([columns, rest], axis=1)
    values = np.take_along_axis(products, columns, axis=1)
    kept = np.argpartition(values, -k, axis=1)[:, -k:]
    return np.take_along_axis(columns, kept, axis=1)


def _best(indices: Indices, scores: FloatArray, k: int) -> Neighbours:
    """Order each row by falling score, equal ones by index, and keep k."""
    order = np.lexsort((indices, -scores), axis=1)[:, :k]
    return Neighbours(
        np.take_along_axis(indices, order, axis=1), np.take_along_axis(scores, order, axis=1)
    )
