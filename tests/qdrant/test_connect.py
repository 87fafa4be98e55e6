"""connect: one place each, the right client, no option that would be ignored."""

import inspect
import json
import os
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from qdrant_client import QdrantClient, models

from mrl_adapters.errors import ConfigurationError, EngineError
from mrl_adapters.qdrant import EdgeClient, connect
from mrl_adapters.qdrant.connect import CONNECT_OPTIONS
from mrl_adapters.qdrant.engine import LOCAL, SERVER, engine_of


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
    assert engine_of(client) is SERVER
    assert client.init_options["timeout"] == 60
    client.close()


@pytest.mark.filterwarnings("ignore:Api key is used with an insecure connection")
def test_a_servers_options_are_passed_on(url: str) -> None:
    client = connect(url=url, api_key="key", prefer_grpc=True, grpc_port=6334, timeout=5)
    assert isinstance(client, QdrantClient)
    options = client.init_options
    assert (options["api_key"], options["prefer_grpc"], options["timeout"]) == ("key", True, 5)
    client.close()


def test_memory_gives_local_mode() -> None:
    client = connect(location=":memory:")
    assert engine_of(client) is LOCAL
    client.close()


def test_a_folder_of_local_mode_is_opened_where_it_is(tmp_path: Path) -> None:
    client = connect(location=str(tmp_path / "local"))
    assert engine_of(client) is LOCAL
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
    assert kinds == {inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD}


def test_it_takes_what_the_client_takes(url: str) -> None:
    taken = {*inspect.signature(QdrantClient.__init__).parameters} - {"self", "kwargs"}
    # Of the local mode's own threads: nothing here uses them.
    assert taken - {"force_disable_check_same_thread"} <= {*CONNECT_OPTIONS}
    address = urllib.parse.urlsplit(url)
    options = {"port": address.port, "https": False, "prefix": "some/where", "pool_size": 3}
    client = connect(host=address.hostname, **options)
    assert isinstance(client, QdrantClient)
    assert {name: client.init_options[name] for name in options} == options
    client.close()
    with pytest.raises(ConfigurationError, match=r"connect\(\) has no option 'prot'.*'port'"):
        connect(url=url, prot=1)


@pytest.mark.parametrize("place", [{"url": ""}, {"url": " "}, {"host": ""}])
def test_an_empty_address_is_not_localhost(place: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match=rf"empty {next(iter(place))}\. Pass the server's"):
        connect(**place)


@pytest.mark.parametrize("timeout", [0, -1, float("nan")])
def test_no_time_at_all_is_not_a_minute(timeout: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"got timeout=.*Pass seconds above 0"):
        connect(url="http://127.0.0.1:1", timeout=timeout)


# --- paths ----------------------------------------------------------------------------------------


class Like:
    """A path of somebody's own class."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __fspath__(self) -> str:
        return str(self.path)


@pytest.mark.parametrize("spelt", [str, os.fsencode, Path, Like], ids=lambda each: each.__name__)
@pytest.mark.parametrize("place", ["path", "location"])
def test_a_path_may_be_all_that_python_takes_for_one(
    tmp_path: Path, place: str, spelt: Callable[[Path], Any]
) -> None:
    connect(**{place: spelt(tmp_path / "here")}).close()
    assert (tmp_path / "here").is_dir()


@pytest.mark.parametrize("place", ["path", "location"])
@pytest.mark.parametrize(
    "relative", ["vectors", "./vectors", "a/../vectors", "~/vectors", "../start/vectors"]
)
def test_no_chdir_moves_what_is_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, relative: str
) -> None:
    for name in ("start", "start/a", "other"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "start"))
    monkeypatch.chdir(tmp_path / "start")
    client = connect(**{place: relative})
    monkeypatch.chdir(tmp_path / "other")
    client.create_collection("docs", vectors_config=models.VectorParams(size=2, distance="Dot"))
    client.upsert("docs", [models.PointStruct(id=1, vector=[1.0, 2.0])])
    client.close()
    assert list((tmp_path / "other").iterdir()) == []
    with closing(connect(**{place: tmp_path / "start" / "vectors"}, must_exist=True)) as client:
        assert client.count("docs").count == 1


UNFIT = {
    "": "is empty. Pass the path of a folder",
    "  ": "is empty",
    "http://localhost:6333": "is an address, not a folder. Pass url=",
    "https://x.cloud.qdrant.io": "is an address",
    "file:///tmp/vectors": "is an address",
    "localhost:6333": r"is an address.*='./localhost:6333'",
    "127.0.0.1:6333": "is an address",
    "a\0b": "holds a null character",
    "~nobody-of-that-name/vectors": "cannot be made absolute",
    ":memory:": r"names no folder. Pass location=':memory:'",
    3: "expected the path of a folder",
}


@pytest.mark.parametrize("given", UNFIT)
def test_what_is_no_path_is_refused_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    for open_it in (lambda: connect(path=given), lambda: EdgeClient(given)):
        with pytest.raises(ConfigurationError, match=UNFIT[given]):
            open_it()
    assert list(tmp_path.iterdir()) == []


def test_a_url_that_became_a_path_object_is_known_still() -> None:
    with pytest.raises(ConfigurationError, match="is an address"):
        connect(path=Path("http://localhost:6333"))


def test_a_location_that_is_a_url_goes_to_the_server(url: str) -> None:
    client = connect(location=url, timeout=5)
    assert engine_of(client) is SERVER
    client.close()


def test_a_name_that_is_too_long_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"x cannot be used as a store: File name too long"):
        connect(path=tmp_path / ("x" * 300))


def test_a_path_below_a_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EngineError, match=r"file/vectors cannot be used as a store: Not a dir"):
        connect(path=tmp_path / "file" / "vectors")


def test_each_engine_refuses_the_folder_of_the_other(tmp_path: Path) -> None:
    connect(path=tmp_path / "edge").close()
    connect(location=tmp_path / "local").close()
    with pytest.raises(EngineError, match=r"is a store of the embedded.*Pass path='.*/edge'"):
        connect(location=tmp_path / "edge")
    with pytest.raises(EngineError, match=r"local mode. Open it as one: location='.*/local'"):
        connect(path=tmp_path / "local")


@pytest.mark.parametrize("place", ["path", "location"])
def test_where_something_must_exist_nothing_is_made(tmp_path: Path, place: str) -> None:
    with pytest.raises(EngineError, match=rf"No collections.* at {tmp_path}/typo"):
        connect(**{place: tmp_path / "typo"}, must_exist=True)
    assert list(tmp_path.iterdir()) == []
