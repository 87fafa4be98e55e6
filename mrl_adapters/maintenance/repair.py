"""Mend short vectors that are missing, or do not belong to their full vectors."""

import time
from dataclasses import asdict, dataclass
from typing import Any

from mrl_adapters.edge import EdgeClient, LogRepair
from mrl_adapters.errors import MigrationError
from mrl_adapters.maintenance.checkpoint import read_checkpoint
from mrl_adapters.maintenance.client import RetryingClient
from mrl_adapters.maintenance.layout import own_layout
from mrl_adapters.maintenance.short_vectors import Mended, ShortVectors
from mrl_adapters.maintenance.source import read_source
from mrl_adapters.maintenance.text_vectors import Filling, left_to_models, text_vectors_of
from mrl_adapters.progress import ProgressCallback
from mrl_adapters.qdrant.description import stored_metadata
from mrl_adapters.qdrant.driver import Client


@dataclass(frozen=True)
class RepairResult:
    """What a repair did.

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
        sparse_filled: Points that lacked BM25's sparse vector and got it.
        left: What takes a model, which is not at hand: how many points lack a model's sparse vector
            or token vectors, and the call that adds them, one sentence each.
    """

    collection_name: str
    stages: tuple[int, ...]
    filled: int
    corrected: int
    unusable: int
    settled: bool
    elapsed_s: float
    log: LogRepair | None = None
    sparse_filled: int = 0
    left: tuple[str, ...] = ()

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

    BM25's sparse vectors that are missing are computed from the stored texts. Those of a model,
    and token vectors, are counted: ``left`` says what adds them.

    On the embedded engine, files that are not what they were are taken as they are, if the engine
    can load them: what is missing or wrong in them stays so. What earlier versions let in is
    mended: a log that cannot be applied again, and payloads nested too deeply to be read.

    Every point is read and compared, where there are stages. A collection with short vectors that
    does not know what it is gets told so in its metadata. It may be interrupted at any moment; run
    it again.

    Args:
        client: Client that holds the collection.
        collection_name: The collection.
        full_name: Which vector is the full one, where several could be meant.
        progress: Called with a Progress after each page of points.

    Raises:
        MigrationError: It lacks the stages that it names, or its migration has not finished.
    """
    began_s = time.monotonic()
    log = None
    if isinstance(client, EdgeClient) and client.collection_exists(collection_name):
        log = client.repair_log(collection_name)
    retrying = RetryingClient(client)
    source = read_source(retrying, collection_name, full_name)
    checkpoint = read_checkpoint(source.info)
    if checkpoint is not None and checkpoint.state != "done":
        msg = (
            f"Collection {collection_name!r}: its migration from {checkpoint.source!r} to stages "
            f"{checkpoint.stages} has not finished, nothing was repaired. "
            f"{checkpoint.remedy(source.name, client)}"
        )
        raise MigrationError(
            msg, collection=collection_name, found=checkpoint.state, expected="done"
        )
    layout = own_layout(retrying, source)
    weighed, lacked = 0, {}
    for each in text_vectors_of(layout):
        filling = Filling(retrying, source, layout, each)
        if each.can_be_computed:
            weighed = filling.fill(progress)
        else:
            lacked[each] = filling.count_lacking()
    left = left_to_models(source.name, lacked)
    mended = Mended()
    if layout.stages:
        with retrying.bulk_writes(source.name):
            mended, _ = ShortVectors(retrying, source.name, layout).mend_all(progress)
    if layout.stages and not stored_metadata(source.info):
        retrying.update_collection(source.name, metadata=layout.metadata())
    return RepairResult(
        collection_name=source.name,
        stages=layout.stages,
        filled=mended.missing,
        corrected=mended.stale,
        unusable=mended.unusable,
        settled=not mended.unsettled,
        elapsed_s=time.monotonic() - began_s,
        log=log,
        sparse_filled=weighed,
        left=tuple(f"{each.message} {each.fix}" for each in left),
    )
