"""The engine's shard of one collection: load it, change its settings, close it.

Whatever interrupts a change (a signal, an error), and a panic of the engine at any time, is treated
like the death of the process: the files say how far it came, and the next call loads from them.
"""

import contextlib
import enum
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import qdrant_edge as edge
from qdrant_client import models

from mrl_adapters.edge.config import edge_config, vector_creation
from mrl_adapters.edge.engine_errors import EngineErrors
from mrl_adapters.edge.inventory import Since
from mrl_adapters.edge.lock import leave_to_parent
from mrl_adapters.edge.log_repair import (
    HarmedLog,
    LogRepair,
    logged_payloads,
    repair_log,
)
from mrl_adapters.edge.paths import SHARD_FOLDER
from mrl_adapters.edge.pending import Pending
from mrl_adapters.edge.recovery import load_interrupted, load_shard, release_memory
from mrl_adapters.edge.settings import Change, Notes
from mrl_adapters.edge.space import Space
from mrl_adapters.errors import EngineError


class _State(enum.Enum):
    READY = enum.auto()
    UNSETTLED = enum.auto()  # the next call loads it from its files
    CLOSED = enum.auto()


class Shard:
    """An engine's shard that is loaded by its first use, and again after whatever went wrong.

    Thread-safe: every call takes its lock. The engine holds the interpreter's lock anyway, so that
    nothing is lost.
    """

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.lock: threading.RLock = threading.RLock()
        self._folder = folder
        self._path = folder / SHARD_FOLDER
        self._state = _State.UNSETTLED
        self._shard: edge.EdgeShard | None = None
        self._settings = models.CreateCollection()
        self._notes = Notes(name, folder, self._original)
        self._pending = Pending(folder)
        self._space = Space(name, folder)

    @property
    def settings(self) -> models.CreateCollection:
        """What it was created with, plus later changes."""
        with self.lock:
            self._usable()
            return self._settings

    @property
    def closed(self) -> bool:
        """Whether it has been closed."""
        return self._state is _State.CLOSED

    @property
    def _is_loaded(self) -> bool:
        return self._state is _State.READY and self._shard is not None

    @property
    def _original(self) -> Path:
        """The folder as its owner knows it."""
        return self._folder

    @contextlib.contextmanager
    def engine(self) -> Iterator[edge.EdgeShard]:
        """Yield the shard, locked, its bare exceptions turned into EngineError."""
        with self.lock, self._errors():
            yield self._usable()

    def change(self, change: Change) -> None:
        """Change the settings; the change is noted first, so that nothing can tear it."""
        self._check_writable()
        with self.engine() as shard:
            edge_config(change.settings)  # refuses what the engine lacks before anything happens
            self._space.check(self._settings, "changing the settings")
            old = self._settings
            self._notes.mark(Since.REBUILT)
            self._state = _State.UNSETTLED
            self._save(change)
            try:
                if change.add is not None:
                    shard.update(vector_creation(change.settings, change.add))
                if change.drop is not None:
                    shard.update(edge.UpdateOperation.delete_vector_name(change.drop))
                # Settings of vectors take effect only when a shard is loaded with them.
                self._let_go()
                self._shard = load_shard(self._path, change.settings)
            except Exception:
                self._undo(old, change)
                raise
            self._use(change.settings)
            self._save()
            self._state = _State.READY
            self._take(self._shard)
            if not change.of_vectors and change.settings.vectors != old.vectors:
                # What is indexed was indexed with other settings.
                self._pending.note(self._shard.info().points_count)

    def set_metadata(self, metadata: dict[str, Any]) -> None:
        """Merge metadata into the stored one; None removes a key, as on the server."""
        self._check_writable()
        with self.lock:
            settings = self.settings
            merged = {**(settings.metadata or {}), **metadata}
            kept = {key: value for key, value in merged.items() if value is not None}
            new = settings.model_copy(update={"metadata": kept})
            self._notes.save(new)
            self._settings = new

    def mend_log(self) -> LogRepair:
        """Mend the log if it has still to be applied; where it has been, nothing is wrong."""
        self._check_writable()
        with self.lock:
            if self._state is not _State.UNSETTLED:
                return LogRepair()
            self._let_go()
            done = repair_log(self._path)
            if done.mended:
                self._notes.forget()
            return done

    def logged_payloads(self) -> dict[Any, dict[str, Any]]:
        """Return the last payloads that the log holds, by id."""
        with self.lock:
            return logged_payloads(self._path)

    def check_files(self) -> None:
        """Make sure that all files are what they were."""
        with self.lock:
            self._usable()
            self._notes.check_files(everything=True)

    def accept_files(self) -> tuple[str, ...]:
        """Take the files for what they were, and return what differs."""
        with self.lock, self._notes.accepting() as accepted:
            shard = self._usable()
            self._notes.check_files(everything=True)
            if accepted:
                self._take(shard)
            return tuple(accepted)

    def close(self) -> None:
        """Close the shard; twice is harmless."""
        with self.lock, self._errors():
            if self._is_loaded and self._shard is not None:
                points = self._shard.info().points_count
                self._notes.mark(Since.LOADED)
                self._state = _State.UNSETTLED
                self._shard.close()
                self._note(points, loaded=False)
                self._pending.save()
            self._let_go()
            self._state = _State.CLOSED

    def discard(self) -> None:
        """Close the shard of a collection that is about to be deleted."""
        with self.lock:
            self._state = _State.UNSETTLED
            self._let_go()
            self._state = _State.CLOSED

    def leave_to_parent(self) -> None:
        """Let go of the shard in a forked child."""
        if self._shard is not None:
            leave_to_parent(self._shard, self._folder / SHARD_FOLDER / "wal")

    def _check_writable(self) -> None:
        """Refuse changes where none may be made."""

    def _usable(self) -> edge.EdgeShard:
        if self._state is not _State.READY or self._shard is None:
            return self._settle()
        return self._shard

    def _settle(self) -> edge.EdgeShard:
        """Load from the files, finishing what an interrupted change or process left half done."""
        if self.closed:
            message = f"Collection {self.name!r} is closed. Open a new EdgeClient."
            raise EngineError(message, collection=self.name)
        self._let_go()
        stored = self._notes.read()
        settings, change = stored.settings, stored.change
        self._space.check_load(settings)
        self._notes.mark(Since.LOADED if change is None else Since.REBUILT)
        done = False
        try:
            with self._errors():
                if change is None:
                    self._shard = load_shard(self._path, settings)
                else:
                    self._shard, done = load_interrupted(self._path, settings, change)
                self._check_points(self._shard)
        except HarmedLog as harm:
            raise harm.error(self.name, self._original) from harm
        release_memory()
        self._use(change.settings if change and done else settings)
        self._state = _State.READY
        if change and (done or not change.of_vectors):  # what the engine refuses is forgotten
            self._save()
        elif change:
            self.change(change)
        if not self._notes.complete:
            self._take(self._shard)
            self._save()
        elif self._notes.vague:  # nobody has closed it: what is there now has been acknowledged
            self._take(self._shard)
        return self._shard

    def _check_points(self, shard: edge.EdgeShard) -> None:
        try:
            self._notes.check_points(shard.info().points_count)
        except BaseException:
            self._let_go()  # kept, it would write into files that are restored meanwhile
            raise

    def _use(self, settings: models.CreateCollection) -> None:
        self._settings = settings
        self._pending.use(settings)
        self._space.measure()

    def _let_go(self) -> None:
        """Close a shard that may be half closed already."""
        if self._shard is not None:
            with contextlib.suppress(Exception), self._errors():
                self._shard.close()
            self._shard = None

    def _errors(self) -> EngineErrors:
        # Made anew each time: kept, it would tie a cycle that holds a forgotten client's locks.
        return EngineErrors(self.name, self._original, self._distrust)

    def _distrust(self) -> None:
        """Load anew at the next call."""
        self._state = _State.UNSETTLED

    def _undo(self, old: models.CreateCollection, change: Change) -> None:
        """Go back to the old settings after the engine has refused the new ones."""
        self._let_go()
        self._shard, done = load_interrupted(self._path, old, change)
        if change.add is not None and not done:
            with contextlib.suppress(Exception), self._errors():  # usually it is not there
                self._shard.update(edge.UpdateOperation.delete_vector_name(change.add))
        self._use(change.settings if done else old)
        self._save()
        self._state = _State.READY

    def _save(self, change: Change | None = None) -> None:
        self._notes.save(self._settings, change)

    def _take(self, shard: edge.EdgeShard) -> None:
        """Note what the collection holds."""
        shard.flush()
        self._note(shard.info().points_count, loaded=True)

    def _note(self, points: int, *, loaded: bool) -> None:
        self._notes.take(points, loaded=loaded)
