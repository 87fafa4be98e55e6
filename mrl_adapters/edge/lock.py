"""Lock a path for one client; the system lets go of it when the process dies.

Locks on files (flock) belong to all processes that have the file open by inheritance: while a
forked child lives, its parent cannot lock again what it has closed. So a child lets go of all that
it has inherited.

portalocker is not used: on Windows it locks the bytes that name the holder, so that nobody else
could read them, and it has shared locks only with pywin32.
"""

import contextlib
import ctypes
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from mrl_adapters.errors import EngineError

logger: logging.Logger = logging.getLogger(__name__)

LOCK_FILE = ".lock"

_HELD = (BlockingIOError, PermissionError)  # the latter: Windows


class PathLock:
    """The lock on a path, held by one client."""

    def __init__(self, path: Path) -> None:
        file = (path / LOCK_FILE).open("a+", encoding="utf-8")
        try:
            _lock_file(file)
        except _HELD as error:
            with file:
                raise _held(path, file) from error
        except OSError:
            file.close()
            raise
        self._file = file
        file.seek(0)
        file.truncate()
        with contextlib.suppress(OSError):
            file.write(str(os.getpid()))
            file.flush()

    def release(self) -> None:
        """Let others have the path, also where a forked child still has the file open."""
        if not self._file.closed:
            _unlock_file(self._file)
            self._file.close()

    def forget(self) -> None:
        """Close the file and leave the lock to the process that this one was forked from."""
        self._file.close()


@contextlib.contextmanager
def unwritten(path: Path) -> Iterator[None]:
    """Keep a path from being written to while a block reads it; readers do so side by side."""
    try:
        file = (path / LOCK_FILE).open(encoding="utf-8")
    except FileNotFoundError:  # a copy without hidden files: nobody has ever written there
        yield
        return
    with file:
        try:
            _lock_file(file, shared=True)
        except _HELD as error:
            raise _held(path, file) from error
        except OSError as error:
            logger.debug("%s: %s; whoever writes there would need locks too", path, error)
        yield


def _held(path: Path, file: IO[str]) -> EngineError:
    if _is_free_to_read(file):
        message = (
            f"{path} is open for reading in another EdgeClient (read_only=True): nobody can write "
            "until all that read have closed it."
        )
        return EngineError(message, path=path)
    file.seek(0)
    holder = file.read().strip() or "unknown"
    message = (
        f"{path} is open in another EdgeClient (process {holder}). Close that one first, share one "
        "client, open it with read_only=True wherever it is only searched, or use a Qdrant server "
        "for several processes."
    )
    error = EngineError(message, found=holder, path=path)
    error.add_note(
        f"A command of mrl-adapters takes the folder to itself: run it when process {holder} has "
        "ended, or has closed its client."
    )
    return error


def _is_free_to_read(file: IO[str]) -> bool:
    """Return whether those who hold the lock read only; it is taken beside them if so."""
    try:
        _lock_file(file, shared=True)
    except OSError:
        return False
    return True


if sys.platform == "win32":  # pragma: no cover  # coverage is measured on Linux
    import msvcrt

    _BEYOND_THE_PROCESS_ID = 1 << 20  # so that others can read it

    def _lock_file(file: IO[str], *, shared: bool = False) -> None:
        del shared  # Windows has no such thing here, and readers hold it but for a moment
        file.seek(_BEYOND_THE_PROCESS_ID)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)

    def _unlock_file(file: IO[str]) -> None:
        file.seek(_BEYOND_THE_PROCESS_ID)
        msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _lock_file(file: IO[str], *, shared: bool = False) -> None:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)

    def _unlock_file(file: IO[str]) -> None:
        fcntl.flock(file, fcntl.LOCK_UN)


_OPEN_FILES = Path("/dev/fd")


def leave_to_parent(shard: object, log: Path) -> None:
    """Keep a shard from being torn down in this process, and its log from being held by it.

    The engine's threads are not here, and it would write what the parent has long since changed.
    """
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(shard))
    with contextlib.suppress(OSError):  # the folder is gone, or the system lists no open files
        wanted = log.stat()
        for descriptor in (int(entry.name) for entry in _OPEN_FILES.iterdir()):
            with contextlib.suppress(OSError):  # the listing's own
                if os.path.samestat(os.fstat(descriptor), wanted):
                    _replace_by_nothing(descriptor)


def _replace_by_nothing(descriptor: int) -> None:
    """Close a descriptor that is not ours, and keep its number from being given to another file."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, descriptor, inheritable=False)
    os.close(nothing)
