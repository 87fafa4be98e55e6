"""Get the right client for where the vectors live."""

from typing import overload

from qdrant_client import QdrantClient

from mrl_adapters.errors import ConfigurationError
from mrl_adapters.qdrant.edge import EdgeClient

# qdrant-client's own default of 5 s is too short for bulk writes.
_TIMEOUT_S = 60


@overload
def connect(*, path: str) -> EdgeClient: ...


@overload
def connect(
    *,
    path: str | None = None,
    url: str | None = None,
    api_key: str | None = None,
    location: str | None = None,
    prefer_grpc: bool = False,
    timeout: int | None = None,
) -> EdgeClient | QdrantClient: ...


def connect(
    *,
    path: str | None = None,
    url: str | None = None,
    api_key: str | None = None,
    location: str | None = None,
    prefer_grpc: bool = False,
    timeout: int | None = None,
) -> EdgeClient | QdrantClient:
    """Connect to one of the engines.

    Args:
        path: Folder of the embedded engine (Qdrant Edge), made if it does not exist.
        url: Address of a Qdrant server or cluster.
        api_key: The server's key.
        location: ``:memory:`` or a folder of qdrant-client's local mode, for those who have one.
        prefer_grpc: Use gRPC where the client can, faster for bulk writes.
        timeout: Limit for one request to a server, seconds; 60 if None.

    Returns:
        An EdgeClient for ``path``, a QdrantClient otherwise.

    Raises:
        ConfigurationError: Not exactly one of path, url and location is given, or options of a
            server come with an embedded engine.
        EngineError: The path is in use by another process.
    """
    places = {"path": path, "url": url, "location": location}
    given = [name for name, place in places.items() if place is not None]
    if len(given) != 1:
        msg = (
            f"connect() got {' and '.join(given) or 'no place to connect to'}. Pass exactly one of "
            "path= (embedded), url= (server) or location= (qdrant-client's local mode)."
        )
        raise ConfigurationError(msg)
    if url is not None:
        return QdrantClient(
            url=url, api_key=api_key, prefer_grpc=prefer_grpc, timeout=timeout or _TIMEOUT_S
        )
    if api_key is not None or prefer_grpc or timeout is not None:
        msg = (
            "api_key, prefer_grpc and timeout are options of a server; "
            f"{given[0]}= has no use for them. Leave them out, or pass url=."
        )
        raise ConfigurationError(msg)
    if path is not None:
        return EdgeClient(path)
    if location == ":memory:":
        return QdrantClient(location)
    return QdrantClient(path=location)
