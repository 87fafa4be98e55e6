"""Tell what the system lets this process change: a mounted image or a share may be read only."""

import os
from collections.abc import Iterator
from pathlib import Path

from mrl_adapters.edge.names import OWN
from mrl_adapters.errors import EngineError


def may_write(path: Path) -> bool:
    """Tell whether the system lets this process change a file or folder, if it is there."""
    effective = os.access in os.supports_effective_ids
    return os.access(path, os.W_OK, effective_ids=effective) or not path.exists()


def may_change(folder: Path) -> bool:
    """Tell whether the system lets this process change a collection and all that it consists of."""
    return may_write(folder) and all(may_write(each) for each, _ in everything(folder))


def refusal(path: Path, collection: str | None = None) -> EngineError:
    """Say that something is there to be searched only."""
    what = f"Collection {collection!r}: " if collection else ""
    message = (
        f"{what}{path} is read-only: it can be searched, and nothing was written. To write, make "
        "the folder and everything in it writable for this user, or copy it to a place of yours "
        "and open that."
    )
    return EngineError(message, collection=collection, path=path)


def everything(folder: Path, within: str = "") -> Iterator[tuple[Path, str]]:
    """Give every file and folder of a collection, folders first, with its place in it."""
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda each: each.name):
            if not within and entry.name not in OWN:
                continue
            place = f"{within}{entry.name}"
            yield Path(entry.path), place
            if entry.is_dir():
                yield from everything(Path(entry.path), f"{place}/")
