"""Lock a path for one client; the system lets go of it when the process dies."""

import contextlib
import os
import sys
from pathlib import Path
from typing import IO

from mrl_adapters.errors import EngineError

LOCK_FILE = ".lock"


class PathLock:
    """Hold a path.

    Args:
        path: The folder.

    Raises:
        EngineError: Another client, here or in another process, holds it.
        OSError: The folder cannot be written to, or its file system knows no locks.
    """

    def __init__(self, path: Path) -> None:
        file = (path / LOCK_FILE).open("a+", encoding="utf-8")
        try:
            _lock_file(file)
        except (BlockingIOError, PermissionError) as error:  # the latter: Windows
            file.seek(0)
            holder = file.read().strip() or "unknown"
            file.close()
            message = (
                f"{path} is open in another EdgeClient (process {holder}). Close that one first, "
                "share one client, or use a Qdrant server for several processes."
            )
            raise EngineError(message, found=holder, path=path) from error
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


if sys.platform == "win32":  # pragma: no cover  # coverage is measured on Linux
    import msvcrt

    _BEYOND_THE_PROCESS_ID = 1 << 20  # so that others can read it

    def _lock_file(file: IO[str]) -> None:
        file.seek(_BEYOND_THE_PROCESS_ID)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)

    def _unlock_file(file: IO[str]) -> None:
        file.seek(_BEYOND_THE_PROCESS_ID)
        msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _lock_file(file: IO[str]) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _unlock_file(file: IO[str]) -> None:
        fcntl.flock(file, fcntl.LOCK_UN)
