"""Bring an existing collection to two stages without embedding anything again."""

from collections.abc import Sequence
from typing import Literal

from mrl_adapters.maintenance.checkpoint import Mode
from mrl_adapters.maintenance.copying import migrate_by_copy
from mrl_adapters.maintenance.describing import describe
from mrl_adapters.maintenance.in_place import migrate_in_place
from mrl_adapters.maintenance.planning import prepare
from mrl_adapters.maintenance.remainder import Remainder
from mrl_adapters.maintenance.result import CopyTarget, MigrationPlan, MigrationResult
from mrl_adapters.progress import ProgressCallback
from mrl_adapters.qdrant.driver import Client
from mrl_adapters.vectors import Rotation


def migrate(  # noqa: PLR0913 - what may be said of a migration; a copy's own part is CopyTarget
    client: Client,
    collection_name: str,
    *,
    stages: Sequence[int] = (256,),
    mode: Mode = "in_place",
    target: str | CopyTarget | None = None,
    rotation: Rotation | Literal["auto"] | None = None,
    model: str | None = None,
    full_name: str | None = None,
    progress: ProgressCallback | None = None,
) -> MigrationResult:
    """Give an existing collection short vectors, derived from the full ones that it stores.

    Nothing is embedded again. It may be interrupted at any moment, even killed: run again, it
    goes on where it stopped; run on a finished collection, it checks it and mends what is wrong.
    Other writers may go on meanwhile; what they change is found and done in the last passes. Only
    what a writer that knows nothing of short vectors changes behind the very last comparison is
    left, as is what it writes afterwards: ``audit`` counts it, ``repair`` mends it.

    ``mode="in_place"`` adds named vectors to the collection (embedded engine, local mode, servers
    from 1.18). ``mode="copy"`` writes a new collection with the ideal layout, in this client or
    another one, and never touches the old one unless ``CopyTarget`` asks for it. An alias is
    switched only to a copy that has settled, and the old collection is deleted only if, compared
    once more right before, it equals the copy in content and count. What is written to the old
    collection behind that comparison is not found (on the embedded engine, this client's stores
    wait), and a finished copy is never written to again: let the writers rest for the end of it,
    then move them over.

    Args:
        client: Client that holds the collection.
        collection_name: The collection, or an alias of it.
        stages: Sizes of the short vectors; those that the collection has already are kept.
        mode: In place, or into a copy.
        target: Name of the copy, or a CopyTarget with another client, an alias to switch, and
            whether to delete the old collection. None calls it ``<name>_two_stage``.
        rotation: Rotation to slice after; "auto" fits one on the collection's own vectors.
        model: Name of the embedding model, if it is known: its reduction is used, and models
            whose vectors cannot be sliced are refused.
        full_name: Which vector is the full one, where several could be meant.
        progress: Called with a Progress after each page.

    Raises:
        ConfigurationError: The arguments contradict each other, or the model cannot be sliced.
        DimensionsError: A stage does not fit the vectors.
        MigrationError: The collection, the engine or the target cannot do it.
        CollectionMismatchError: Somebody else's collection has the name that the rotation is to
            be kept under.
    """
    job = prepare(
        client,
        collection_name,
        stages=tuple(stages),
        mode=mode,
        target=target,
        rotation=rotation,
        model=model,
        full_name=full_name,
        report=progress,
    )
    if isinstance(job, Remainder):
        return job.finish()
    if job.destination is None:
        return migrate_in_place(job.driver, job.source, job.layout, progress)
    return migrate_by_copy(job.driver, job.source, job.destination, progress)


def plan_migration(
    client: Client,
    collection_name: str,
    *,
    stages: Sequence[int] = (256,),
    mode: Mode = "in_place",
    target: str | CopyTarget | None = None,
    rotation: Rotation | Literal["auto"] | None = None,
    model: str | None = None,
    full_name: str | None = None,
) -> MigrationPlan:
    """Say what :func:`migrate` would do, without writing anything.

    The arguments are those of :func:`migrate`, and so are the errors.

    Args:
        client: Client that holds the collection.
        collection_name: The collection, or an alias of it.
        stages: Sizes of the short vectors.
        mode: In place, or into a copy.
        target: Where a copy goes.
        rotation: Rotation to slice after; "auto" fits one here too, to see that it can be done.
        model: Name of the embedding model.
        full_name: Which vector is the full one.
    """
    job = prepare(
        client,
        collection_name,
        stages=tuple(stages),
        mode=mode,
        target=target,
        rotation=rotation,
        model=model,
        full_name=full_name,
    )
    return job.plan() if isinstance(job, Remainder) else describe(job)
