"""The bench on a server: its own collections, what it waits for, what it reads of the server."""

import os
import pickle
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import psutil
import pytest
from qdrant_client import QdrantClient, models
from qdrant_client.http.exceptions import UnexpectedResponse
from real_server import new_space, server_address

from mrl_adapters.bench import FullGraph, TwoStage, bench_tables, plot_bench
from mrl_adapters.bench.process import _portable
from mrl_adapters.bench.result import BenchResult, ServerCosts, ServerNote
from mrl_adapters.bench.server import Place, figures, run_on_server, server_line_up
from mrl_adapters.bench.server import contender as on_server
from mrl_adapters.bench.server.contender import wait_until_optimised
from mrl_adapters.bench.server.figures import Figures
from mrl_adapters.bench.server.place import OwnCollections
from mrl_adapters.bench.server.run import _parted
from mrl_adapters.errors import ConfigurationError, DeadlineError, EngineError

SMALL = models.VectorParams(size=4, distance=models.Distance.COSINE)


@pytest.fixture
def local() -> Iterator[QdrantClient]:
    """Somebody's collections, one of them called almost as the bench's."""
    client = QdrantClient(":memory:")
    for name in ("docs", "mrl_bench_other_docs"):
        client.create_collection(name, SMALL)
    yield client
    client.close()


@pytest.fixture
def place() -> Place:
    return Place(**server_address())


def names(client: QdrantClient) -> set[str]:
    return {each.name for each in client.get_collections().collections}


def test_only_what_was_made_is_removed(local: QdrantClient):
    with OwnCollections(local) as own:
        assert own.name("two-stage 16 int8") == f"{own.prefix}two_stage_16_int8"
        local.create_collection(own.name("one"), SMALL)
        assert len(names(local)) == 3
    assert names(local) == {"docs", "mrl_bench_other_docs"}


def test_every_run_has_names_of_its_own(local: QdrantClient):
    assert OwnCollections(local).name("one") != OwnCollections(local).name("one")


def test_collections_that_are_there_are_not_touched(local: QdrantClient):
    own = OwnCollections(local, "mrl_bench_other_")
    with pytest.raises(ConfigurationError, match="mrl_bench_other_docs"), own:
        pass
    assert "mrl_bench_other_docs" in names(local)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, ValueError])
def test_they_are_removed_after_errors_and_interruptions(local: QdrantClient, error: type):
    def interrupted() -> None:
        with OwnCollections(local) as own:
            local.create_collection(own.name("one"), SMALL)
            raise error

    with pytest.raises(error):
        interrupted()
    assert names(local) == {"docs", "mrl_bench_other_docs"}


def test_one_that_arrives_late_is_removed_as_well(local: QdrantClient, monkeypatch):
    own = OwnCollections(local)
    late = iter([own.name("late")])
    monkeypatch.setattr(
        "mrl_adapters.bench.server.place.time.sleep",
        lambda _: [local.create_collection(name, SMALL) for name in late],
    )

    def interrupted() -> None:
        with own:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert next(late, None) is None
    assert names(local) == {"docs", "mrl_bench_other_docs"}


def test_what_cannot_be_removed_is_told_by_name(local: QdrantClient, monkeypatch):
    def refuse(name: str) -> bool:
        raise ConnectionError(name)

    def leave() -> None:
        with OwnCollections(local) as own:
            local.create_collection(own.name("one"), SMALL)
            monkeypatch.setattr(local, "delete_collection", refuse)

    with pytest.warns(RuntimeWarning, match="may be left on the server .*'mrl_bench_"):
        leave()


class Optimising:
    """A server that says of a collection what it is told to, one answer after the other."""

    def __init__(self, infos: list[tuple[str, int]], version: str, busy: int = 0) -> None:
        self._infos = infos
        self._busy = busy
        self._version = version
        self.asked = 0

    def info(self) -> Any:
        return SimpleNamespace(version=self._version)

    def get_collection(self, name: str) -> Any:
        status, indexed = self._infos[min(self.asked, len(self._infos) - 1)]
        self.asked += 1
        return SimpleNamespace(
            status=models.CollectionStatus(status),
            indexed_vectors_count=indexed,
            segments_count=2,
            points_count=10,
            optimizer_status="disk is full",
        )

    def get_optimizations(self, name: str) -> Any:
        assert self._version >= "1.17"
        self._busy -= 1
        summary = SimpleNamespace(queued_optimizations=int(self._busy > 0))
        return SimpleNamespace(running=[], summary=summary)


@pytest.fixture
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(on_server, "_STEP_S", 0.0)


@pytest.mark.usefixtures("_hasty")
def test_green_alone_is_not_done():
    growing = [("green", 0), ("yellow", 0), ("yellow", 5), ("green", 10)]
    client = Optimising(growing, "1.19.0")
    wait_until_optimised(client, "docs", 60)
    assert client.asked == len(growing) + 3
    waiting = Optimising([("green", 0)], "1.19.0", busy=20)
    wait_until_optimised(waiting, "docs", 60)
    assert waiting.asked >= 20
    old = Optimising(growing, "1.15.1")
    wait_until_optimised(old, "docs", 60)
    assert old.asked > len(growing) + 10


