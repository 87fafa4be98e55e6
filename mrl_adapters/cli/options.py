"""Options that several commands take."""

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

CollectionArgument: TypeAlias = Annotated[
    str, typer.Argument(metavar="NAME", help="The collection's name.")
]
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
FullNameOption: TypeAlias = Annotated[
    str | None,
    typer.Option(help="Which vector is the full one, if several could be.", show_default=False),
]
CountedOption: TypeAlias = Annotated[
    int, typer.Option("-k", min=1, help="Results of a search that count.")
]
SeedOption: TypeAlias = Annotated[
    int, typer.Option(help="Draws the samples: the same seed, the same result.")
]
PlotOption: TypeAlias = Annotated[
    Path | None,
    typer.Option(help="Draw it into this file: .png, .svg or .pdf.", show_default=False),
]
JsonOption: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def parse_sizes(text: str, option: str = "--stages") -> tuple[int, ...]:
    """Read sizes between commas.

    Args:
        text: Such as ``64,256``.
        option: Where it was given, for the message.

    Returns:
        The sizes, in the order given.

    Raises:
        typer.BadParameter: It is no list of whole numbers.
    """
    try:
        return tuple(int(each) for each in text.split(","))
    except ValueError:
        msg = f"expected sizes between commas such as 64,256, found {text!r}"
        raise typer.BadParameter(msg, param_hint=option) from None
