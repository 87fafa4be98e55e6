"""A real server on loopback that speaks the embeddings API, with real vectors and real faults."""

import base64
import contextlib
import json
import random
import threading
import time
from collections.abc import Callable, Iterator
from http import HTTPStatus
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
        refusal: Gives a status and a body for a request that is refused, else None.
        reshape: Changes an answer before it is sent.
        faults: What goes wrong with the next requests, one each: an HTTP status, or drop, nan,
            missing, twice (an index), html, cut (JSON), stall, drip, drip-headers.
        delay_s: How long each answer takes.
        prepared: A body to answer with whatever the request, where speed is measured.
        retry_after_s: What the Retry-After header of a 429 or 503 says.
        closing: Set when the server is about to end.
        requests: Bodies received, with the headers under "headers".
    """

    def __init__(self) -> None:
        wordllama = WordLlamaEmbedder()
        self.embed: Embed = wordllama.embed_array
        self.dimensions = "honour"
        self.floats = False
        self.refusal: Callable[[dict[str, Any]], tuple[int, Any] | None] = lambda request: None
        self.reshape: Callable[[dict[str, Any]], Any] = lambda answer: answer
        self.shuffle = False
        self.faults: list[int | str] = []
        self.delay_s = 0.0
        self.retry_after_s: float | str = 0.01
        self.closing = threading.Event()
        self.prepared: bytes | None = None
        self.requests: list[dict[str, Any]] = []
        self.running = self.most_at_once = 0
        self.lock = threading.Lock()
        handler = type("Handler", (_Handler,), {"loopback": self})
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_port}/v1"
        threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True).start()

    @contextlib.contextmanager
    def received(
        self, request: dict[str, Any], headers: dict[str, str]
    ) -> Iterator[int | str | None]:
        with self.lock:
            self.requests.append({**request, "headers": headers, "at_s": time.monotonic()})
            fault = self.faults.pop(0) if self.faults else None
            self.running += 1
            self.most_at_once = max(self.most_at_once, self.running)
        try:
            yield fault
        finally:
            with self.lock:
                self.running -= 1

    def inputs(self) -> list[list[str]]:
        return [request["input"] for request in self.requests]

    def close(self) -> None:
        self.closing.set()
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


class _Handler(BaseHTTPRequestHandler):
    """Receive requests and answer them as the Loopback in ``loopback`` says."""

    protocol_version = "HTTP/1.1"
    loopback: Loopback

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.loopback.received(
            request, {k.title(): v for k, v in self.headers.items()}
        ) as fault:
            time.sleep(self.loopback.delay_s)
            self._answer(request, fault)

    def _answer(self, request: dict[str, Any], fault: int | str | None) -> None:
        if (refused := self.loopback.refusal(request)) is not None:
            self._send(*refused)
        elif "dimensions" in request and self.loopback.dimensions == "reject":
            self._send(400, {"error": {"message": "dimensions is not supported"}})
        elif isinstance(fault, int):
            self._send(fault, {"error": {"message": f"status {fault}"}})
        elif self.loopback.prepared is not None:
            self._write(200, self.loopback.prepared)
        elif fault == "html":
            self._write(200, b"<html>Welcome</html>")
        elif fault == "cut":
            self._write(200, json.dumps(self.loopback.answer(request, fault)).encode()[:-9])
        elif fault == "stall":
            self.close_connection = True
            self.loopback.closing.wait(30)
        elif fault == "drip-headers":
            self._drip(b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 10_000)
        elif fault == "drip":
            self._drip(b"HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n" + b" " * 10_000)
        else:
            answer = self.loopback.reshape(self.loopback.answer(request, fault))
            self._send(200, answer, cut=fault == "drop")

    def _send(self, status: int, payload: Any, *, cut: bool = False) -> None:
        self._write(status, json.dumps(payload).encode(), cut=cut)

    def _write(self, status: int, body: bytes, *, cut: bool = False) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if status in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}:
            self.send_header("Retry-After", str(self.loopback.retry_after_s))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if cut else body)
        self.close_connection = self.close_connection or cut

    def _drip(self, raw: bytes) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            for byte in raw:
                self.wfile.write(bytes([byte]))
                if self.loopback.closing.wait(0.05):
                    return

    def log_message(self, *_: Any) -> None:
        """Keep the test's output clean."""


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