@pytest.mark.usefixtures("_hasty")
def test_waiting_has_an_end():
    with pytest.raises(DeadlineError, match=r"after 0\.01 s .*yellow.*--index-limit"):
        wait_until_optimised(Optimising([("yellow", 3)], "1.19.0"), "docs", 0.01)
    with pytest.raises(EngineError, match="status red: disk is full"):
        wait_until_optimised(Optimising([("red", 3)], "1.19.0"), "docs", 60)


def test_what_a_server_is_too_old_for_is_left_out_by_name():
    layouts = server_line_up(64, 16)
    fitting, left_out = _parted(layouts, "1.17.2")
    assert not [each for each in fitting if each.codes == "turbo4"]
    assert left_out[0] == "full HNSW turbo4 (needs a server from 1.18, found 1.17.2)"
    assert len(fitting) + len(left_out) == len(layouts)
    for version in ("1.18.0", "dev"):
        assert _parted(layouts, version) == (layouts, ())


def test_the_stock_stores_layouts_and_ours_are_compared():
    line = server_line_up(1536, 256)
    assert [each.name for each in line if not each.ours] == [
        "full HNSW f32",
        "full HNSW int8",
        "full HNSW turbo4",
    ]
    assert {each.stages for each in line if isinstance(each, TwoStage)} == {(256,), (128,), ()}
    with pytest.raises(ConfigurationError, match="expected 4 to 63"):
        server_line_up(64, 64)


class Telling:
    """A client whose server answers these paths, and no others."""

    def __init__(self, answers: dict[str, Any]) -> None:
        self._answers = answers
        self.http = SimpleNamespace(client=self)

    def request(self, *, url: str, path_params: dict[str, str], **_: Any) -> Any:
        return {"result": self._answers[url.format(**path_params)]}

    def info(self) -> Any:
        return SimpleNamespace(version="1.19.0")


def started(process: psutil.Process) -> dict[str, Any]:
    at = datetime.fromtimestamp(process.create_time() + 0.4, tz=timezone.utc)
    return {"app": {"startup": at.isoformat().replace("+00:00", "Z")}}


def test_a_servers_process_on_this_machine_is_found_and_its_cpu_time_read(monkeypatch):
    """This process stands in for one, with a port that it listens on."""
    own = psutil.Process()
    monkeypatch.setattr(figures, "_PROCESS", own.name())
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        found = Figures(Telling({"/telemetry": started(own)}), url)
        before = found.read("docs").cpu_s
        end = time.process_time() + 0.2
        while time.process_time() < end:
            pass
        after = found.read("docs").cpu_s
    assert found.cpu_from.startswith("CPU time: of the server's process")
    assert 0.15 < after - before < 2


@pytest.mark.parametrize(
    ("url", "answers", "why"),
    [
        ("http://192.0.2.1:6333", {}, "on another machine"),
        ("http://localhost:1", {}, "does not say when it was started"),
        ("localhost:1", {"/telemetry": {"app": {"startup": "1999-01-01T00:00:00Z"}}}, "not to be"),
    ],
)
def test_cpu_time_that_cannot_be_measured_is_said_and_why(url: str, answers, why: str):
    found = Figures(Telling(answers), url)
    assert why in found.cpu_from
    assert found.cpu_from.startswith("CPU time: not available")
    assert found.read("docs").cpu_s is None


def test_what_the_server_counts_and_keeps_is_read_of_one_collection():
    total = {"ram_bytes": 5, "cached_bytes": 7, "expected_cache_bytes": 11, "disk_bytes": 13}
    counts = {"collection_data": {"docs": {"cpu": 4096}}}
    told = {
        "/telemetry": {"app": {}, "hardware": counts},
        "/collections/docs/memory": {"total": total},
    }
    found = Figures(Telling(told), "http://192.0.2.1")
    assert found.read("docs").compared_bytes == 4096
    assert found.read("others").compared_bytes is None
    assert found.memory("docs") == (5, 7, 16, 13)
    assert found.memory("others") is None, "a server without such a report"


def test_a_key_is_not_printed():
    assert "secret" not in repr(Place("http://localhost", "secret"))


def test_errors_of_the_client_come_through_the_pipe():
    refused = UnexpectedResponse(403, "Forbidden", b"no", None)
    told = pickle.loads(pickle.dumps(_portable(refused)))  # noqa: S301 - our own
    assert "403" in str(told)
    plain = ValueError("wrong")
    assert _portable(plain) is plain


