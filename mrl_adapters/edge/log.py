"""Read and rewrite the files of the engine's log, without the engine.

A file is ``wal``, a version byte (0), a seed, and then records: length (8 bytes), content, padding,
checksum (4 bytes) of all that, continued from the record before. Zeros follow the last one.
``closed-17`` begins with record 17; ``open-3`` goes on where the last closed one ends. At an
opening the engine applies the records again from the one that ``first-index`` names.

Source: https://github.com/qdrant/wal/blob/master/src/segment.rs
"""

import os
import shutil
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from mrl_adapters.edge.files import read_json, sync_folder

LOG_FOLDER = "wal"

_MAGIC = b"wal\0"
_HEAD = struct.Struct("<Q")
_SUM = struct.Struct("<I")
_CASTAGNOLI = 0x82F63B78
_ALIGNMENT = 8


@dataclass(frozen=True)
class Record:
    """One operation of the log.

    Args:
        index: Its number, counted from the first one ever written.
        content: CBOR.
        before: The checksum that its own continues.
        checksum: The checksum that stands after it.
    """

    index: int
    content: bytes
    before: int
    checksum: int

    @property
    def whole(self) -> bool:
        """Whether it is as it was written; the engine reads as far as that."""
        return _crc32c(_entry(self.content), self.before) == self.checksum


@dataclass(frozen=True)
class LogFile:
    """A file of the log.

    Args:
        path: The file.
        start: The number of its first record.
    """

    path: Path
    start: int

    def records(self, start: int = 0) -> Iterator[Record]:
        """Read its records one by one, in order. The last may not be whole.

        Args:
            start: The number to begin with; those before are passed over without being read.
        """
        with self.path.open("rb") as file:
            before, index = _seed(file), self.start
            while entry := _next_entry(file, read=index >= start):
                content, checksum = entry
                if index >= start:
                    yield Record(index, content, before, checksum)
                before, index = checksum, index + 1


def read_log(shard: Path) -> Iterator[LogFile]:
    """Find the log's files, in order.

    Args:
        shard: The engine's folder.
    """
    next_start = 0
    for path in _in_order(shard / LOG_FOLDER):
        kind, _, number = path.name.partition("-")
        start = int(number) if kind == "closed" else next_start
        yield LogFile(path, start)
        with path.open("rb") as file:
            _seed(file)
            next_start = start
            while _next_entry(file, read=False):
                next_start += 1


def first_replayed(shard: Path) -> int:
    """Give the number of the first record that the engine applies again at the next opening."""
    file = shard / LOG_FOLDER / "first-index"
    return int(read_json(file)["ack_index"]) if file.exists() else 0


def replace_records(file: LogFile, contents: Mapping[int, bytes], backup: Path) -> None:
    """Give records other contents; a crash leaves the old file or the new one, and no third.

    Args:
        file: The file.
        contents: The new contents by number.
        backup: The folder that keeps the file as it was.
    """
    with file.path.open("rb") as old:
        checksum = _seed(old)
    written = bytearray(_MAGIC + _SUM.pack(checksum))
    for record in file.records():
        if not record.whole:
            break
        entry = _entry(contents.get(record.index, record.content))
        checksum = _crc32c(entry, checksum)
        written += entry + _SUM.pack(checksum)
    temporary = file.path.with_name(f"tmp-{file.path.name}")  # the engine sweeps such
    with temporary.open("wb") as out:
        out.write(written)
        out.truncate(max(len(written) + _ALIGNMENT, file.path.stat().st_size))
        out.flush()
        os.fsync(out.fileno())
    backup.mkdir(exist_ok=True)
    kept = _free_name(backup, file.path.name)
    try:
        kept.hardlink_to(file.path)
    except OSError:  # a file system without links
        shutil.copy2(file.path, kept)
    temporary.replace(file.path)
    sync_folder(backup)
    sync_folder(file.path.parent)


def _free_name(folder: Path, name: str) -> Path:
    """Give a path that is not taken: every file that was set aside is kept."""
    taken = sum(1 for each in folder.iterdir() if each.name.startswith(f"{name}."))
    return folder / f"{name}.{taken + 1}"


def _in_order(folder: Path) -> list[Path]:
    """List the log's files: the closed ones by first record, then the open ones by number."""
    found = []
    for path in folder.iterdir() if folder.is_dir() else ():
        kind, _, number = path.name.partition("-")
        if kind in {"closed", "open"} and number.isdigit() and _is_log(path):
            found.append((kind, int(number), path))
    return [path for _, _, path in sorted(found)]


def _is_log(path: Path) -> bool:
    """Tell whether a file has the log's head; of others the engine says what is wrong."""
    with path.open("rb") as file:
        head = file.read(len(_MAGIC) + _SUM.size)
    return head.startswith(_MAGIC) and len(head) == len(_MAGIC) + _SUM.size


def _seed(file: IO[bytes]) -> int:
    """Read a file's head: what its first checksum continues."""
    file.seek(len(_MAGIC))
    [seed] = _SUM.unpack(file.read(_SUM.size))
    return int(seed)


def _next_entry(file: IO[bytes], *, read: bool) -> tuple[bytes, int] | None:
    """Read a record and its checksum, or pass over it; None after the last one."""
    head = file.read(_HEAD.size)
    length = _HEAD.unpack(head)[0] if len(head) == _HEAD.size else 0
    padded = length + _padding(length)
    if not length or file.tell() + padded + _SUM.size > os.fstat(file.fileno()).st_size:
        return None
    content = file.read(length) if read else b""
    file.seek(padded - len(content), os.SEEK_CUR)
    [checksum] = _SUM.unpack(file.read(_SUM.size))
    return content, checksum


def _entry(content: bytes) -> bytes:
    """Give a record as it stands in the file, without its checksum."""
    return _HEAD.pack(len(content)) + content + bytes(_padding(len(content)))


def _padding(length: int) -> int:
    return -(length + _SUM.size) % _ALIGNMENT


def _table() -> list[int]:
    table = []
    for number in range(256):
        value = number
        for _ in range(8):
            value = value >> 1 ^ (_CASTAGNOLI if value & 1 else 0)
        table.append(value)
    return table


_TABLE = _table()


def _crc32c(data: bytes, before: int) -> int:
    """Continue a checksum as the log does: from the one before with its bits turned round."""
    value = int(f"{before:032b}"[::-1], 2)
    table = _TABLE
    for byte in data:
        value = table[(value ^ byte) & 0xFF] ^ value >> 8
    return value ^ 0xFFFFFFFF
