"""Run conversations with a server: one at a time or several, in both colours."""

import asyncio
import contextvars
import dataclasses
import math
import time
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from mrl_adapters.embeddings.openai.answers import Answer
from mrl_adapters.embeddings.openai.conversation import Flow
from mrl_adapters.waiting import (
    Attempt,
    Deadline,
    Pause,
    attempts,
    awithin,
    backoff_s,
    retry_after_s,
    within,
)

if TYPE_CHECKING:
    from openai import AsyncOpenAI, OpenAI

_Client = TypeVar("_Client", "OpenAI", "AsyncOpenAI")
_Steps: TypeAlias = Generator[Attempt | Pause, Any, Answer]

_PASSING = frozenset({408, 409, 429})  # beside 5xx, as the SDK has it
_UNKNOWN = 501  # the server does not know a parameter
_REMEDY = "Pass more: OpenAIOptions(timeout_s=...), or the timeout of your own client."


@dataclasses.dataclass(frozen=True)
class Patience:
    """How long one request may take.

    Args:
        limit_s: With its repetitions and the pauses between them, seconds; None is no limit.
        retries: How often it is repeated.
        more_s: Seconds that are added where the server itself says when to come back.
    """

    limit_s: float | None
    retries: int
    more_s: float = 0.0


def _steps(flow: Flow, patience: Patience) -> _Steps:
    """Turn a conversation into attempts and pauses: what fails for the moment is repeated.

    The SDK's own repetitions have no limit together, and would go on where nobody waits any more.
    """
    deadline = Deadline(patience.limit_s, more_s=patience.more_s, remedy=_REMEDY)
    try:
        request = next(flow)
        while True:
            try:
                body = yield from attempts(request, deadline, patience.retries, _pause_after)
            except Exception as error:  # noqa: BLE001 - the conversation decides
                request = flow.throw(error)
            else:
                request = flow.send(body)
    except StopIteration as end:
        answer: Answer = end.value
        return answer


def _pause_after(error: Exception, attempt: int) -> Pause | None:
    """Say how long to wait before a request is repeated; None if that cannot help."""
    import openai

    if isinstance(error, openai.APIStatusError):
        headers = error.response.headers
        said = headers.get("x-should-retry")  # the API's own word goes first
        status = error.status_code
        passing = status in _PASSING or (status >= 500 and status != _UNKNOWN)  # noqa: PLR2004
        if said == "false" or not (passing or said == "true"):
            return None
        milliseconds = retry_after_s(headers.get("retry-after-ms"))
        asked_s = retry_after_s(headers.get("retry-after"))
        if milliseconds is not None:
            asked_s = milliseconds / 1000
        if asked_s:
            return Pause(asked_s, asked=True)
    elif not isinstance(error, openai.APIConnectionError):
        return None
    return Pause(backoff_s(attempt))


def _arguments(attempt: Attempt) -> dict[str, Any]:
    """Name the texts where the SDK sends them as they are: its look at each costs milliseconds.

    For the same reason the raw answer is read: of the parsed one, each number is a Python float.
    """
    from openai import Omit

    request = attempt.request
    extra = {"input": request["input"]}
    if "encoding_format" not in request:
        # Left out, the SDK puts its own.
        request, extra["encoding_format"] = {**request, "encoding_format": "float"}, Omit()
    arguments = {**request, "input": "", "extra_body": extra}
    left_s = attempt.deadline.left_s
    return arguments if math.isinf(left_s) else {**arguments, "timeout": left_s}


def _unrepeated(client: _Client) -> _Client:
    return client.with_options(max_retries=0) if client.max_retries else client


def run(flow: Flow, client: "OpenAI", patience: Patience) -> Answer:
    """Run one conversation to its end."""
    create = _unrepeated(client).embeddings.with_raw_response.create
    steps = _steps(flow, patience)

    def carry_out(step: Attempt | Pause) -> Any:
        if isinstance(step, Pause):
            return time.sleep(step.delay_s)
        return within(step.deadline, partial(create, **_arguments(step))).http_response.content

    try:
        step = next(steps)
        while True:
            try:
                value = carry_out(step)
            except Exception as error:  # noqa: BLE001 - the conversation decides
                step = steps.throw(error)
            else:
                step = steps.send(value)
    except StopIteration as end:
        answer: Answer = end.value
        return answer


async def arun(flow: Flow, client: "AsyncOpenAI", patience: Patience) -> Answer:
    """Run one conversation to its end, without blocking the event loop."""
    create = _unrepeated(client).embeddings.with_raw_response.create
    steps = _steps(flow, patience)

    async def carry_out(step: Attempt | Pause) -> Any:
        if isinstance(step, Pause):
            return await asyncio.sleep(step.delay_s)
        return (await awithin(step.deadline, create(**_arguments(step)))).http_response.content

    try:
        step = next(steps)
        while True:
            try:
                value = await carry_out(step)
            except Exception as error:  # noqa: BLE001 - the conversation decides
                step = steps.throw(error)
            else:
                step = steps.send(value)
    except StopIteration as end:
        answer: Answer = end.value
        return answer


def run_all(
    flows: Sequence[Flow], client: "OpenAI", concurrency: int, patience: Patience
) -> list[Answer]:
    """Run conversations, at most ``concurrency`` at a time; the first error ends all."""
    if len(flows) == 1:
        return [run(flows[0], client, patience)]
    executor = ThreadPoolExecutor(min(concurrency, len(flows)), "mrl-openai")
    try:
        # Each thread sees the caller's context variables, so that tracing goes on.
        jobs = [
            executor.submit(contextvars.copy_context().run, run, flow, client, patience)
            for flow in flows
        ]
        return [job.result() for job in jobs]
    finally:
        executor.shutdown(cancel_futures=True)


async def arun_all(
    flows: Sequence[Flow], client: "AsyncOpenAI", concurrency: int, patience: Patience
) -> list[Answer]:
    """Run conversations as :func:`run_all` does, without blocking the event loop."""
    gate = asyncio.Semaphore(concurrency)

    async def one(flow: Flow) -> Answer:
        async with gate:
            return await arun(flow, client, patience)

    tasks = [asyncio.ensure_future(one(flow)) for flow in flows]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        # Nothing to do unless one failed or the caller gave up: then the others stop, too.
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
