"""What a server says of a request that it does not carry out, by REST and by gRPC.

Sources:
    https://qdrant.tech/documentation/guides/administration/#strict-mode
    https://www.rfc-editor.org/rfc/rfc4918#section-11.5
"""

import json
import re
from contextlib import suppress
from http import HTTPStatus
from typing import Any

_NO_ROOM = "qdrant-insufficient-storage"  # by gRPC it shares its status with rate limits
_LIMIT = re.compile(r"Max (points count|(vector|payload) storage size) limit of \S+ reached")


def reason_of(error: Exception) -> str | None:
    """Return the server's own words for a refusal; None where it is not a server's."""
    content = getattr(error, "content", None)
    if isinstance(content, bytes):
        text = content.decode(errors="replace").strip()
        with suppress(ValueError, KeyError, TypeError):
            return str(json.loads(text)["status"]["error"])
        return text or None
    details = getattr(error, "details", None)
    return str(details()) if callable(details) else None


def status_of(error: Exception) -> str | None:
    """Return what a server's refusal is called, such as ``403 Forbidden`` or ``NOT_FOUND``."""
    number = getattr(error, "status_code", None)
    if isinstance(number, int):
        return f"{number} {getattr(error, 'reason_phrase', '')}".strip()
    return grpc_code(error)


def grpc_code(error: Exception) -> str | None:
    """Return the name of the status that gRPC gives with an error; None of another one."""
    # grpc costs 0.1 s to import and is not needed to name its status.
    code = getattr(error, "code", None)
    return str(getattr(code(), "name", None)) if callable(code) else None


def is_full(error: Exception) -> bool:
    """Return whether a server stores no more: its disk is full, or a quota used up."""
    if getattr(error, "status_code", None) == HTTPStatus.INSUFFICIENT_STORAGE:
        return True
    trailing: Any = getattr(error, "trailing_metadata", None)
    if callable(trailing) and any(key == _NO_ROOM for key, _ in trailing() or ()):
        return True
    return _LIMIT.search(reason_of(error) or "") is not None
