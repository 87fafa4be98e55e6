"""Which fields of a dataclass its caller chose, and which were left to their defaults."""

from dataclasses import fields
from functools import wraps
from typing import TypeVar

T = TypeVar("T")


def knowing_given(kind: type[T]) -> type[T]:
    """Let each object of a dataclass know which of its fields its caller chose.

    What was left open takes what an existing collection has. A call that passes every field is
    one of ``dataclasses.replace``: there what differs from its default was chosen.
    """
    made = kind.__init__
    every = fields(kind)  # type: ignore[arg-type] # a dataclass, which no bound of T can say

    @wraps(made)
    def init(self: object, *args: object, **options: object) -> None:
        passed = {each.name for each in every[: len(args)]} | set(options)
        made(self, *args, **options)
        if len(passed) == len(every):
            passed = {each.name for each in every if getattr(self, each.name) != each.default}
        object.__setattr__(self, "_given", frozenset(passed))

    setattr(kind, "__init__", init)  # noqa: B010 - to mypy a method is not assigned to
    return kind
