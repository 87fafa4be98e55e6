"""Several addresses of one cluster: what a node that is gone does not answer, another does.

Every request of this package may be repeated, those that write included: points have fixed ids. So
a request goes to the node that answered last, and on to the next one where that is gone, stopped or
starting. Each node gets its share of the time that is left; one that has failed is asked last for
half a minute.
"""

import asyncio
import os
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from types import TracebackType

import httpx

from mrl_adapters.errors import ConfigurationError
from mrl_adapters.qdrant.sockets import CURRENT_DEADLINE, bind

_AVOIDED_S = 30.0
_ABSENT_STATUS = frozenset({502, 503, 504})


class Failover(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Carries requests to the first of several addresses that answers.

    Connections belong to a process, and to an event loop, as those of qdrant-client do.

    Args:
        addresses: URLs, which differ in scheme, host and port alone.

    Raises:
        ConfigurationError: There is none, or they differ in more.
    """

    def __init__(self, addresses: Sequence[str]) -> None:
        self._urls = [httpx.URL(address) for address in addresses]
        if not self._urls or len({url.path.rstrip("/") for url in self._urls}) > 1:
            msg = (
                f"connect() got url={list(addresses)!r}, expected the addresses of one cluster's "
                "nodes, with the same path: url=['http://one:6333', 'http://two:6333']."
            )
            raise ConfigurationError(msg, found=list(addresses))
        self._failed_s = dict.fromkeys(range(len(self._urls)), -_AVOIDED_S)
        self._sync: dict[int, httpx.HTTPTransport] = {}
        self._async: weakref.WeakKeyDictionary[
            asyncio.AbstractEventLoop, httpx.AsyncHTTPTransport
        ] = weakref.WeakKeyDictionary()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Make a request, blocking."""
        transport = self._of_this_process()
        for attempt in self._tries(request):
            with attempt:
                answer = transport.handle_request(attempt.request)
                answer.read()
                if attempt.accepts(answer):
                    return answer
        raise AssertionError  # the last attempt returns or raises

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Make a request without blocking the event loop."""
        loop = asyncio.get_running_loop()
        if loop not in self._async:
            self._async[loop] = httpx.AsyncHTTPTransport()
        transport = self._async[loop]
        for attempt in self._tries(request):
            with attempt:
                answer = await transport.handle_async_request(attempt.request)
                await answer.aread()
                if attempt.accepts(answer):
                    return answer
        raise AssertionError  # the last attempt returns or raises

    @property
    def keeps_deadlines(self) -> bool:
        """Whether each step on a socket is bounded by the running request's deadline."""
        return bind(self._of_this_process())

    def close(self) -> None:
        """Close this process's connections."""
        if transport := self._sync.pop(os.getpid(), None):
            transport.close()

    async def aclose(self) -> None:
        """Close the running event loop's connections."""
        if transport := self._async.pop(asyncio.get_running_loop(), None):
            await transport.aclose()

    def _of_this_process(self) -> httpx.HTTPTransport:
        process = os.getpid()
        if process not in self._sync:
            self._sync[process] = httpx.HTTPTransport()
            bind(self._sync[process])  # also a forked process's, whose client is known as bounded
        return self._sync[process]

    def _tries(self, request: httpx.Request) -> Iterator["_Attempt"]:
        """Ask one node after the other, those that failed lately last."""
        order = sorted(self._failed_s, key=lambda place: (self._was_absent(place), place))
        given: dict[str, float | None] = request.extensions.get("timeout", {})
        for tried, place in enumerate(order):
            share_s = CURRENT_DEADLINE.get().left_s / (len(order) - tried)
            timeout = {
                step: share_s if limit is None else min(limit, share_s)
                for step, limit in given.items()
            }
            url = self._urls[place]
            headers = request.headers.copy()
            headers["Host"] = url.netloc.decode("ascii")
            sent = httpx.Request(
                request.method,
                request.url.copy_with(scheme=url.scheme, host=url.host, port=url.port),
                headers=headers,
                stream=request.stream,
                extensions={**request.extensions, "timeout": timeout},
            )
            yield _Attempt(sent, partial(self._note_failure, place), tried == len(order) - 1)

    def _was_absent(self, place: int) -> bool:
        return time.monotonic() - self._failed_s[place] < _AVOIDED_S

    def _note_failure(self, place: int) -> None:
        self._failed_s[place] = time.monotonic()


@dataclass(frozen=True)
class _Attempt:
    """A request as one node gets it: entered while it is made, for a failure is another's turn."""

    request: httpx.Request
    note_failure: Callable[[], None]
    is_last: bool

    def __enter__(self) -> None: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> bool:
        if not isinstance(error, httpx.TransportError):
            return False
        self.note_failure()
        return not self.is_last

    def accepts(self, answer: httpx.Response) -> bool:
        """Return whether an answer is the caller's: the last node's, or one of a node that runs."""
        absent = answer.status_code in _ABSENT_STATUS
        if absent:
            self.note_failure()
        return self.is_last or not absent
