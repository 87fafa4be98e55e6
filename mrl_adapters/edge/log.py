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
    """One operation of the log."""

    file: Path
    position: int
    """Its first byte in the file."""
    content: bytes
    """CBOR; empty where it was passed over."""
    before: int
    """The checksum that its own continues."""
    checksum: int

    @property
    def whole(self) -> bool:
        """Whether it is as it was written; the engine reads as far as that."""
        return _crc32c(_entry(self.content), self.before) == self.checksum


def read_log(shard: Path, first: int = 0) -> Iterator[Record]:
    """Yield the log's records from a number on, in order. The last of a file may not be whole."""
    number = 0
    for file in _in_order(shard / LOG_FOLDER):
        kind, _, start = file.name.partition("-")
        number = int(start) if kind == "closed" else number
        for record in _records(file, passed=first - number):
            number += 1
            if record.content:
                yield record


def first_replayed(shard: Path) -> int:
    """Return the number of the first record that the engine applies again at the next opening."""
    file = shard / LOG_FOLDER / "first-index"
    return int(read_json(file)["ack_index"]) if file.exists() else 0


def replace_records(file: Path, contents: Mapping[int, bytes], backup: Path) -> None:
    """Give records, by position, other contents, and keep the file as it was in a folder.

    A crash leaves the old file or the new one, and no third.
    """
    with file.open("rb") as old:
        checksum = _seed(old)
    written = bytearray(_MAGIC + _SUM.pack(checksum))
    for record in _records(file):
        if not record.whole:
            break
        entry = _entry(contents.get(record.position, record.content))
        checksum = _crc32c(entry, checksum)
        written += entry + _SUM.pack(checksum)
    temporary = file.with_name(f"tmp-{file.name}")  # the engine sweeps such
    with temporary.open("wb") as out:
        out.write(written)
        out.truncate(max(len(written) + _ALIGNMENT, file.stat().st_size))
        out.flush()
        os.fsync(out.fileno())
    backup.mkdir(exist_ok=True)
    kept = _free_name(backup, file.name)
    try:
        kept.hardlink_to(file)
    except OSError:  # a file system without links
        shutil.copy2(file, kept)
    temporary.replace(file)
    sync_folder(backup)
    sync_folder(file.parent)


def _free_name(folder: Path, name: str) -> Path:
    """Return a path that is not taken: every file that was set aside is kept."""
    taken = sum(entry.name.startswith(f"{name}.") for entry in folder.iterdir())
    return folder / f"{name}.{taken + 1}"


def _in_order(folder: Path) -> list[Path]:
    """List the log's files: the closed ones by first record, then the open ones by number."""
    files = []
    for path in folder.iterdir() if folder.is_dir() else ():
        kind, _, number = path.name.partition("-")
        if kind in {"closed", "open"} and number.isdigit() and _is_log(path):
            files.append((kind, int(number), path))
    return [path for _, _, path in sorted(files)]


def _is_log(path: Path) -> bool:
    """Return whether a file has the log's head; of others the engine says what is wrong."""
    with path.open("rb") as file:
        head = file.read(len(_MAGIC) + _SUM.size)
    return head.startswith(_MAGIC) and len(head) == len(_MAGIC) + _SUM.size


def _seed(file: IO[bytes]) -> int:
    """Read a file's head: what its first checksum continues."""
    file.seek(len(_MAGIC))
    [seed] = _SUM.unpack(file.read(_SUM.size))
    return int(seed)


def _records(file: Path, passed: int = 0) -> Iterator[Record]:
    """Yield a file's records in order, the first ones passed over without being read."""
    with file.open("rb") as opened:
        size = os.fstat(opened.fileno()).st_size
        before = _seed(opened)
        while True:
            position = opened.tell()
            head = opened.read(_HEAD.size)
            length = _HEAD.unpack(head)[0] if len(head) == _HEAD.size else 0
            padded = length + _padding(length)
            if not length or opened.tell() + padded + _SUM.size > size:
                return
            content = b"" if passed > 0 else opened.read(length)
            opened.seek(padded - len(content), os.SEEK_CUR)
            [checksum] = _SUM.unpack(opened.read(_SUM.size))
            yield Record(file, position, content, before, checksum)
            before, passed = checksum, passed - 1


def _entry(content: bytes) -> bytes:
    """Return a record as it stands in the file, without its checksum."""
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
