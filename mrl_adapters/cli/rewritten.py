"""What the commands that rewrite a collection's vectors print alike."""

import json
from typing import TYPE_CHECKING, Any

from rich.text import Text

from mrl_adapters.cli.terminal import output, wrapped

if TYPE_CHECKING:
    from mrl_adapters.qdrant.driver import Client

AGAIN = "Others wrote meanwhile: run it again when they are done."
_PLAN = (
    "The search plan that tune had saved is gone: it was measured on other short vectors. "
    "Make a new one with: {}"
)


def told_with(what: str, notes: list[str]) -> Text:
    """Put notes below what was done."""
    return Text("\n").join(
        [Text(wrapped(what)), *(Text(wrapped(each), "yellow") for each in notes)]
    )


def tuning_anew(name: str, client: "Client") -> str:
    """Say that a saved plan is gone, and how to make another."""
    from mrl_adapters.qdrant.commands import command

    return _PLAN.format(command("tune", name, "--save", client=client))


def listed(stages: tuple[int, ...]) -> str:
    """List stages as the commands take them."""
    return ", ".join(map(str, stages))


def print_outcome(plain: dict[str, Any], text: Text, *, as_json: bool) -> None:
    """Print what was done, as JSON if asked."""
    if as_json:
        output.print_json(json.dumps(plain))
    else:
        output.print(text, soft_wrap=True)
