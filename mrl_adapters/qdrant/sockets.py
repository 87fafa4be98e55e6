"""A blocking client whose calls end by their deadlines in the caller's own thread.

httpx bounds each step of a request, not the whole: an answer that comes drop by drop never meets
its timeouts. Here every step on a socket gets what is left of the running request's deadline, so
that a call needs no thread that could be left to itself, which costs a search a tenth to a fifth of
its time. By gRPC the whole call has a limit, kept by gRPC itself.

Names are still looked up in a thread, for no timeout bounds that; and whatever carries requests in
a way that is not known here keeps the whole call in one.

Source:
    https://www.encode.io/httpcore/network-backends/
"""

import ipaddress
import math
import threading
import weakref
from contextvars import ContextVar
from typing import Any

import httpx
from qdrant_client import QdrantClient

from mrl_adapters.errors import DeadlineError
from mrl_adapters.waiting import NO_LIMIT, Deadline, within

CURRENT_DEADLINE: ContextVar[Deadline] = ContextVar("CURRENT_DEADLINE", default=NO_LIMIT)
"""Until when the request that is being made is waited for."""

_LEAST_S = 0.001  # 0 would not wait at all, and fail in another way
_GRACE = 1.1  # by gRPC a call may end so much after what is left: its limit began later

_LOCK = threading.Lock()
_BOUNDED: "weakref.WeakSet[QdrantClient]" = weakref.WeakSet()


def keeps(client: QdrantClient, deadline: Deadline) -> bool:
    """Return whether a client's next call is known to end by a deadline, without a thread."""
    if client not in _BOUNDED:
        with _LOCK:
            if not _bind(client):
                return False
            _BOUNDED.add(client)
    options = client.init_options
    if not options.get("prefer_grpc"):
        return True
    timeout_s = options.get("timeout")
    return timeout_s is not None and timeout_s <= deadline.left_s * _GRACE


def bind(transport: object) -> bool:
    """Bound each step of httpx's own transport by the running request's deadline.

    Returns:
        Whether it is bounded: one that is not httpx's own, or in the midst of requests, is not.
    """
    pool = getattr(transport, "_pool", None)
    backend = getattr(pool, "_network_backend", None)
    if isinstance(backend, _Backend):
        return True
    if type(transport) is not httpx.HTTPTransport or not hasattr(backend, "connect_tcp"):
        return False
    pool._network_backend = _Backend(backend)  # type: ignore[union-attr] # noqa: SLF001 - httpx takes none
    opened = list(pool.connections)  # type: ignore[union-attr] # found above
    for each in opened:
        if each.is_idle():
            each.close()
    if all(each.is_closed() for each in opened):
        return True
    pool._network_backend = backend  # type: ignore[union-attr] # noqa: SLF001 - another time
    return False


def _bind(client: QdrantClient) -> bool:
    if client.init_options.get("auth_token_provider") is not None:
        return False  # may take as long as it likes
    http: Any = getattr(client.http.client, "_client", None)  # nothing public tells
    if not hasattr(http, "_transport"):
        return False
    proxies = getattr(http, "_mounts", {}).values()
    carriers = [http._transport, *(each for each in proxies if each is not None)]  # noqa: SLF001
    return all(getattr(each, "keeps_deadlines", False) or bind(each) for each in carriers)


class _Backend:
    """Opens connections as another backend does, within the running request's deadline."""

    def __init__(self, backend: Any) -> None:
        self._backend = backend

    def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, **options: Any
    ) -> "_Stream":
        deadline = CURRENT_DEADLINE.get()

        def connect() -> Any:
            return self._backend.connect_tcp(host, port, _left_s(timeout), **options)

        if _is_here_or_literal(host):
            return _Stream(connect())
        try:
            return _Stream(within(deadline, connect))
        except DeadlineError as error:
            raise httpx.ConnectTimeout(str(error)) from error

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, **options: Any
    ) -> "_Stream":
        return _Stream(self._backend.connect_unix_socket(path, _left_s(timeout), **options))

    def sleep(self, seconds: float) -> None:
        self._backend.sleep(seconds)


class _Stream:
    """Reads and writes as another stream does, within the running request's deadline."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.close = stream.close
        self.get_extra_info = stream.get_extra_info

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        content: bytes = self._stream.read(max_bytes, _left_s(timeout))
        return content

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _left_s(timeout))

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> "_Stream":
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, _left_s(timeout)))


def _left_s(timeout: float | None) -> float | None:
    """Return how long a step may take.

    Raises:
        ReadTimeout: No time is left, also where there is something to be read at once.
    """
    left_s = CURRENT_DEADLINE.get().left_s
    if not left_s:
        msg = "timed out"
        raise httpx.ReadTimeout(msg)
    if timeout is not None and timeout < left_s:
        return timeout
    return None if math.isinf(left_s) else max(_LEAST_S, left_s)


def _is_here_or_literal(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
