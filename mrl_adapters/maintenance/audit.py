"""Say whether every point of a collection can be found by two-stage search, and what to improve."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qdrant_client import models

from mrl_adapters.edge import EdgeClient
from mrl_adapters.errors import CollectionMismatchError, EngineError
from mrl_adapters.maintenance.checkpoint import continuing, read_checkpoint
from mrl_adapters.maintenance.pages import (
    PointId,
    column,
    count_points,
    page_points,
    read_pages,
    vector_of,
)
from mrl_adapters.maintenance.recommendations import Advice, advise
from mrl_adapters.maintenance.shorts import ShortVectors
from mrl_adapters.maintenance.source import Source, read_source
from mrl_adapters.progress import Meter, ProgressCallback
from mrl_adapters.qdrant.commands import command, usual_stages
from mrl_adapters.qdrant.contents import needed, unreadable
from mrl_adapters.qdrant.description import short_vectors
from mrl_adapters.qdrant.driver import Client, Driver
from mrl_adapters.qdrant.flow import ask
from mrl_adapters.qdrant.layout import CollectionLayout
from mrl_adapters.qdrant.payload_keys import AskedKeys, PayloadKeys, find_keys, stored_keys
from mrl_adapters.qdrant.rotation import rotated_layout

_EXAMPLES = 10
_COUNTED = ("stale", "without_full", "not_finite", "zero", "padded", "unreadable")
_PADDED_SHARE = 0.25  # of a vector's numbers, at its end, all exactly zero


@dataclass(frozen=True)
class AuditReport:
    """What an audit found.

    Args:
        collection_name: The collection.
        stages: Sizes of its short vectors; empty if it has none.
        points: Points in it.
        checked: Points whose vectors were read: all, or the sample.
        missing: Points, of all, that have a full vector and lack a short one: two-stage search
            cannot find them.
        stale: Points, of those checked, with a short vector that does not belong to their full
            one: two-stage search finds them for the wrong questions.
        without_full: Points, of those checked, that have no full vector.
        not_finite: Points, of those checked, whose full vector holds NaN or infinity.
        zero: Points, of those checked, whose full vector is all zeros.
        padded: Points, of those checked, whose full vector ends in many zeros: embedded at a
            smaller size than the collection's.
        unreadable: Points, of those checked, whose payload holds no text that the adapters can
            read, or several of which any could be meant: searches give them as far as they can be
            read.
        examples: Ids of some points by what is wrong with them.
        problems: What keeps two-stage search from working as a whole, one sentence each.
        advice: What could be better.
        elapsed_s: Seconds it took.
    """

    collection_name: str
    stages: tuple[int, ...]
    points: int
    checked: int
    missing: int
    stale: int
    without_full: int
    not_finite: int
    zero: int
    padded: int
    unreadable: int
    examples: dict[str, list[PointId]] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    advice: tuple[Advice, ...] = ()
    elapsed_s: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether every point can be found, as far as was checked; advice does not count."""
        return not (self.missing or self.stale or self.not_finite or self.problems)

    @property
    def exit_code(self) -> int:
        """0 if all is well, 1 otherwise: for scripts."""
        return 0 if self.ok else 1

    def to_dict(self) -> dict[str, Any]:
        """Describe it in plain values."""
        return {"ok": self.ok, **asdict(self)}


def audit(
    client: Client,
    collection_name: str,
    *,
    sample: int | None = None,
    full_name: str | None = None,
    progress: ProgressCallback | None = None,
) -> AuditReport:
    """Check a collection's short vectors against its full ones, and its settings.

    Nothing is written. The embedded engine's files are compared with what was noted of them.
    Points that lack a short vector are counted by the engine, over all points; the rest is known
    only from reading vectors.

    Args:
        client: Client that holds the collection.
        collection_name: The collection.
        sample: How many points to read, chosen at random; None reads all.
        full_name: Which vector is the full one, where several could be meant.
        progress: Called with a Progress after each page.

    Raises:
        MigrationError: The collection does not exist, or has no full vector.
        EngineError: Files of the embedded engine are damaged, so that it does not open.
    """
    began_s = time.monotonic()
    driver = Driver(client)
    source = read_source(driver, collection_name, full_name)
    layout, problems = _layout(driver, source, full_name)
    problems += _damages(client, source.name)
    shorts = ShortVectors(driver, source.name, layout) if layout else None
    keys = stored_keys(source.info) or driver.run(find_keys(source.name, AskedKeys()))
    findings = _Findings(source, shorts, keys)
    points = count_points(driver, source.name)
    meter = Meter("auditing points", points if sample is None else min(sample, points), progress)
    for records in _records(driver, source, shorts, keys, sample):
        findings.add(records)
        meter.step(len(records))
    return AuditReport(
        collection_name=source.name,
        stages=layout.stages if layout else (),
        points=points,
        checked=findings.checked,
        missing=count_points(driver, source.name, shorts.lacking) if shorts else 0,
        **findings.counts,
        examples=findings.examples,
        problems=tuple(problems),
        advice=tuple(advise(driver, source, layout, keys)),
        elapsed_s=time.monotonic() - began_s,
    )


