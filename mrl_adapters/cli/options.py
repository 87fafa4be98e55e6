"""Options that several commands take."""

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

PathOption: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        help="Folder of the embedded engine. Default: a folder of your user's data.",
        show_default=False,
    ),
]
UrlOption: TypeAlias = Annotated[
    str | None,
    typer.Option(help="Address of a Qdrant server, instead of --path.", show_default=False),
]
ApiKeyOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        envvar="QDRANT_API_KEY",
        help="The server's key. Better set in the environment: no shell history keeps it there.",
        show_default=False,
    ),
]
ModelOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        help=(
            "wordllama (in this process, no download), openai:NAME or sentence-transformers:NAME. "
            "Default: the model that wrote the collection; wordllama for a new one."
        ),
        show_default=False,
    ),
]
StagesOption: TypeAlias = Annotated[
    str | None,
    typer.Option(help="Sizes of the short vectors, such as 64,256.", show_default=False),
]
JsonOption: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def parse_stages(text: str | None) -> tuple[int, ...] | None:
    """Read sizes between commas.

    Args:
        text: Such as ``64,256``.

    Returns:
        The sizes as given; None for None.

    Raises:
        typer.BadParameter: It is no list of whole numbers.
    """
    if text is None:
        return None
    try:
        return tuple(int(each) for each in text.split(","))
    except ValueError:
        msg = f"expected sizes between commas such as 64,256, found {text!r}"
        raise typer.BadParameter(msg, param_hint="--stages") from None
