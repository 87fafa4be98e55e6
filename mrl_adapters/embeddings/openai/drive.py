"""Run conversations with a server: one at a time or several, in both colours."""

import asyncio
import contextvars
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from mrl_adapters.embeddings.openai.answers import Answer
from mrl_adapters.embeddings.openai.conversation import Flow

if TYPE_CHECKING:
    from openai import AsyncOpenAI, OpenAI


def _unchecked(request: dict[str, Any]) -> dict[str, Any]:
    """Name the texts where the SDK sends them as they are: its look at each costs milliseconds.

    For the same reason the raw answer is read: of the parsed one, each number is a Python float.
    """
    from openai import Omit

    extra = {"input": request["input"]}
    if "encoding_format" not in request:
        # Left out, the SDK puts its own.
        request, extra["encoding_format"] = {**request, "encoding_format": "float"}, Omit()
    return {**request, "input": "", "extra_body": extra}


def run(flow: Flow, client: "OpenAI") -> Answer:
    """Run one conversation to its end."""
    create = client.embeddings.with_raw_response.create
    try:
        request = next(flow)
        while True:
            try:
                body = create(**_unchecked(request)).http_response.content
            except Exception as error:  # noqa: BLE001 - the conversation decides
                request = flow.throw(error)
            else:
                request = flow.send(body)
    except StopIteration as end:
        answer: Answer = end.value
        return answer


async def arun(flow: Flow, client: "AsyncOpenAI") -> Answer:
    """Run one conversation to its end, without blocking the event loop."""
    create = client.embeddings.with_raw_response.create
    try:
        request = next(flow)
        while True:
            try:
                body = (await create(**_unchecked(request))).http_response.content
            except Exception as error:  # noqa: BLE001 - the conversation decides
                request = flow.throw(error)
            else:
                request = flow.send(body)
    except StopIteration as end:
        answer: Answer = end.value
        return answer


def run_all(flows: Sequence[Flow], client: "OpenAI", concurrency: int) -> list[Answer]:
    """Run conversations, at most ``concurrency`` at a time; the first error ends all."""
    if len(flows) == 1:
        return [run(flows[0], client)]
    executor = ThreadPoolExecutor(min(concurrency, len(flows)), "mrl-openai")
    try:
        # Each thread sees the caller's context variables, so that tracing goes on.
        jobs = [
            executor.submit(contextvars.copy_context().run, run, flow, client) for flow in flows
        ]
        return [job.result() for job in jobs]
    finally:
        executor.shutdown(cancel_futures=True)


async def arun_all(flows: Sequence[Flow], client: "AsyncOpenAI", concurrency: int) -> list[Answer]:
    """Run conversations as :func:`run_all` does, without blocking the event loop."""
    gate = asyncio.Semaphore(concurrency)

    async def one(flow: Flow) -> Answer:
        async with gate:
            return await arun(flow, client)

    tasks = [asyncio.ensure_future(one(flow)) for flow in flows]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        # Nothing to do unless one failed or the caller gave up: then the others stop, too.
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
