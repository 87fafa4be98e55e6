"""What a collection holds before it is migrated."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np
from qdrant_client import models

from mrl_adapters.errors import MigrationError
from mrl_adapters.maintenance.checkpoint import read_checkpoint
from mrl_adapters.maintenance.client import RetryingClient, points_per_page
from mrl_adapters.maintenance.short_vectors import column
from mrl_adapters.progress import Meter, ProgressCallback
from mrl_adapters.qdrant.aliases import collection_behind
from mrl_adapters.qdrant.companion import owner_of
from mrl_adapters.qdrant.description import dense_vectors, stored_metadata, tenant_field
from mrl_adapters.qdrant.missing import those_there
from mrl_adapters.qdrant.quantization import FullDatatype
from mrl_adapters.qdrant.vector_names import SHORT_NAME
from mrl_adapters.vectors import FloatArray

_SLICEABLE = {None, *map(models.Datatype, get_args(FullDatatype))}
_SAMPLED_POINTS = 20_000


@dataclass(frozen=True)
class Source:
    """A collection as a migration meets it.

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
    def unambiguous(self) -> models.CollectionInfo:
        """The engine's description, without vectors that would leave open which is the full one.

        A collection with metadata says that itself.
        """
        if stored_metadata(self.info):
            return self.info
        others = self.other_dense
        kept = {key: at for key, at in dense_vectors(self.info).items() if key not in others}
        params = self.info.config.params.model_copy(update={"vectors": kept})
        config = self.info.config.model_copy(update={"params": params})
        return self.info.model_copy(update={"config": config})


def read_source(
    client: RetryingClient, collection_name: str, full_name: str | None = None
) -> Source:
    """Look at a collection, and choose its full vector.

    Args:
        client: Client that holds the collection.
        collection_name: The collection, or an alias of it.
        full_name: Which vector is the full one; None takes what the collection's metadata say, a
            vector called "full", or the only one.
    """
    if not client.collection_exists(collection_name):
        there = client.run(those_there())
        raise _missing(collection_name, there, _copies_of(client, collection_name))
    name = client.run(collection_behind(collection_name))
    info = client.get_collection(name)
    source = Source(name, info, _full_name(name, info, full_name))
    _check_full(source)
    return source


def sample_vectors(
    client: RetryingClient, source: Source, progress: ProgressCallback | None
) -> Iterator[FloatArray]:
    """Read every full vector of a small collection, 20,000 random ones of a larger one.

    Random, because points that lie together by their ids may be of one kind.

    Yields:
        Finite vectors, shape (n, d), page by page.
    """
    total = client.count_points(source.name)
    wanted = min(_SAMPLED_POINTS, total)
    meter = Meter("fitting a rotation", wanted, progress)
    read = 0
    for points in _pages(client, source, total):
        vectors = column(points, source.full_name, source.full.size)
        yield vectors[np.isfinite(vectors).all(axis=1)]
        read += len(points)
        meter.reach(read)
        if read >= wanted:
            return


def _pages(
    client: RetryingClient, source: Source, total: int
) -> Iterator[Sequence[models.Record | models.ScoredPoint]]:
    size, names = points_per_page(source.full.size), [source.full_name]
    if total <= _SAMPLED_POINTS:
        for records, _ in client.pages(source.name, size, vectors=names):
            yield records
    else:
        while points := client.draw(source.name, size, vectors=names):
            yield points


def _copies_of(client: RetryingClient, name: str) -> list[str]:
    """List a collection's finished copies; none where describing them would load them."""
    if client.engine.loads_what_it_reads:
        return []
    names = [described.name for described in client.get_collections().collections]
    checkpoints = {other: read_checkpoint(client.get_collection(other)) for other in names}
    return [
        other
        for other, checkpoint in checkpoints.items()
        if checkpoint and checkpoint.is_finished_copy() and checkpoint.source == name
    ]


def _missing(name: str, there: str, copies: list[str]) -> MigrationError:
    msg = f"Collection {name!r} does not exist"
    if copies:
        msg += (
            f"; {copies[0]!r} is a finished copy of it. If the migration that made it was "
            "interrupted, run it again as it was: it switches the alias that it was given. "
            f"Otherwise use {copies[0]!r}."
        )
    else:
        msg += f". Check the name and the place (path or URL) that the client was given{there}."
    return MigrationError(msg, collection=name, found=copies[0] if copies else None)


def _full_name(name: str, info: models.CollectionInfo, wanted: str | None) -> str:
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
            "derived from single vectors of floats. Pass another as full_name "
            "(--full-name), or embed the texts anew."
        )
        raise MigrationError(msg, collection=source.name, found=full.datatype)
