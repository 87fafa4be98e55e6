"""Get the right client for where the vectors live."""

import inspect
import math
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, overload

from qdrant_client import QdrantClient
from typing_extensions import TypedDict, Unpack

from mrl_adapters.arguments import refuse_unknown
from mrl_adapters.edge import (
    AnyPath,
    EdgeClient,
    absolute_path,
    is_address,
    may_write,
    store_at,
)
from mrl_adapters.errors import ConfigurationError, EngineError
from mrl_adapters.qdrant.failover import Failover
from mrl_adapters.qdrant.grpc_port import check_grpc_port
from mrl_adapters.qdrant.local_folder import is_local_folder, not_embedded
from mrl_adapters.qdrant.server import USUAL_LIMIT_S
from mrl_adapters.waiting import Deadline, within


class AddressOptions(TypedDict, total=False):
    """What of a server's address :func:`connect` takes beside ``url`` and ``host``."""

    port: int | None
    grpc_port: int | None
    https: bool | None
    prefix: str | None
    grpc_options: dict[str, Any] | None


class ServerOptions(TypedDict, total=False):
    """What QdrantClient takes beside the arguments of :func:`connect` that it shares.

    Args:
        headers, pool_size: Of the transport.
        auth_token_provider: Gives tokens that expire, instead of ``api_key``.
        check_compatibility: Whether the server is asked for its version.
        cloud_inference, local_inference_batch_size: Embedding by Qdrant, which is not used here.
    """

    headers: dict[str, str] | None
    pool_size: int | None
    auth_token_provider: Callable[[], str] | Callable[[], Awaitable[str]] | None
    check_compatibility: bool
    cloud_inference: bool
    local_inference_batch_size: int | None


@overload
def connect(*, path: AnyPath, must_exist: bool = False, read_only: bool = False) -> EdgeClient: ...


@overload
def connect(
    *,
    path: AnyPath | None = None,
    url: str | Sequence[str] | None = None,
    host: str | None = None,
    port: int | None = None,
    grpc_port: int | None = None,
    https: bool | None = None,
    prefix: str | None = None,
    grpc_options: dict[str, Any] | None = None,
    api_key: str | None = None,
    location: AnyPath | None = None,
    prefer_grpc: bool = False,
    timeout: int | None = None,
    must_exist: bool = False,
    read_only: bool = False,
    **options: Unpack[ServerOptions],
) -> EdgeClient | QdrantClient: ...


