"""Say what went wrong inside the engine in the package's own words."""

from types import TracebackType

from mrl_adapters.errors import ConfigurationError, DimensionsError, EngineError, MRLError

# What the engine says of a request that does not fit the collection, and what that is.
_REFUSALS: dict[str, type[MRLError]] = {
    "Vector dimension error": DimensionsError,
    "Not existing vector name error": ConfigurationError,
}


class EngineErrors:
    """Turn the exceptions of a block into EngineError.

    A class, for it stands around every query: contextlib's generators take several times as long.

    Args:
        name: The collection's name, for the message.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # The binding raises bare Exception for everything that goes wrong inside the engine.
        if kind is Exception:
            message = f"Collection {self._name!r}: {error}"
            kinds = (kind for start, kind in _REFUSALS.items() if str(error).startswith(start))
            raise next(kinds, EngineError)(message, collection=self._name) from error