@pytest.fixture
def told(result: BenchResult) -> BenchResult:
    """The small run, as if it had been on a server."""
    costs = ServerCosts(indexed=1.0, held_bytes=2_000_000, wanted_bytes=10_000_000)
    measured = [
        replace(
            each,
            cold=None,
            server=costs,
            answers=tuple(
                replace(answer, cpu_s=0.002, compared_bytes=64_000.0) for answer in each.answers
            ),
        )
        for each in result.measured
    ]
    measured[1] = replace(
        measured[1],
        answers=tuple(replace(answer, cpu_s=0.001) for answer in measured[1].answers),
        server=replace(costs, wanted_bytes=2_500_000),
    )
    measured[2] = replace(
        measured[2], resident_bytes=None, disk_bytes=None, server=ServerCosts(None, None, None)
    )
    note = ServerNote("1.17.0", "CPU time: by a clock", ("turbo (needs more)",))
    return replace(result, measured=tuple(measured), server=note)


def test_the_servers_figures_have_tables(told: BenchResult):
    text = bench_tables(told)
    assert "Qdrant 1.17.0. CPU time: by a clock" in text
    assert "Left out: turbo (needs more)." in text
    assert "| full HNSW f32 | 2 MB | 10 MB (1.00) | 100% |" in text
    assert "| two-stage 16 int8 | 2 MB | 2 MB (0.25) | 100% |" in text
    assert "1.00 ms (0.50) | 64 kB" in text
    assert "| client-side re-ranking from 16 | - | - | - |" in text
    assert "in no cache" not in text


def test_the_servers_figures_are_drawn(told: BenchResult, tmp_path: Path):
    pytest.importorskip("matplotlib")
    text = plot_bench(told, tmp_path / "server.svg").read_text()
    assert "CPU a search" in text
    assert "server wants" in text


@pytest.mark.server
def test_layouts_are_measured_and_nothing_is_left(place: Place, data_folder: Path):
    prefix, other = new_space(), new_space() + "docs"
    layouts = [FullGraph(), FullGraph("turbo4"), TwoStage((16,))]
    with place.connect() as client:
        client.create_collection(other, SMALL)
        try:
            found = run_on_server(
                data_folder, layouts, place, k=5, repeats=2, builds=2, prefix=prefix
            )
            there = names(client)
        finally:
            client.delete_collection(other)
        version = client.info().version
    assert other in there
    assert not [name for name in there if name.startswith(prefix)]
    assert found.server is not None
    assert found.server.version == version
    assert [each.name for each in found.measured] == [each.name for each in layouts]
    for each in found.measured:
        assert len(each.load_s) == len(each.build_s) == 2
        assert each.best_overlap > 0.99
        assert each.answers[0].compared_bytes is None or each.answers[0].compared_bytes > 0
        assert each.server is not None
    json = found.to_json()
    assert "api_key" not in json
    if "not available" not in found.server.cpu_from:
        assert found.measured[0].answers[0].cpu_s > 0


@pytest.mark.server
def test_a_name_that_is_there_stops_it(place: Place, data_folder: Path):
    prefix = new_space()
    with place.connect() as client:
        client.create_collection(f"{prefix}mine", SMALL)
        try:
            with pytest.raises(ConfigurationError, match="are there already"):
                run_on_server(data_folder, [FullGraph()], place, prefix=prefix)
            assert f"{prefix}mine" in names(client)
        finally:
            client.delete_collection(f"{prefix}mine")


@pytest.mark.server
def test_it_waits_for_the_graph(place: Place):
    name = new_space() + "docs"
    vectors = np.random.default_rng(0).normal(size=(4_000, 32)).tolist()
    with place.connect() as client:
        client.create_collection(
            name,
            models.VectorParams(size=32, distance=models.Distance.COSINE),
            optimizers_config=models.OptimizersConfigDiff(indexing_threshold=50),
        )
        try:
            batch = models.Batch(ids=list(range(4_000)), vectors=vectors)
            client.upsert(name, batch, wait=True)
            wait_until_optimised(client, name, 120)
            assert client.get_collection(name).indexed_vectors_count == 4_000
        finally:
            client.delete_collection(name)


@pytest.mark.server
@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_removes_its_collections(place: Place, tmp_path: Path, number: int):
    if signal.getsignal(number) is signal.SIG_IGN:
        pytest.skip("whoever started the tests has this signal ignored, and so has the command")
    options = ("--points", "3000", "--dimensions", "32", "--stage", "11", "--queries", "400")
    command = [sys.executable, "-m", "mrl_adapters", "bench", "--url", place.url, *options]
    command += ["--only", "two-stage 11 int8", "--folder", str(tmp_path)]
    running = subprocess.Popen(  # noqa: S603 - our own words; a group, as a terminal's
        command,
        start_new_session=True,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        with place.connect() as client:
            end = time.monotonic() + 120
            made: list[str] = []
            while not made and time.monotonic() < end and running.poll() is None:
                made = [each for each in names(client) if each.endswith("two_stage_11_int8")]
                time.sleep(0.05)
            assert made
            os.killpg(running.pid, number)
            _, said = running.communicate(timeout=60)
            prefix = made[0].removesuffix("two_stage_11_int8")
            assert not [each for each in names(client) if each.startswith(prefix)]
    finally:
        running.kill()
    assert running.returncode in {130, 143, 1, -number}
    assert b"Traceback" not in said
    assert not any(tmp_path.iterdir())
