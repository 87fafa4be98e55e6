"""A whole run: what it measures, and what it leaves behind."""

import threading
from importlib import import_module
from multiprocessing import Pipe
from pathlib import Path

import numpy as np
import pytest

from mrl_adapters.bench import BenchData, FullGraph, TwoStage, grow, run, synthetic
from mrl_adapters.bench.process import Session, Worker, _serve
from mrl_adapters.bench.result import BenchResult
from mrl_adapters.bench.turns import TARGETS
from mrl_adapters.errors import ConfigurationError, EngineError
from mrl_adapters.progress import ProgressCallback


def test_every_contender_is_measured(result: BenchResult):
    assert [each.name for each in result.measured] == [
        "full HNSW f32",
        "two-stage 16 int8",
        "client-side re-ranking from 16",
    ]
    assert [each.ours for each in result.measured] == [False, True, False]
    for each in result.measured:
        assert len(each.load_s) == len(each.build_s) == 2
        assert each.disk_bytes > 600 * 16
        assert each.resident_bytes > 0
        assert each.cold is None or each.cold.first_s > 0
        assert each.limited == (), "a collection this small is not limited"


def test_overlap_is_reported_from_queries_that_chose_nothing(result: BenchResult):
    assert result.queries == 30
    for each in result.measured:
        assert each.best_overlap > 0.99
        for answer in each.answers:
            assert answer.target in TARGETS
            assert answer.overlap > answer.target - 0.05
            assert 0 < answer.p50_s <= answer.p95_s
            assert len(answer.turns_s) == 2
            assert answer.queries_per_s > 0


def test_the_result_says_what_was_searched_and_where(result: BenchResult):
    assert (result.points, result.dimensions, result.k) == (600, 32, 5)
    assert result.data == "synthetic nested vectors, 600 x 32"
    assert "cores" in result.machine


def test_files_are_removed_and_progress_is_reported(data_folder: Path, tmp_path: Path):
    steps = []
    run(
        data_folder,
        [FullGraph()],
        tmp_path / "engine",
        repeats=1,
        progress=steps.append,
    )
    assert not (tmp_path / "engine").exists()
    assert [at.phase for at in steps if at.done == at.total] == [
        "loading and indexing",
        "trying settings",
        "taking turns",
        "searching cold",
        "limiting memory",
    ]


def test_what_lies_in_the_folder_that_is_given_stays(data_folder: Path, tmp_path: Path):
    """Also what has the name that an engine's folder would have had."""
    for name in ("thesis.txt", "full-HNSW-f32/notes.txt", "engine/notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    run(data_folder, [FullGraph()], tmp_path, repeats=1)
    assert sorted(tmp_path.rglob("*")) == before


def test_too_few_queries_are_refused(tmp_path: Path):
    synthetic(tmp_path / "data", 50, 8, queries=19)
    with pytest.raises(ConfigurationError, match="at least 20"):
        run(tmp_path / "data", [FullGraph()], tmp_path / "engine")


def test_costs_are_measured_at_several_sizes(tmp_path: Path):
    steps = []

    def prepare(size: int) -> Path:
        synthetic(tmp_path / "data", size, 16, queries=20)
        return tmp_path / "data"

    def measure(folder: Path, progress: ProgressCallback) -> BenchResult:
        ways = [TwoStage((8,))]
        return run(folder, ways, tmp_path / "engine", k=3, repeats=1, progress=progress)

    grown = grow([200, 100, 200], prepare, measure, lambda at: steps.append(at.phase))
    assert [each.points for each in grown.results] == [100, 200]
    assert {"100: taking turns", "200: taking turns"} <= set(steps)


def test_memory_is_limited_where_it_can_be(data_folder: Path, tmp_path: Path, monkeypatch):
    module = import_module("mrl_adapters.bench.hardships")
    monkeypatch.setattr(module, "_LIMITS", (1.0,))
    monkeypatch.setattr(module, "_LEAST_LIMIT", 0)
    monkeypatch.setattr(module, "_LIMITED_S", 0.1)
    monkeypatch.setattr(np.memmap, "nbytes", 200_000_000, raising=False)
    measured = run(data_folder, [FullGraph()], tmp_path / "engine", repeats=1).measured[0]
    if not measured.limited:
        pytest.skip("no control group for memory can be made here")
    [limited] = measured.limited
    assert limited.limit_bytes == 200_000_000
    assert limited.queries_per_s


def test_a_process_that_runs_out_of_memory_is_told_of(data_folder: Path, tmp_path: Path):
    from mrl_adapters.bench.machine import memory_limit

    session = Session(FullGraph(), data_folder, tmp_path / "engine", 5)
    session.load()
    with memory_limit(1_000_000) as group:
        if group is None:
            pytest.skip("no control group for memory can be made here")
        with Worker(session, group) as worker, pytest.raises(EngineError, match="full HNSW f32"):
            worker.open()


def test_an_error_in_the_process_is_raised_here(data_folder: Path, tmp_path: Path):
    session = Session(FullGraph(), data_folder, tmp_path / "missing", 5)
    with Worker(session) as worker:
        worker.open()
        with pytest.raises(ValueError, match="bench"):
            worker.answer([0], FullGraph().chains(32, 5, 600)[0][0])


def test_a_process_serves_until_the_pipe_is_closed(data_folder: Path, tmp_path: Path):
    """The serving loop itself, here in a thread."""
    ours, theirs = Pipe()
    group = tmp_path / "group"
    session = Session(FullGraph(), data_folder, tmp_path / "engine", 5)
    serving = threading.Thread(target=_serve, args=(theirs, session, group))
    serving.start()
    ours.send(("load", ()))
    assert ours.recv()[0] is True
    ours.send(("answer", ([0], None)))  # it is not open yet
    assert ours.recv()[0] is False
    ours.close()
    serving.join(10)
    assert not serving.is_alive()
    assert group.read_text().isdigit()


def test_a_session_closes_what_it_opened(data: BenchData, data_folder: Path, tmp_path: Path):
    session = Session(FullGraph(), data_folder, tmp_path / "engine", 5)
    session.close()
    session.load()
    session.open()
    session.close()
    with pytest.raises(EngineError, match="closed"):
        session.answer(data.queries[[0]], FullGraph().chains(32, 5, 600)[0][0])
