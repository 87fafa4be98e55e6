"""Settle which rotation a migration derives short vectors with: none, a given one, or its own."""

from typing import Literal

from mrl_adapters.errors import MigrationError
from mrl_adapters.maintenance.checkpoint import Checkpoint
from mrl_adapters.maintenance.sampling import sample_vectors
from mrl_adapters.maintenance.source import Source
from mrl_adapters.progress import ProgressCallback
from mrl_adapters.qdrant.commands import command
from mrl_adapters.qdrant.driver import Driver
from mrl_adapters.qdrant.layout import CollectionLayout
from mrl_adapters.qdrant.rotation import load_rotation
from mrl_adapters.vectors import Rotation


def choose_rotation(
    driver: Driver,
    source: Source,
    existing: CollectionLayout | None,
    stages: tuple[int, ...],
    wanted: Rotation | Literal["auto"] | None,
    target: tuple[Driver, str, Checkpoint | None],
    report: ProgressCallback | None,
) -> Rotation | None:
    """Settle which rotation to use.

    Args:
        driver: Reaches the collection.
        source: The collection.
        existing: Its layout if it is a two-stage collection already.
        stages: Sizes of the short vectors.
        wanted: What the caller asked for.
        target: Reaches the collection that is written to, its name, and where it stands.
        report: Told while one is fitted.

    Returns:
        The rotation; None slices the vectors as they are.

    Raises:
        MigrationError: The collection's short vectors are not made with that rotation.
    """
    target_driver, target_name, earlier = target
    if wanted is None:
        return None
    if existing is not None and existing.rotation != wanted:
        if wanted == "auto" and isinstance(existing.rotation, Rotation):
            return existing.rotation
        msg = (
            f"Collection {source.name!r} has short vectors made "
            f"{f'with {existing.rotation!r}' if existing.rotation else 'without a rotation'}, "
            f"asked for {wanted!r}. Replace them with: "
            f"{command('rotate', source.name, client=driver.client)}"
        )
        raise MigrationError(msg, collection=source.name, found=existing.rotation, expected=wanted)
    if isinstance(wanted, Rotation):
        return wanted
    if earlier is not None and earlier.rotation is not None:
        # Fitted by the run that was interrupted: points carry its short vectors already.
        return target_driver.run(load_rotation(target_name, earlier.rotation))
    return Rotation.fit(sample_vectors(driver, source, report), max(stages))
