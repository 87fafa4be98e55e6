"""Find out whether two-stage search reaches every point of a collection, and what to improve."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qdrant_client import models

from mrl_adapters.edge import EdgeClient
from mrl_adapters.errors import EngineError, MigrationError
from mrl_adapters.maintenance.checkpoint import read_checkpoint
from mrl_adapters.maintenance.client import PointId, Records, RetryingClient, points_per_page
from mrl_adapters.maintenance.layout import own_layout
from mrl_adapters.maintenance.recommendations import Recommendation, recommendations_for
from mrl_adapters.maintenance.short_vectors import ShortVectors, column
from mrl_adapters.maintenance.source import Source, read_source
from mrl_adapters.maintenance.text_vectors import kind_of, left_to_models, text_vectors_of
from mrl_adapters.progress import Meter, ProgressCallback
from mrl_adapters.qdrant.commands import command
from mrl_adapters.qdrant.contents import needed, unreadable
from mrl_adapters.qdrant.description import short_vectors, stored_metadata
from mrl_adapters.qdrant.driver import Client
from mrl_adapters.qdrant.layout import CollectionLayout
from mrl_adapters.qdrant.payload_keys import AskedKeys, PayloadKeys, find_keys, stored_keys
from mrl_adapters.qdrant.reading import vector_of

_EXAMPLES = 10
_COUNTED = (
    *("missing", "without_sparse", "without_tokens", "stale", "without_full"),
    *("not_finite", "zero", "padded", "unreadable"),
)
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
        without_sparse: Points, of those checked, that have a full vector and lack the sparse one:
            searches by words cannot find them.
        without_tokens: Points, of those checked, that have a full vector and lack token vectors:
            late interaction leaves them out.
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
        recommendations: What could be better.
        elapsed_s: Seconds it took.
    """

    collection_name: str
    stages: tuple[int, ...]
    points: int
    checked: int
    missing: int
    without_sparse: int
    without_tokens: int
    stale: int
    without_full: int
    not_finite: int
    zero: int
    padded: int
    unreadable: int
    examples: dict[str, list[PointId]] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    recommendations: tuple[Recommendation, ...] = ()
    elapsed_s: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether every point can be found, as far as was checked; recommendations do not count."""
        lost = self.missing or self.without_sparse or self.without_tokens or self.stale
        return not (lost or self.not_finite or self.problems)

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
    Of a sample, points that lack a short vector are counted by the engine, over all points, and
    some of them read to confirm it; the rest is known only from reading vectors.

    Args:
        client: Client that holds the collection.
        collection_name: The collection.
        sample: How many points to read, chosen at random; None reads all.
        full_name: Which vector is the full one, where several could be meant.
        progress: Called with a Progress after each page of points.

    Raises:
        MigrationError: The collection does not exist, or has no full vector.
        EngineError: Files of the embedded engine are damaged, so that it does not open.
    """
    began_s = time.monotonic()
    retrying = RetryingClient(client)
    source = read_source(retrying, collection_name, full_name)
    layout, problems = _layout(retrying, source, full_name)
    if isinstance(client, EdgeClient):  # of servers, files are not ours to see
        problems += _damages(client, source.name)
    has_stages = layout is not None and bool(layout.stages)
    shorts = ShortVectors(retrying, source.name, layout) if layout and has_stages else None
    found = retrying.run(find_keys(source.name, AskedKeys(), stored_keys(source.info)))
    keys = found.keys
    beside = {kind_of(each).counted: each for each in text_vectors_of(layout)} if layout else {}
    findings = _Findings(source, shorts, keys, {what: each.name for what, each in beside.items()})
    points = retrying.count_points(source.name)
    total = points if sample is None else min(sample, points)
    meter = Meter("auditing points", total, progress)
    vectors = [source.full_name, *(shorts.names if shorts else [])]
    vectors += [each.name for each in beside.values()]
    for records in _pages(retrying, source, vectors, keys, sample):
        findings.add(records)
        meter.step(len(records))
    counts = findings.counts
    if sample is not None and shorts is not None:
        counts["missing"] = shorts.count_lacking()
    left = left_to_models(source.name, {each: counts[what] for what, each in beside.items()})
    return AuditReport(
        collection_name=source.name,
        stages=layout.stages if layout else (),
        points=points,
        checked=findings.checked,
        **counts,
        examples=findings.examples,
        problems=tuple(problems),
        recommendations=(*left, *recommendations_for(retrying, source, layout, keys)),
        elapsed_s=time.monotonic() - began_s,
    )


def _layout(
    client: RetryingClient, source: Source, full_name: str | None
) -> tuple[CollectionLayout | None, list[str]]:
    problems = []
    checkpoint = read_checkpoint(source.info)
    if checkpoint is not None and checkpoint.state != "done":
        problems.append(
            f"A migration from {checkpoint.source!r} to stages {checkpoint.stages} has not "
            f"finished. {checkpoint.remedy(source.name, client.wrapped)}"
        )
    if stored_metadata(source.info).get("stages") and not short_vectors(source.info):
        line = command(
            "migrate",
            source.name,
            stages=stored_metadata(source.info)["stages"],
            full_name=full_name,
            client=client.wrapped,
        )
        return None, [*problems, f"It has lost its short vectors. Add them with: {line}"]
    try:
        return own_layout(client, source), problems
    except MigrationError as error:
        return None, [*problems, str(error)]


def _damages(engine: EdgeClient, name: str) -> list[str]:
    try:
        engine.check_files(name)
    except EngineError as error:
        return [str(error)]
    return []


def _pages(
    client: RetryingClient,
    source: Source,
    vectors: list[str],
    keys: PayloadKeys,
    sample: int | None,
) -> Iterator[Records]:
    """Read all points, or some that are drawn at random, with what is checked of them."""
    name, size, payload = source.name, points_per_page(source.full.size), needed(keys)
    if sample is None:
        for records, _ in client.pages(name, size, vectors=vectors, payload=payload):
            yield records
        return
    ids = [point.id for point in client.draw(name, sample)]
    for start in range(0, len(ids), size):
        page = ids[start : start + size]
        yield client.retrieve(name, ids=page, with_payload=payload, with_vectors=vectors)


class _Findings:
    """Count what is wrong with points, page by page."""

    def __init__(
        self,
        source: Source,
        shorts: ShortVectors | None,
        keys: PayloadKeys,
        beside: Mapping[str, str],
    ) -> None:
        self._source = source
        self._beside = beside  # what is counted to the vector that is lacking then
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
        for what, vector in self._beside.items():
            bare = [vector_of(record, vector) is None for record in records]
            self._note(what, np.array(bare) & ~absent, records)
        if self._shorts is not None:
            verdict = self._shorts.judge_latest(records)
            self._note("missing", verdict.missing, records)
            self._note("stale", verdict.stale, records)

    def _note(self, what: str, rows: NDArray[np.bool_], records: Sequence[models.Record]) -> None:
        if not rows.any():
            return
        self.counts[what] += int(rows.sum())
        listed = self.examples.setdefault(what, [])
        ids = [record.id for record, bad in zip(records, rows, strict=True) if bad]
        listed += ids[: _EXAMPLES - len(listed)]
