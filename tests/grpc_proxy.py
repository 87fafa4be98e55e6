"""A proxy for gRPC on loopback before a real server: its calls can fail, and its wire can.

Calls pass through as bytes, and any of them can end with a status instead, before or after the
server has carried it out. What is below calls, the connection, is cut, held up or slowed down on
the socket before it.
"""

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc

DRIP_S = 0.05

Fault = Callable[[grpc.ServicerContext, Callable[[], bytes]], bytes]
"""Answers a call in the server's stead; is given what carries it out."""


def gives(code: grpc.StatusCode, reason: str = "said by the test", **trailing: str) -> Fault:
    """End a call with a status, without carrying it out."""

    def fault(context: grpc.ServicerContext, _: Callable[[], bytes]) -> bytes:
        context.set_trailing_metadata(
            [(name.replace("_", "-"), value) for name, value in trailing.items()]
        )
        return context.abort(code, reason)  # type: ignore[no-any-return] # raises

    return fault


def loses_the_answer(context: grpc.ServicerContext, carry_out: Callable[[], bytes]) -> bytes:
    """Carry a call out, and let its answer be lost."""
    carry_out()
    return context.abort(grpc.StatusCode.UNAVAILABLE, "Connection reset by peer")  # type: ignore[no-any-return] # raises


class Calls(grpc.GenericRpcHandler):
    """Passes every call on, or lets the next fault answer it.

    Args:
        target: Where the server is, such as ``127.0.0.1:6334``.
        metadata: What is sent with every call.
    """

    def __init__(self, target: str, metadata: list[tuple[str, str]]) -> None:
        self.channel = grpc.insecure_channel(target)
        self.faults: list[tuple[str, Fault]] = []
        self.lasting: tuple[Callable[[], bool], Fault] | None = None
        self.seen: list[str] = []
        self._metadata = metadata

    def fail(self, method: str, *faults: Fault) -> None:
        """Let the next calls of a method fail; "" are all."""
        self.faults += [(method, each) for each in faults]

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        method = handler_call_details.method
        forward = self.channel.unary_unary(method)

        def answer(request: bytes, context: grpc.ServicerContext) -> bytes:
            def carry_out() -> bytes:
                try:
                    return forward(request, timeout=30, metadata=self._metadata)  # type: ignore[no-any-return] # bytes
                except grpc.RpcError as error:
                    return context.abort(error.code(), error.details())  # type: ignore[no-any-return,attr-defined] # raises

            fault = self._fault(method.rpartition("/")[2])
            return carry_out() if fault is None else fault(context, carry_out)

        return grpc.unary_unary_rpc_method_handler(answer)

    def _fault(self, method: str) -> Fault | None:
        self.seen.append(method)
        if self.lasting and self.lasting[0]():
            return self.lasting[1]
        for at, (named, fault) in enumerate(self.faults):
            if method.endswith(named):
                del self.faults[at]
                return fault
        return None


class Wire:
    """A socket before another one; what comes back through it can be spoilt.

    Args:
        port: Where the other one listens.
    """

    def __init__(self, port: int) -> None:
        self.spoil: Callable[[socket.socket, bytes], object]
        self.mend()
        self.closing = threading.Event()
        self._behind = port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self.port: int = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def holds_up(self, _: socket.socket, __: bytes) -> None:
        """Let nothing through."""
        self.closing.wait(30)

    def drips(self, client: socket.socket, content: bytes) -> None:
        """Let it through byte by byte."""
        for byte in content:
            client.sendall(bytes([byte]))
            if self.closing.wait(DRIP_S):
                return

    def resets(self, client: socket.socket, content: bytes) -> None:
        """Let half of it through and reset the connection."""
        client.sendall(content[: len(content) // 2])
        _reset(client)

    def mend(self) -> None:
        """Let what comes through as it is."""
        self.spoil = socket.socket.sendall

    def refuse(self) -> None:
        """Cut every connection and take no more."""
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for each in self._open:
            _reset(each)

    def listen_again(self) -> None:
        """Take connections at the same port again."""
        self._listening = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """End everything."""
        self.closing.set()
        self.refuse()

    def _accept(self) -> None:
        listening = self._listening
        with contextlib.suppress(OSError):
            while True:
                client, _ = listening.accept()
                server = socket.create_connection(("127.0.0.1", self._behind))
                self._open += [client, server]
                forth = (client, server, lambda: socket.socket.sendall)
                back = (server, client, lambda: self.spoil)
                for ends in (forth, back):
                    threading.Thread(target=_pump, args=ends, daemon=True).start()


def _pump(source: socket.socket, sink: socket.socket, pass_on: Callable[[], Any]) -> None:
    with contextlib.suppress(OSError):
        while content := source.recv(65536):
            pass_on()(sink, content)
    for each in (source, sink):
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
        each.close()


def _reset(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        linger = struct.pack("ii", 1, 0)  # a reset, not an end
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()


@contextlib.contextmanager
def faulty_grpc(port: int, api_key: str | None) -> Iterator[tuple[Calls, Wire]]:
    """Put a proxy before a server's gRPC port on loopback."""
    metadata = [("api-key", api_key)] if api_key else []
    calls = Calls(f"127.0.0.1:{port}", metadata)
    with ThreadPoolExecutor(16) as pool:
        server = grpc.server(pool, handlers=[calls])
        wire = Wire(server.add_insecure_port("127.0.0.1:0"))
        server.start()
        try:
            yield calls, wire
        finally:
            wire.close()
            server.stop(None).wait()
            calls.channel.close()
