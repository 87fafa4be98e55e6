"""What a migration would do, how much it is, and roughly how long it takes."""

import math
import time
from itertools import islice

from mrl_adapters.maintenance.client import points_per_page
from mrl_adapters.maintenance.job import Job
from mrl_adapters.maintenance.layout import lasting_plan
from mrl_adapters.maintenance.point_copies import Destination
from mrl_adapters.maintenance.result import MigrationPlan
from mrl_adapters.maintenance.short_vectors import ShortVectors, column
from mrl_adapters.maintenance.source import Source
from mrl_adapters.qdrant.aliases import aliases
from mrl_adapters.qdrant.description import (
    active_rotation,
    dense_vectors,
    short_vectors,
    stored_metadata,
)
from mrl_adapters.qdrant.layout import PLAN_KEY, CollectionLayout
from mrl_adapters.qdrant.points import derive
from mrl_adapters.qdrant.quantization import DATATYPE_BITS
from mrl_adapters.qdrant.vector_names import short_name
from mrl_adapters.vectors import Rotation

_FLOAT32_BYTES = 4
# A point is read, given its vectors, and read again with them to be compared: on the embedded
# engine and local mode that took 4 to 9 times as long as reading it once.
_READINGS = 7.0
_COMPARING = 2.0  # of those, what comparing takes
_IDS_PER_PAGE = 10_000
_TIMED_PAGES = 3


def describe(job: Job) -> MigrationPlan:
    """Describe what a migration would do, how much it is, and roughly how long it takes."""
    client, source, layout = job.client, job.source, job.layout
    points = to_write = compared = client.count_points(source.name)
    added_bytes = sum(layout.stages) * _FLOAT32_BYTES
    if job.destination is not None:
        stored_bits = DATATYPE_BITS[job.destination.layout.full_datatype]
        added_bytes += round(source.full.size * stored_bits / 8)
        to_write = _points_to_copy(job, points)
        if _is_finished(job) and not job.destination.delete_source:
            compared = 0
    elif added := _added_stages(job):
        added_bytes = sum(added) * _FLOAT32_BYTES
    else:
        to_write = ShortVectors(client, source.name, layout).count_lacking()
    read_bytes = (source.full.size + sum(layout.stages)) * _FLOAT32_BYTES
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
        bytes_to_write=to_write * added_bytes,
        bytes_to_read=(to_write + compared) * read_bytes,
        estimated_s=_estimated_s(job, to_write, compared),
        resumes=job.resumes,
        steps=tuple(
            _steps_in_place(job)
            if job.destination is None
            else _steps_of_copy(job, job.destination)
        ),
    )


def _added_stages(job: Job) -> list[int]:
    """List the stages that the collection has no vector for yet."""
    present = dense_vectors(job.source.info)
    return [stage for stage in job.layout.stages if job.layout.stage_name(stage) not in present]


def _is_finished(job: Job) -> bool:
    return job.earlier is not None and job.earlier.state == "done"


def _points_to_copy(job: Job, points: int) -> int:
    """Count the points that an earlier run, if there was one, has not copied yet."""
    if job.earlier is None or job.earlier.state != "copying":
        return points if job.earlier is None else 0
    offset = job.earlier.offset
    if offset is None:
        return points
    pages = job.client.pages(job.source.name, _IDS_PER_PAGE, offset=offset)
    return sum(len(records) for records, _ in pages)


def _estimated_s(job: Job, written: int, compared: int) -> float:
    source = job.source
    pages = job.client.pages(
        source.name,
        points_per_page(source.full.size),
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
    readings = written * (_READINGS - _COMPARING) + compared * _COMPARING
    return fastest_s * readings if math.isfinite(fastest_s) else 0.0


def _steps_in_place(job: Job) -> list[str]:
    source, layout = job.source, job.layout
    if not layout.stages:
        dropped = [short_name(*each) for each in _dropped(source)]
        return [
            f"give {source.full_name or 'the unnamed vector'!r} a graph{_codes(layout)}",
            "note in the collection's metadata that it has no stages",
            *([f"drop the short vectors {', '.join(map(repr, dropped))}"] if dropped else []),
        ]
    steps = [
        f"derive short vectors {_derived(job)} for every point that lacks one",
        "compare all points, and mend what other writers changed meanwhile",
        "note the stages in the collection's metadata",
    ]
    if added := _added_stages(job):
        names = ", ".join(repr(layout.stage_name(stage)) for stage in added)
        steps.insert(0, f"add {names} to collection {source.name!r}, {_indexed(layout)}")
    kept = [stage for stage in layout.stages if stage not in added]
    if job.resettled and kept:
        names = ", ".join(repr(layout.stage_name(stage)) for stage in kept)
        steps.insert(0, f"build {names} anew, {_indexed(layout)}")
    if PLAN_KEY in stored_metadata(source.info) and lasting_plan(source.info, layout) is None:
        steps.append("drop the plan that was saved by tune: it was measured on other stages")
    return steps


def _steps_of_copy(job: Job, target: Destination) -> list[str]:
    source, state = job.source, job.earlier.state if job.earlier else None
    layout, full_name = target.layout, target.layout.full_name
    full = f"{_named(full_name)} on disk as {layout.full_datatype}"
    names = ", ".join(map(repr, layout.vector_names[:-1]))
    steps = []
    if state is None:
        parts = (
            f"{names}, {_indexed(layout)}, and {full}" if names else f"{full}, {_indexed(layout)}"
        )
        steps.append(f"create collection {target.name!r} with {parts}")
    if full_name != source.full_name:
        steps.append(
            f"call the unnamed vector {full_name!r}: whatever reads it has to name it then"
        )
    if state in {None, "copying"}:
        which = "every point" if state is None else "every point that is not in the copy yet,"
        deriving = f", and derive its short vectors {_derived(job)}" if names else ""
        steps.append(f"copy {which} with its payload and its other vectors{deriving}")
    if state != "done":
        steps.append("compare all points, and mend what other writers changed meanwhile")
        if PLAN_KEY in stored_metadata(source.info):
            steps.append("leave the plan that was saved by tune behind: tune the copy anew")
    elif target.delete_source:
        steps.append("compare all points with the finished copy: the source goes only if all agree")
    leading = {at.alias_name: at.collection_name for at in target.client.run(aliases())}
    if target.alias is not None and leading.get(target.alias) != target.name:
        steps.append(f"switch alias {target.alias!r} to {target.name!r}")
    if target.delete_source:
        rotation = " and its rotation" if active_rotation(source.info) is not None else ""
        steps.append(f"delete collection {source.name!r}{rotation}")
    return steps


def _derived(job: Job) -> str:
    full = _named(job.source.full_name)
    rotation = job.layout.rotation
    return f"from {full}{f' by {rotation!r}' if isinstance(rotation, Rotation) else ''}"


def _named(vector: str) -> str:
    return repr(vector) if vector else "the unnamed vector"


def _indexed(layout: CollectionLayout) -> str:
    return f"with a graph{_codes(layout)}"


def _codes(layout: CollectionLayout) -> str:
    return "" if layout.quantization is None else f" and {layout.quantization} codes"


def _dropped(source: Source) -> list[tuple[int, str | None]]:
    families = short_vectors(source.info)
    return [(stage, rotation) for rotation, family in families.items() for stage in family]
