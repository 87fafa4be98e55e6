"""Every option of every command, given what it cannot use: a line that helps, never a traceback.

The options are asked of the application itself: one that is not in this table fails the test.
"""

import http.server
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from qdrant_client import models

from mrl_adapters.cli.app import app
from mrl_adapters.embeddings import WordLlamaEmbedder
from mrl_adapters.langchain import MatryoshkaVectorStore
from mrl_adapters.qdrant import CollectionLayout, connect

# What the client says of a key without TLS.
pytestmark = pytest.mark.filterwarnings("ignore:Api key is used with an insecure connection")

_COMMANDS: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined] # a group

# What each command needs beside the option in question. {} stands for the folder of the test.
_RIGHT: dict[str, tuple[str, ...]] = {
    "quickstart": ("--path", "{}/quick", "--sources", "{}/library"),
    "index": ("{}/notes", "--collection", "new", "--path", "{}/store"),
    "search": ("docs", "bees", "--path", "{}/store"),
    "models": (),
    "curve": ("{}/texts.jsonl", "--dimensions", "64"),
    "tune": ("docs", "--path", "{}/store"),
    "demo": ("--collection", "docs", "--path", "{}/store", "--no-browser"),
    "recommend": ("docs", "--path", "{}/store"),
    "bench": ("{}/vectors.npy", "--no-frameworks", "--repeats", "1", "--queries", "40"),
    "migrate": ("old", "--stages", "8", "--path", "{}/store"),
    "rotate": ("docs", "--yes", "--path", "{}/store"),
    "audit": ("docs", "--path", "{}/store"),
    "repair": ("docs", "--path", "{}/store"),
    "list": ("--path", "{}/store"),
    "info": ("docs", "--path", "{}/store"),
    "delete": ("docs", "--path", "{}/store"),
    "backup": ("docs", "{}/missing/docs.backup", "--path", "{}/store"),
    "restore": ("{}/texts.jsonl", "--path", "{}/store"),
}
# Positional arguments, by the command and the place among the right ones.
_ARGUMENTS = {
    ("index", "paths"): 0,
    ("search", "collection"): 0,
    ("search", "question"): 1,
    ("curve", "data"): 0,
    ("tune", "collection"): 0,
    ("bench", "data"): 0,
    ("recommend", "source"): 0,
    ("migrate", "collection"): 0,
    ("rotate", "collection"): 0,
    ("audit", "collection"): 0,
    ("repair", "collection"): 0,
    ("info", "collection"): 0,
    ("delete", "collection"): 0,
    ("backup", "collection"): 0,
    ("backup", "file"): 1,
    ("restore", "file"): 0,
}
_NAMES = ("", " ", "nobody", "../docs", "x" * 300, "do\tcs", "docs?", "\udc80")
_FILES = ("", "{}/missing", "{}/file/below", "{}/pipe", "{}/loop", "{}/latin.txt", "x" * 5_000)
_PLACES = ("", "{}/file", "{}/file/below", "{}/pipe", "{}/loop", "x" * 5_000, "/proc/nothing/here")
_SIZES = ("", "0", "-1", "nan", "64,", ",", "1.5", "many", "9" * 5_000)
_COUNTS = ("", "0", "-1", "nan", "1.5", "many", "9" * 40)
_SHARES = ("", "0", "-1", "2", "nan", "inf", "many")
_SERVERS = (
    "",
    "http://127.0.0.1:1",
    "http://127.0.0.1:99999",
    "ftp://127.0.0.1",
    "http://",
    "[",
    ":",
)
_MODELS = ("", "nobody", "openai:", "sentence-transformers:", "openai:text-embedding-3-small")

