"""Read and write small files so that a crash leaves the old or the new one, never a part.

Sealed files are JSON that knows when it has been damaged: a checksum of what it says is part of it.
"""

import contextlib
import errno
import json
import os
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mrl_adapters.errors import EngineError


def read_json(path: Path) -> Any:
    """Read a JSON file."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        message = f"Cannot read {path}: {error}. Restore it from a backup."
        raise EngineError(message, path=path) from error


def write_json(path: Path, content: Any, temporary: Path | None = None) -> None:
    """Write a JSON file so that a crash leaves the old or the new one, never a part."""
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
    """Turn the lack of room for a file into an error that says so."""
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
    """Return the bytes of disk that a file takes: holes take none. Windows tells its size alone."""
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


FORMAT = 2
"""What is written. Files of format 1 have no checksum."""

_SEAL = "crc32"


def write_sealed(path: Path, content: dict[str, Any]) -> None:
    """Write a file so that a crash leaves the old or the new one, never a part."""
    write_json(path, sealed(content))


def read_sealed(path: Path) -> dict[str, Any]:
    """Read a file; one of a later version is given as it is."""
    return unsealed(read_json(path), path)


def sealed(content: dict[str, Any]) -> dict[str, Any]:
    """Return the content with its format and its checksum."""
    whole = {"format": FORMAT, **content}
    plain = json.loads(json.dumps(whole))  # as it will be read: lists for tuples, text for keys
    return {**whole, _SEAL: checksum(plain)}


def unsealed(content: Any, path: Path) -> dict[str, Any]:
    """Return the content without its checksum."""
    plain = dict(content) if isinstance(content, dict) else {}
    seal = plain.pop(_SEAL, None)
    known = plain.get("format") in {1, FORMAT, None}
    if not plain or (known and seal != _expected(plain, seal)):
        message = f"{path} has been damaged. Restore it from a backup."
        raise EngineError(message, path=path)
    return plain


def checksum(content: Any) -> int:
    """Return the CRC-32 of what a JSON file says, in whatever order it is written."""
    return zlib.crc32(json.dumps(content, sort_keys=True).encode())


def _expected(plain: dict[str, Any], seal: Any) -> int | None:
    return None if seal is None and plain.get("format") != FORMAT else checksum(plain)
