"""What a bench measures: plain data."""

import json
import statistics
from dataclasses import asdict, dataclass

COMPARED_AT = 0.99
"""The overlap at which cold and limited runs and pictures are compared; less if the first contender
does not reach it."""


@dataclass(frozen=True)
class Answered:
    """One contender's searches at one overlap.

    Args:
        target: The overlap asked for.
        setting: The cheapest setting that reached it on the tuning queries.
        overlap: What it reached on the reported queries.
        p50_s: Median of one search, seconds.
        p95_s: 95th percentile, seconds.
        turns_s: Median of each turn, seconds: how far they spread is how noisy the machine was.
        queries_per_s: One after the other, in one thread.
        cpu_s: CPU time of a server's process, seconds a search; None in this process, and where it
            cannot be seen.
        compared_bytes: Bytes of vectors and codes that a server compared, a search, by its own
            count; None in this process, and where it does not say.
    """

    target: float
    setting: str
    overlap: float
    p50_s: float
    p95_s: float
    turns_s: tuple[float, ...]
    queries_per_s: float
    cpu_s: float | None = None
    compared_bytes: float | None = None


@dataclass(frozen=True)
class Cold:
    """First searches of a new process, its files in no cache.

    Args:
        open_s: Opening the collection, seconds.
        first_s: The first search, seconds.
        following_s: Median of the 19 that follow, seconds.
    """

    open_s: float
    first_s: float
    following_s: float


@dataclass(frozen=True)
class UnderLimit:
    """Searches of a process that may take only so much memory for them.

    Args:
        limit_bytes: The limit, without what the interpreter and its packages take.
        queries_per_s: None if the process was killed for want of memory.
    """

    limit_bytes: int
    queries_per_s: float | None


@dataclass(frozen=True)
class ServerCosts:
    """What a server says of one contender's collection.

    Args:
        indexed: Share of the vectors that graphs serve, 0 to 1; the rest is scanned.
        held_bytes: In RAM, not to be taken back; None where the server does not say.
        wanted_bytes: That, and all pages of files that the server wants cached.
    """

    indexed: float | None
    held_bytes: int | None
    wanted_bytes: int | None


@dataclass(frozen=True)
class ServerNote:
    """How it was measured on a server.

    Args:
        version: The server's.
        cpu_from: How CPU time was measured, or why it was not.
        left_out: Contenders that the server is too old for, and what they need.
    """

    version: str
    cpu_from: str
    left_out: tuple[str, ...]


@dataclass(frozen=True)
class Measured:
    """One contender.

    Args:
        name: Who.
        ours: Whether it is a way to use this library.
        load_s: Storing everything, seconds, once a build.
        build_s: Indexing it, seconds, once a build.
        disk_bytes: Its files; None where a server does not say.
        resident_bytes: Memory that opening and all the searching added to the process, pages of
            mapped files included. On a server what it has in RAM and in the page cache of the
            collection; None where it does not say.
        best_overlap: The highest overlap of any setting tried.
        answers: One for each target that was reached.
        cold: First searches; None where the system cannot forget files.
        limited: Searches under memory limits, falling; empty where none can be set.
        server: What a server says beside; None in this process.
    """

    name: str
    ours: bool
    load_s: tuple[float, ...]
    build_s: tuple[float, ...]
    disk_bytes: int | None
    resident_bytes: int | None
    best_overlap: float
    answers: tuple[Answered, ...]
    cold: Cold | None
    limited: tuple[UnderLimit, ...]
    server: ServerCosts | None = None

    def at(self, target: float) -> Answered | None:
        """Return the answers at one overlap, if it was reached."""
        return next((answer for answer in self.answers if answer.target == target), None)

    def latency_s(self, target: float) -> float | None:
        """Return the median latency at one overlap, seconds, if it was reached."""
        answer = self.at(target)
        return None if answer is None else answer.p50_s

    def cpu_s(self, target: float) -> float | None:
        """Return a server's CPU time for a search at one overlap, seconds, if it is known."""
        answer = self.at(target)
        return None if answer is None else answer.cpu_s

    @property
    def build_median_s(self) -> float:
        """Median of the builds, seconds."""
        return statistics.median(self.build_s)

    @property
    def load_median_s(self) -> float:
        """Median of the loads, seconds."""
        return statistics.median(self.load_s)


@dataclass(frozen=True)
class BenchResult:
    """All contenders of one run; the first is what the others are compared with.

    Args:
        data: What was searched.
        machine: On what.
        k: Results a query.
        points: How many documents.
        dimensions: Size of the full vectors.
        queries: How many were reported on.
        repeats: Turns of timing.
        compared_at: The overlap at which cold and limited runs are compared. A contender that does
            not reach it takes its most accurate setting there.
        measured: The contenders.
        server: Where they were: on a server; None in this process.
    """

    data: str
    machine: str
    k: int
    points: int
    dimensions: int
    queries: int
    repeats: int
    compared_at: float
    measured: tuple[Measured, ...]
    server: ServerNote | None = None

    @property
    def enough_queries_per_s(self) -> float | None:
        """Half of what the first contender answers under the loosest limit; None without limits.

        The turns of timing are no measure for that: there others' searches empty the caches.
        """
        base = self.measured[0].limited
        loosest = base[0].queries_per_s if base else None
        return None if loosest is None else loosest / 2

    def needed_bytes(self, contender: Measured) -> int | None:
        """Return the least limit under which a contender is fast enough, the same rate for all.

        Args:
            contender: Whose.

        Returns:
            Bytes; None where it never was, or did not reach the overlap that is compared at.
        """
        enough = self.enough_queries_per_s
        if enough is None or contender.at(self.compared_at) is None:
            return None
        fast = (run.limit_bytes for run in contender.limited if (run.queries_per_s or 0) >= enough)
        return min(fast, default=None)

    def to_json(self) -> str:
        """Return everything that was measured."""
        return json.dumps(asdict(self), indent=2)


@dataclass(frozen=True)
class GrowthResult:
    """The same contenders at several sizes.

    Args:
        results: One a size, rising.
    """

    results: tuple[BenchResult, ...]

    def to_json(self) -> str:
        """Return everything that was measured."""
        return json.dumps(asdict(self), indent=2)
