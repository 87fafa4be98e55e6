"""Values that are computed once each, by whoever asks first."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Kept(Generic[Value]):
    """Values by key. Who asks for one that another thread is computing waits for that one alone.

    Args:
        weigh: Counts the bytes of a value; None keeps all.
        most: Bytes that are kept; the last value asked for is kept whatever it weighs.
    """

    def __init__(self, weigh: Callable[[Value], int] | None = None, most: int = 0) -> None:
        self._weigh = weigh
        self._most = most
        self._lock = threading.Lock()
        self._held: OrderedDict[Hashable, Future[Value]] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """Return a value, computed if it is not held.

        Args:
            key: Names it.
            make: Computes it; what it raises is raised for all who wait, and forgotten.
        """
        with self._lock:
            found = self._held.get(key)
            if found is not None:
                self._held.move_to_end(key)
            else:
                own = self._held[key] = Future[Value]()
        if found is not None:
            return found.result()
        try:
            own.set_result(make())
        except BaseException as error:
            with self._lock:
                self._held.pop(key, None)
            own.set_exception(error)
            raise
        self._drop()
        return own.result()

    def __contains__(self, key: Hashable) -> bool:
        """Whether a value is there without waiting."""
        with self._lock:
            found = self._held.get(key)
        return found is not None and found.done()

    def _drop(self) -> None:
        """Let go of what was asked for longest ago."""
        if self._weigh is None:
            return
        with self._lock:
            done = {key: each for key, each in self._held.items() if each.done()}
            weight = sum(self._weigh(each.result()) for each in done.values())
            for key, each in list(done.items())[:-1]:
                if weight <= self._most:
                    return
                weight -= self._weigh(each.result())
                del self._held[key]
