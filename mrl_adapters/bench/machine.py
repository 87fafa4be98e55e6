"""What is measured of the machine: its name, memory, files, and a limit on memory."""

import contextlib
import os
import platform
import uuid
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mrl_adapters.errors import MissingExtraError

_GROUPS = Path("/sys/fs/cgroup")
_PACKAGES = ("numpy", "qdrant-client", "qdrant-edge-py")


def describe_machine() -> str:
    """Name the machine and the versions that figures depend on, in one line."""
    memory = ""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        memory = f", {size / 2**30:.0f} GB"
    packages = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    return (
        f"{_processor()}, {os.cpu_count()} cores{memory}, {platform.system()}, "
        f"Python {platform.python_version()}, {packages}"
    )


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def psutil_module() -> Any:
    """Import psutil.

    Raises:
        MissingExtraError: It is not installed.
    """
    try:
        import psutil
    except ImportError as error:
        package, extra = "psutil", "bench"
        raise MissingExtraError(package, extra) from error
    return psutil


def resident_bytes() -> int:
    """Measure this process's resident memory, pages of mapped files included."""
    return int(psutil_module().Process().memory_info().rss)


def disk_bytes(folder: Path) -> int:
    """Measure what a folder's files occupy; a sparse file counts what is written of it."""
    sizes = [path.stat() for path in folder.rglob("*") if path.is_file()]
    return sum(getattr(size, "st_blocks", -(-size.st_size // 512)) * 512 for size in sizes)


def forget_files(folder: Path) -> bool:
    """Ask the system to drop a folder's files from its cache, so that they are read from disk.

    Returns:
        Whether the system knows how to.
    """
    if not hasattr(os, "posix_fadvise"):
        return False
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb+") as file:
                os.fsync(file.fileno())  # pages that are not written yet stay
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return True


@contextlib.contextmanager
def memory_limit(limit_bytes: int) -> Iterator[Path | None]:
    """Make a Linux control group that holds its processes below so much memory.

    Pages of mapped files count too, as far as its processes were the first to read them.

    Args:
        limit_bytes: The limit.

    Yields:
        The file to which a process writes its id to join; None where no group can be made.
    """
    group = _new_group(limit_bytes)
    try:
        yield None if group is None else group / "cgroup.procs"
    finally:
        if group is not None:
            with contextlib.suppress(OSError):  # a process in it still ends
                group.rmdir()


def _new_group(limit_bytes: int) -> Path | None:
    """Make the group beside or below this process's own one, of either version of Linux's."""
    try:
        lines = Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    name = f"mrl-adapters-bench-{uuid.uuid4().hex[:8]}"
    for line in lines:
        _, controllers, own = line.split(":", 2)
        if controllers == "memory":
            parent, file = _GROUPS / "memory" / own.lstrip("/"), "memory.limit_in_bytes"
        elif not controllers:
            parent, file = (_GROUPS / own.lstrip("/")).parent, "memory.max"
        else:
            continue
        group = parent / name
        with contextlib.suppress(OSError):
            group.mkdir()
            try:
                (group / file).write_text(str(limit_bytes), encoding="utf-8")
            except OSError:
                group.rmdir()
                continue
            return group
    return None
