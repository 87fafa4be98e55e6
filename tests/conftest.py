"""What tests of every room share."""

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from mrl_adapters.registry import lookup

# Every engine, a server's REST side, and one that fails, for every room.
pytest_plugins = ["rest_gateway", "faulty_server"]

# Time says nothing on a busy machine: what a property costs is for the benchmarks.
settings.register_profile(
    "busy machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("busy machine")

# What runs the tests may say how wide its own terminal is; the command line would keep to it.
os.environ.pop("COLUMNS", None)


_MEMORY = Path("/dev/shm")  # noqa: S108  # not everywhere; a folder of its own is made in it
_ENOUGH_BYTES = 8 << 30  # stores of which each file has room in memory, holes included


@pytest.fixture(scope="module")
def in_memory() -> Iterator[None]:
    """Build samples in memory where there is some: on a busy disk each build waits for it."""
    with pytest.MonkeyPatch.context() as patched:
        if os.access(_MEMORY, os.W_OK):
            patched.setattr(tempfile, "tempdir", str(_MEMORY))
        yield


@pytest.fixture
def tmp_path(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory, if there is enough: on a disk each closed store waits to be written."""
    if not os.access(_MEMORY, os.W_OK) or shutil.disk_usage(_MEMORY).free < _ENOUGH_BYTES:
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=_MEMORY, ignore_cleanup_errors=True) as folder:
        made = Path(folder, tmp_path.name)  # the name that pytest gives, for who looks at it
        made.mkdir()
        yield made


@pytest.fixture
def own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a test register models that no other test sees."""
    monkeypatch.setattr(lookup, "_SPECS", dict(lookup._SPECS))
    monkeypatch.setattr(lookup, "_INDEX", dict(lookup._INDEX))


@pytest.fixture
def seal() -> Iterator[Callable[[Path], None]]:
    """Make folders read-only until the test ends: by their permissions, for root by mounting."""
    with contextlib.ExitStack() as stack:
        yield lambda folder: _seal(folder, stack)


def _seal(folder: Path, stack: contextlib.ExitStack) -> None:
    if os.access(Path(__file__).anchor, os.W_OK):  # root, whom permissions do not bind
        try:
            _command("mount", "--bind", folder, folder)
        except (OSError, subprocess.CalledProcessError):
            pytest.skip("root may not mount here, as in most containers")
        stack.callback(_command, "umount", folder)
        _command("mount", "-o", "remount,ro,bind", folder)
        return
    for each in (folder, *folder.rglob("*")):
        stack.callback(each.chmod, each.stat().st_mode)
        each.chmod(each.stat().st_mode & ~0o222)


def _command(*words: str | Path) -> None:
    subprocess.run(words, check=True, capture_output=True)  # noqa: S603 - our own words
