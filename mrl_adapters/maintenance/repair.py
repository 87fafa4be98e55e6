"""Mend short vectors that are missing, or do not belong to their full vectors."""

import time
from dataclasses import asdict, dataclass
from typing import Any

from mrl_adapters.edge import EdgeClient, LogRepair
from mrl_adapters.errors import CollectionMismatchError, MigrationError
from mrl_adapters.maintenance.checkpoint import continuing, read_checkpoint
from mrl_adapters.maintenance.in_place import settle_all
from mrl_adapters.maintenance.shorts import ShortVectors
from mrl_adapters.maintenance.source import read_source
from mrl_adapters.progress import ProgressCallback
from mrl_adapters.qdrant.description import stored_metadata
from mrl_adapters.qdrant.driver import Client, Driver
from mrl_adapters.qdrant.flow import ask
from mrl_adapters.qdrant.layout import CollectionLayout
from mrl_adapters.qdrant.rotation import rotated_layout


@dataclass(frozen=True)
class RepairResult:
    """Say what a repair did.

    Args:
        collection_name: The collection.
        stages: Sizes of its short vectors.
        filled: Points that lacked a short vector.
        corrected: Points whose short vectors did not belong to their full one.
        unusable: Points without a full vector, or with one that holds NaN or infinity; they have
            no short vectors.
        settled: Whether the last comparison found everything right. False: other writers changed
            points all the time; run it again when they are done.
        elapsed_s: Seconds it took.
        log: What was mended in the embedded engine's log and payloads, and what was wrong with
            its files; None on other engines.
    """

    collection_name: str
    stages: tuple[int, ...]
    filled: int
    corrected: int
    unusable: int
    settled: bool
    elapsed_s: float
    log: LogRepair | None = None

    def to_dict(self) -> dict[str, Any]:
        """Describe it in plain values."""
        return asdict(self)


def repair(
    client: Client,
    collection_name: str,
    *,
    full_name: str | None = None,
    progress: ProgressCallback | None = None,
) -> RepairResult:
    """Derive again every short vector that is missing or does not belong to its full one.

    On the embedded engine, files that are not what they were are taken as they are, if the engine
    can load them: what is missing or wrong in them stays so. What earlier versions let in is
    mended: a log that cannot be applied again, and payloads nested too deeply to be read.

    Every point is read and compared. A collection with short vectors that does not know what it
    is gets told so in its metadata. It may be interrupted at any moment; run it again.

    Args:
        client: Client that holds the collection.
        collection_name: The collection.
        full_name: Which vector is the full one, where several could be meant.
        progress: Called with a Progress after each page.

    Raises:
        MigrationError: It is not a two-stage collection, or its migration has not finished.
    """
    began_s = time.monotonic()
    log = _mend_log(client, collection_name)
    driver = Driver(client)
    source = read_source(driver, collection_name, full_name)
    checkpoint = read_checkpoint(source.info)
    if checkpoint is not None and checkpoint.state != "done":
        msg = (
            f"Collection {collection_name!r}: its migration from {checkpoint.source!r} to stages "
            f"{checkpoint.stages} has not finished, nothing was repaired. "
            f"{continuing(checkpoint, source.name, client)}"
        )
        raise MigrationError(
            msg, collection=collection_name, found=checkpoint.state, expected="done"
        )
    try:
        layout = driver.run(rotated_layout(source.name, source.claimed))
    except CollectionMismatchError as error:
        raise MigrationError(
            str(error), collection=source.name, found=error.found, expected=error.expected
        ) from error
    shorts = ShortVectors(driver, source.name, layout)
    found, _ = settle_all(driver, source.name, shorts, progress)
    if not stored_metadata(source.info):
        _describe(driver, source.name, layout)
    return RepairResult(
        collection_name=source.name,
        stages=layout.stages,
        filled=found.missing,
        corrected=found.stale,
        unusable=found.unusable,
        settled=not found.restless,
        elapsed_s=time.monotonic() - began_s,
        log=log,
    )


def _mend_log(engine: Client, name: str) -> LogRepair | None:
    if isinstance(engine, EdgeClient) and engine.collection_exists(name):
        return engine.repair_log(name)
    return None


def _describe(driver: Driver, name: str, layout: CollectionLayout) -> None:
    driver.run(ask(lambda c: c.update_collection(name, metadata=layout.metadata())))
