"""Turn files into passages."""

import hashlib
import itertools
import stat
from dataclasses import dataclass
from pathlib import Path

from mrl_adapters.cli.loaders import decode, load
from mrl_adapters.cli.passages import Cutting, Passage, cut
from mrl_adapters.errors import ConfigurationError

_SCHEME = 2  # part of every file's digest: what another way of cutting made is not up to date


@dataclass(frozen=True)
class SourceFile:
    """One file, cut into passages.

    Args:
        path: Absolute.
        digest: Changes with the file's content and with the way it is cut.
        passages: In the file's order; none if it holds no text.
        blank: How many of its documents hold no text: pages, rows, records, or the whole file.
    """

    path: Path
    digest: str
    passages: tuple[Passage, ...]
    blank: int = 0


def read_file(path: Path, cutting: Cutting | None = None) -> SourceFile:
    """Read a file and cut it into passages."""
    cutting = cutting or Cutting()
    content = _read(path)
    documents = [tuple(cut(part, path.name, cutting)) for part in load(path, content)]
    scheme = f"{_SCHEME}:{cutting.size}:{cutting.overlap}:{cutting.least}:"
    digest = hashlib.sha256(scheme.encode() + content).hexdigest()[:32]
    passages = tuple(itertools.chain.from_iterable(documents))
    return SourceFile(path, digest, passages, sum(not document for document in documents))


def read_text(path: Path) -> str:
    """Read a text file."""
    return decode(path, _read(path))


def _read(path: Path) -> bytes:
    try:
        # Opening a pipe would wait for somebody to write into it.
        if not stat.S_ISREG(path.stat().st_mode):
            msg = f"{path} is no regular file. Leave it out."
            raise ConfigurationError(msg, path=path)
        return path.read_bytes()
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror}. Leave it out."
        raise ConfigurationError(msg, path=path) from error
