"""Make requests with the SDK's clients: one or several at a time, sync or async.

Nothing of the SDK's own repetitions is used: they have no limit together, and would go on where
nobody waits any more.
"""

import asyncio
import contextvars
import math
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

from mrl_adapters.embeddings.openai.requests import Steps
from mrl_adapters.vectors import FloatArray
from mrl_adapters.waiting import Attempt, Pause, awithin, within

if TYPE_CHECKING:
    from openai import AsyncOpenAI, OpenAI


def _post(client: "OpenAI | AsyncOpenAI", attempt: Attempt) -> Any:
    """Post a request as it is, and read the body as it comes.

    ``embeddings.create`` looks at each text and makes a Python float of each number.
    """
    left_s = attempt.deadline.left_s
    options: dict[str, Any] = {"max_retries": 0}
    if not math.isinf(left_s):
        options["timeout"] = left_s
    return client.post("/embeddings", cast_to=bytes, body=attempt.request(), options=options)  # type: ignore[call-overload, unused-ignore] # one of two


def run(steps: Steps, client: "OpenAI") -> FloatArray:
    """Carry out one request."""
    try:
        step = next(steps)
        while True:
            body = None
            try:
                if isinstance(step, Pause):
                    time.sleep(step.delay_s)
                else:
                    body = within(step.deadline, partial(_post, client, step))
            except Exception as error:  # noqa: BLE001 - the request decides
                step = steps.throw(error)
            else:
                step = steps.send(body)
    except StopIteration as end:
        vectors: FloatArray = end.value
        return vectors


async def arun(steps: Steps, client: "AsyncOpenAI") -> FloatArray:
    """Carry out one request, without blocking the event loop."""
    try:
        step = next(steps)
        while True:
            body = None
            try:
                if isinstance(step, Pause):
                    await asyncio.sleep(step.delay_s)
                else:
                    body = await awithin(step.deadline, _post(client, step))
            except Exception as error:  # noqa: BLE001 - the request decides
                step = steps.throw(error)
            else:
                step = steps.send(body)
    except StopIteration as end:
        vectors: FloatArray = end.value
        return vectors


def run_all(requests: Sequence[Steps], client: "OpenAI", concurrency: int) -> list[FloatArray]:
    """Carry out requests, at most ``concurrency`` at a time; the first error ends all."""
    if len(requests) == 1:
        return [run(requests[0], client)]
    executor = ThreadPoolExecutor(min(concurrency, len(requests)), "mrl-openai")
    try:
        # Every thread sees the caller's context variables, so that tracing goes on.
        jobs = [
            executor.submit(contextvars.copy_context().run, run, steps, client)
            for steps in requests
        ]
        return [job.result() for job in jobs]
    finally:
        executor.shutdown(cancel_futures=True)


async def arun_all(
    requests: Sequence[Steps], client: "AsyncOpenAI", concurrency: int
) -> list[FloatArray]:
    """Carry out requests as :func:`run_all` does, without blocking the event loop."""
    gate = asyncio.Semaphore(concurrency)

    async def one(steps: Steps) -> FloatArray:
        async with gate:
            return await arun(steps, client)

    tasks = [asyncio.ensure_future(one(steps)) for steps in requests]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        # Nothing to do unless one failed or the caller gave up: then the others stop, too.
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
