"""Fit the rotation of a new collection on the first vectors that it gets."""

import warnings
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mrl_adapters.qdrant.commands import command
from mrl_adapters.qdrant.layout import CollectionLayout
from mrl_adapters.vectors import FloatArray, Rotation

FIRST_LOAD = 5_000
"""Vectors of a first load that are kept back at most, for a rotation to be fitted on."""

_VECTORS_PER_DIMENSION = 4  # from here on a rotation beats plain slices clearly: README, "Rotation"


class UnrotatedWarning(UserWarning):
    """The first load was too small to fit a rotation on."""


def fit_auto(
    name: str, layout: CollectionLayout, first_load: Sequence[FloatArray]
) -> CollectionLayout:
    """Settle ``rotation="auto"`` for a collection about to be created.

    Args:
        name: The collection's name, for messages.
        layout: What it is to be.
        first_load: The vectors about to be stored, as batches of shape (n, d).

    Returns:
        The layout with a rotation fitted on those vectors; or, with a warning, with none, if there
        are fewer than four a dimension of the longest stage. Unchanged unless it says "auto".
    """
    if layout.rotation != "auto":
        return layout
    longest = layout.stages[-1]
    found = sum(np.count_nonzero(batch.any(axis=1)) for batch in first_load)  # zeros teach nothing
    needed = _VECTORS_PER_DIMENSION * longest
    if found < needed:
        msg = (
            f"Collection {name!r}: rotation='auto' needs {needed} vectors in the first load, found "
            f"{found}. Its short vectors are plain slices; once it holds more, run: "
            f"{command('rotate', name, stages=layout.stages)}"
        )
        warnings.warn(msg, UnrotatedWarning, stacklevel=2)
        return replace(layout, rotation=None)
    return replace(layout, rotation=Rotation.fit(first_load, longest))
