"""What a migration is told of a copy, what it would do, and what it did."""

from dataclasses import asdict, dataclass
from typing import Any

from mrl_adapters.maintenance.checkpoint import Mode
from mrl_adapters.qdrant.driver import Client


@dataclass(frozen=True)
class CopyTarget:
    """Where a copy goes.

    Args:
        collection_name: Name of the new collection; None takes the old one's name in another
            client, the old one's name with ``_two_stage`` in the same.
        client: Another client to write to: server to embedded engine, embedded engine to server,
            local mode to either. None stays in the same one.
        alias: Alias that is switched to the copy once it has settled. If the collection was
            named by an alias, that one is switched unless another is given.
        delete_source: Whether the old collection is deleted in the end, with its rotation if it has
            one: only if, compared once more right before, it equals the copy in content and count.
    """

    collection_name: str | None = None
    client: Client | None = None
    alias: str | None = None
    delete_source: bool = False

    def name_for(self, source_name: str) -> str:
        """Name the copy of a collection.

        Args:
            source_name: The collection's own name.
        """
        if self.collection_name:
            return self.collection_name
        return source_name if self.client is not None else f"{source_name}_two_stage"


@dataclass(frozen=True)
class MigrationPlan:
    """What a migration would do.

    Args:
        mode: In place, or into a copy.
        collection_name: The collection.
        target_name: The collection that gets the short vectors.
        full_name: The vector that they are derived from ("" for an unnamed one).
        dimensions: Its size.
        distance: How it is compared.
        stages: Sizes of the short vectors in the end.
        model: Name of the embedding model, if known.
        points: Points in the collection.
        points_to_write: Points that would be written.
        bytes_to_write: What that adds, without graphs and payloads.
        bytes_to_read: What is read, twice: to write, and to verify.
        estimated_s: How long that takes, from the time that pages took to read.
        resumes: Whether it goes on where an earlier run stopped.
        steps: What happens, one sentence each.
    """

    mode: Mode
    collection_name: str
    target_name: str
    full_name: str
    dimensions: int
    distance: str
    stages: tuple[int, ...]
    model: str | None
    points: int
    points_to_write: int
    bytes_to_write: int = 0
    bytes_to_read: int = 0
    estimated_s: float = 0.0
    resumes: bool = False
    steps: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Describe it in plain values."""
        return asdict(self)


@dataclass(frozen=True)
class MigrationResult:
    """What a migration did.

    Args:
        mode: In place, or into a copy.
        collection_name: The collection.
        target_name: The collection that has the short vectors now.
        stages: Sizes of its short vectors.
        points: Points in it at the end.
        written: Points written in the first pass.
        corrected: Points that other writers added, changed or deleted meanwhile, mended by the
            last passes.
        unusable: Points without a full vector, or with one that holds NaN or infinity; they have
            no short vectors.
        dropped_plan: Whether a plan that ``tune`` had saved with the collection was dropped (in a
            copy: not carried over), since it was measured on other short vectors.
        passes: How often all points were compared.
        settled: Whether the last comparison found everything right. False: other writers changed
            points all the time; run it again when they are done. Until then a copy's alias is not
            switched, and its source not deleted.
        resumed: Whether it went on where an earlier run stopped.
        elapsed_s: Seconds it took.
        renamed_full: Whether the full vector, which had no name, is called "full" in the copy:
            servers before 1.18 keep no unnamed vector beside named ones.
        text_index: The payload field whose texts were indexed to be ranked by BM25, if that was
            asked for; where nothing else was, ``written`` counts the texts that were put there.
        sparse: The sparse vector that was added or filled, if that was asked for; where nothing
            else was, ``written`` counts the points that got it.
        late_interaction: The token vectors that were added or filled, if that was asked for, as
            ``sparse``.
    """

    mode: Mode
    collection_name: str
    target_name: str
    stages: tuple[int, ...]
    points: int
    written: int
    corrected: int = 0
    unusable: int = 0
    dropped_plan: bool = False
    passes: int = 0
    settled: bool = True
    resumed: bool = False
    elapsed_s: float = 0.0
    renamed_full: bool = False
    text_index: str | None = None
    sparse: str | None = None
    late_interaction: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Describe it in plain values."""
        return asdict(self)
