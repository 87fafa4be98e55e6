"""Get the right client for where the vectors live."""

from pathlib import Path
from typing import overload

from qdrant_client import QdrantClient

from mrl_adapters.edge import (
    AnyPath,
    EdgeClient,
    absolute_path,
    is_address,
    may_write,
    store_at,
)
from mrl_adapters.errors import ConfigurationError, EngineError
from mrl_adapters.qdrant.server import USUAL_LIMIT_S
from mrl_adapters.waiting import Deadline, within


@overload
def connect(*, path: AnyPath, must_exist: bool = False) -> EdgeClient: ...


@overload
def connect(
    *,
    path: AnyPath | None = None,
    url: str | None = None,
    api_key: str | None = None,
    location: AnyPath | None = None,
    prefer_grpc: bool = False,
    timeout: int | None = None,
    must_exist: bool = False,
) -> EdgeClient | QdrantClient: ...


def connect(
    *,
    path: AnyPath | None = None,
    url: str | None = None,
    api_key: str | None = None,
    location: AnyPath | None = None,
    prefer_grpc: bool = False,
    timeout: int | None = None,
    must_exist: bool = False,
) -> EdgeClient | QdrantClient:
    """Connect to one of the engines.

    Args:
        path: Folder of the embedded engine (Qdrant Edge), made if it does not exist. One that may
            not be written to is searched in a copy in the system's temporary folder (``TMPDIR``),
            made when a collection is first used, gone when the client closes.
        url: Address of a Qdrant server or cluster.
        api_key: The server's key.
        location: ``:memory:`` or a folder of qdrant-client's local mode, for those who have one;
            an address goes to the server, as qdrant-client takes it.
        prefer_grpc: Use gRPC where the client can, faster for bulk writes.
        timeout: Limit for one request to a server, seconds; 60 if None. Repetitions and the pauses
            between them are included; a request that writes waits as long again where the server
            says when to come back. For searches the plan's ``timeout_s`` goes first.
        must_exist: Make no folder: an error if there is none. Nothing else has a use for it.

    Returns:
        An EdgeClient for ``path``, a QdrantClient otherwise.

    Raises:
        ConfigurationError: Not exactly one of path, url and location is given, or options of a
            server come with an embedded engine.
        DeadlineError: The server does not say in time which version it is.
        EngineError: The path is in use by another process, holds something that is not ours, or
            does not exist and must.
    """
    places = {"path": path, "url": url, "location": location}
    given = [name for name, place in places.items() if place is not None]
    if len(given) != 1:
        msg = (
            f"connect() got {' and '.join(given) or 'no place to connect to'}. Pass exactly one of "
            "path= (embedded), url= (server) or location= (qdrant-client's local mode)."
        )
        raise ConfigurationError(msg)
    if isinstance(location, str) and is_address(location):
        url = location
    if url is not None:
        limit_s = timeout or USUAL_LIMIT_S
        # The client asks the server for its version.
        return within(
            Deadline(limit_s, remedy="Check url, or pass more: connect(timeout=...)."),
            lambda: QdrantClient(
                url=url, api_key=api_key, prefer_grpc=prefer_grpc, timeout=limit_s
            ),
        )
    if api_key is not None or prefer_grpc or timeout is not None:
        msg = (
            "api_key, prefer_grpc and timeout are options of a server; "
            f"{given[0]}= has no use for them. Leave them out, or pass url=."
        )
        raise ConfigurationError(msg)
    if path is not None:
        return EdgeClient(path, must_exist=must_exist)
    if location is None or location == ":memory:":
        return QdrantClient(":memory:")
    return QdrantClient(path=str(_local_folder(location, must_exist=must_exist)))


def _local_folder(location: AnyPath, *, must_exist: bool) -> Path:
    """Give a folder to qdrant-client's local mode only if it has one there, or nothing."""
    folder = absolute_path(location, "location")
    if (folder / "meta.json").is_file():
        lock = folder / ".lock"
        if not may_write(lock if lock.exists() else folder):
            msg = (
                f"{folder} is read-only, and qdrant-client's local mode writes even to read. Copy "
                "the folder to a place of yours, and pass location= of the copy."
            )
            raise EngineError(msg, path=folder)
        return folder
    if store_at(folder):
        msg = (
            f"{folder} is a store of the embedded engine, not of qdrant-client's local mode. "
            f"Pass path={str(folder)!r}."
        )
        raise EngineError(msg, path=folder)
    if must_exist:
        msg = f"No collections of qdrant-client's local mode at {folder}. Check location=."
        raise EngineError(msg, path=folder)
    return folder
