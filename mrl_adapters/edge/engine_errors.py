"""Errors of the engine, in the package's own words."""

import shlex
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from mrl_adapters.errors import ConfigurationError, DimensionsError, EngineError, MRLError

# What the engine says of a request that does not fit the collection, and what that is.
_REFUSALS: dict[str, type[MRLError]] = {
    "Vector dimension error": DimensionsError,
    "Not existing vector name error": ConfigurationError,
}

# What it says of files that it cannot read, and what of files that somebody else holds, that the
# disk has no room for, or that hold what it cannot read at all.
_UNREADABLE = ("failed to load segment", "failed to open WAL", "Failed to decode value")
_READABLE = ("WouldBlock", "No space left", "RecursionLimitExceeded")

_PANIC = "PanicException"  # of pyo3_runtime: a BaseException, and not importable


class EngineErrors:
    """A block whose exceptions and panics of the engine become errors of this package.

    A class, for it stands around every query: contextlib's generators take several times as long.

    A panic is the engine's own assertion: it met what cannot be, most often a damaged file. Rust
    prints it to stderr before anybody is asked; that cannot be kept back.
    """

    def __init__(
        self, name: str, folder: Path, after_panic: Callable[[], None] | None = None
    ) -> None:
        self._name = name
        self._folder = folder
        self._after_panic = after_panic  # nobody knows then what the engine holds in memory

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # The binding raises bare Exception for everything else that goes wrong inside the engine.
        if kind is Exception:
            if _is_of_files(str(error)):
                raise damaged(self._name, self._folder, str(error)) from error
            message = f"Collection {self._name!r}: {error}"
            kinds = (kind for start, kind in _REFUSALS.items() if str(error).startswith(start))
            raise next(kinds, EngineError)(message, collection=self._name) from error
        if kind is not None and kind.__name__ == _PANIC:
            if self._after_panic is not None:
                self._after_panic()
            raise damaged(self._name, self._folder, f"the engine panicked: {error}") from error


def _is_of_files(message: str) -> bool:
    return any(sign in message for sign in _UNREADABLE) and not any(
        sign in message for sign in _READABLE
    )


def damaged(
    name: str,
    folder: Path,
    what: str,
    *,
    expected: object = None,
    found: object = None,
    repairable: bool = False,
) -> EngineError:
    """Compose the error about a collection whose files are not what they were.

    `what` is a clause without an end; `repairable`: the engine may go on with what is there.
    """
    message = (
        f"Collection {name!r}: {what}. Its files {'are' if repairable else 'are most likely'} "
        f"damaged: restore {folder} from a backup, or delete the collection "
        f"(client.delete_collection({name!r})) and index again."
    )
    if repairable:
        command = repair_command(name, folder)
        message += f" To go on with what is left of it, however wrong: {command}"
    return EngineError(message, collection=name, path=folder, expected=expected, found=found)


def repair_command(name: str, folder: Path) -> str:
    """Return the command that repairs the collection in a folder of a store."""
    words = ["--path", str(folder.parents[1])]
    # A name that would be taken for an option stands last, behind a mark.
    words = [*words, "--", name] if name.startswith("-") else [name, *words]
    return shlex.join(["mrl-adapters", "repair", *words])
