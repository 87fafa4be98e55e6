"""Find out what a migration has to do, before anything is written."""

import math
import time
from dataclasses import dataclass, replace
from itertools import islice
from typing import Literal

from mrl_adapters.errors import ConfigurationError, MigrationError
from mrl_adapters.qdrant.driver import Client, Driver
from mrl_adapters.qdrant.engine import Engine, engine_of
from mrl_adapters.qdrant.flow import ask
from mrl_adapters.qdrant.layout import PLAN_KEY, CollectionLayout
from mrl_adapters.qdrant.migration.checkpoint import Checkpoint, Mode, read_checkpoint
from mrl_adapters.qdrant.migration.copying import find_copy
from mrl_adapters.qdrant.migration.destination import Destination
from mrl_adapters.qdrant.migration.in_place import check_engine, kept_plan
from mrl_adapters.qdrant.migration.layouts import copied_layout, existing_layout, wanted_layout
from mrl_adapters.qdrant.migration.learning import choose_rotation
from mrl_adapters.qdrant.migration.pages import column, count_points, page_points, read_pages
from mrl_adapters.qdrant.migration.progress import ProgressCallback
from mrl_adapters.qdrant.migration.result import CopyTarget, MigrationPlan
from mrl_adapters.qdrant.migration.shorts import ShortVectors
from mrl_adapters.qdrant.migration.source import Source, read_source
from mrl_adapters.qdrant.points import derive
from mrl_adapters.qdrant.reading import stored_metadata
from mrl_adapters.vectors import Rotation

_FLOAT32_BYTES = 4
_FLOAT16_BYTES = 2
# A point is read, given its vectors, and read again with them to be compared: on the embedded
# engine and local mode that took 4 to 9 times as long as reading it once.
_WORK = 7.0
_TIMED_PAGES = 3


@dataclass(frozen=True)
class Job:
    """A migration that has been looked into and may begin.

    Args:
        driver: Reaches the old collection.
        source: The collection as it was found.
        layout: What it shall be, in place.
        destination: Where the copy goes; None in place.
        earlier: Where an unfinished run stopped.
    """

    driver: Driver
    source: Source
    layout: CollectionLayout
    destination: Destination | None
    earlier: Checkpoint | None


def prepare(  # noqa: PLR0913 - migrate's own arguments
    client: Client,
    collection_name: str,
    *,
    stages: tuple[int, ...],
    mode: Mode,
    target: str | CopyTarget | None,
    rotation: Rotation | Literal["auto"] | None,
    model: str | None,
    full_name: str | None,
    report: ProgressCallback | None = None,
) -> Job:
    """Look at everything that can stand in a migration's way.

    Args:
        client: Client that holds the collection.
        collection_name: The collection, or an alias of it.
        stages: Sizes of the short vectors.
        mode: In place, or into a copy.
        target: Where a copy goes.
        rotation: Rotation to slice after, "auto" to fit one.
        model: Name of the embedding model.
        full_name: Which vector is the full one.
        report: Told while a rotation is fitted.

    Raises:
        ConfigurationError: The arguments contradict each other.
        MigrationError: The collection, the engine or the target cannot do it.
    """
    if mode not in {"in_place", "copy"}:
        msg = f"migrate(mode={mode!r}): expected 'in_place' or 'copy'."
        raise ConfigurationError(msg)
    if mode == "in_place" and target is not None:
        msg = "migrate(target=...) says where a copy goes: pass mode='copy' with it, or leave it."
        raise ConfigurationError(msg)
    driver = Driver(client)
    source = read_source(driver, collection_name, full_name)
    # The alias may be about to be switched.
    alias = collection_name if collection_name != source.name else None
    existing = existing_layout(driver, source)
    place = target if isinstance(target, CopyTarget) else CopyTarget(target)
    earlier = read_checkpoint(source.info)
    target_driver = driver
    name = source.name
    if mode == "copy":
        target_driver = driver if place.client is None else Driver(place.client)
        name = place.collection_name or (
            source.name if place.client is not None else f"{source.name}_two_stage"
        )
        earlier = _unfinished(target_driver, name)
    else:
        check_engine(driver, source.name)
    chosen = choose_rotation(
        driver, source, existing, stages, rotation, (target_driver, name, earlier), report
    )
    layout = wanted_layout(source, existing, stages, model, chosen)
    destination = None
    if mode == "copy":
        destination = _destination(driver, source, place, layout, (target_driver, name, alias))
        earlier = find_copy(source, destination)
    if earlier is not None and earlier.state == "done":
        earlier = None
    return Job(driver, source, layout, destination, earlier)


def _unfinished(driver: Driver, name: str) -> Checkpoint | None:
    if not driver.run(ask(lambda c: c.collection_exists(name))):
        return None
    return read_checkpoint(driver.run(ask(lambda c: c.get_collection(name))))


