"""Let a forked child go of what it has inherited, so that the parent alone holds its store.

Locks on files (flock) belong to all processes that have the file open by inheritance: while a
child lives, its parent cannot lock again what it has closed. And the engine must not be torn down
in a child: its threads are not there, and it would write what the parent has long since changed.
"""

import contextlib
import ctypes
import os
from pathlib import Path

_OPEN_FILES = Path("/dev/fd")


def leave_to_parent(shard: object, log: Path) -> None:
    """Keep a shard from being torn down in this process, and its log from being held by it.

    Args:
        shard: The engine's shard.
        log: The folder of its log, on which the engine holds a lock.
    """
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(shard))
    with contextlib.suppress(OSError):  # the folder is gone, or the system lists no open files
        wanted = log.stat()
        for each in _OPEN_FILES.iterdir():
            with contextlib.suppress(OSError):  # the listing's own
                if os.path.samestat(os.fstat(int(each.name)), wanted):
                    _replace_by_nothing(int(each.name))


def _replace_by_nothing(descriptor: int) -> None:
    """Close a descriptor that is not ours, and keep its number from being given to another file."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, descriptor, inheritable=False)
    os.close(nothing)
