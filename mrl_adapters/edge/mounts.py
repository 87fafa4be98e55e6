"""Tell file systems that give room to what is only read."""

from pathlib import Path

_MOUNTS = Path("/proc/self/mounts")
_IN_MEMORY = frozenset({"tmpfs", "ramfs"})


def fills_holes(folder: Path) -> bool:
    """Tell whether reading a hole of a mapped file takes room, as it does in memory.

    Args:
        folder: Absolute; False where the system does not tell.
    """
    try:
        lines = _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:  # not Linux
        return False
    place = folder.resolve()
    kinds = {_unescaped(line.split()[1]): line.split()[2] for line in lines}
    mounted = next((each for each in (place, *place.parents) if str(each) in kinds), None)
    return mounted is not None and kinds[str(mounted)] in _IN_MEMORY


def _unescaped(point: str) -> str:
    """Give a mount point as it is; its blanks and backslashes are written as octal numbers."""
    for code in ("040", "011", "012", "134"):
        point = point.replace(f"\\{code}", chr(int(code, 8)))
    return point
