"""What a collection holds before it is migrated."""

from collections.abc import Mapping
from dataclasses import dataclass

from qdrant_client import models

from mrl_adapters.errors import MigrationError
from mrl_adapters.maintenance.checkpoint import read_checkpoint
from mrl_adapters.qdrant.aliases import collection_behind
from mrl_adapters.qdrant.companion import owner_of
from mrl_adapters.qdrant.description import dense_vectors, stored_metadata, tenant_field
from mrl_adapters.qdrant.driver import Driver
from mrl_adapters.qdrant.flow import Flow, ask
from mrl_adapters.qdrant.layout import SHORT_NAME

_SLICEABLE = {None, models.Datatype.FLOAT32, models.Datatype.FLOAT16}


@dataclass(frozen=True)
class Source:
    """A collection as it is found.

    Args:
        name: Its name.
        info: The engine's description.
        full_name: Which of its vectors is the full one ("" for an unnamed one).
    """

    name: str
    info: models.CollectionInfo
    full_name: str

    @property
    def full(self) -> models.VectorParams:
        """Description of the full vector."""
        return dense_vectors(self.info)[self.full_name]

    @property
    def other_dense(self) -> dict[str, models.VectorParams]:
        """Dense vectors that are neither the full one nor derived from it."""
        return {
            name: params
            for name, params in dense_vectors(self.info).items()
            if name != self.full_name and not SHORT_NAME.fullmatch(name)
        }

    @property
    def sparse(self) -> Mapping[str, models.SparseVectorParams]:
        """Sparse vectors."""
        return self.info.config.params.sparse_vectors or {}

    @property
    def tenant_field(self) -> str | None:
        """Payload field that separates tenants, if one is indexed as such."""
        return tenant_field(self.info)

    @property
    def claimed(self) -> models.CollectionInfo:
        """The engine's description, without vectors that would leave open which is the full one.

        A collection with metadata says that itself.
        """
        if stored_metadata(self.info):
            return self.info
        params = self.info.config.params
        others = self.other_dense
        kept = {key: each for key, each in dense_vectors(self.info).items() if key not in others}
        changed = params.model_copy(update={"vectors": kept})
        config = self.info.config.model_copy(update={"params": changed})
        return self.info.model_copy(update={"config": config})


def read_source(driver: Driver, collection_name: str, full_name: str | None = None) -> Source:
    """Look at a collection and find its full vector.

    Args:
        driver: Reaches the collection.
        collection_name: Which collection, or an alias of it.
        full_name: Which vector is the full one; None finds out.

    Returns:
        The collection, under its own name.

    Raises:
        MigrationError: It does not exist, or has no single full vector that can be sliced.
    """
    if not driver.run(ask(lambda c: c.collection_exists(collection_name))):
        what = f"Collection {collection_name!r} does not exist"
        copies = (
            [] if driver.engine.loads_what_it_reads else driver.run(_copies_of(collection_name))
        )
        msg = (
            f"{what}; {copies[0]!r} is a finished copy of it. If the migration that made it was "
            "interrupted, run it again as it was: it switches the alias that it was given. "
            f"Otherwise use {copies[0]!r}."
            if copies
            else f"{what}. Check the name and the place (path or URL) that the client was given."
        )
        raise MigrationError(msg, collection=collection_name, found=copies[0] if copies else None)
    name = driver.run(collection_behind(collection_name))
    info = driver.run(ask(lambda c: c.get_collection(name)))
    source = Source(name, info, find_full(name, info, full_name))
    _check_full(source)
    return source


def _copies_of(name: str) -> Flow[list[str]]:
    """List a collection's finished copies."""
    found = []
    for each in (yield from ask(lambda c: c.get_collections())).collections:
        done = read_checkpoint((yield from _info(each.name)))
        if done and (done.mode, done.source, done.state) == ("copy", name, "done"):
            found.append(each.name)
    return found


def _info(name: str) -> Flow[models.CollectionInfo]:
    return (yield from ask(lambda c: c.get_collection(name)))


def find_full(name: str, info: models.CollectionInfo, wanted: str | None) -> str:
    """Tell which vector is the full one.

    Args:
        name: The collection's name, for messages.
        info: The engine's description.
        wanted: What the caller said; None finds out: the collection's own metadata, a vector
            called "full", or the only one.

    Raises:
        MigrationError: The caller named one that is not there, or several could be meant.
    """
    dense = dense_vectors(info)
    candidates = [key for key in dense if not SHORT_NAME.fullmatch(key)]
    listing = ", ".join(f"{key!r} ({dense[key].size})" for key in candidates) or "none"
    guess = wanted if wanted is not None else stored_metadata(info).get("full_name")
    if guess is None and "full" in candidates:
        guess = "full"
    if guess is None and len(candidates) == 1:
        guess = candidates[0]
    if guess in candidates:
        return str(guess)
    what = "which dense vector is the full one" if guess is None else f"no dense vector {guess!r}"
    msg = f"Collection {name!r}: {what}? It holds {listing}. Pass one as full_name (--full-name)."
    if not candidates:
        msg = (
            f"Collection {name!r} holds no dense vector, so there is nothing to derive short ones "
            "from. Embed its texts and load them into a new collection."
        )
    raise MigrationError(msg, collection=name, found=listing, expected=guess)


def _check_full(source: Source) -> None:
    owner = owner_of(source.info)
    if owner is not None:
        msg = (
            f"Collection {source.name!r} holds the rotation of {owner!r}, it is nothing to search. "
            f"Use {owner!r}."
        )
        raise MigrationError(msg, collection=source.name)
    full = source.full
    what = None
    if full.multivector_config is not None:
        what = "holds many vectors a point"
    elif full.datatype not in _SLICEABLE:
        what = f"is stored as {full.datatype.value if full.datatype else None}"
    if what is not None:
        msg = (
            f"Collection {source.name!r}: vector {source.full_name!r} {what}; short vectors can be "
            "derived from single float32 or float16 vectors. Pass another as full_name "
            "(--full-name), or embed the texts anew."
        )
        raise MigrationError(msg, collection=source.name, found=full.datatype)
