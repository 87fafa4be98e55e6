"""Documents whose vector is all zeros: kept like any other, found by no search.

A blank page has no direction, so nothing is near it. Refusing it would cost more than it: the
rest of its batch, or, where a framework deletes the old document before it adds the new one, what
was there before.
"""

import warnings
from collections.abc import Sequence

import numpy as np

from mrl_adapters.qdrant.commands import command
from mrl_adapters.vectors import FloatArray

_NAMED = 5


class ZeroVectorsWarning(UserWarning):
    """Documents were stored whose vector is all zeros, so that no search finds them."""


def unfindable(full: FloatArray) -> list[int]:
    """List the rows that are to be stored without vectors.

    Engines would rank a vector of zeros among the others. Under Cosine it has no direction; under
    Euclid it lies nearer to any question than most texts do: 1 from each vector of unit length,
    where two that have nothing to do with each other are 1.4 apart.

    Args:
        full: Checked vectors, shape (n, d).
    """
    rows: list[int] = np.flatnonzero(~full.any(axis=1)).tolist()
    return rows


def warn_of_zeros(collection_name: str, ids: Sequence[str]) -> None:
    """Warn of documents that were stored without vectors, if there are any.

    Args:
        collection_name: Where they are.
        ids: Theirs.

    Warns:
        ZeroVectorsWarning: There are some.
    """
    if not ids:
        return
    named = ", ".join(map(repr, ids[:_NAMED])) + (", ..." if len(ids) > _NAMED else "")
    msg = (
        f"Collection {collection_name!r}: the vectors of {len(ids)} documents ({named}) are all "
        "zeros. They are stored, and reached by their ids and by filters, but no search finds "
        "them (are the texts empty?). List such documents with: "
        f"{command('audit', collection_name)}"
    )
    warnings.warn(msg, ZeroVectorsWarning, stacklevel=2)
