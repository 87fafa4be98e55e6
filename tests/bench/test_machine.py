"""What is measured of the machine."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mrl_adapters.bench import machine
from mrl_adapters.errors import MissingExtraError


def without_proc(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pretend to be a system that has no /proc."""
    read_text = Path.read_text

    def read(self: Path, *args, **kwargs) -> str:
        if self.parts[:2] == ("/", "proc"):
            raise FileNotFoundError(self)
        return read_text(self, *args, **kwargs)

    monkeypatch.setattr(Path, "read_text", read)


def test_the_machine_has_a_name_and_versions():
    text = machine.describe_machine()
    assert "cores" in text
    assert "qdrant-edge-py" in text


def test_a_system_without_proc_has_a_name_too(monkeypatch):
    without_proc(monkeypatch)
    assert "cores" in machine.describe_machine()


def test_resident_memory_grows_with_what_is_held():
    before = machine.resident_bytes()
    held = np.ones(25_000_000)  # 200 MB
    assert machine.resident_bytes() - before == pytest.approx(held.nbytes, rel=0.1)


def test_without_psutil_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "psutil", None)
    with pytest.raises(MissingExtraError, match=r"mrl-adapters\[bench\]"):
        machine.resident_bytes()


def test_disk_counts_what_is_written_below_a_folder(tmp_path: Path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "file").write_bytes(os.urandom(100_000))
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(10_000_000)
    os.sync()
    assert 100_000 <= machine.disk_bytes(tmp_path) < 200_000


def test_forgetting_keeps_the_files(tmp_path: Path):
    (tmp_path / "file").write_bytes(b"kept")
    assert machine.forget_files(tmp_path) == hasattr(os, "posix_fadvise")
    assert (tmp_path / "file").read_bytes() == b"kept"


def test_a_system_that_cannot_forget_says_so(tmp_path: Path, monkeypatch):
    monkeypatch.delattr(os, "posix_fadvise", raising=False)
    assert machine.forget_files(tmp_path) is False


def test_a_process_in_a_limited_group_cannot_take_more():
    """It asks for 200 MB where 50 are allowed, and is killed."""
    take = "import sys; open(sys.argv[1], 'w').write('0'); print(len(b'x' * int(sys.argv[2])))"
    with machine.memory_limit(50_000_000) as group:
        if group is None:
            pytest.skip("no control group for memory can be made here")
        ended = [
            subprocess.run(  # noqa: S603 - this interpreter
                [sys.executable, "-c", take, str(group), size], capture_output=True, check=False
            ).returncode
            for size in ("1000000", "200000000")
        ]
    assert ended[0] == 0
    assert ended[1] != 0
    assert not group.parent.exists()


@pytest.mark.parametrize(
    "lines", ["7:cpu:/here\n4:memory:/nowhere/at/all\n", "0::/nowhere/at/all\n"]
)
def test_where_no_group_can_be_made_there_is_none(tmp_path: Path, monkeypatch, lines):
    monkeypatch.setattr(machine, "_GROUPS", tmp_path)
    monkeypatch.setattr(Path, "read_text", lambda self, encoding: lines)
    with machine.memory_limit(1) as group:
        assert group is None


@pytest.mark.parametrize(
    ("line", "parent", "file"),
    [
        ("4:memory:/own", "memory/own", "memory.limit_in_bytes"),
        ("0::/slice/own", "slice", "memory.max"),
    ],
)
def test_a_group_of_either_version_is_made_limited_and_removed(
    tmp_path: Path, monkeypatch, line, parent, file
):
    (tmp_path / parent).mkdir(parents=True)
    monkeypatch.setattr(machine, "_GROUPS", tmp_path)
    monkeypatch.setattr(Path, "read_text", lambda self, encoding: line + "\n")
    with machine.memory_limit(12345) as group:
        assert group is not None
        written = (group.parent / file).read_bytes()
        assert written == b"12345"
        assert group.parent.parent == tmp_path / parent
        (group.parent / file).unlink()  # a real group has no such file to remove
    assert not group.parent.exists()


def test_without_proc_there_is_no_group(monkeypatch):
    without_proc(monkeypatch)
    with machine.memory_limit(1) as group:
        assert group is None
