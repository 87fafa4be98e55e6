"""Where a server is, and the collections that a bench makes there and removes again."""

import re
import signal
import time
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import cast

from qdrant_client import QdrantClient
from typing_extensions import Self

from mrl_adapters.errors import ConfigurationError
from mrl_adapters.qdrant import connect

_PREFIX = "mrl_bench_"
_LATE_S = 0.5  # a request of a process that was ended may still make its collection
_LOOKS = 3  # for collections that came late


@dataclass(frozen=True)
class Place:
    """A server's address, as :func:`~mrl_adapters.qdrant.connect` takes it.

    Args:
        url: Where it is.
        api_key: Its key.
    """

    url: str
    api_key: str | None = field(default=None, repr=False)

    @contextmanager
    def connect(self) -> Iterator[QdrantClient]:
        """Open a client for the length of a block."""
        with warnings.catch_warnings():
            # Of a key without TLS: every contender's process would say it again.
            warnings.simplefilter("ignore")
            client = cast(QdrantClient, connect(url=self.url, api_key=self.api_key))
        try:
            yield client
        finally:
            client.close()


class OwnCollections:
    """Names that nobody else has; what was made under them is removed at the end of the block.

    Args:
        client: Whose collections.
        prefix: What the names begin with; None makes a new one.

    Raises:
        ConfigurationError: At the beginning: a collection there has such a name.
    """

    def __init__(self, client: QdrantClient, prefix: str | None = None) -> None:
        self._client = client
        self.prefix: str = prefix or f"{_PREFIX}{uuid.uuid4().hex[:12]}_"

    def name(self, contender: str) -> str:
        """Name the collection of a contender."""
        return self.prefix + re.sub(r"\W+", "_", contender)

    def __enter__(self) -> Self:
        if there := self._made():
            msg = (
                f"Collections that begin with {self.prefix!r} are there already: "
                f"{', '.join(there)}. A bench touches none that it did not make: choose another "
                "prefix."
            )
            raise ConfigurationError(msg, found=there)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with _undisturbed():
            try:
                # After an interruption once more: what was on its way may have arrived since.
                for look in range(_LOOKS if error is not None else 1):
                    if look:
                        time.sleep(_LATE_S)
                    for name in self._made():
                        self._client.delete_collection(name)
            except Exception as reason:  # noqa: BLE001 - whatever it is, these may be left
                warnings.warn(
                    f"Collections of the bench may be left on the server ({reason}): delete those "
                    f"whose names begin with {self.prefix!r}.",
                    RuntimeWarning,
                    stacklevel=2,
                )

    def _made(self) -> list[str]:
        listed = self._client.get_collections().collections
        return sorted(each.name for each in listed if each.name.startswith(self.prefix))


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Let a second Ctrl-C wait until the block has ended, where the system can."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
