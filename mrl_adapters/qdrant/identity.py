"""Whether a name still leads to the collection that was opened under it.

An alias may be switched, and a collection be deleted and made anew, while a store is open. Where
the new one refuses what the old one took, the refusal tells. Where it has vectors of the same names
and sizes, but another model's, nothing does: so it is asked, before every write, and before a
search when the last answer is some seconds old.
"""

import time
from typing import Any, TypeAlias

from qdrant_client import models

from mrl_adapters.errors import CollectionMismatchError
from mrl_adapters.qdrant.description import dense_vectors, stored_metadata
from mrl_adapters.qdrant.flow import Flow, ask
from mrl_adapters.qdrant.layout import CollectionLayout

Identity: TypeAlias = tuple[Any, ...]

_TRUSTED_S = 5.0
_TOLD = ("model", "dimensions", "stages", "reduction", "full_name", "rotation", "tenant_field")


class Watch:
    """Remembers what a collection was when it was opened, and when it was last asked.

    Args:
        identity: What it is.
    """

    def __init__(self, identity: Identity) -> None:
        self._identity = identity
        self._asked_s = time.monotonic()

    def is_due(self, *, writes: bool) -> bool:
        """Return whether the collection must be asked before it is used."""
        return writes or time.monotonic() - self._asked_s > _TRUSTED_S

    def holds(self, name: str, *, writes: bool) -> Flow[bool]:
        """Ask whether the collection is what it was; what writes waits for an absent server."""
        info = yield from ask(lambda c: c.get_collection(name), patient=writes, and_next=writes)
        if identity_of(info) != self._identity:
            return False
        self._asked_s = time.monotonic()
        return True


def identity_of(info: models.CollectionInfo) -> Identity:
    """Return what tells a collection from another one under the same name."""
    stored = stored_metadata(info)
    sizes = {name: (vector.size, vector.distance) for name, vector in dense_vectors(info).items()}
    return tuple(str(stored.get(key)) for key in _TOLD), sizes


def refuse_another_model(name: str, now: CollectionLayout, before: CollectionLayout) -> None:
    """Check that a collection which was replaced has the model of the one before it.

    Raises:
        CollectionMismatchError: It has another one.
    """
    if None in {now.model, before.model} or now.model == before.model:
        return
    msg = (
        f"Collection {name!r} was opened with vectors of model {before.model!r}; what has that "
        f"name now has those of {now.model!r} (was an alias switched?). Open a store with an "
        f"embedding of {now.model!r}, or name the collection that you mean."
    )
    raise CollectionMismatchError(msg, collection=name, found=now.model, expected=before.model)
