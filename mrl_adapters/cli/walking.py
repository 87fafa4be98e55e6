"""Find the files to index, and say which could not be looked at: those are not missing."""

import errno
import os
import stat
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from mrl_adapters.cli.loaders import EXPECTED, SUFFIXES
from mrl_adapters.errors import ConfigurationError

_LINK = "a link to a folder. Pass the folder itself"
# What the system answers where nothing has that name: everything else is no proof of that.
_ABSENT = frozenset({errno.ENOENT, errno.ENOTDIR})


@dataclass(frozen=True)
class Skipped:
    """A file or folder that was left out, and why."""

    path: Path
    reason: str

    def __str__(self) -> str:
        """Return both in one line."""
        # Reasons begin with the path: "PATH cannot be read", "PATH, line 7: expected".
        reason = self.reason.removeprefix(f"{self.path} ").removeprefix(f"{self.path}, ")
        return f"{self.path}: {' '.join(reason.split())}"


@dataclass
class Found:
    """What lies below the given paths.

    Args:
        files: The files to read: absolute, each once, sorted.
        folders: The folders that were given, absolute.
        skipped: What could not be looked at.
        unknown: How many files of each kind that is not read lie in the folders.
    """

    files: list[Path] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    unknown: Counter[str] = field(default_factory=Counter)


def find_files(paths: Iterable[Path]) -> Found:
    """List the files to read: those given, and those with a known suffix in folders given.

    Links to files are followed, links to folders are not.
    """
    found = Found()
    files: set[Path] = set()
    for path in paths:
        whole, kind = _resolved(path)
        if stat.S_ISDIR(kind):
            found.folders.append(whole)
            files.update(_walk(whole, found))
        elif not stat.S_ISREG(kind):
            msg = f"{path} is no regular file. Pass files ({EXPECTED}) or folders."
            raise ConfigurationError(msg)
        elif path.suffix.lower() not in SUFFIXES:
            msg = f"{path} is not of a kind that can be indexed. Expected {EXPECTED}."
            raise ConfigurationError(msg)
        else:
            files.add(whole)
    found.files = sorted(files)
    # A link to a folder that was walked all the same leaves nothing out.
    links = [each for each in found.skipped if not _seen(each.path, found.folders)]
    found.skipped = sorted(set(links), key=lambda each: each.path)
    return found


def is_gone(path: Path) -> bool:
    """Whether it is certain that nothing has this name any more."""
    try:
        path.lstat()
    except OSError as error:
        return error.errno in _ABSENT
    return False


def emptied_above(path: Path, roots: Iterable[Path]) -> Path | None:
    """Find the empty folder in which a file is missing: one that is not mounted looks the same.

    Returns:
        That folder; None where other things still lie beside the file's place.
    """
    above = [folder for folder in path.parents if any(folder.is_relative_to(r) for r in roots)]
    there = next((folder for folder in above if folder.is_dir()), None)
    if there is None:
        return None
    with os.scandir(there) as entries:
        return None if any(entries) else there


def _resolved(path: Path) -> tuple[Path, int]:
    """Make a path absolute, and give what it is as ``stat`` has it."""
    try:
        return path.resolve(), path.stat().st_mode
    except (OSError, RuntimeError, ValueError) as error:  # a loop of links, a null character
        known = isinstance(error, FileNotFoundError) and not path.is_symlink()
        what = "does not exist" if known else f"cannot be reached ({_reason(error)})"
        msg = f"{path} {what}. Pass files ({EXPECTED}) or folders of them."
        raise ConfigurationError(msg) from error


def _walk(root: Path, found: Found) -> Iterator[Path]:
    def skip(error: OSError) -> None:
        found.skipped.append(Skipped(Path(os.fsdecode(error.filename)), _reason(error)))

    for folder, subfolders, names in os.walk(root, onerror=skip):
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        links = (Path(folder, name) for name in subfolders)
        found.skipped += [Skipped(link, _LINK) for link in links if link.is_symlink()]
        for name in names:
            if name.startswith("."):
                continue
            path = Path(folder, name)
            if path.suffix.lower() not in SUFFIXES:
                found.unknown[path.suffix.lower()] += 1
            elif (reason := _unfit(path)) is None:
                yield path
            else:
                found.skipped.append(Skipped(path, reason))


def _unfit(path: Path) -> str | None:
    """Return why a file in a folder cannot be read as a text; None if it may be."""
    try:
        kind = path.stat().st_mode
        str(path).encode()
    except OSError as error:
        return _reason(error)
    except UnicodeEncodeError:
        return "its name is not UTF-8. Rename it"
    return None if stat.S_ISREG(kind) else "no regular file"


def _seen(path: Path, folders: Iterable[Path]) -> bool:
    """Whether a link leads into a folder that was walked."""
    if not (path.is_symlink() and path.is_dir()):
        return False
    target = path.resolve()
    return any(
        target.is_relative_to(folder)
        and not any(part.startswith(".") for part in target.relative_to(folder).parts)
        for folder in folders
    )


def _reason(error: Exception) -> str:
    return (isinstance(error, OSError) and error.strerror) or str(error)