def connect(  # noqa: PLR0913 - the places and addresses that QdrantClient takes
    *,
    path: AnyPath | None = None,
    url: str | Sequence[str] | None = None,
    host: str | None = None,
    port: int | None = None,
    grpc_port: int | None = None,
    https: bool | None = None,
    prefix: str | None = None,
    grpc_options: dict[str, Any] | None = None,
    api_key: str | None = None,
    location: AnyPath | None = None,
    prefer_grpc: bool = False,
    timeout: int | None = None,
    must_exist: bool = False,
    read_only: bool = False,
    **options: Unpack[ServerOptions],
) -> EdgeClient | QdrantClient:
    """Connect to one of the engines.

    Args:
        path: Folder of the embedded engine (Qdrant Edge), made if it does not exist. One that may
            not be written to is searched in a copy in the system's temporary folder (``TMPDIR``),
            made when a collection is first used, gone when the client closes.
        url: Address of a Qdrant server or cluster; of a cluster a list of its nodes': what one that
            is gone or stopped does not answer, the next one does (by REST).
        host: Its name alone, where ``port``, ``https`` and ``prefix`` say the rest.
        port: Port of a server's REST side, 6333 if neither it nor the address says another.
        grpc_port: Port of its gRPC side, 6334 if None.
        https: Whether the connection is encrypted.
        prefix: Path before the server's own paths, as behind a proxy.
        grpc_options: Settings of the gRPC channel.
        api_key: The server's key.
        location: ``:memory:`` or a folder of qdrant-client's local mode, for those who have one;
            an address goes to the server, as qdrant-client takes it.
        prefer_grpc: Use gRPC where the client can, faster for bulk writes. Beside another port
            than 6333 pass ``grpc_port``, too, unless 6334 can be proved to be the same server.
        timeout: Limit for one request to a server, seconds; 60 if None. Repetitions and the pauses
            between them are included; a request that writes waits as long again where the server
            says when to come back. For searches the plan's ``timeout_s`` goes first.
        must_exist: Make no folder: an error if there is none. Nothing else has a use for it.
        read_only: Only search ``path``, beside other processes that do so: the embedded engine
            uses one core a process. Nobody can write there until all have closed it.
        **options: What else QdrantClient takes: see :class:`ServerOptions`.

    Returns:
        An EdgeClient for ``path``, a QdrantClient otherwise.

    Raises:
        ConfigurationError: Not exactly one of path, url, host and location is given, options of a
            server come with an embedded engine, an option does not exist, the address is empty, the
            timeout is not above 0, or gRPC may reach another server than REST.
        DeadlineError: The server does not say in time which version it is.
        EngineError: The path is in use by another process, holds something that is not ours, or
            does not exist and must.
    """
    refuse_unknown("connect()", options, CONNECT_OPTIONS)
    places = {"path": path, "url": url, "host": host, "location": location}
    given = [name for name, place in places.items() if place is not None]
    if len(given) != 1:
        msg = (
            f"connect() got {' and '.join(given) or 'no place to connect to'}. Pass exactly one of "
            "path= (embedded), url= or host= (server) or location= (qdrant-client's local mode)."
        )
        raise ConfigurationError(msg)
    if read_only and path is None:
        msg = (
            f"connect() got {given[0]} and read_only=True, which is for path=. At a server an API "
            "key that may only read keeps from writing; leave read_only out."
        )
        raise ConfigurationError(msg)
    if isinstance(location, str) and is_address(location):
        url = location
    parts = {
        "port": port,
        "grpc_port": grpc_port,
        "https": https,
        "prefix": prefix,
        "grpc_options": grpc_options,
    }
    chosen = {name: value for name, value in parts.items() if value is not None}
    server: dict[str, Any] = {"api_key": api_key, "prefer_grpc": prefer_grpc, **chosen, **options}
    if url is not None or host is not None:
        return _connect_to_server(url, host, timeout, server)
    if useless := [name for name, value in {**server, "timeout": timeout}.items() if value]:
        msg = (
            f"connect() got {' and '.join(useless)}, options of a server: {given[0]}= has no use "
            "for them. Leave them out, or pass url=."
        )
        raise ConfigurationError(msg)
    if path is not None:
        return _embedded(path, must_exist=must_exist, read_only=read_only)
    if location is None or location == ":memory:":
        return QdrantClient(":memory:")
    return QdrantClient(path=str(_local_folder(location, must_exist=must_exist)))


def _connect_to_server(
    url: str | Sequence[str] | None,
    host: str | None,
    timeout: float | None,
    options: dict[str, Any],
) -> QdrantClient:
    if not (url is None or isinstance(url, str)):
        if options["prefer_grpc"]:
            msg = "connect() got several addresses and prefer_grpc=True: gRPC takes one of them."
            raise ConfigurationError(msg, found=list(url))
        # The client compares versions on its own way, past a node that is gone.
        options = {"check_compatibility": False, "transport": Failover(url), **options}
        url = url[0]
    for name, place in {"url": url, "host": host}.items():
        if place is not None and not place.strip():
            msg = f"connect() got an empty {name}. Pass the server's: url='http://localhost:6333'."
            raise ConfigurationError(msg)
    if timeout is not None and not timeout > 0:
        msg = f"connect() got timeout={timeout!r}. Pass seconds above 0, or None for 60."
        raise ConfigurationError(msg)
    limit_s = USUAL_LIMIT_S if timeout is None else timeout
    deadline = Deadline(limit_s, remedy="Check the address, or pass more: connect(timeout=...).")
    # The client asks the server for its version.
    client = within(
        deadline, lambda: QdrantClient(url=url, host=host, timeout=math.ceil(limit_s), **options)
    )
    if options["prefer_grpc"] and "grpc_port" not in options:
        try:
            within(deadline, lambda: check_grpc_port(client))
        except BaseException:
            client.close()
            raise
    return client


CONNECT_OPTIONS = (
    *(name for name in inspect.signature(connect).parameters if name != "options"),
    *ServerOptions.__annotations__,
)


def _embedded(path: AnyPath, *, must_exist: bool, read_only: bool) -> EdgeClient:
    """Open the embedded engine; what local mode has written is refused with the way over."""
    try:
        return EdgeClient(path, must_exist=must_exist, read_only=read_only)
    except EngineError as error:
        if is_local_folder(folder := absolute_path(path)):
            raise not_embedded(folder) from error
        raise


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
