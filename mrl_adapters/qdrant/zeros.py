"""Documents whose vector is all zeros: kept like any other, found by no search.

A blank page has no direction, so nothing is near it. Refusing it would cost more than it: the
rest of its batch, or, where a framework deletes the old document before it adds the new one, what
was there before.
"""

import warnings
from collections.abc import Sequence

import numpy as np

from mrl_adapters.qdrant.commands import command
from mrl_adapters.qdrant.layout import CollectionLayout
from mrl_adapters.vectors import FloatArray

_NAMED = 5


class ZeroVectorsWarning(UserWarning):
    """Documents were stored whose vector is all zeros, so that no search finds them."""


def unfindable(full: FloatArray, layout: CollectionLayout) -> list[int]:
    """List the rows that are to be stored without vectors.

    Under Cosine a vector of zeros has no direction, and engines would still rank it among the
    others. Under the other distances it is a vector like any other.

    Args:
        full: Checked vectors, shape (n, d).
        layout: How the collection is laid out.
    """
    if layout.distance != "Cosine":
        return []
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