def _destination(
    driver: Driver,
    source: Source,
    place: CopyTarget,
    layout: CollectionLayout,
    found: tuple[Driver, str, str | None],
) -> Destination:
    target_driver, name, source_alias = found
    same_client = target_driver is driver
    if same_client and name == source.name:
        msg = (
            f"Collection {source.name!r} cannot be copied onto itself. Choose another target, or "
            "mode='in_place'."
        )
        raise ConfigurationError(msg)
    engines = {each.run(ask(engine_of)) for each in (driver, target_driver)}
    alias = place.alias or (source_alias if same_client else None)
    if alias is not None and target_driver.run(ask(engine_of)) is Engine.EDGE:
        msg = (
            f"The embedded engine has no aliases: {alias!r} cannot be switched to {name!r}. "
            "Leave alias out and open the new collection by its name."
        )
        raise ConfigurationError(msg)
    if alias == source.name and not (place.delete_source and same_client):
        msg = (
            f"{alias!r} is the collection's own name, which an alias can take only once it is "
            "deleted. Pass delete_source=True, or choose another alias."
        )
        raise ConfigurationError(msg)
    params = source.info.config.params
    if getattr(params.sharding_method, "value", None) == "custom":
        msg = (
            f"Collection {source.name!r} has custom shards, which a copy does not have. "
            "Migrate it in place."
        )
        raise MigrationError(msg)
    copied = copied_layout(source, layout)
    if engines != {Engine.SERVER}:
        # How an embedded engine is sharded says nothing about how a cluster should be.
        copied = replace(copied, shard_number=None, replication_factor=None)
    return Destination(target_driver, name, copied, alias, place.delete_source)


def describe(job: Job) -> MigrationPlan:
    """Say what a migration would do, how much it is, and roughly how long it takes.

    Args:
        job: The migration.
    """
    source, layout = job.source, job.layout
    points = count_points(job.driver, source.name)
    to_write = points
    if job.destination is None:
        to_write = _to_fill(job)
    sizes = [source.full.size, *layout.stages]
    added = sum(layout.stages) * _FLOAT32_BYTES
    if job.destination is not None:
        added += source.full.size * _FLOAT16_BYTES
    return MigrationPlan(
        mode="in_place" if job.destination is None else "copy",
        collection_name=source.name,
        target_name=source.name if job.destination is None else job.destination.name,
        full_name=source.full_name,
        dimensions=source.full.size,
        distance=layout.distance,
        stages=layout.stages,
        model=layout.model,
        points=points,
        points_to_write=to_write,
        bytes_to_write=to_write * added,
        bytes_to_read=(to_write + points) * sum(sizes) * _FLOAT32_BYTES,
        estimated_s=_page_s(job, points),
        resumes=job.earlier is not None,
        steps=tuple(_steps(job)),
    )


def _to_fill(job: Job) -> int:
    shorts = ShortVectors(job.driver, job.source.name, job.layout)
    if set(shorts.names) <= set(_names(job.source)):
        return count_points(job.driver, job.source.name, shorts.lacking)
    return count_points(job.driver, job.source.name)


def _names(source: Source) -> list[str]:
    params = source.info.config.params.vectors
    return list(params) if isinstance(params, dict) else [""]


def _page_s(job: Job, points: int) -> float:
    source = job.source
    pages = read_pages(
        job.driver,
        source.name,
        page_points(source.full.size),
        vectors=[source.full_name],
        payload=job.destination is not None,
    )
    fastest_s = math.inf
    began_s = time.perf_counter()
    for records, _ in islice(pages, _TIMED_PAGES):
        derive(column(records, source.full_name, source.full.size), job.layout)
        now_s = time.perf_counter()
        fastest_s = min(fastest_s, (now_s - began_s) / len(records))
        began_s = now_s
    return fastest_s * points * _WORK if points else 0.0


def _steps(job: Job) -> list[str]:
    source, layout = job.source, job.layout
    names = ", ".join(map(repr, layout.vector_names[:-1]))
    rotated = f" after {layout.rotation!r}" if layout.rotation else ""
    full = repr(source.full_name) if source.full_name else "the unnamed vector"
    derived = f"derive {names} from {full}{rotated}"
    saved = PLAN_KEY in stored_metadata(source.info)
    if job.destination is None:
        steps = [
            f"add {names} to collection {source.name!r}, {_indexed(layout)}",
            f"{derived} for every point that lacks one",
            "compare all points, and mend what other writers changed meanwhile",
            "note the stages in the collection's metadata",
        ]
        if saved and kept_plan(source.info, layout) is None:
            steps.append("drop the plan that was saved by tune: it was measured on other stages")
        return steps
    target = job.destination
    steps = [
        (
            f"create collection {target.name!r} with {names} {_indexed(layout)}, and "
            f"{target.layout.full_name!r} on disk as float16"
        ),
        f"copy every point with its payload and its other vectors, and {derived}",
        "compare all points, and mend what other writers changed meanwhile",
    ]
    if saved:
        steps.append("leave the plan that was saved by tune behind: tune the copy anew")
    if target.alias is not None:
        steps.append(f"switch alias {target.alias!r} to {target.name!r}")
    if target.delete_source:
        steps.append(f"delete collection {source.name!r}")
    return steps


def _indexed(layout: CollectionLayout) -> str:
    return "with a graph" if layout.quantization is None else "with a graph and int8 codes"
