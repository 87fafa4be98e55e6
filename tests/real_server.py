"""A real Qdrant server, shared with whoever else uses it.

Each client lives in a namespace of its own: names of collections and aliases get a prefix on their
way to the server and lose it on their way back. So tests may call a collection as they like; they
neither see nor touch those of others, and what they leave behind is told by its prefix.
"""

import asyncio
import json
import os
import re
import uuid
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from qdrant_client import QdrantClient

_IN_PATH = re.compile(r"(?<=^/collections/)(?!aliases$)(?=[^/?]+)")
_NAMES = {"collection_name", "alias_name", "old_alias_name", "new_alias_name"}
_LISTS = {"collections", "aliases"}
_FRAMING = {"content-length", "content-encoding", "transfer-encoding"}


def server_address() -> dict[str, Any]:
    """Return how to reach the server, for ``connect`` or a client; skip the test without one."""
    url = os.environ.get("QDRANT_URL")
    if not url:
        pytest.skip("needs a running Qdrant server: set QDRANT_URL (and QDRANT_API_KEY)")
    return {"url": url, "api_key": os.environ.get("QDRANT_API_KEY")}


def grpc_address() -> dict[str, Any]:
    """Return how to reach the server by gRPC: at the port after its REST side's if none is said."""
    address = server_address()
    port = os.environ.get("QDRANT_GRPC_PORT") or (httpx.URL(address["url"]).port or 6333) + 1
    return {**address, "prefer_grpc": True, "grpc_port": int(port)}


@contextmanager
def server_client() -> Iterator[QdrantClient]:
    """Open a client in a new namespace; at the end all that is in there is deleted."""
    address = server_address()
    if address["api_key"] and address["url"].startswith("http://"):
        address["headers"] = {"api-key": address.pop("api_key")}  # the client warns of http
    client = QdrantClient(**address, timeout=60, transport=Namespace(new_space()))
    try:
        yield client
        for each in client.get_collections().collections:
            client.delete_collection(each.name)
    finally:
        client.close()


class Forwarding(httpx.BaseTransport):
    """Carries requests, wherever they were sent, to a namespace of the server."""

    def __init__(self, base_url: str, namespace: "Namespace", headers: dict[str, str]) -> None:
        self._base = httpx.URL(base_url)
        self._namespace = namespace
        self._headers = headers

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url.copy_with(
            scheme=self._base.scheme, host=self._base.host, port=self._base.port
        )
        headers = {**request.headers, **self._headers, "host": self._base.netloc.decode()}
        return self._namespace.handle_request(
            httpx.Request(request.method, url, headers=headers, content=request.read())
        )


@contextmanager
def server_transport() -> Iterator[Forwarding]:
    """Open a way to a new namespace for a proxy; at the end all that is in there is deleted."""
    address = server_address()
    key = address["api_key"]
    headers = {"api-key": key} if key else {}
    namespace = Namespace(new_space())
    try:
        yield Forwarding(address["url"], namespace, headers)
        client = QdrantClient(
            url=address["url"], headers=headers, transport=namespace, check_compatibility=False
        )
        for each in client.get_collections().collections:
            client.delete_collection(each.name)
    finally:
        namespace.close()


def new_space() -> str:
    """Return a prefix that nobody else has."""
    return f"mrl_test_{uuid.uuid4().hex[:12]}_"


class Namespace(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Carries requests to a server, with a prefix before every name.

    Args:
        prefix: What is put before names.
    """

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._sync: dict[int, httpx.HTTPTransport] = {}  # by process
        self._async: weakref.WeakKeyDictionary[
            asyncio.AbstractEventLoop, httpx.AsyncHTTPTransport
        ] = weakref.WeakKeyDictionary()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        process = os.getpid()
        if process not in self._sync:
            self._sync[process] = httpx.HTTPTransport()
        transport = self._sync[process]
        answer = transport.handle_request(self._named(request))
        return self._unnamed(request, answer, answer.read())

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        loop = asyncio.get_running_loop()
        if loop not in self._async:
            self._async[loop] = httpx.AsyncHTTPTransport()
        transport = self._async[loop]
        answer = await transport.handle_async_request(self._named(request))
        return self._unnamed(request, answer, await answer.aread())

    def close(self) -> None:
        if transport := self._sync.pop(os.getpid(), None):
            transport.close()

    async def aclose(self) -> None:
        if transport := self._async.pop(asyncio.get_running_loop(), None):
            await transport.aclose()

    def _named(self, request: httpx.Request) -> httpx.Request:
        path = _IN_PATH.sub(self._prefix, request.url.raw_path.decode())
        content = request.content if hasattr(request, "_content") else b""
        if request.url.path == "/collections/aliases":
            content = json.dumps(self._renamed(json.loads(content), self._add)).encode()
        headers = {k: v for k, v in request.headers.items() if k != "content-length"}
        url = request.url.copy_with(raw_path=path.encode())
        return httpx.Request(
            request.method, url, headers=headers, content=content, extensions=request.extensions
        )

    def _unnamed(
        self, request: httpx.Request, answer: httpx.Response, content: bytes
    ) -> httpx.Response:
        if answer.headers.get("content-type", "").startswith("application/json"):
            if b'"collections"' in content or b'"aliases"' in content:
                content = json.dumps(self._own(json.loads(content))).encode()
            content = content.replace(self._prefix.encode(), b"")
        headers = {k: v for k, v in answer.headers.items() if k not in _FRAMING}
        return httpx.Response(answer.status_code, headers=headers, content=content, request=request)

    def _add(self, name: str) -> str:
        return self._prefix + name

    def _renamed(self, value: Any, rename: Any) -> Any:
        if isinstance(value, dict):
            return {
                key: rename(each) if key in _NAMES else self._renamed(each, rename)
                for key, each in value.items()
            }
        return [self._renamed(each, rename) for each in value] if isinstance(value, list) else value

    def _own(self, answer: dict[str, Any]) -> dict[str, Any]:
        result = answer.get("result")
        for kind in _LISTS & set(result if isinstance(result, dict) else ()):
            result[kind] = [
                each
                for each in result[kind]
                if (each.get("alias_name") or each.get("name", "")).startswith(self._prefix)
            ]
        return answer