_WRONG: dict[str, tuple[str, ...]] = {
    "collection": _NAMES,
    "question": ("", " "),
    "paths": (*_FILES, "{}/broken.txt", "/dev/zero"),
    "path": _PLACES,
    "url": _SERVERS,
    "api_key": ("", "schlüssel", "a\nb"),
    "model": _MODELS,
    "stages": (*_SIZES, "256", "4096"),
    "k": _COUNTS,
    "sample": _COUNTS,
    "full_name": ("nobody",),
    "dimensions": _SIZES,
    "oversampling": ("", "0", "-1", "nan", "inf", "many"),
    "seed": ("", "-1", "nan", "many"),
    "plot": (
        "",
        "{}/missing/a.png",
        "{}/a.txt",
        "{}/a",
        "{}/file/a.png",
        "{}",
        "/proc/a.png",
        "{}/pipe.png",
        "{}/lost.png",
        "{}/" + "x" * 300 + ".png",
    ),
    "html": (
        "",
        "{}/missing/a.html",
        "{}/a.txt",
        "{}",
        "/proc/a.html",
        "{}/pipe.html",
        "{}/file/a.html",
    ),
    "target_overlap": _SHARES,
    "confidence": _SHARES,
    "questions": _FILES,
    "judged": (*_FILES, "{}/twice.jsonl"),
    "data": (*_FILES, "{}/broken.npy", "{}/pickled.npy", "{}/broken.parquet", "{}/twice.jsonl"),
    "host": ("", "nobody.invalid", "127.0.0.1:80", "192.0.2.1", "x" * 300, "\udc80"),
    "port": ("", "-1", "65536", "1.5", "many"),
    "points": (*_SIZES, "5 parsecs"),
    "stage": (*_COUNTS, "32", "4096"),
    "queries": (*_COUNTS, "9999"),
    "only": ("nobody",),
    "repeats": _COUNTS[:-1],
    "builds": _COUNTS[:-1],
    "folder": _PLACES,
    "index_limit": (*_COUNTS[:-1], "60"),  # without --url it says nothing
    "copy_to": ("", "old"),
    "to_path": _PLACES,
    "to_url": _SERVERS,
    "to_api_key": ("", "schlüssel"),
    "alias": ("", "live"),
    "name": ("", "nobody"),
    "sources": ("{}/missing", "{}/file"),
    "query_filter": ("", "title=a", "[1]", '{"a": {"$near": 1}}', "[" * 5_000),
    "threshold": ("", "nan", "inf", "high"),
    "plan": ("", "[]", '{"oversampling": 0}', '{"nothing": 1}'),
    "size": _COUNTS,
    "overlap": ("", "-1", "nan", "1.5", "800"),
    "least": ("", "-1", "nan", "1.5", "801"),
    "file": ("", "{}/file/below", "{}/loop", "x" * 5_000),
    "from_local": _PLACES,
    "quantization": ("", "many", "int4", "binary"),
    "full_datatype": ("", "uint8", "turbo4"),
    "source": (*_NAMES, "{}/missing.npy", "{}/broken.npy", "{}/pickled.npy", "{}/twice.jsonl"),
    "memory": ("", "0", "-1", "nan", "many", "5 parsecs", "9" * 40),
    "hnsw_m": _COUNTS,
    "hnsw_ef_construct": (*_COUNTS, "3"),
    "hybrid": ("", "vectors", "RRF "),
    "language": ("", "english", "klingon"),  # without --text-index it says nothing
    "late_interaction": ("", "colbert", ":", "no where:x", "nowhere:X", "os:getcwd", "json:x"),
}
# Wrong in general, right for this command.
_FINE = {
    ("index", "collection"): {"nobody", "../docs", "x" * 300, "do\tcs", "docs?"},
    ("index", "paths"): {"{}/latin.txt"},  # skipped and named: another test's
    ("audit", "sample"): {"9" * 40},
    ("migrate", "model"): {
        "nobody",
        "openai:",
        "sentence-transformers:",
        "openai:text-embedding-3-small",
    },
}


def _options() -> list[tuple[str, Any]]:
    return [
        (name, each)
        for name, command in _COMMANDS.items()
        for each in command.params
        if not getattr(each, "is_flag", False) and each.name != "help"
    ]


def _cases() -> list[Any]:
    return [
        pytest.param(command, each, wrong, id=f"{command}-{each.name}-{wrong[:12]!r}")
        for command, each in _options()
        for wrong in _WRONG.get(each.name or "", ())
        if wrong not in _FINE.get((command, each.name or ""), ())
    ]


