"""One thing where a list of them is expected is refused; every kind of list is taken."""

import types
from collections import deque
from typing import Any

import numpy as np
import pytest
from pydantic import BaseModel

from mrl_adapters.arguments import require_list
from mrl_adapters.errors import ConfigurationError


class Model(BaseModel):
    text: str = "a"


@pytest.mark.parametrize(
    "lone",
    ["", "text", "é" * 1000, b"text", bytearray(b"a"), 3, None, Model(), 0.5],
    ids=lambda each: repr(each)[:20],
)
def test_one_thing_is_refused_in_one_sentence_that_shows_it(lone: Any) -> None:
    with pytest.raises(
        ConfigurationError, match=r"things is .* expected a list of things: pass a list"
    ) as met:
        require_list(lone, "things", "things")
    assert len(str(met.value)) < 150


@pytest.mark.parametrize(
    "several",
    [
        [],
        ["a"],
        ("a",),
        {"a"},
        frozenset("a"),
        deque("a"),
        np.array(["a"]),
        iter("a"),
        {}.keys(),
        {"a": 1},
    ],
    ids=lambda each: type(each).__name__,
)
def test_whatever_is_read_one_by_one_is_taken_as_it_is(several: Any) -> None:
    assert require_list(several, "things", "things") is several


def test_a_generator_is_not_read() -> None:
    def never() -> Any:
        raise AssertionError
        yield

    assert isinstance(require_list(never(), "things", "things"), types.GeneratorType)


def test_one_of_what_the_list_should_hold_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"things is .*dict.*pass a list"):
        require_list({"a": 1}, "things", "dicts", one=dict)
