"""What is asked again, after how long, and what Retry-After says."""

import math
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrl_adapters.waiting import Attempt, Deadline, Pause, attempts, backoff_s, retry_after_s


def drive(failures: int, deadline: Deadline, retries: int, pause: Pause | None) -> tuple[Any, int]:
    """Give what becomes of a request that fails so often, and how many pauses were made."""
    steps = attempts("request", deadline, retries, lambda error, attempt: pause)
    pauses = made = 0
    step = next(steps)
    try:
        while True:
            if isinstance(step, Pause):
                pauses += 1
                step = steps.send(None)
                continue
            assert step == Attempt("request", deadline)
            made += 1
            step = steps.throw(LookupError(made)) if made <= failures else steps.send("answer")
    except StopIteration as end:
        return end.value, pauses
    except LookupError as error:
        return error.args[0], pauses


def test_a_request_is_made_again_until_it_succeeds() -> None:
    assert drive(3, Deadline(9), 4, Pause(1)) == ("answer", 3)


def test_the_last_failure_is_raised_after_the_last_repetition() -> None:
    assert drive(9, Deadline(99), 4, Pause(1)) == (5, 4)


def test_a_final_failure_is_raised_at_once() -> None:
    assert drive(9, Deadline(99), 4, None) == (1, 0)


def test_a_failure_is_raised_where_no_time_is_left_for_a_pause() -> None:
    assert drive(9, Deadline(9), 4, Pause(10)) == (1, 0)
    assert drive(9, Deadline(9, more_s=15), 4, Pause(10, asked=True)) == (5, 4)


def test_pauses_double_up_to_eight_seconds() -> None:
    assert [backoff_s(attempt) for attempt in range(7)] == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 8]
    assert backoff_s(10**9) == 8


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7), ("0", 0), (" 1.5 ", 1.5), ("-3", 0), ("9" * 400, math.inf), ("inf", math.inf)],
)
def test_seconds_are_read_as_they_are(header: str, seconds: float) -> None:
    assert retry_after_s(header) == seconds


@pytest.mark.parametrize(
    "header", [None, "", "soon", "nan", "2 minutes", "Mon, 99 Foo 2026 10:00:00 GMT", "٣٠ دقيقة"]
)
def test_what_says_nothing_is_nothing(header: str | None) -> None:
    assert retry_after_s(header) is None


@given(st.integers(-(10**6), 10**9))
def test_dates_are_read_as_seconds_from_now(seconds: int) -> None:
    moment = datetime.now(timezone.utc) + timedelta(seconds=seconds)
    read = retry_after_s(format_datetime(moment, usegmt=True))
    assert read is not None
    assert max(0, seconds) - 2 <= read <= max(0, seconds)


def test_a_date_without_a_zone_is_utc() -> None:
    moment = datetime.now(timezone.utc) + timedelta(seconds=100)
    read = retry_after_s(moment.strftime("%a, %d %b %Y %H:%M:%S"))
    assert read is not None
    assert 97 < read <= 100


@given(st.text(max_size=40))
def test_no_header_is_an_error(header: str) -> None:
    read = retry_after_s(header)
    assert read is None or read >= 0
