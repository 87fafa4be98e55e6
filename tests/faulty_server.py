"""A proxy on a loopback socket that is late, drips, breaks off or answers with what is none.

Behind it is the gateway, and in the ``server`` tests a real server.
"""

import contextlib
import http.server
import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from real_server import server_transport

DRIP_S = 0.05


class Server(http.server.ThreadingHTTPServer):
    """What answers on a socket, with faults for requests whose path ends in given words."""

    daemon_threads = True

    def __init__(self, gateway: httpx.BaseTransport) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.gateway = gateway
        self.faults: list[tuple[str, Fault]] = []
        self.lasting: tuple[Callable[[], bool], Fault] | None = None
        self.seen: list[str] = []
        self.closing = threading.Event()
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def fail(self, suffix: str, *faults: "Fault") -> None:
        self.faults += [(suffix, each) for each in faults]

    def fail_while(self, holds: Callable[[], bool], fault: "Fault") -> None:
        self.lasting = holds, fault

    def fault(self, path: str) -> "Fault | None":
        self.seen.append(path)
        if self.lasting and self.lasting[0]():
            return self.lasting[1]
        for at, (suffix, fault) in enumerate(self.faults):
            if path.endswith(suffix):
                del self.faults[at]
                return fault
        return None


class Handler(http.server.BaseHTTPRequestHandler):
    """Answer as the gateway does, or by the next fault."""

    protocol_version = "HTTP/1.1"
    server: Server

    def carry_out(self) -> None:
        content = self.rfile.read(int(self.headers.get("content-length") or 0))
        kind = {"content-type": "application/json"} if content else {}
        fault = self.server.fault(self.path.partition("?")[0])
        if fault is not None and fault not in AFTERWARDS:
            fault(self, b"")
            return
        answer = self.server.gateway.handle_request(
            httpx.Request(self.command, f"http://g{self.path}", content=content, headers=kind)
        )
        if fault is not None:
            fault(self, answer.content)
        else:
            self.send(answer.status_code, answer.content)

    do_GET = do_POST = do_PUT = do_DELETE = carry_out  # noqa: N815 - http.server's names

    def send(self, status: int, content: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(content)

    def drip(self, content: bytes) -> None:
        self.close_connection = True
        try:
            for byte in content:
                self.wfile.write(bytes([byte]))
                if self.server.closing.wait(DRIP_S):
                    return
        except OSError:
            return

    def log_message(self, *_: Any) -> None:
        """Keep the test's output clean."""


Fault = Callable[[Handler, bytes], None]


def stall(handler: Handler, _: bytes) -> None:
    handler.close_connection = True
    handler.server.closing.wait(30)


def drip_the_body(handler: Handler, content: bytes) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(content) + 10_000))
    handler.end_headers()
    handler.drip(content + b" " * 10_000)


def drip_the_headers(handler: Handler, _: bytes) -> None:
    handler.drip(b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 10_000)


def lose_the_answer(handler: Handler, _: bytes) -> None:
    handler.close_connection = True


def reset_in_the_body(handler: Handler, content: bytes) -> None:
    handler.close_connection = True
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    handler.wfile.write(content[: len(content) // 2])
    linger = struct.pack("ii", 1, 0)  # a reset, not an end
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    handler.connection.close()


def gives(content: bytes, status: int = 200, **headers: str) -> Fault:
    named = {key.replace("_", "-"): value for key, value in headers.items()}
    return lambda handler, _: handler.send(status, content, named)


def changes(change: Callable[[Any], Any]) -> Fault:
    """Change the result that the server would give."""

    def fault(handler: Handler, content: bytes) -> None:
        answer = json.loads(content)
        answer["result"] = change(answer["result"])
        handler.send(200, json.dumps(answer).encode())

    AFTERWARDS.append(fault)
    return fault


AFTERWARDS: list[Fault] = [drip_the_body, lose_the_answer, reset_in_the_body]


@pytest.fixture(params=["gateway", pytest.param("server", marks=pytest.mark.server)])
def faulty_server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with contextlib.ExitStack() as opened:
        if request.param == "server":
            behind = opened.enter_context(server_transport())
        else:
            behind = request.getfixturevalue("gateway")
            behind._contract = None  # other tests compare what is said with it; it takes its time
        made = Server(behind)
        yield made
        for thread in threading.enumerate():  # a client asks for the version beside
            if "_check_compatibility" in thread.name:
                thread.join(10)
        made.closing.set()
        made.shutdown()
        made.server_close()
