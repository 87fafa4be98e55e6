"""Read and write small files so that a crash leaves the old or the new one, never a part."""

import contextlib
import errno
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mrl_adapters.errors import EngineError


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        EngineError: It is unreadable; names the file.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        message = f"Cannot read {path}: {error}. Restore it from a backup."
        raise EngineError(message, path=path) from error


def write_json(path: Path, content: Any, temporary: Path | None = None) -> None:
    """Write a JSON file so that a crash leaves the old or the new one, never a part.

    Args:
        path: The file.
        content: What it is to hold.
        temporary: Where it is written before it takes its name; None takes ``.tmp`` for its ending.

    Raises:
        EngineError: The disk is full.
    """
    write_whole(path, json.dumps(content, ensure_ascii=False).encode(), temporary)


def write_whole(path: Path, content: bytes, temporary: Path | None = None) -> None:
    """Write a file of any content, as :func:`write_json` does."""
    temporary = temporary or path.with_suffix(".tmp")
    with told_if_full(path):
        try:
            with temporary.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)


@contextlib.contextmanager
def told_if_full(path: Path) -> Iterator[None]:
    """Say in words that there is no room for a file.

    Raises:
        EngineError: The disk is full, or what the user may have of it.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}:
            raise
        message = (
            f"No space left on {path.parent}: {path.name} cannot be written, and stays as it was. "
            "Make room and try again."
        )
        raise EngineError(message, path=path) from error


def allocated_bytes(state: os.stat_result) -> int:
    """Give the bytes of disk that a file takes: holes take none. Windows tells its size alone.

    Args:
        state: What ``Path.stat`` says of it.
    """
    return 512 * state.st_blocks if hasattr(state, "st_blocks") else state.st_size


def sync_folder(folder: Path) -> None:
    """Make a rename or a removal durable; Windows has no such call and needs none."""
    if sys.platform == "win32":  # pragma: no cover  # coverage is measured on Linux
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
