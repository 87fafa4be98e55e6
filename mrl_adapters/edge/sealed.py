"""JSON files that know when they have been damaged: a checksum of what they say is part of them."""

import json
import zlib
from pathlib import Path
from typing import Any

from mrl_adapters.edge.files import read_json, write_json
from mrl_adapters.errors import EngineError

FORMAT = 2
"""What is written. Files of format 1 have no checksum."""

_SEAL = "crc32"


def write_sealed(path: Path, content: dict[str, Any]) -> None:
    """Write a file so that a crash leaves the old or the new one, never a part."""
    write_json(path, sealed(content))


def read_sealed(path: Path) -> dict[str, Any]:
    """Read a file; one of a later version is given as it is.

    Raises:
        EngineError: It is unreadable, or not what was written.
    """
    return unsealed(read_json(path), path)


def sealed(content: dict[str, Any]) -> dict[str, Any]:
    """Give the content with its format and its checksum."""
    whole = {"format": FORMAT, **content}
    plain = json.loads(json.dumps(whole))  # as it will be read: lists for tuples, text for keys
    return {**whole, _SEAL: checksum(plain)}


def unsealed(content: Any, path: Path) -> dict[str, Any]:
    """Give the content without its checksum.

    Args:
        content: What was read.
        path: Where from, for the message.

    Raises:
        EngineError: It is not what was written.
    """
    found = dict(content) if isinstance(content, dict) else {}
    seal = found.pop(_SEAL, None)
    known = found.get("format") in {1, FORMAT, None}
    if not found or (known and seal != _expected(found, seal)):
        message = f"{path} has been damaged. Restore it from a backup."
        raise EngineError(message, path=path)
    return found


def checksum(content: Any) -> int:
    """Give the CRC-32 of what a JSON file says, in whatever order it is written."""
    return zlib.crc32(json.dumps(content, sort_keys=True).encode())


def _expected(found: dict[str, Any], seal: Any) -> int | None:
    return None if seal is None and found.get("format") != FORMAT else checksum(found)
