"""Calls that are awaited until a deadline: what they give, raise and see, and what is left."""

import asyncio
import contextvars
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from mrl_adapters.errors import DeadlineError
from mrl_adapters.waiting import Deadline, awithin, within
from mrl_adapters.waiting.bounded import _IDLE

SOON = 0.05


def fail() -> None:
    raise LookupError


def test_a_calls_result_is_given_and_its_error_raised() -> None:
    assert within(Deadline(9), lambda: 7) == 7
    with pytest.raises(LookupError):
        within(Deadline(9), fail)


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_whatever_a_call_raises_is_raised_here(kind: type[BaseException]) -> None:
    def stop() -> None:
        raise kind

    with pytest.raises(kind):
        within(Deadline(9), stop)
    assert within(Deadline(9), lambda: 7) == 7


def test_a_call_without_a_limit_is_made_in_the_callers_thread() -> None:
    assert within(Deadline(None), threading.get_ident) == threading.get_ident()


def test_a_call_that_takes_too_long_is_left_to_itself() -> None:
    ended = threading.Event()

    def slow() -> None:
        ended.wait(9)

    began = time.monotonic()
    with pytest.raises(DeadlineError, match=r"within 0\.05 s"):
        within(Deadline(SOON), slow)
    assert time.monotonic() - began < 2
    ended.set()


def test_a_call_sees_the_callers_context() -> None:
    word: contextvars.ContextVar[str] = contextvars.ContextVar("word", default="none")
    word.set("mine")
    assert within(Deadline(9), word.get) == "mine"


def test_threads_are_used_again() -> None:
    within(Deadline(9), int)
    before = threading.active_count()
    assert len({within(Deadline(9), threading.get_ident) for _ in range(50)}) == 1
    assert threading.active_count() == before


def test_concurrent_calls_get_their_own_results() -> None:
    def square(number: int) -> int:
        return within(Deadline(9), lambda: number * number)

    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(square, range(500))) == [each * each for each in range(500)]


def test_a_call_that_was_given_up_does_not_keep_the_interpreter_alive() -> None:
    code = (
        "import time\n"
        "from mrl_adapters.waiting import Deadline, within\n"
        "try: within(Deadline(0.1), lambda: time.sleep(60))\n"
        "except TimeoutError: print('late')"
    )
    began = time.monotonic()
    done = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True, timeout=50
    )
    assert done.stdout == "late\n"
    assert time.monotonic() - began < 30


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows does not fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_process_has_threads_of_its_own() -> None:
    within(Deadline(9), int)
    assert _IDLE
    child = os.fork()
    if not child:
        try:
            os._exit(within(Deadline(9), lambda: 7))
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


async def test_an_awaited_answer_is_given_and_its_error_raised() -> None:
    async def answer(word: str) -> str:
        if word == "wrong":
            raise LookupError
        return word

    for limit_s in (9, None):
        assert await awithin(Deadline(limit_s), answer("right")) == "right"
        with pytest.raises(LookupError):
            await awithin(Deadline(limit_s), answer("wrong"))


async def test_an_answer_that_takes_too_long_is_cancelled() -> None:
    cancelled = asyncio.Event()

    async def slow() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    with pytest.raises(DeadlineError):
        await awithin(Deadline(SOON), slow())
    assert cancelled.is_set()


async def test_a_timeout_of_the_answers_own_is_left_as_it_is() -> None:
    async def impatient() -> None:
        raise asyncio.TimeoutError

    with pytest.raises(asyncio.TimeoutError) as caught:
        await awithin(Deadline(9), impatient())
    assert not isinstance(caught.value, DeadlineError)