def _layout(
    driver: Driver, source: Source, full_name: str | None
) -> tuple[CollectionLayout | None, list[str]]:
    problems = []
    checkpoint = read_checkpoint(source.info)
    if checkpoint is not None and checkpoint.state != "done":
        problems.append(
            f"A migration from {checkpoint.source!r} to stages {checkpoint.stages} has not "
            f"finished. {continuing(checkpoint, source.name, driver.client)}"
        )
    if not short_vectors(source.info):
        stages = usual_stages(source.full.size)
        line = command(
            "migrate", source.name, stages=stages, full_name=full_name, client=driver.client
        )
        problems.append(f"It has no short vectors. Add them with: {line}")
        return None, problems
    try:
        layout = driver.run(rotated_layout(source.name, source.claimed))
    except CollectionMismatchError as error:
        return None, [*problems, str(error)]
    return layout, problems


def _damages(engine: Client, name: str) -> list[str]:
    """Compare all files of the embedded engine; of servers they are not ours to see."""
    if not isinstance(engine, EdgeClient):
        return []
    try:
        engine.check_files(name)
    except EngineError as error:
        return [str(error)]
    return []


def _records(
    driver: Driver,
    source: Source,
    shorts: ShortVectors | None,
    keys: PayloadKeys,
    sample: int | None,
) -> Iterator[list[models.Record]]:
    names = [source.full_name, *(shorts.names if shorts else [])]
    size = page_points(source.full.size)
    payload = needed(keys)
    if sample is None:
        for records, _ in read_pages(driver, source.name, size, vectors=names, payload=payload):
            yield records
        return
    ids = _random_ids(driver, source.name, sample)
    for start in range(0, len(ids), size):
        yield _retrieve(driver, source.name, ids[start : start + size], names, payload)


def _random_ids(driver: Driver, name: str, count: int) -> list[PointId]:
    answer = driver.run(
        ask(
            lambda c: c.query_points(
                name,
                query=models.SampleQuery(sample=models.Sample.RANDOM),
                limit=count,
                with_payload=False,
            )
        )
    )
    return [point.id for point in answer.points]


def _retrieve(
    driver: Driver,
    name: str,
    ids: list[PointId],
    names: list[str],
    payload: list[str] | bool,  # noqa: FBT001 - as Qdrant has it
) -> list[models.Record]:
    return driver.run(
        ask(lambda c: c.retrieve(name, ids=ids, with_payload=payload, with_vectors=names))
    )


class _Findings:
    """Count what is wrong with points, page by page."""

    def __init__(self, source: Source, shorts: ShortVectors | None, keys: PayloadKeys) -> None:
        self._source = source
        self._keys = keys
        self._shorts = shorts
        self.checked = 0
        self.examples: dict[str, list[PointId]] = {}
        self.counts = dict.fromkeys(_COUNTED, 0)

    def add(self, records: Sequence[models.Record]) -> None:
        name, size = self._source.full_name, self._source.full.size
        full = column(records, name, size)
        absent = np.array([vector_of(record, name) is None for record in records])
        not_finite = ~np.isfinite(full).all(axis=1) & ~absent
        empty = np.asarray(~full.any(axis=1))
        tail = max(1, int(size * _PADDED_SHARE))
        self.checked += len(records)
        self._note("without_full", absent, records)
        self._note("not_finite", not_finite, records)
        self._note("zero", empty, records)
        payloads = [record.payload or {} for record in records]
        unread = np.array([unreadable(each, self._keys) is not None for each in payloads])
        self._note("unreadable", unread, records)
        self._note("padded", np.asarray(~full[:, -tail:].any(axis=1) & ~empty), records)
        if self._shorts is not None:
            verdict = self._shorts.judge(records)
            self._note("missing", verdict.missing, records)
            self._note("stale", verdict.stale, records)

    def _note(self, what: str, rows: NDArray[np.bool_], records: Sequence[models.Record]) -> None:
        if not rows.any():
            return
        if what in self.counts:
            self.counts[what] += int(rows.sum())
        listed = self.examples.setdefault(what, [])
        ids = [record.id for record, bad in zip(records, rows, strict=True) if bad]
        listed += ids[: _EXAMPLES - len(listed)]
