"""The line from one operation to its client: how long a server is waited for, and what it says.

A server may be late, answer drop by drop, or with what is no answer: a proxy's page, a body that is
cut off, null where a result belongs. qdrant-client raises for these whatever it stumbles over.
"""

import asyncio
import contextlib
import inspect
import math
import time
from collections.abc import Iterator
from functools import partial
from json import JSONDecodeError
from typing import Any

from pydantic import ValidationError
from qdrant_client import AsyncQdrantClient, QdrantClient, models
from qdrant_client.common.client_exceptions import QdrantException, ResourceExhaustedResponse
from qdrant_client.http.exceptions import ResponseHandlingException

from mrl_adapters.errors import AnswerError, DeadlineError
from mrl_adapters.qdrant.engine import engine_of
from mrl_adapters.qdrant.steps import Bound, Limit, Step
from mrl_adapters.waiting import Attempt, Deadline, Pause, awithin, retry_after_s, within

# qdrant-client's own 5 s, a limit for each step of a request, are too short for the whole of one
# that writes or reads much.
USUAL_LIMIT_S = 60

_REMEDY = "Pass more: connect(timeout=...), or timeout_s= in the plan of a search."
_BAD_HEADER = "Retry-After header value is not a valid integer: "
_FAR_S = 10**9


class NotAppliedError(DeadlineError):
    """Report a change that a server has taken and not applied yet."""


class Line:
    """Carry out the steps of one operation, in either colour.

    Args:
        limit_s: Limit for one request with its repetitions, seconds; None where an engine in this
            process answers, which is waited for.
    """

    def __init__(self, limit_s: float | None = None) -> None:
        self._limit_s = limit_s
        self._whole = Deadline(None)
        self._began_s = time.monotonic()

    @classmethod
    def to(cls, client: object) -> "Line":
        """Give a new operation's line to a client.

        Args:
            client: Whatever answers.
        """
        if not isinstance(client, QdrantClient | AsyncQdrantClient):
            return cls()
        if not engine_of(client).is_server:
            return cls()
        given = client.init_options.get("timeout")
        return cls(USUAL_LIMIT_S if given is None else given)

    def carry_out(self, step: Step, client: QdrantClient) -> Any:
        """Carry out a step, blocking.

        Args:
            step: The step.
            client: The client that makes requests.

        Returns:
            What the flow is told.
        """
        if isinstance(step, Pause):
            return time.sleep(step.delay_s)
        if isinstance(step, Attempt):
            with self._readable():
                return _applied(within(step.deadline, partial(step.request, client)))
        return self._told(step)

    async def acarry_out(self, step: Step, client: QdrantClient) -> Any:
        """Carry out a step without blocking the event loop.

        Args:
            step: The step.
            client: The asynchronous client, under the blocking one's type.

        Returns:
            What the flow is told.
        """
        if isinstance(step, Pause):
            return await asyncio.sleep(step.delay_s)
        if isinstance(step, Attempt):
            with self._readable():
                answer = step.request(client)
                if inspect.isawaitable(answer):
                    answer = await awithin(step.deadline, answer)
                return _applied(answer)
        return self._told(step)

    def _told(self, step: Step) -> Deadline | None:
        if isinstance(step, Limit):
            more_s = (self._limit_s or 0.0) if step.changes else 0.0
            return Deadline(self._limit_s, more_s=more_s, remedy=_REMEDY).cut(self._whole)
        if isinstance(step, Bound) and self._limit_s is not None:
            limit_s = self._limit_s if step.limit_s is None else step.limit_s
            self._whole = Deadline(limit_s, since_s=self._began_s, remedy=_REMEDY)
        return None

    @contextlib.contextmanager
    def _readable(self) -> Iterator[None]:
        """Say in words what the client makes of an answer that is none."""
        try:
            yield
        except (AssertionError, JSONDecodeError, RecursionError, UnicodeDecodeError) as error:
            if self._limit_s is None:
                raise
            raise _unreadable(error) from error
        except ResponseHandlingException as error:
            if not isinstance(error.source, ValueError):
                raise
            raise _unreadable(error.source) from error
        except QdrantException as error:
            # Of Retry-After the client reads seconds alone, and fails over dates.
            _, bad, header = str(error).partition(_BAD_HEADER)
            if not bad:
                raise
            seconds = math.ceil(min(retry_after_s(header) or 0.0, _FAR_S))
            raise ResourceExhaustedResponse("", seconds) from error


def _applied(answer: Any) -> Any:
    if getattr(answer, "status", None) is models.UpdateStatus.WAIT_TIMEOUT:
        msg = (
            "The Qdrant server has taken a change and not applied it in time (wait_timeout). It "
            "will, unless it is overloaded; the same call again waits for it."
        )
        raise NotAppliedError(msg, found="wait_timeout", expected="completed")
    return answer


def _unreadable(error: Exception) -> AnswerError:
    why = str(error)
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        why = f"{'.'.join(map(str, first['loc'][1:])) or 'the whole of it'}: {first['msg']}"
    return AnswerError(
        f"The Qdrant server's answer cannot be read ({why}). Check the address (does another "
        "service, or a proxy, answer there?) and that server and qdrant-client are not versions "
        "apart."
    )
