"""``mrl-adapters backup`` and ``restore``: a collection with what belongs to it, in one file."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from mrl_adapters.cli.options import (
    ApiKeyOption,
    CollectionArgument,
    JsonOption,
    PathOption,
    UrlOption,
    some,
    some_path,
)
from mrl_adapters.cli.terminal import output, waiting

_FileArgument = Annotated[Path, typer.Argument(parser=some_path, metavar="FILE", help="The file.")]


def backup(
    *,
    collection: CollectionArgument,
    file: _FileArgument,
    path: PathOption = None,
    url: UrlOption = None,
    api_key: ApiKeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a collection, its rotation, its metadata and its saved plan into one new file."""
    from mrl_adapters.cli.engines import open_client
    from mrl_adapters.maintenance import backup as run

    with open_client(path, url, api_key) as client, waiting("Reading the collection"):
        done = run(client, collection, file)
    told = f"{done.collection_name}: {done.points:,} points are in {done.file}."
    output.print(json.dumps(done.to_dict()) if as_json else Text(told), soft_wrap=True)


def restore(
    *,
    file: _FileArgument,
    name: Annotated[
        str | None,
        typer.Option("--as", parser=some, metavar="NAME", help="Another name for the collection."),
    ] = None,
    path: PathOption = None,
    url: UrlOption = None,
    api_key: ApiKeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a collection from a file that backup wrote; none that exists is replaced."""
    from mrl_adapters.cli.engines import open_client
    from mrl_adapters.maintenance import restore as run

    with open_client(path, url, api_key, make=True) as client, waiting("Restoring the collection"):
        done = run(client, file, collection_name=name)
    told = f"{done.collection_name}: {done.points:,} points are back from {done.file}."
    output.print(json.dumps(done.to_dict()) if as_json else Text(told), soft_wrap=True)
