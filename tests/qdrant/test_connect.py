"""connect: one place each, the right client, no option that would be ignored."""

import inspect
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from qdrant_client import QdrantClient

from mrl_adapters.errors import ConfigurationError
from mrl_adapters.qdrant import EdgeClient, connect
from mrl_adapters.qdrant.engine import Engine, engine_of


@pytest.fixture
def url() -> Iterator[str]:
    """An address that answers as a server does when it is asked for its version."""
    asked = Event()

    class Greeting(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps({"title": "qdrant", "version": version("qdrant-client")}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            asked.set()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Greeting) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        asked.wait(5)  # the client asks in a thread of its own
        server.shutdown()


def test_a_path_gives_the_embedded_engine(tmp_path: Path) -> None:
    with connect(path=str(tmp_path / "new" / "folder")) as client:
        assert isinstance(client, EdgeClient)
        assert (tmp_path / "new" / "folder").is_dir()


def test_a_url_gives_a_servers_client_with_time_enough_for_bulk_writes(url: str) -> None:
    client = connect(url=url)
    assert isinstance(client, QdrantClient)
    assert engine_of(client) is Engine.SERVER
    assert client.init_options["timeout"] == 60
    client.close()


@pytest.mark.filterwarnings("ignore:Api key is used with an insecure connection")
def test_a_servers_options_are_passed_on(url: str) -> None:
    client = connect(url=url, api_key="key", prefer_grpc=True, timeout=5)
    assert isinstance(client, QdrantClient)
    options = client.init_options
    assert (options["api_key"], options["prefer_grpc"], options["timeout"]) == ("key", True, 5)
    client.close()


def test_memory_gives_local_mode() -> None:
    client = connect(location=":memory:")
    assert engine_of(client) is Engine.LOCAL
    client.close()


def test_a_folder_of_local_mode_is_opened_where_it_is(tmp_path: Path) -> None:
    client = connect(location=str(tmp_path / "local"))
    assert engine_of(client) is Engine.LOCAL
    assert (tmp_path / "local").is_dir()
    client.close()


def test_no_place_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"got no place to connect to. Pass exactly one"):
        connect()


def test_two_places_are_refused_by_name() -> None:
    with pytest.raises(ConfigurationError, match=r"connect\(\) got path and url. Pass exactly one"):
        connect(path="here", url="http://there")


@pytest.mark.parametrize("option", [{"api_key": "k"}, {"prefer_grpc": True}, {"timeout": 5}])
@pytest.mark.parametrize("place", [{"path": "never-made"}, {"location": ":memory:"}])
def test_a_servers_options_are_refused_elsewhere(
    place: dict[str, Any], option: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError, match=rf"{next(iter(place))}= has no use for them"):
        connect(**place, **option)
    assert not (tmp_path / "never-made").exists()


def test_every_argument_is_by_name() -> None:
    kinds = {each.kind for each in inspect.signature(connect).parameters.values()}
    assert kinds == {inspect.Parameter.KEYWORD_ONLY}
