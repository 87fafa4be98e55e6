"""Each contender in a process of its own, so that memory and caches are its own."""

import multiprocessing
import os
import pickle
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Self

from mrl_adapters.bench.contender import Batch, Contender, Searcher, Setting, identifier
from mrl_adapters.bench.data import BenchData
from mrl_adapters.bench.machine import resident_bytes
from mrl_adapters.errors import EngineError
from mrl_adapters.vectors import FloatArray

_POINTS_PER_BATCH = 1000
_PATIENCE_S = 10  # for a process to end by itself


class Loaded(NamedTuple):
    """How long storing and indexing took, seconds."""

    load_s: float
    build_s: float


class Answers(NamedTuple):
    """Ids found by each query, and how long each took, seconds, shape (queries,)."""

    ids: list[list[str]]
    seconds: NDArray[np.float64]


@dataclass
class Session:
    """What a contender's process does when it is told to.

    Args:
        contender: Who.
        data_folder: The vectors.
        folder: Where the engine keeps its files.
        k: Results a query.
    """

    contender: Contender
    data_folder: Path
    folder: Path
    k: int
    _opened: ExitStack = field(default_factory=ExitStack)
    _search: Searcher | None = None
    _before: int = 0

    def load(self) -> Loaded:
        """Store all documents, then build the index."""
        self.import_needed()
        documents = BenchData.open(self.data_folder).documents
        with self.contender.connect(self.folder) as client:
            started = time.perf_counter()
            self.contender.load(client, documents.shape[1], _batches(documents))
            loaded = time.perf_counter()
            self.contender.build(client)
            return Loaded(loaded - started, time.perf_counter() - loaded)

    def open(self) -> float:
        """Open what was stored; give the seconds that it took."""
        self.import_needed()
        self._before = resident_bytes()
        started = time.perf_counter()
        client = self._opened.enter_context(self.contender.connect(self.folder))
        self._search = self.contender.open(client, self.k)
        return time.perf_counter() - started

    def answer(self, queries: FloatArray, setting: Setting) -> Answers:
        """Search with queries of shape (n, d), one after the other."""
        assert self._search is not None  # noqa: S101 - opened
        ids, seconds = [], np.empty(len(queries))
        for place, query in enumerate(queries):
            started = time.perf_counter()
            found = self._search(query, setting)
            seconds[place] = time.perf_counter() - started
            ids.append(found)
        return Answers(ids, seconds)

    def memory(self) -> int:
        """Measure what opening and searching added to the process's resident memory, bytes."""
        return resident_bytes() - self._before

    def import_needed(self) -> None:
        """Import what the contender needs before anything is measured."""
        for name in self.contender.needs:
            import_module(name)

    def close(self) -> None:
        """Close what was opened, so that everything is on disk."""
        self._opened.close()


class Worker:
    """A process that runs a :class:`Session`; use as a context manager.

    Args:
        session: What it runs.
        group: File of a control group to join first; see ``machine.memory_limit``.
    """

    def __init__(self, session: Session, group: Path | None = None) -> None:
        context = multiprocessing.get_context("spawn")
        self._name = session.contender.name
        self._queries = BenchData.open(session.data_folder).queries
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, session, group), daemon=True)
        self._process.start()
        theirs.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pipe.close()
        if error is None:
            self._process.join(_PATIENCE_S)
        self._process.kill()
        self._process.join()

    def load(self) -> Loaded:
        """Run :meth:`Session.load`."""
        answer: Loaded = self._call("load")
        return answer

    def open(self) -> float:
        """Run :meth:`Session.open`."""
        seconds: float = self._call("open")
        return seconds

    def answer(self, rows: Sequence[int], setting: Setting) -> Answers:
        """Run :meth:`Session.answer` with some of the queries.

        They come through the pipe: the process's memory, which is measured, holds no others.
        """
        answer: Answers = self._call("answer", np.asarray(self._queries[list(rows)]), setting)
        return answer

    def memory(self) -> int:
        """Run :meth:`Session.memory`."""
        answer: int = self._call("memory")
        return answer

    def close(self) -> None:
        """Run :meth:`Session.close`."""
        self._call("close")

    def _call(self, method: str, *arguments: Any) -> Any:
        try:
            self._pipe.send((method, arguments))
            done, value = self._pipe.recv()
        except (EOFError, OSError) as error:
            msg = f"The process of {self._name} died while it ran {method!r}. Is memory short?"
            raise EngineError(msg) from error
        if not done:
            raise value
        return value


def _serve(pipe: Connection, session: Session, group: Path | None) -> None:
    """Do what comes through the pipe, until it is closed."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C: who asks ends this
    if group is not None:
        session.import_needed()  # a limit is for vectors and indexes, not for code
        group.write_text(str(os.getpid()), encoding="utf-8")
    while True:
        try:
            method, arguments = pipe.recv()
        except EOFError:
            return
        try:
            pipe.send((True, getattr(session, method)(*arguments)))
        except Exception as error:  # noqa: BLE001 - raised again where it was asked
            pipe.send((False, _portable(error)))


def _portable(error: Exception) -> Exception:
    """Return an error that can go through a pipe: itself, or one that says the same."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    except Exception:  # noqa: BLE001 - whatever its class makes of it
        return EngineError(f"{type(error).__name__}: {error}")
    return error


def _batches(documents: FloatArray) -> Iterator[Batch]:
    """Cut the documents into batches."""
    for start in range(0, len(documents), _POINTS_PER_BATCH):
        block = np.asarray(documents[start : start + _POINTS_PER_BATCH])
        rows = range(start, start + len(block))
        yield Batch([identifier(row) for row in rows], block, [f"passage {row}" for row in rows])
