"""Which sparse vectors, and token vectors, of a collection that exists its caller means."""

from collections.abc import Collection, Mapping
from dataclasses import replace

from qdrant_client import models

from mrl_adapters.errors import CollectionMismatchError
from mrl_adapters.qdrant.commands import command, filling_call
from mrl_adapters.qdrant.foreign_sparse import ForeignSparse
from mrl_adapters.qdrant.late_interaction import TokenVectors
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
        It, with the caller's encoder; the collection's own where it has none of that name.

    Raises:
        CollectionMismatchError: Another model computed what is there.
    """
    found = _named(wanted, own, present)
    if found is None:
        return own
    if own is None or own.name != found:
        idf = present[found].modifier is models.Modifier.IDF
        if wanted.encoder is None and wanted.idf and not idf:
            raise ForeignSparse(name, (found,)).mistaken()
        return replace(wanted, name=found, idf=idf)
    models_named = {str(each.model).lower() for each in (wanted, own)} - {UNNAMED}
    if len(models_named) > 1:
        fix = filling_call(name, "sparse", wanted.spelled())
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


def adopted_tokens(
    name: str,
    wanted: TokenVectors,
    own: TokenVectors | None,
    present: Mapping[str, models.VectorParams],
) -> TokenVectors:
    """Find the token vectors that a caller means in a collection that exists.

    Args:
        name: The collection's name.
        wanted: What the caller says of them.
        own: What the collection says of them.
        present: The collection's dense vectors.

    Returns:
        They, with the caller's encoder.

    Raises:
        CollectionMismatchError: There are none, or of another size, distance or model.
    """
    params = present.get(wanted.name)
    what: tuple[str, object, object] | None = None
    if params is None:
        several = [key for key, each in present.items() if each.multivector_config is not None]
        what = (f"it has no vector {wanted.name!r} (multivectors: {several})", several, wanted.name)
    elif params.multivector_config is None:
        what = (f"its vector {wanted.name!r} holds one vector a point", "one", "many")
    elif params.size != wanted.dimensions:
        sizes = (params.size, wanted.dimensions)
        what = (f"token vectors {wanted.name!r} have {sizes[0]} dimensions, not {sizes[1]}", *sizes)
    elif params.distance.value != wanted.distance:
        found = params.distance.value
        what = (
            f"token vectors {wanted.name!r} are compared by {found}, not {wanted.distance}",
            found,
            wanted.distance,
        )
    elif (
        own is not None
        and own.name == wanted.name
        and len({own.model.lower(), wanted.model.lower()} - {UNNAMED}) > 1
    ):
        what = (
            f"token vectors {wanted.name!r} are of {own.model!r}, not {wanted.model!r}",
            own.model,
            wanted.model,
        )
    if what is not None:
        msg = (
            f"Collection {name!r} is not what late_interaction={wanted!r} asks for: {what[0]}. "
            "Say what it has, leave late_interaction out, or give it these: "
            f"{filling_call(name, 'late_interaction', wanted.spelled())}"
        )
        raise CollectionMismatchError(msg, collection=name, found=what[1], expected=what[2])
    if own is not None and own.name == wanted.name:
        return replace(own, encoder=wanted.encoder)
    return wanted
