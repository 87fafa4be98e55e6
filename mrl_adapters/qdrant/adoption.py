"""Which sparse vectors of a collection that exists its caller means."""

from collections.abc import Collection, Mapping
from dataclasses import replace

from qdrant_client import models

from mrl_adapters.errors import CollectionMismatchError
from mrl_adapters.qdrant.commands import command
from mrl_adapters.qdrant.layout import CollectionLayout
from mrl_adapters.qdrant.sparse import UNNAMED, USUAL_NAMES, SparseVectors


def adopted(
    name: str,
    wanted: SparseVectors,
    own: SparseVectors | None,
    present: Mapping[str, models.SparseVectorParams],
) -> SparseVectors | None:
    """Find the sparse vector that a caller means in a collection that exists.

    Args:
        name: The collection's name.
        wanted: What the caller says of it.
        own: What the collection says of it.
        present: The collection's sparse vectors.

    Returns:
        It, with the caller's encoder; None where the collection has none.

    Raises:
        CollectionMismatchError: Another model computed what is there.
    """
    found = _named(wanted, own, present)
    if found is None:
        return None
    if own is None or own.name != found:
        modifier = present[found].modifier
        return replace(wanted, name=found, idf=modifier is models.Modifier.IDF)
    models_named = {str(each.model).lower() for each in (wanted, own)} - {UNNAMED}
    if len(models_named) > 1:
        fix = f"mrl_adapters.qdrant.migrate(client, {name!r}, sparse=...)"
        msg = (
            f"Collection {name!r}: its sparse vectors {found!r} are of {own.model!r}, the layout "
            f"asks for {wanted.model!r}: their weights cannot be compared. Use the first model, "
            f"or replace them: {command('migrate', name, '--sparse') if wanted.is_bm25 else fix}"
        )
        raise CollectionMismatchError(msg, collection=name, found=own.model, expected=wanted.model)
    return replace(own, encoder=wanted.encoder)


def _named(
    wanted: SparseVectors, own: SparseVectors | None, present: Collection[str]
) -> str | None:
    if wanted.name in present:
        return wanted.name
    if wanted.name not in USUAL_NAMES:
        return None
    if own is not None:
        return own.name
    usual = [each for each in USUAL_NAMES if each in present]
    return next(iter(usual or (present if len(present) == 1 else ())), None)


def with_sparse_of(wanted: CollectionLayout, found: CollectionLayout) -> CollectionLayout:
    """Let a layout ask for a collection's own sparse vectors, if they are what it asks for.

    Where it has none, a text index that ranks by BM25 stands for those of BM25.
    """
    asked, own = wanted.sparse, found.sparse
    if asked is not None and own is None and asked.is_bm25 and found.text_index is not None:
        return wanted.placed(sparse=None)
    if asked is None or own is None:
        return wanted
    other_words = asked.encoder is None and asked.is_bm25
    if other_words and replace(asked, name=own.name, model=own.model, idf=own.idf) != own:
        return wanted
    return wanted.placed(sparse=own)
