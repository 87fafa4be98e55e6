"""What flows yield: the steps that a driver carries out for them."""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from qdrant_client import QdrantClient

from mrl_adapters.waiting import Attempt, Pause

T = TypeVar("T")

Request: TypeAlias = Callable[[QdrantClient], Any]


@dataclass(frozen=True)
class Change:
    """A request that writes: from here on a cancelled operation is carried through."""

    request: Request

    def __call__(self, client: QdrantClient) -> Any:
        """Carry it out as any request."""
        return self.request(client)


@dataclass(frozen=True)
class Rest:
    """Let the operations of others go first, where they go one at a time: between two pages."""


@dataclass(frozen=True)
class Limit:
    """Ask for the deadline of a request that is about to be made.

    Args:
        changes: Whether it writes. Such a one waits longer where the server asks for it: a load
            is worth more than the wait.
    """

    changes: bool


@dataclass(frozen=True)
class Bound:
    """Limit the whole operation, from its beginning.

    Args:
        limit_s: Seconds; None takes the client's limit for one request.
    """

    limit_s: float | None


Step: TypeAlias = Attempt | Pause | Rest | Limit | Bound
Flow: TypeAlias = Generator[Step, Any, T]


def changes(step: Step) -> bool:
    """Tell whether a step writes."""
    return isinstance(step, Attempt) and isinstance(step.request, Change)
