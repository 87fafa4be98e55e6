"""Deadlines: how much is left, which pauses fit, and how their errors read."""

import math
import time

import pytest

from mrl_adapters.errors import DeadlineError
from mrl_adapters.waiting import Deadline


def test_what_is_left_falls_and_is_never_negative() -> None:
    deadline = Deadline(5)
    assert 4 < deadline.left_s <= 5
    assert Deadline(5, since_s=time.monotonic() - 9).left_s == 0
    assert math.isinf(Deadline(None).left_s)


def test_a_pause_fits_if_there_is_time_after_it() -> None:
    assert Deadline(5).allows(4)
    assert not Deadline(5).allows(5)
    assert not Deadline(5).allows(math.inf)
    assert Deadline(None).allows(1e9)
    assert not Deadline(None).allows(math.inf)


def test_a_pause_that_the_server_asks_for_adds_time_as_far_as_there_is_more() -> None:
    deadline = Deadline(5, more_s=5)
    assert not deadline.allows(7)
    assert not deadline.allows(11, asked=True)
    assert deadline.allows(3, asked=True)
    assert 7 < deadline.left_s <= 8
    assert deadline.allows(6, asked=True)
    assert 9 < deadline.left_s <= 10
    assert not deadline.allows(10, asked=True)


def test_a_part_ends_with_the_whole() -> None:
    whole, part = Deadline(1), Deadline(5)
    assert part.cut(whole) is whole
    assert whole.cut(part) is whole
    assert part.cut(Deadline(None)) is part


def test_the_error_says_how_long_it_was_and_what_to_do() -> None:
    error = Deadline(2.5, remedy="Pass timeout_s=.").error()
    assert isinstance(error, DeadlineError)
    assert isinstance(error, TimeoutError)
    assert str(error) == (
        "The server's answer was not complete within 2.5 s, repetitions and pauses included. "
        "Pass timeout_s=."
    )
    assert error.expected == 2.5


@pytest.mark.parametrize("limit_s", [1, 60.0])
def test_without_a_remedy_it_ends_there(limit_s: float) -> None:
    assert str(Deadline(limit_s).error()).endswith("pauses included.")
