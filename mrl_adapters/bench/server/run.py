"""Measure layouts side by side on one server."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from mrl_adapters.bench.contenders import FullGraph, TwoStage
from mrl_adapters.bench.process import Session
from mrl_adapters.bench.result import BenchResult, ServerCosts, ServerNote
from mrl_adapters.bench.run import build, measured_with, open_data, result_of
from mrl_adapters.bench.server.contender import OnServer
from mrl_adapters.bench.server.figures import Figures
from mrl_adapters.bench.server.place import OwnCollections, Place
from mrl_adapters.bench.turns import search_in_turns
from mrl_adapters.maintenance import describe
from mrl_adapters.progress import ProgressCallback
from mrl_adapters.qdrant.engine import is_older
from mrl_adapters.qdrant.quantization import oldest_server

INDEX_LIMIT_S = 3600.0


def run_on_server(  # noqa: PLR0913 - as `run`, and where
    data_folder: Path,
    layouts: Sequence[FullGraph | TwoStage],
    place: Place,
    *,
    k: int = 10,
    repeats: int = 5,
    builds: int = 1,
    index_limit_s: float = INDEX_LIMIT_S,
    prefix: str | None = None,
    progress: ProgressCallback | None = None,
) -> BenchResult:
    """Load, index and search each layout on a server, in turn.

    Collections get names that begin alike and that nobody else has; they are removed at the end,
    also after an error or an interruption. Settings are chosen as by
    :func:`mrl_adapters.bench.run`.

    Args:
        data_folder: Vectors written by one of the functions of ``mrl_adapters.bench.data``.
        layouts: What is compared; the first one is what the others are compared with. Those whose
            codes the server is too old for are left out, and named in the result.
        place: The server.
        k: Results a query.
        repeats: Turns of timing: each layout is searched with a part of the queries, then the next.
        builds: How often each is loaded and indexed from nothing, in turn as well.
        index_limit_s: How long to wait for the index of one layout, seconds.
        prefix: What the names of collections begin with; None makes a new one.
        progress: Called with a Progress after each step.

    Returns:
        What was measured.

    Raises:
        ConfigurationError: There are fewer than 20 queries, or a collection has such a name.
        DeadlineError: The server has not indexed a layout in time.
        MissingExtraError: psutil is not installed.
    """
    data = open_data(data_folder)
    with (
        TemporaryDirectory(prefix="mrl-bench-") as folder,
        place.connect() as client,
        OwnCollections(client, prefix) as own,
    ):
        figures = Figures(client, place.url)
        fitting, left_out = _parted(layouts, figures.version)
        contenders = [
            OnServer(layout, place, own.name(layout.name), index_limit_s) for layout in fitting
        ]
        nothing = Path(folder, "nothing")  # a server keeps its files by itself
        sessions = [Session(each, data_folder, nothing, k) for each in contenders]
        loaded = build(sessions, builds, progress)
        compared_at, found = search_in_turns(
            sessions,
            data,
            k,
            repeats,
            progress,
            lambda number: figures.read(contenders[number].collection),
        )
        memory = [figures.memory(each.collection) for each in contenders]
        measured = tuple(
            measured_with(
                contender,
                loaded[number],
                found[number],
                disk_bytes=None if taken is None else taken.disk,
                resident_bytes=None if taken is None else taken.held + taken.cached,
                cold=None,
                limited=(),
                server=ServerCosts(
                    indexed=describe(client, contender.collection).indexed,
                    held_bytes=None if taken is None else taken.held,
                    wanted_bytes=None if taken is None else taken.wanted,
                ),
            )
            for number, (contender, taken) in enumerate(zip(contenders, memory, strict=True))
        )
    note = ServerNote(figures.version, figures.cpu_from, left_out)
    return result_of(data, k, repeats, compared_at, measured, note)


def _parted(
    layouts: Sequence[FullGraph | TwoStage], version: str
) -> tuple[list[FullGraph | TwoStage], tuple[str, ...]]:
    """Part layouts into those that a server can hold, and sentences about the others."""
    fitting, left_out = [], []
    for layout in layouts:
        oldest = oldest_server(layout.codes, "float32")
        if oldest is not None and is_older(version, oldest):
            needed = ".".join(map(str, oldest))
            left_out.append(f"{layout.name} (needs a server from {needed}, found {version})")
        else:
            fitting.append(layout)
    return fitting, tuple(left_out)
