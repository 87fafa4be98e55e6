"""Every error that this package raises by itself.

    MRLError
    ├── MissingExtraError (ImportError)    an optional dependency is not installed
    ├── UnknownModelError (LookupError)    a name that the registry does not hold
    ├── ConfigurationError (ValueError)    an option that cannot be used as given
    │   └── DimensionsError                a size that does not fit the vectors or the model
    ├── EmbeddingError (ValueError)        an embedding that must not be stored or searched with
    ├── CollectionMismatchError            a collection that is not what the caller expects
    ├── EngineError (RuntimeError)         the embedded engine: path locked, client closed
    ├── DeadlineError (TimeoutError)       a server that has not answered in time
    ├── AnswerError (RuntimeError)         a server's answer that is none, or not to what was asked
    ├── QuotaError (RuntimeError)          a server that stores no more: a quota, a full disk
    └── MigrationError                     a migration that cannot start or go on

Each says in attributes what its message says in words, as far as that applies: ``collection``,
``found``, ``expected`` and ``path``. Pickling and copying keep them.

Other errors of the openai and qdrant clients (transport, status codes) pass through unwrapped.
"""

import os
import pickle
from typing import Any


class MRLError(Exception):
    """Base of every error that this package raises by itself.

    Args:
        args: The message.
        collection: The collection that the error is about.
        found: What was given or met.
        expected: What would have been right.
        path: The file or folder that the error is about.
    """

    collection: str | None
    found: object
    expected: object

    def __init__(
        self,
        *args: object,
        collection: str | None = None,
        found: object = None,
        expected: object = None,
        path: str | os.PathLike[str] | None = None,
    ) -> None:
        """Keep the message and what it tells of."""
        super().__init__(*args)
        self.collection = collection
        self.found = found
        self.expected = expected
        self.path: str | None = None if path is None else os.fspath(path)

    def add_note(self, note: str) -> None:
        """Add a line to what is told (PEP 678); Python 3.10 has neither this nor a place for it."""
        self.__notes__: list[str] = [*getattr(self, "__notes__", ()), note]

    def __reduce__(self) -> tuple[Any, ...]:
        # Remade without __init__: a subclass may compose its message from other arguments.
        given: dict[str, Any] = dict(*super().__reduce__()[2:])
        state = {name: _portable(value) for name, value in given.items()}
        return _remade, (type(self), tuple(map(_portable, self.args))), state


def _line_that_works_here(extra: str) -> str | None:
    """Write the line that installs an extra from the checkout or file that this was installed from.

    Source: https://packaging.python.org/en/latest/specifications/direct-url/
    """
    import json
    import shlex
    from importlib.metadata import PackageNotFoundError, distribution
    from pathlib import Path
    from urllib.parse import urlsplit
    from urllib.request import url2pathname

    try:
        origin = json.loads(distribution("mrl-adapters").read_text("direct_url.json") or "{}")
    except PackageNotFoundError:  # run from its sources
        return None
    address = urlsplit(origin.get("url", ""))
    path = Path(url2pathname(address.path))
    if address.scheme != "file" or not path.exists():
        return None
    editable = "-e " if origin.get("dir_info", {}).get("editable") else ""
    return f"pip install {editable}{shlex.quote(f'{path}[{extra}]')}"


class MissingExtraError(MRLError, ImportError):
    """Report an optional dependency that is not installed.

    Where this package was installed from a checkout or a file, a note (PEP 678) has the line that
    installs the extra from there: a name asks an index.

    Args:
        package: The package that could not be imported.
        extra: The extra of mrl-adapters that brings it.
    """

    def __init__(self, package: str, extra: str) -> None:
        """Compose the message from what is missing and what installs it."""
        super().__init__(f"{package} is not installed. Run: pip install 'mrl-adapters[{extra}]'")
        self.name: str | None = package
        self.package = package
        self.extra = extra
        line = _line_that_works_here(extra)
        if line is not None:
            self.add_note(f"From where this package was installed: {line}")


def told(error: BaseException) -> str:
    """Return what an error says, its notes included, in one line."""
    return " ".join([str(error), *getattr(error, "__notes__", ())])


class UnknownModelError(MRLError, LookupError):
    """Report a model name that the registry does not hold."""


class ConfigurationError(MRLError, ValueError):
    """Report an option that cannot be used as given."""


class DimensionsError(ConfigurationError):
    """Report a size that does not fit the vectors or the model."""


class EmbeddingError(MRLError, ValueError):
    """Report an embedding that must not be stored or searched with."""


class CollectionMismatchError(MRLError):
    """Report a collection that is not what the caller expects."""


class EngineError(MRLError, RuntimeError):
    """Report that the embedded engine cannot be used: path locked, client closed."""


class DeadlineError(MRLError, TimeoutError):
    """Report that a server has not answered in time, repetitions and pauses included."""


class AnswerError(MRLError, RuntimeError):
    """Report a server's answer that cannot be read, or does not belong to what was asked."""


class QuotaError(MRLError, RuntimeError):
    """Report a server that stores no more: a quota is used up, or its disk is full."""


class MigrationError(MRLError):
    """Report a migration that cannot start or go on."""


def _portable(value: object) -> object:
    """Return a value itself, or its repr where it cannot be pickled."""
    try:
        pickle.dumps(value)
    except Exception:  # noqa: BLE001 - any object may stand here, and fail in its own way
        return repr(value)
    return value


def _remade(kind: type[MRLError], args: tuple[object, ...]) -> MRLError:
    """Make an error as it was before its attributes, for pickle and copy."""
    error = kind.__new__(kind)
    super(MRLError, error).__init__(*args)
    return error
