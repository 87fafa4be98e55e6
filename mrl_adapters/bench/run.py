"""Measure contenders side by side: one engine, one machine, the same vectors and queries."""

import re
import shutil
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from mrl_adapters.bench.contender import Contender
from mrl_adapters.bench.data import BenchData
from mrl_adapters.bench.hardships import Hardships
from mrl_adapters.bench.machine import describe_machine, disk_bytes
from mrl_adapters.bench.process import Loaded, Session, Worker
from mrl_adapters.bench.result import BenchResult, Measured, ServerNote
from mrl_adapters.bench.turns import Found, halves, search_in_turns
from mrl_adapters.errors import ConfigurationError
from mrl_adapters.progress import Meter, ProgressCallback

_FEWEST_QUERIES = 20  # ten to choose by, ten to report


def run(
    data_folder: Path,
    contenders: Sequence[Contender],
    folder: Path,
    *,
    k: int = 10,
    repeats: int = 5,
    builds: int = 1,
    progress: ProgressCallback | None = None,
) -> BenchResult:
    """Load, build and search with each contender in turn.

    Half of the queries choose each contender's cheapest setting for each overlap; the other half
    is timed and reported.

    Args:
        data_folder: Vectors written by one of the functions of ``mrl_adapters.bench.data``.
        contenders: Who; the first one is what the others are compared with.
        folder: Where the engine keeps its files meanwhile: in a new folder below this one, which
            alone is deleted afterwards.
        k: Results a query.
        repeats: Turns of timing: each contender searches a part of the queries, then the next.
        builds: How often each contender loads and builds from nothing, in turn as well.
        progress: Called with a Progress after each step.

    Returns:
        What was measured, with the machine's name.

    Raises:
        ConfigurationError: There are fewer than 20 queries.
        MissingExtraError: psutil is not installed.
    """
    data = open_data(data_folder)
    made = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    own = Path(tempfile.mkdtemp(prefix="engine-", dir=folder))
    sessions = [
        Session(contender, data_folder, own / re.sub(r"\W+", "-", contender.name), k)
        for contender in contenders
    ]
    _, reported = halves(len(data.queries))
    try:
        loaded = build(sessions, builds, progress)
        compared_at, found = search_in_turns(sessions, data, k, repeats, progress)
        settings = [result.compared for result in found]
        hardships = Hardships(sessions, settings, reported, progress)
        cold = hardships.cold()
        limited = hardships.limited(data.documents.nbytes)
        measured = tuple(
            measured_with(
                session.contender,
                loaded[place],
                found[place],
                disk_bytes=disk_bytes(session.folder),
                resident_bytes=found[place].resident_bytes,
                cold=cold[place],
                limited=limited[place],
            )
            for place, session in enumerate(sessions)
        )
    finally:
        shutil.rmtree(own, ignore_errors=True)
        if made:
            with suppress(OSError):  # somebody put something into it meanwhile
                folder.rmdir()
    return result_of(data, k, repeats, compared_at, measured)


def measured_with(
    contender: Contender, loaded: Sequence[Loaded], found: Found, **own: Any
) -> Measured:
    """Put together what was measured with one contender.

    Args:
        contender: Who.
        loaded: How long it loaded and built, once a build.
        found: What searching gave.
        own: What is measured in other ways in this process and on a server.
    """
    return Measured(
        name=contender.name,
        ours=contender.ours,
        load_s=tuple(load.load_s for load in loaded),
        build_s=tuple(load.build_s for load in loaded),
        best_overlap=found.best_overlap,
        answers=found.answers,
        **own,
    )


def result_of(
    data: BenchData,
    k: int,
    repeats: int,
    compared_at: float,
    measured: tuple[Measured, ...],
    server: ServerNote | None = None,
) -> BenchResult:
    """Put together what a run measured, with what and where.

    Args:
        data: Vectors and queries.
        k: Results a query.
        repeats: Turns of timing.
        compared_at: The overlap that contenders are compared at.
        measured: Each of them.
        server: How it was measured on a server; None in this process.
    """
    _, reported = halves(len(data.queries))
    return BenchResult(
        data=data.name,
        machine=describe_machine(),
        k=k,
        points=len(data.documents),
        dimensions=data.documents.shape[1],
        queries=len(reported),
        repeats=repeats,
        compared_at=compared_at,
        measured=measured,
        server=server,
    )


def open_data(folder: Path) -> BenchData:
    """Open vectors to measure with.

    Args:
        folder: Where one of the functions of ``mrl_adapters.bench.data`` has written them.

    Raises:
        ConfigurationError: There are fewer than 20 queries.
    """
    data = BenchData.open(folder)
    if len(data.queries) < _FEWEST_QUERIES:
        msg = (
            f"Found {len(data.queries)} queries, expected at least {_FEWEST_QUERIES}: one half "
            "chooses settings, the other reports."
        )
        raise ConfigurationError(msg)
    return data


def build(
    sessions: Sequence[Session], builds: int, progress: ProgressCallback | None
) -> list[list[Loaded]]:
    """Load and build from nothing, in turns; what the last turn stored stays.

    Args:
        sessions: What each contender's process does.
        builds: How often.
        progress: Called with a Progress after each step.

    Returns:
        How long it took, a list for each contender.
    """
    loaded: list[list[Loaded]] = [[] for _ in sessions]
    meter = Meter("loading and indexing", builds * len(sessions), progress)
    for _ in range(builds):
        for place, session in enumerate(sessions):
            shutil.rmtree(session.folder, ignore_errors=True)
            with Worker(session) as worker:
                loaded[place].append(worker.load())
            meter.step()
    return loaded