def test_every_option_of_every_command_is_in_the_table() -> None:
    assert set(_RIGHT) == set(_COMMANDS)
    assert not {each.name for _, each in _options()} - set(_WRONG)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, library: Path) -> Path:
    """A folder with right things and wrong ones."""
    made = tmp_path_factory.mktemp("wrong")
    with connect(path=str(made / "store")) as client:
        layout = CollectionLayout(256, (64,))
        MatryoshkaVectorStore(client, "docs", WordLlamaEmbedder(), layout=layout).add_texts(
            [f"text {number}" for number in range(40)]
        )
        client.create_collection("old", models.VectorParams(size=32, distance="Cosine"))
        vectors = np.random.default_rng(1).standard_normal((40, 32)).tolist()
        client.upsert("old", [models.PointStruct(id=n, vector=v) for n, v in enumerate(vectors)])
    (made / "notes").mkdir()
    (made / "notes" / "a.txt").write_text("Bees make honey.")
    (made / "library").symlink_to(library)
    (made / "texts.jsonl").write_text("\n".join(f'"text number {n}"' for n in range(50)))
    np.save(made / "vectors.npy", np.random.default_rng(1).standard_normal((400, 32)))
    (made / "file").write_text("a file")
    os.mkfifo(made / "pipe")
    os.mkfifo(made / "pipe.png")
    os.mkfifo(made / "pipe.html")
    (made / "lost.png").symlink_to("nowhere/lost.png")
    (made / "loop").symlink_to("loop")
    (made / "broken.txt").symlink_to("nowhere")
    (made / "latin.txt").write_bytes(b"K\xe4se\xff")
    (made / "broken.npy").write_bytes(b"\x93NUMPY\x01\x00 broken")
    np.save(made / "pickled.npy", np.array([{}], dtype=object))
    (made / "broken.parquet").write_bytes(b"PAR1 broken")
    (made / "twice.jsonl").write_text('{"id": 1, "text": "a"}\n{"id": "1", "text": "b"}\n')
    return made


@pytest.fixture(autouse=True)
def _unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the client's own comparison of versions, in a thread, out of these tests."""
    check = "qdrant_client.qdrant_remote.QdrantRemote._check_compatibility"
    monkeypatch.setattr(check, staticmethod(lambda *_: None))


def _line(home: Path, command: str, parameter: Any, wrong: str) -> list[str]:
    """Write the command with one thing wrong."""
    right = [each.format(home) for each in _RIGHT[command]]
    wrong = wrong.replace("{}", str(home))
    if (command, parameter.name) == ("bench", "model"):
        right[0] = f"{home}/texts.jsonl"  # vectors need none
    place = _ARGUMENTS.get((command, parameter.name or ""))
    if place is not None:
        right[place] = wrong
        return [command, *right[: place + 1], *right[place + 1 :]]
    if parameter.param_type_name == "argument":
        return [command, *right, wrong]
    option = max(parameter.opts, key=len)
    if option == "--url" and "--path" in right:  # two places would be another mistake
        at = right.index("--path")
        del right[at : at + 2]
    if option == "--to-api-key":
        right += ["--to-url", "http://127.0.0.1:1"]
    return [command, *right, option, wrong]


@pytest.mark.parametrize(("command", "parameter", "wrong"), _cases())
def test_what_cannot_be_used_is_told_in_one_line(
    run: Any, home: Path, monkeypatch: pytest.MonkeyPatch, command: str, parameter: Any, wrong: str
) -> None:
    monkeypatch.chdir(home)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setattr("mrl_adapters.waiting.repeating._FIRST_S", 0.0)
    before = {path: path.stat().st_mtime_ns for path in home.glob("*") if path.is_file()}
    result = run(*_line(home, command, parameter, wrong))
    assert result.exit_code in {1, 2}, result.output
    assert "Traceback" not in result.output
    if result.exit_code == 1:
        told = [line for line in result.stderr.splitlines() if not line.startswith("Warning: ")]
        assert len(told) == 1, told
        assert told[0].startswith("Error: ")
    after = {path: path.stat().st_mtime_ns for path in home.glob("*") if path.is_file()}
    assert after == before


@pytest.fixture
def guarded() -> Iterator[str]:
    """The address of a server that knows nobody's key."""

    class Refusing(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(401)
            self.end_headers()
            self.wfile.write(b"Must provide an API key")

        do_POST = do_PUT = do_GET  # noqa: N815 - as the server calls them

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    "command", ["search", "index", "tune", "migrate", "rotate", "audit", "repair", "bench"]
)
def test_a_wrong_key_is_told_in_one_line(run: Any, home: Path, guarded: str, command: str) -> None:
    line = [each.format(home) for each in _RIGHT[command]]
    if "--path" in line:
        del line[line.index("--path") :]
    line += ["--url", guarded, "--api-key", "wrong"]
    result = run(command, *line)
    assert result.exit_code == 1
    assert "Check the server's address, its key" in result.stderr.splitlines()[-1]
