"""Memory is told from disks by what is mounted where."""

from pathlib import Path

import pytest

from mrl_adapters.edge import mounts


def test_what_lies_in_memory_gives_room_to_what_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = tmp_path / "two words" / "store"
    there.mkdir(parents=True)
    file = tmp_path / "mounts"
    monkeypatch.setattr(mounts, "_MOUNTS", file)
    escaped = str(there.parent).replace(" ", "\\040")
    file.write_text(f"/dev/a / ext4 rw 0 0\ntmpfs {escaped} tmpfs rw 0 0\n")
    assert mounts.fills_holes(there)
    assert not mounts.fills_holes(tmp_path)
    file.unlink()  # another system
    assert not mounts.fills_holes(there)
