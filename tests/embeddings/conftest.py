"""A real server on loopback that speaks the embeddings API, with real vectors and real faults."""

import base64
import json
import random
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest

from mrl_adapters.embeddings import WordLlamaEmbedder

Embed = Callable[[list[str]], np.ndarray]


class Loopback:
    """An OpenAI-compatible server whose ways can be changed between requests.

    Attributes:
        dimensions: What it does with ``dimensions``: honour, ignore, reject (400), short (one
            fewer than asked for).
        floats: Whether it ignores encoding_format and answers with numbers.
        shuffle: Whether the vectors come in another order than the texts.
        faults: What goes wrong with the next requests, one each: an HTTP status, or drop, nan,
            missing, twice (an index), html.
        delay_s: How long each answer takes.
        requests: Bodies received, with the headers under "headers".
    """

    def __init__(self) -> None:
        wordllama = WordLlamaEmbedder()
        self.embed: Embed = wordllama.embed_array
        self.dimensions = "honour"
        self.floats = False
        self.shuffle = False
        self.faults: list[int | str] = []
        self.delay_s = 0.0
        self.requests: list[dict[str, Any]] = []
        self.running = self.most_at_once = 0
        self.lock = threading.Lock()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_port}/v1"
        threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True).start()

    def inputs(self) -> list[list[str]]:
        return [request["input"] for request in self.requests]

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()

    def answer(self, request: dict[str, Any], fault: int | str | None) -> dict[str, Any]:
        texts = request["input"]
        vectors = np.array(self.embed(texts), dtype=np.float32)
        wanted = request.get("dimensions")
        if wanted and self.dimensions in {"honour", "short"}:
            vectors = vectors[:, : wanted - (self.dimensions == "short")]
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        if fault == "nan":
            vectors[-1, 0] = np.nan
        data = [
            {"object": "embedding", "index": at, "embedding": self._encode(vector, request)}
            for at, vector in enumerate(vectors)
        ]
        if fault == "missing":
            data.pop()
        if fault == "twice":
            data[-1]["index"] = 0
        if self.shuffle:
            random.Random(len(data)).shuffle(data)
        tokens = sum(len(text.split()) for text in texts)
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return {"object": "list", "model": request["model"], "data": data, "usage": usage}

    def _encode(self, vector: np.ndarray, request: dict[str, Any]) -> str | list[float]:
        if self.floats or request.get("encoding_format") != "base64":
            return vector.tolist()
        return base64.b64encode(vector.astype("<f4").tobytes()).decode()


def _handler(server: Loopback) -> type[socketserver.BaseRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            request = json.loads(body)
            with server.lock:
                server.requests.append({**request, "headers": dict(self.headers)})
                fault = server.faults.pop(0) if server.faults else None
                server.running += 1
                server.most_at_once = max(server.most_at_once, server.running)
            time.sleep(server.delay_s)
            try:
                self._answer(request, fault)
            finally:
                with server.lock:
                    server.running -= 1

        def _answer(self, request: dict[str, Any], fault: int | str | None) -> None:
            if "dimensions" in request and server.dimensions == "reject":
                self._send(400, {"error": {"message": "dimensions is not supported"}})
            elif isinstance(fault, int):
                self._send(fault, {"error": {"message": f"status {fault}"}}, retry_after="0.01")
            elif fault == "html":
                self._write(200, b"<html>Welcome</html>", "text/html")
            else:
                self._send(200, server.answer(request, fault), cut=fault == "drop")

        def _send(
            self, status: int, payload: Any, *, retry_after: str = "", cut: bool = False
        ) -> None:
            self._write(status, json.dumps(payload).encode(), retry_after=retry_after, cut=cut)

        def _write(
            self,
            status: int,
            body: bytes,
            kind: str = "application/json",
            *,
            retry_after: str = "",
            cut: bool = False,
        ) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            if retry_after:
                self.send_header("Retry-After", retry_after)
            self.end_headers()
            self.wfile.write(body[: len(body) // 2] if cut else body)
            if cut:
                self.close_connection = True

        def log_message(self, *_: Any) -> None:
            pass

    return Handler


@pytest.fixture
def server() -> Iterator[Loopback]:
    """An OpenAI-compatible server with wordllama's vectors."""
    loopback = Loopback()
    yield loopback
    loopback.close()


@pytest.fixture(scope="session")
def wordllama() -> WordLlamaEmbedder:
    """The real model that the server answers with."""
    return WordLlamaEmbedder()
